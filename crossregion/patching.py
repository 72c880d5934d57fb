"""Patches of libraries are for one exact version each."""

from __future__ import annotations

from importlib import metadata

from crossregion.errors import CrossregionError


class PatchMismatch(CrossregionError):
    """Another version of a library is installed than the one that its patches are for."""

    code = "patch-mismatch"


def require_version(library: str, version: str) -> None:
    """Check that a distribution is installed in the version that its patches were written for.

    Raises: PatchMismatch.
    """
    found = metadata.version(library)
    if found != version:
        raise PatchMismatch(library=library, found=found, version=version)
