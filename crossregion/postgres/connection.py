"""Connections to PostgreSQL; if one cannot be made the error says what to do."""

from __future__ import annotations

import re
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from crossregion import logs
from crossregion.errors import CrossregionError

Connection = psycopg.Connection[tuple[Any, ...]]
TEMPORARY = re.compile(r"40001|40P01|08...|57P0[123]|53...|25006")
"""SQLSTATEs that pass: serialisation, deadlock, connection, shutdown, resources, read-only."""
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
SETTING = "CROSSREGION_DATABASE"

log = logs.logger()


class DatabaseUnavailable(CrossregionError):
    """No server answers at the address; a retry can help."""

    code = "database-unavailable"


class DatabaseRefused(CrossregionError):
    """The server answers, but not to this role or not for this database."""

    code = "database-refused"


class DatabaseFailed(CrossregionError):
    """A statement was refused. What the server says of it is left out: it may hold values."""

    code = "database-failed"

    def __init__(self, error: psycopg.Error) -> None:
        constraint = error.diag.constraint_name
        if error.sqlstate is None:
            super().__init__("connection-lost")
        elif constraint:
            super().__init__("constraint", sqlstate=error.sqlstate, constraint=constraint)
        else:
            super().__init__(sqlstate=error.sqlstate)
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
        raise DatabaseRefused("not-set", setting=setting)
    try:
        return psycopg.connect(protected(dsn), connect_timeout=10, application_name="crossregion")
    except psycopg.OperationalError as error:
        text = str(error)
        if "certificate" in text or "does not support SSL" in text:
            raise DatabaseRefused("certificate-not-trusted", setting=setting) from None
        if "authentication" in text or 'FATAL:  role "' in text or "password supplied" in text:
            raise DatabaseRefused("role-refused", setting=setting) from None
        if 'FATAL:  database "' in text:
            raise DatabaseRefused("no-such-database", setting=setting) from None
        raise DatabaseUnavailable(setting=setting) from None
    except psycopg.ProgrammingError:
        raise DatabaseRefused("no-connection-string", setting=setting) from None


def protected(dsn: str) -> str:
    """The same, with TLS and the server's certificate checked if it is another machine's.

    libpq itself would continue in plain text. An `sslmode` in the connection string has precedence.
    """
    parts = conninfo_to_dict(dsn)
    hosts = str(parts.get("host") or "").split(",") + str(parts.get("hostaddr") or "").split(",")
    away = any(host and host not in LOCAL and not host.startswith("/") for host in hosts)
    if not away or "sslmode" in parts:
        return dsn
    return make_conninfo(dsn, sslmode="verify-full")


def is_temporary(error: BaseException) -> bool:
    """Whether a retry can help."""
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
