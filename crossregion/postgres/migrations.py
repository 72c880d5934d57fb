"""Forward migrations, and the registry dropped and created again."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import LiteralString

from psycopg import sql

from crossregion.errors import CrossregionError
from crossregion.postgres.audit import append_audit
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import named, query
from crossregion.postgres.transactions import session
from schemas.units import OFFICE

FIRST_OFFICE = "220000"
"""The province of every database that was made before one could be another's."""
MIGRATION_LOCK = 0x63726F73
SQL = resources.files("consumers") / "registry/sql"
KEPT, DERIVED = "kept", "derived"
"""The parts of the database: what survives a rebuild, and what is made anew from the topics."""
PROCRASTINATE = re.compile(r"^-- procrastinate: (\S+) to (\S+)$", re.MULTILINE)


class DatabaseTooNew(CrossregionError):
    """A newer version of crossregion has migrated this database."""

    code = "database-too-new"


class DatabaseOutdated(CrossregionError):
    """The database lacks migrations that this version needs."""

    code = "database-outdated"


class DatabaseOfAnotherProvince(CrossregionError):
    """The database is that of an installation with another file of units."""

    code = "database-of-another-province"

    def __init__(self, office: str) -> None:
        super().__init__(found=office, office=OFFICE, setting="CROSSREGION_UNITS")


class RolesMissing(CrossregionError):
    """The server lacks roles that the migrations give rights to."""

    code = "database-roles-missing"


@functools.cache
def schema(part: str) -> LiteralString:
    """The statements that make one part of the database as it is today, with the rights to it."""
    order = tomllib.loads((SQL / "schema/order.toml").read_text("utf-8"))
    texts = [_with_library((SQL / "schema" / name).read_text("utf-8")) for name in order[part]]
    texts.append(named((SQL / "schema/access.sql").read_text("utf-8"))[part])
    return "\n".join(texts)


@functools.cache
def migrations() -> dict[int, LiteralString]:
    """All migrations by number, each the text of one file.

    Where a line names versions of procrastinate, that library's own migrations stand.
    """
    return {
        int(file.name[:4]): _with_library(file.read_text("utf-8"))
        for file in (SQL / "migrations").iterdir()
        if file.name.endswith(".sql")
    }


@functools.cache
def parts() -> dict[int, str]:
    """Which part of the database each migration changes, by its number."""
    digests = json.loads((SQL / "migrations/digests.json").read_text("utf-8"))
    return {int(name[:4]): recorded["part"] for name, recorded in digests.items()}


def _with_library(text: str) -> LiteralString:
    versions = PROCRASTINATE.search(text)
    if versions is None:
        return text
    steps = [step.read_text("utf-8") for step in library_steps(*versions.groups())]
    return text.replace(versions[0], "\n".join(steps))


def library_steps(first: str, last: str) -> list[Path]:
    """Procrastinate's migrations between two versions, found without importing it."""
    spec = importlib.util.find_spec("procrastinate")
    homes = (spec.submodule_search_locations or ()) if spec else ()
    files = sorted(file for home in homes for file in Path(home, "sql/migrations").glob("*.sql"))
    return [file for file in files if first <= file.name[:11] <= last]


def migrate(dsn: str | None) -> list[int]:
    """Make an empty database, or run the migrations that another lacks; returns their numbers.

    Raises: DatabaseUnavailable, DatabaseRefused, DatabaseTooNew, RolesMissing, DatabaseFailed,
    DatabaseOfAnotherProvince.
    """
    with session(dsn) as connection:
        return _migrate(connection)


def require_current(dsn: str | None) -> None:
    """Check that the database is of this version, for a worker that may not migrate it.

    Raises: DatabaseUnavailable, DatabaseRefused, DatabaseTooNew, DatabaseOutdated,
    DatabaseOfAnotherProvince.
    """
    with session(dsn) as connection:
        there = connection.execute("SELECT to_regclass('public.crossregion_migration')").fetchone()
        if there == (None,) or _missing(connection):
            raise DatabaseOutdated()
        _require_office(connection)


def _missing(connection: Connection) -> list[int]:
    rows = connection.execute("SELECT number FROM public.crossregion_migration")
    done = {number for (number,) in rows}
    known = migrations().keys()
    if done - known:
        raise DatabaseTooNew(found=max(done), known=max(known))
    return sorted(known - done)


def _migrate(connection: Connection) -> list[int]:
    with connection.transaction():
        _take_turn(connection)
        missing = _missing(connection)
        fresh = missing == sorted(migrations())
        name_office(connection, fresh=fresh)
        if fresh:
            connection.execute(schema(KEPT))
            connection.execute(schema(DERIVED))
        else:
            _run(connection, missing)
        _record(connection, missing)
        return missing


def _run(connection: Connection, numbers: Iterable[int]) -> None:
    for number in numbers:
        connection.execute(migrations()[number])


def _record(connection: Connection, numbers: Sequence[int]) -> None:
    connection.execute(
        "INSERT INTO public.crossregion_migration SELECT unnest(%s::integer[])", [numbers]
    )


def name_office(connection: Connection, *, fresh: bool) -> None:
    """Record in the database which province it is of; one of an older version is Jilin's.

    Raises: DatabaseOfAnotherProvince.
    """
    there = connection.execute("SELECT to_regprocedure('public.crossregion_office()')").fetchone()
    if there != (None,):
        _require_office(connection)
        return
    if not fresh and OFFICE != FIRST_OFFICE:
        raise DatabaseOfAnotherProvince(FIRST_OFFICE)
    connection.execute(
        sql.SQL(
            "CREATE FUNCTION public.crossregion_office() RETURNS text"
            " LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN {}"
        ).format(sql.Literal(OFFICE))
    )
    connection.execute("REVOKE EXECUTE ON FUNCTION public.crossregion_office() FROM PUBLIC")
    connection.execute(
        "GRANT EXECUTE ON FUNCTION public.crossregion_office() TO"
        " crossregion_registry, crossregion_office, crossregion_operator, crossregion_delivery,"
        " crossregion_supervision"
    )


def _require_office(connection: Connection) -> None:
    found = connection.execute("SELECT public.crossregion_office()").fetchone()
    if found != (OFFICE,):
        raise DatabaseOfAnotherProvince(str(found[0] if found else None))


def _take_turn(connection: Connection) -> None:
    """Raises RolesMissing; one migrates at a time.

    An advisory lock could be held by whoever may log in; as long as there is no table, nobody can.
    """
    if connection.execute(query("missing_roles")).fetchall():
        raise RolesMissing()
    there = connection.execute("SELECT to_regclass('public.crossregion_migration')").fetchone()
    if there == (None,):
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS public.crossregion_migration (number integer PRIMARY KEY)"
        )
    connection.execute("LOCK TABLE public.crossregion_migration IN EXCLUSIVE MODE")


def drop_registry(dsn: str | None, purpose: str = "") -> None:
    """Drop all that is derived from the topics and create it empty; what is not stays.

    The migrations of what is dropped are not run: a registry that cannot be migrated is made so.
    """
    with session(dsn) as connection, connection.transaction():
        _take_turn(connection)
        missing = _missing(connection)
        fresh = missing == sorted(migrations())
        name_office(connection, fresh=fresh)
        if fresh:
            connection.execute(schema(KEPT))
        else:
            _run(connection, [number for number in missing if parts()[number] == KEPT])
        append_audit(connection, "rebuild", "registry", purpose)
        connection.execute("DROP SCHEMA IF EXISTS registry, supervision CASCADE")
        connection.execute(schema(DERIVED))
        _record(connection, missing)
