"""Patches of libraries are for one exact version each."""

from __future__ import annotations

from importlib import metadata

from crossregion.errors import RuntimeFault


class PatchMismatch(RuntimeFault):
    """Another version of a library is installed than the one that its patches are for."""


def require_version(library: str, version: str) -> None:
    """Check that a distribution is installed in the version that its patches were written for.

    Raises: PatchMismatch.
    """
    found = metadata.version(library)
    if found != version:
        raise PatchMismatch(
            f"{library} {found} is installed, and its patches are for {version}: install that "
            "version, or see whether each patch is still needed."
        )
