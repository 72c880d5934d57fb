"""Migrations that run forwards, and the registry made anew."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import LiteralString

from crossregion.errors import RuntimeFault
from crossregion.postgres.audit import append_audit
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import query
from crossregion.postgres.transactions import session

MIGRATION_LOCK = 0x63726F73
PROCRASTINATE = re.compile(r"^-- procrastinate: (\S+) to (\S+)$", re.MULTILINE)


class DatabaseTooNew(RuntimeFault):
    """A newer version of crossregion has migrated this database."""


class DatabaseOutdated(RuntimeFault):
    """The database lacks migrations that this version needs."""


class RolesMissing(RuntimeFault):
    """The server lacks roles that the migrations give rights to."""


def migrations() -> dict[int, LiteralString]:
    """All migrations by number, each the text of one file, named after the schema it changes.

    Where a line names versions of procrastinate, that library's own migrations stand.
    """
    return {int(file.name[:4]): _with_library(file.read_text("utf-8")) for file in _files()}


def _with_library(text: str) -> LiteralString:
    named = PROCRASTINATE.search(text)
    if named is None:
        return text
    steps = [step.read_text("utf-8") for step in library_steps(*named.groups())]
    return text.replace(named[0], "\n".join(steps))


def library_steps(first: str, last: str) -> list[Path]:
    """Procrastinate's migrations between two versions, found without importing it."""
    spec = importlib.util.find_spec("procrastinate")
    homes = (spec.submodule_search_locations or ()) if spec else ()
    files = sorted(file for home in homes for file in Path(home, "sql/migrations").glob("*.sql"))
    return [file for file in files if first <= file.name[:11] <= last]


def _derived() -> list[int]:
    """The migrations of what can be made anew from the topics."""
    return [int(file.name[:4]) for file in _files() if file.name.endswith("_registry.sql")]


def _files() -> Iterable[Traversable]:
    return (resources.files("consumers") / "registry/sql/migrations").iterdir()


def migrate(dsn: str | None) -> list[int]:
    """Run the migrations that are missing, each in a transaction; returns their numbers.

    Raises: DatabaseUnavailable, DatabaseRefused, DatabaseTooNew, RolesMissing, DatabaseFailed.
    """
    with session(dsn) as connection:
        return _migrate(connection)


def require_current(dsn: str | None) -> None:
    """Check that the database is of this version, for a worker that may not migrate it.

    Raises: DatabaseUnavailable, DatabaseRefused, DatabaseTooNew, DatabaseOutdated.
    """
    with session(dsn) as connection:
        there = connection.execute("SELECT to_regclass('public.crossregion_migration')").fetchone()
        if there == (None,) or _missing(connection):
            raise DatabaseOutdated(
                "The database is not of this version yet: run crossregion registry migrate."
            )


def _missing(connection: Connection) -> list[int]:
    rows = connection.execute("SELECT number FROM public.crossregion_migration")
    done = {number for (number,) in rows}
    known = migrations().keys()
    if done - known:
        raise DatabaseTooNew(
            f"The database is at migration {max(done)}, this version knows {max(known)}: "
            "install the newer version of crossregion."
        )
    return sorted(known - done)


def _migrate(connection: Connection) -> list[int]:
    with connection.transaction():
        if connection.execute(query("missing_roles")).fetchall():
            raise RolesMissing(
                "The database's roles are missing: its administrator runs what "
                "`crossregion registry roles` prints."
            )
        _take_turn(connection)
        connection.execute(
            "GRANT SELECT ON public.crossregion_migration TO"
            " crossregion_registry, crossregion_office, crossregion_operator, crossregion_delivery,"
            " crossregion_supervision"
        )
        missing = _missing(connection)
        for number in missing:
            connection.execute(migrations()[number])
            connection.execute("INSERT INTO public.crossregion_migration VALUES (%s)", [number])
        return missing


def _take_turn(connection: Connection) -> None:
    """One migrates at a time.

    An advisory lock could be held by whoever may log in; as long as there is no table, nobody can.
    """
    there = connection.execute("SELECT to_regclass('public.crossregion_migration')").fetchone()
    if there == (None,):
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS public.crossregion_migration (number integer PRIMARY KEY)"
        )
    connection.execute("LOCK TABLE public.crossregion_migration IN EXCLUSIVE MODE")


def drop_registry(dsn: str | None, purpose: str = "") -> None:
    """Drop all that is derived from the topics and create it empty; what is not stays."""
    with session(dsn) as connection, connection.transaction():
        _migrate(connection)
        append_audit(connection, "rebuild", "registry", purpose)
        connection.execute("DROP SCHEMA registry CASCADE")
        connection.execute(
            "DELETE FROM public.crossregion_migration WHERE number = ANY(%s)", [_derived()]
        )
        _migrate(connection)
