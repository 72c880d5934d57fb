"""PostgreSQL: connecting, named SQL, and migrations that run forwards."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import pwd
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, LiteralString, TypeVar, cast

import psycopg
import structlog
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_never,
    wait_random_exponential,
)

from crossregion.errors import RuntimeFault
from crossregion.postgres.connection import (
    Connection,
    DatabaseFailed,
    DatabaseRefused,
    DatabaseUnavailable,
    connect,
    is_temporary,
    protected,
)

__all__ = [
    "Connection",
    "DatabaseFailed",
    "DatabaseRefused",
    "DatabaseUnavailable",
    "connect",
    "is_temporary",
    "protected",
]

Result = TypeVar("Result")
Row = dict[str, Any]
MIGRATION_LOCK = 0x63726F73
PROCRASTINATE = re.compile(r"^-- procrastinate: (\S+) to (\S+)$", re.MULTILINE)

log = structlog.get_logger()


class DatabaseTooNew(RuntimeFault):
    """A newer version of crossregion has migrated this database."""


class DatabaseOutdated(RuntimeFault):
    """The database lacks migrations that this version needs."""


class RolesMissing(RuntimeFault):
    """The server lacks roles that the migrations give rights to."""


@functools.cache
def query(name: str) -> LiteralString:
    """One statement of `sql/queries.sql` by its name."""
    text = (resources.files("consumers") / "sql/queries.sql").read_text("utf-8")
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return cast(LiteralString, dict(zip(parts[1::2], parts[2::2], strict=True))[name])


@contextmanager
def session(dsn: str | None) -> Iterator[Connection]:
    """A connection for one piece of work, committed at its end.

    Raises: DatabaseUnavailable, DatabaseRefused, DatabaseFailed.
    """
    try:
        with connect(dsn) as connection:
            yield connection
    except psycopg.Error as error:
        raise DatabaseFailed(error) from None


def as_role(dsn: str, role: str) -> str:
    """The same connection, in which its role acts as another that it is a member of."""
    return make_conninfo(dsn, options=f"-c role={role}")


def in_schema(dsn: str, schema: str) -> str:
    """The same connection, in which names without a schema are those of this one."""
    given = conninfo_to_dict(dsn).get("options") or ""
    return make_conninfo(dsn, options=f"{given} -c search_path={schema}".strip())


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
    return (resources.files("consumers") / "sql/migrations").iterdir()


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


def put(connection: Connection, name: str, given: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Run a statement over rows, given as JSON; returns what it returns."""
    if not given:
        return []
    text = json.dumps(given, ensure_ascii=False)
    cursor = connection.execute(query(name), {"rows": text})
    return cursor.fetchall() if cursor.description else []


def rows(
    connection: Connection, name: str, values: Mapping[str, Any] | None = None
) -> Iterator[Row]:
    """What a statement finds, each row by its columns' names."""
    cursor = connection.execute(query(name), values)
    names = [column.name for column in cursor.description or ()]
    for found in cursor:
        yield dict(zip(names, found, strict=True))


def append_audit(connection: Connection, action: str, subject: str, purpose: str) -> None:
    """Note in the audit, in this transaction, that the user of this process does something."""
    row = {"actor": user(), "action": action, "subject": subject, "purpose": purpose}
    connection.execute(query("append_audit"), row)


def user() -> str:
    """The user of this process, by its own word."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


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


class Database:
    """One connection that is made anew when it is lost."""

    def __init__(self, dsn: str | None) -> None:
        self._dsn = dsn
        self._connection: Connection | None = None

    def transact(self, work: Callable[[Connection], Result]) -> Result:
        """Do the work in one transaction; again from its beginning after a temporary fault.

        A connection lost during COMMIT leaves open whether it took place, so the work must be
        idempotent.
        Raises: DatabaseRefused, DatabaseFailed.
        """
        retrying = Retrying(
            retry=retry_if_exception(is_temporary),
            wait=wait_random_exponential(multiplier=0.1, max=5),
            stop=stop_never,
            before_sleep=_say_that_it_waits,
        )
        try:
            result: Result = retrying(self._once, work)
        except psycopg.Error as error:
            raise DatabaseFailed(error) from None
        return result

    def _once(self, work: Callable[[Connection], Result]) -> Result:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._dsn)
        with self._connection.transaction():
            return work(self._connection)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _say_that_it_waits(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    sqlstate = error.sqlstate if isinstance(error, psycopg.Error) else None
    log.warning("PostgreSQL is away", error=type(error).__name__, sqlstate=sqlstate)
