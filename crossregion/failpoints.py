"""Failpoints: places in the code where the fault tests end a process, or raise.

Nothing happens unless two settings and a file agree: `CROSSREGION_FAILPOINT` names the point (or
is `any`), and in the directory `CROSSREGION_FAILPOINT_DIRECTORY` stands a file with its name.
The file is removed first, so that a point strikes once for each file, whichever process comes by.
Whoever can set a process's environment and write its files can end it without this.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

from crossregion.settings import settings

ANY = "any"
KILLED = 137
RAISE = "raise"
"""A file with this content makes its point raise instead."""


class Injected(Exception):
    """An error of no known kind, raised for a test."""


def failpoint(name: str) -> None:
    """End the process at once, or raise Injected, where a test has asked for it."""
    asked, directory = _asked()
    if directory is None or asked not in (ANY, name):
        return
    file = directory / name
    try:
        content = file.read_text()
        file.unlink()
    except FileNotFoundError:
        return
    if content == RAISE:
        raise Injected(name)
    os._exit(KILLED)


@functools.cache
def _asked() -> tuple[str | None, Path | None]:
    chosen = settings()
    return chosen.failpoint, chosen.failpoint_directory if chosen.failpoint else None
