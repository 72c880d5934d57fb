"""Sending what is to be delivered, scheduled by procrastinate on the same PostgreSQL.

A job sends all that is due to one endpoint, one after the other; its lock keeps a second one of
this endpoint back, on whichever worker, and a dead endpoint holds up none but itself. What has to
be tried again stands in `delivery.delivery` with the time it is due, and a job without a lock is
deferred to then: a lock would let it hold back what is due before it.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import psycopg
import structlog
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Status
from psycopg.rows import dict_row
from tenacity import AsyncRetrying, retry_if_exception, stop_never, wait_random_exponential

from consumers.delivery.channels import Channel, channels
from crossregion import logs, metrics
from crossregion.domain import delivery as delivery_domain
from crossregion.domain.delivery import LIFETIME, LONGEST_SECONDS, Outcome
from crossregion.errors import ServiceUnavailable
from crossregion.failpoints import failpoint
from crossregion.postgres import connection as postgres_connection
from crossregion.postgres import transactions
from crossregion.postgres.connection import Connection, DatabaseFailed
from crossregion.postgres.queries import Row, query
from crossregion.settings import Settings

ENDPOINTS_AT_ONCE = 100
"""More than there are endpoints: none waits for another."""
HEARTBEAT_SECONDS, STALLED_SECONDS, LEAST_STALLED_SECONDS = 2.0, 10.0, 5.0
"""A worker that is only slow must not count as gone: what it sends would be sent twice."""
ENDING_SECONDS = 3.0
POLL_SECONDS, AWAY_SECONDS = 0.1, 0.5
SHORT_SECONDS, MOST_SHORT = 5.0, 5
SEND, WAKE, SWEEP = "send", "wake", "sweep"
"""The jobs: send what is due to an endpoint; do so from a time on; see to what was left over."""
SWEEP_SECONDS = 10

Result = TypeVar("Result")
AsyncConnection = psycopg.AsyncConnection[Row]

log = structlog.get_logger()


def begin(connection: Connection, endpoint_id: str) -> None:
    """Have what is due to an endpoint be sent, once this transaction is committed."""
    job = App(connector=SyncPsycopgConnector()).configure_task(
        SEND, lock=endpoint_id, connection=connection
    )
    try:
        job.defer(endpoint_id=endpoint_id)
    except ConnectorException as error:
        raise error.__cause__ or error from None


class DeliveryDispatcher:
    """Runs the jobs of one process, until told to stop or until one of them fails by our fault."""

    def __init__(self, dsn: str, chosen: Settings, health: metrics.Health) -> None:
        self._health = health
        self._scale = chosen.timeout_factor
        self._stalled = max(LEAST_STALLED_SECONDS, STALLED_SECONDS * self._scale)
        self._channels = channels(chosen)
        self._app = App(
            connector=PsycopgConnector(
                conninfo=transactions.protected(postgres_connection.in_schema(dsn, "delivery")),
                kwargs={"application_name": "crossregion"},
                configure=_by_statement,
                min_size=1,
                max_size=5,
            )
        )
        self._stop = asyncio.Event()
        self._fault: Exception | None = None

        @self._app.task(name=SEND)
        async def send(endpoint_id: str) -> None:
            await self._guarded(self._send(endpoint_id))

        @self._app.task(name=WAKE)
        async def wake(endpoint_id: str) -> None:
            await self._guarded(self._begin(endpoint_id))

        @self._app.periodic(cron=f"* * * * * */{max(1, round(SWEEP_SECONDS * self._scale))}")
        @self._app.task(name=SWEEP)
        async def sweep(timestamp: int) -> None:
            await self._guarded(self._sweep())

    def stop(self) -> None:
        """End soon; call it on the loop."""
        self._stop.set()

    async def run(self) -> None:
        """Run jobs; again when PostgreSQL has been away.

        Raises: ServiceUnavailable when the library's worker ends at once, again and again.
        """
        short = 0
        while not self._stop.is_set():
            try:
                async with self._app.open_async():
                    began = time.monotonic()
                    await self._worker()
                    short = short + 1 if time.monotonic() - began < SHORT_SECONDS else 0
            except (ConnectorException, psycopg.OperationalError) as error:
                log.warning("PostgreSQL is away", error=type(error).__name__)
            if self._fault is not None:
                raise self._fault
            if short >= MOST_SHORT:
                raise ServiceUnavailable("sending-ends")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), AWAY_SECONDS)

    async def _worker(self) -> None:
        """Look for jobs now and then, and not when told: any role may notify, and what the library
        cannot read ends its worker."""
        await self._app.configure_task(SWEEP).defer_async(timestamp=0)
        worker = asyncio.create_task(
            self._app.run_worker_async(
                concurrency=ENDPOINTS_AT_ONCE,
                install_signal_handlers=False,
                delete_jobs="always",
                listen_notify=False,
                fetch_job_polling_interval=POLL_SECONDS,
                update_heartbeat_interval=HEARTBEAT_SECONDS * self._scale,
                stalled_worker_timeout=self._stalled,
                shutdown_graceful_timeout=ENDING_SECONDS,
            )
        )
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait((worker, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker

    async def _guarded(self, work: Awaitable[None]) -> None:
        """Do a job's work; a fault of ours ends the process, which says where but not what."""
        try:
            await work
        except psycopg.Error as error:
            self._fault = DatabaseFailed(error)
            self._stop.set()
        except ConnectorException as error:
            cause = error.__cause__
            if cause is None or not postgres_connection.is_temporary(cause):
                self._fault = error
                self._stop.set()
        except Exception as error:  # noqa: BLE001 (told here, raised by `run`)
            log.error("Sending raised", error=type(error).__name__, where=logs.where(error))
            self._fault = error
            self._stop.set()

    async def _begin(self, endpoint_id: str) -> None:
        await self._app.configure_task(SEND, lock=endpoint_id).defer_async(endpoint_id=endpoint_id)

    async def _send(self, endpoint_id: str) -> None:
        """Send what is due; after a failure go on when the endpoint's pause is over."""
        well = True
        while well and not self._stop.is_set():
            endpoint, due = await self._ask(lambda found: _look(found, endpoint_id))
            if endpoint is None or not due:
                return
            well = await self._send_all(endpoint, due)
        at = await self._ask(lambda found: _next(found, endpoint_id))
        if at is not None and not well:
            again = self._app.configure_task(WAKE, schedule_at=at)
            await again.defer_async(endpoint_id=endpoint_id)

    async def _send_all(self, endpoint: Row, due: list[Row]) -> bool:
        """Send these one after the other; returns whether to go on at once."""
        channel = self._channels[endpoint["kind"]](endpoint)
        try:
            for delivery in due:
                if self._stop.is_set() or not await self._deliver(endpoint, channel, delivery):
                    return False
        finally:
            await channel.close()
        return True

    async def _deliver(self, endpoint: Row, channel: Channel, delivery: Row) -> bool:
        """Try one delivery and put down what came of it; returns whether to go on at once."""
        started, at = time.monotonic(), datetime.now(UTC)
        try:
            outcome = await channel.send(delivery)
        except Exception as error:  # noqa: BLE001 (one receiver's doing may not stop the others)
            log.error("A channel raised", error=type(error).__name__, where=logs.where(error))
            outcome = Outcome("again", "defect")
        failpoint("notice-sent")
        row = self._settled(endpoint, delivery, outcome) | {
            "attempt_id": uuid.uuid4(),
            "endpoint_id": endpoint["endpoint_id"],
            **{name: delivery[name] for name in ("notice_id", "revision")},
            "at": at,
            "outcome": outcome.code,
            "status": outcome.status,
            "seconds": time.monotonic() - started,
        }
        await self._ask(lambda found: found.execute(query("put_attempt"), row))
        endpoint["failures"] = row["failures"]
        self._tell(endpoint, delivery, outcome, row["state"])
        return outcome.verdict in ("delivered", "refused")

    def _settled(self, endpoint: Row, delivery: Row, outcome: Outcome) -> Row:
        """What an outcome leaves of the delivery and says of the endpoint."""
        again = outcome.verdict == "again"
        state, due, failures, paused = "waiting", None, 0, None
        if again:
            now, drawn = datetime.now(UTC), random.random()  # noqa: S311 (spreads, hides nothing)
            asked, scale = outcome.asked_seconds, self._scale
            attempts, failures = delivery["attempts"] + 1, endpoint["failures"] + 1
            due = delivery_domain.next_try(delivery["since"], now, attempts, drawn, asked, scale)
            paused = now + timedelta(seconds=delivery_domain.pause(failures, drawn, asked, scale))
            state = "expired" if due is None else "waiting"
        elif outcome.verdict == "delivered":
            state = "delivered"
        elif outcome.verdict == "refused":
            state = "refused"
        gone = outcome.verdict == "gone"
        return {
            "state": state,
            "due_at": due,
            "failures": failures,
            "paused_until": paused,
            "gone": gone,
        }

    def _tell(self, endpoint: Row, delivery: Row, outcome: Outcome, state: str) -> None:
        unit, kind = endpoint["unit"], endpoint["kind"]
        metrics.ATTEMPTS.labels(kind, outcome.code).inc()
        known = {
            "unit": unit,
            "channel": kind,
            "endpoint": endpoint["endpoint_id"],
            "notice": delivery["notice_id"],
            "outcome": outcome.code,
            "status": outcome.status,
        }
        if state == "delivered":
            taken = max(0.0, time.time() - delivery["at"].timestamp())
            metrics.NOTICE_TO_DELIVERY.labels(unit, kind).observe(taken)
        elif outcome.verdict == "gone":
            log.error("The receiver is gone; its endpoint is disabled", **known)
        elif state == "waiting":
            log.info("A delivery will be tried again", **known)
        else:
            metrics.UNDELIVERED.labels(unit, kind, state).inc()
            log.error("A delivery is given up", **known, state=state)

    async def _sweep(self) -> None:
        manager = self._app.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=self._stalled):
            await manager.finish_job(job, Status.FAILED, delete_job=True)
        expired = await self._ask(
            lambda found: _rows(
                found, "expire_deliveries", {"after": LIFETIME + timedelta(seconds=LONGEST_SECONDS)}
            )
        )
        for row in expired:
            metrics.UNDELIVERED.labels(row["unit"], row["kind"], "expired").inc()
            log.error("A delivery is given up", unit=row["unit"], endpoint=row["endpoint_id"])
        for row in await self._ask(lambda found: _rows(found, "due_endpoints")):
            await self._begin(row["endpoint_id"])
        await self._count()
        self._health.beat()

    async def _count(self) -> None:
        waiting = await self._ask(lambda found: _rows(found, "waiting_deliveries"))
        metrics.DELIVERIES_WAITING.clear()
        metrics.OLDEST_DELIVERY.clear()
        for row in waiting:
            metrics.DELIVERIES_WAITING.labels(row["unit"], row["kind"]).set(row["count"])
            metrics.OLDEST_DELIVERY.labels(row["unit"], row["kind"]).set(row["since"])
        metrics.ENDPOINTS.clear()
        for row in await self._ask(lambda found: _rows(found, "count_endpoints")):
            metrics.ENDPOINTS.labels(row["kind"], row["state"]).set(row["count"])

    async def _ask(self, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        """Run statements, each by itself, for as long as it takes."""
        retrying = AsyncRetrying(
            retry=retry_if_exception(postgres_connection.is_temporary),
            wait=wait_random_exponential(multiplier=0.1, max=5),
            stop=stop_never,
        )
        result: Result = await retrying(self._once, work)
        return result

    async def _once(self, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        connector = self._app.connector
        async with connector.pool.connection() as found:  # type: ignore[attr-defined]
            return await work(found)


async def _by_statement(connection: AsyncConnection) -> None:
    """Each statement is a transaction, as all of the library's and ours are whole by themselves."""
    await connection.set_autocommit(True)


async def _rows(found: AsyncConnection, name: str, values: Row | None = None) -> list[Row]:
    async with found.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query(name), values)
        return await cursor.fetchall()


async def _look(found: AsyncConnection, endpoint_id: str) -> tuple[Row | None, list[Row]]:
    endpoints = await _rows(found, "open_endpoint", {"endpoint_id": endpoint_id})
    if not endpoints:
        return None, []
    return endpoints[0], await _rows(found, "due_deliveries", {"endpoint_id": endpoint_id})


async def _next(found: AsyncConnection, endpoint_id: str) -> datetime | None:
    rows = await _rows(found, "next_delivery", {"endpoint_id": endpoint_id})
    at: datetime | None = rows[0]["at"] if rows else None
    return at
