"""Reaching a PostgreSQL server: connections with one clear line where they cannot be made."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import structlog
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from crossregion import logs
from crossregion.errors import RuntimeFault

Connection = psycopg.Connection[tuple[Any, ...]]
TEMPORARY = re.compile(r"40001|40P01|08...|57P0[123]|53...|25006")
"""SQLSTATEs that pass: serialisation, deadlock, connection, shutdown, resources, read-only."""
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
SETTING = "CROSSREGION_DATABASE"

log = structlog.get_logger()


class DatabaseUnavailable(RuntimeFault):
    """Nobody answers at the address; waiting can help."""


class DatabaseRefused(RuntimeFault):
    """The server answers, but not to this role or not for this database."""


class DatabaseFailed(RuntimeFault):
    """A statement was refused. What the server says of it is left out: it may hold values."""

    def __init__(self, error: psycopg.Error) -> None:
        constraint = error.diag.constraint_name
        broken = f", constraint {constraint}" if constraint else ""
        state = error.sqlstate or "none, the connection was lost"
        super().__init__(
            f"PostgreSQL refused a statement (SQLSTATE {state}{broken}): `crossregion doctor`."
        )
        log.error(
            "PostgreSQL refused a statement",
            sqlstate=error.sqlstate,
            constraint=constraint,
            where=logs.where(error),
        )


def connect(dsn: str | None, setting: str = SETTING) -> Connection:
    """A connection, in transactions of its own making; `setting` is where its address stands.

    Raises: DatabaseUnavailable or DatabaseRefused, with one line that says what to do and no
    password.
    """
    if not dsn:
        raise DatabaseRefused(f"Set {setting} to PostgreSQL's connection string.")
    try:
        return psycopg.connect(protected(dsn), connect_timeout=10, application_name="crossregion")
    except psycopg.OperationalError as error:
        text = str(error)
        if "certificate" in text or "does not support SSL" in text:
            raise DatabaseRefused(
                "PostgreSQL has no certificate that is trusted: name its CA in "
                f"{setting} (?sslrootcert=FILE), or say how to do without (?sslmode=...)."
            ) from None
        if "authentication" in text or 'FATAL:  role "' in text or "password supplied" in text:
            raise DatabaseRefused(
                f"PostgreSQL refuses the role or its password: correct {setting}."
            ) from None
        if 'FATAL:  database "' in text:
            raise DatabaseRefused(
                f"PostgreSQL has no such database: create it or correct {setting}."
            ) from None
        raise DatabaseUnavailable(
            f"PostgreSQL does not answer: check {setting} and that the server runs."
        ) from None
    except psycopg.ProgrammingError:
        raise DatabaseRefused(
            f"{setting} is no connection string: write postgresql://role@host:port/name."
        ) from None


def protected(dsn: str) -> str:
    """The same, with TLS and the server's certificate checked if it is another machine's.

    libpq itself would go on in plain text. Whatever the connection string says of it holds.
    """
    parts = conninfo_to_dict(dsn)
    hosts = str(parts.get("host") or "").split(",") + str(parts.get("hostaddr") or "").split(",")
    away = any(host and host not in LOCAL and not host.startswith("/") for host in hosts)
    if not away or "sslmode" in parts:
        return dsn
    return make_conninfo(dsn, sslmode="verify-full")


def is_temporary(error: BaseException) -> bool:
    """Whether waiting can help."""
    if isinstance(error, DatabaseUnavailable):
        return True
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return TEMPORARY.fullmatch(error.sqlstate) is not None


def as_role(dsn: str, role: str) -> str:
    """The same connection, in which its role acts as another that it is a member of."""
    return make_conninfo(dsn, options=f"-c role={role}")


def in_schema(dsn: str, schema: str) -> str:
    """The same connection, in which names without a schema are those of this one."""
    given = conninfo_to_dict(dsn).get("options") or ""
    return make_conninfo(dsn, options=f"{given} -c search_path={schema}".strip())
