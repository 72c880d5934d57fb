"""What can be wrong with a spool, each with a message that says what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from crossregion.errors import RuntimeFault

BUSY_SECONDS = 60.0


class SpoolError(RuntimeFault):
    """The spool cannot be used. The message says what to do."""


class SpoolForeign(SpoolError):
    """The file is another unit's spool, or none at all."""


class SpoolTooNew(SpoolError):
    """A newer version of crossregion wrote the file."""


class SpoolDamaged(SpoolError):
    """What the file holds is not what was written."""


class SpoolBusy(SpoolError):
    """Another process has held the file for too long."""


class SpoolFull(SpoolError):
    """There is no room left on the disk."""


def damaged(path: Path) -> SpoolDamaged:
    """The fault of a file that does not hold what was written."""
    return SpoolDamaged(
        f"{path} is damaged: move it away and publish the exports again; "
        "a new spool reads from the unit's own topics what has been sent."
    )


def is_busy(error: BaseException) -> bool:
    """Whether another process is at it."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    return isinstance(error, sqlite3.Error) and code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def fault(path: Path, error: sqlite3.Error, waited: float = BUSY_SECONDS) -> SpoolError:
    """What is wrong with a spool, and what to do, by what SQLite says."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return SpoolForeign(f"{path} is no spool: move it away.")
    if code == sqlite3.SQLITE_CORRUPT:
        return damaged(path)
    if is_busy(error):
        return SpoolBusy(
            f"{path} has been held by another process for {waited:g} s: "
            "end that process, then try again."
        )
    if code == sqlite3.SQLITE_FULL:
        return SpoolFull(f"The disk of {path} is full: make room, then try again.")
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return SpoolError(f"{path} cannot be used ({name}): check its permissions and its disk.")
