"""The statements of delivery, over the connections of the library that schedules its jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import psycopg
from procrastinate import App, PsycopgConnector
from psycopg.rows import dict_row
from tenacity import AsyncRetrying, retry_if_exception, stop_never, wait_random_exponential

from crossregion.postgres import connection as postgres_connection
from crossregion.postgres import transactions
from crossregion.postgres.queries import Row, query

Result = TypeVar("Result")
AsyncConnection = psycopg.AsyncConnection[Row]


def connector(dsn: str) -> PsycopgConnector:
    """Up to five connections, on which each statement is a transaction.

    All of the library's statements and of ours are whole by themselves.
    """
    return PsycopgConnector(
        conninfo=transactions.protected(postgres_connection.in_schema(dsn, "delivery")),
        kwargs={"application_name": "crossregion"},
        configure=_by_statement,
        min_size=1,
        max_size=5,
    )


class Statements:
    """Runs statements, each by itself, for as long as it takes."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def rows(self, name: str, values: Row | None = None) -> list[Row]:
        return await self._ask(lambda found: _rows(found, name, values))

    async def due(self, endpoint_id: str) -> tuple[Row | None, list[Row]]:
        """An endpoint, unless it is paused or gone, and the deliveries that are due to it."""
        return await self._ask(lambda found: _due(found, endpoint_id))

    async def next_at(self, endpoint_id: str) -> datetime | None:
        """When the next delivery to an endpoint is due."""
        rows = await self.rows("next_delivery", {"endpoint_id": endpoint_id})
        at: datetime | None = rows[0]["at"] if rows else None
        return at

    async def put_attempt(self, row: Row) -> None:
        await self._ask(lambda found: found.execute(query("put_attempt"), row))

    async def _ask(self, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        retrying = AsyncRetrying(
            retry=retry_if_exception(postgres_connection.is_temporary),
            wait=wait_random_exponential(multiplier=0.1, max=5),
            stop=stop_never,
        )
        result: Result = await retrying(self._once, work)
        return result

    async def _once(self, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        pool = self._app.connector.pool  # type: ignore[attr-defined]
        async with pool.connection() as found:
            return await work(found)


async def _by_statement(connection: AsyncConnection) -> None:
    await connection.set_autocommit(True)


async def _rows(found: AsyncConnection, name: str, values: Row | None = None) -> list[Row]:
    async with found.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query(name), values)
        return await cursor.fetchall()


async def _due(found: AsyncConnection, endpoint_id: str) -> tuple[Row | None, list[Row]]:
    endpoints = await _rows(found, "open_endpoint", {"endpoint_id": endpoint_id})
    if not endpoints:
        return None, []
    return endpoints[0], await _rows(found, "due_deliveries", {"endpoint_id": endpoint_id})
