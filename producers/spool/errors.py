"""What can be wrong with a spool, each with a message that says what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from crossregion.errors import CrossregionError

BUSY_SECONDS = 60.0


class SpoolError(CrossregionError):
    """The spool cannot be used. The message says what to do."""

    code = "spool"


class SpoolForeign(SpoolError):
    """The file is another unit's spool, or none at all."""

    code = "spool-foreign"


class SpoolTooNew(SpoolError):
    """A newer version of crossregion wrote the file."""

    code = "spool-too-new"


class SpoolDamaged(SpoolError):
    """What the file holds is not what was written."""

    code = "spool-damaged"


class SpoolBusy(SpoolError):
    """Another process has held the file for too long."""

    code = "spool-busy"


class SpoolFull(SpoolError):
    """There is no room left on the disk."""

    code = "spool-full"


def damaged(path: Path) -> SpoolDamaged:
    """The fault of a file that does not hold what was written."""
    return SpoolDamaged(path=path)


def is_busy(error: BaseException) -> bool:
    """Whether another process is at it."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    return isinstance(error, sqlite3.Error) and code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def fault(path: Path, error: sqlite3.Error, waited: float = BUSY_SECONDS) -> SpoolError:
    """What is wrong with a spool, and what to do, by what SQLite says."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return SpoolForeign("no-spool", path=path)
    if code == sqlite3.SQLITE_CORRUPT:
        return damaged(path)
    if is_busy(error):
        return SpoolBusy(path=path, waited=waited)
    if code == sqlite3.SQLITE_FULL:
        return SpoolFull(path=path)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return SpoolError("unusable", path=path, name=name)
