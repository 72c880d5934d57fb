"""Transactions: one session of a command, and a worker's connection with retries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import psycopg

from crossregion import logs
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

if TYPE_CHECKING:
    from tenacity import RetryCallState

Result = TypeVar("Result")

log = logs.logger()


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


class Database:
    """One connection that is opened again when it is lost."""

    def __init__(self, dsn: str | None) -> None:
        self._dsn = dsn
        self._connection: Connection | None = None

    def transact(self, work: Callable[[Connection], Result]) -> Result:
        """Do the work in one transaction; again from its beginning after a temporary fault.

        A connection lost during COMMIT leaves open whether it took place, so the work must be
        idempotent.
        Raises: DatabaseRefused, DatabaseFailed.
        """
        from tenacity import Retrying, retry_if_exception, stop_never, wait_random_exponential

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
    log.warning("PostgreSQL unavailable: retries", error=type(error).__name__, sqlstate=sqlstate)
