"""Runs the jobs of delivery: sends what is due, one endpoint beside another."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable
from contextlib import suppress
from datetime import UTC, datetime

import psycopg
import structlog
from procrastinate import App
from procrastinate.exceptions import ConnectorException

from consumers.delivery import attempts, statements, sweep
from consumers.delivery.channels import Channel, channels
from consumers.delivery.jobs import SEND, SWEEP, WAKE, Jobs
from consumers.delivery.statements import Statements
from crossregion import logs, metrics
from crossregion.domain.delivery import Outcome
from crossregion.errors import ServiceUnavailable
from crossregion.failpoints import failpoint
from crossregion.postgres import connection as postgres_connection
from crossregion.postgres.connection import DatabaseFailed
from crossregion.postgres.queries import Row
from crossregion.settings import Settings

ENDPOINTS_AT_ONCE = 100
"""More than there are endpoints: none waits for another."""
HEARTBEAT_SECONDS, STALLED_SECONDS, LEAST_STALLED_SECONDS = 2.0, 10.0, 5.0
"""A worker that is only slow must not count as gone: what it sends would be sent twice."""
ENDING_SECONDS = 3.0
POLL_SECONDS, AWAY_SECONDS = 0.1, 0.5
SHORT_SECONDS, MOST_SHORT = 5.0, 5
SWEEP_SECONDS = 10

log = structlog.get_logger()


class DeliveryDispatcher:
    """Runs the jobs of one process, until told to stop or until one of them fails by our fault."""

    def __init__(self, dsn: str, chosen: Settings, health: metrics.Health) -> None:
        self._health = health
        self._scale = chosen.timeout_factor
        self._stalled = max(LEAST_STALLED_SECONDS, STALLED_SECONDS * self._scale)
        self._channels = channels(chosen)
        self._app = App(connector=statements.connector(dsn))
        self._jobs = Jobs(self._app)
        self._statements = Statements(self._app)
        self._stop = asyncio.Event()
        self._fault: Exception | None = None

        @self._app.task(name=SEND)
        async def send(endpoint_id: str) -> None:
            await self._guarded(self._send(endpoint_id))

        @self._app.task(name=WAKE)
        async def wake(endpoint_id: str) -> None:
            await self._guarded(self._jobs.begin(endpoint_id))

        @self._app.periodic(cron=f"* * * * * */{max(1, round(SWEEP_SECONDS * self._scale))}")
        @self._app.task(name=SWEEP)
        async def clean(timestamp: int) -> None:
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
                log.warning("PostgreSQL unavailable: retries", error=type(error).__name__)
            if self._fault is not None:
                raise self._fault
            if short >= MOST_SHORT:
                raise ServiceUnavailable("sending-ends")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), AWAY_SECONDS)

    async def _worker(self) -> None:
        """Look for jobs now and then, and not when told: any role may notify, and what the library
        cannot read ends its worker."""
        await self._jobs.sweep()
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
            log.error(
                "Unhandled error while sending", error=type(error).__name__, where=logs.where(error)
            )
            self._fault = error
            self._stop.set()

    async def _send(self, endpoint_id: str) -> None:
        """Send what is due; after a failure go on when the endpoint's pause is over."""
        well = True
        while well and not self._stop.is_set():
            endpoint, due = await self._statements.due(endpoint_id)
            if endpoint is None or not due:
                return
            well = await self._send_all(endpoint, due)
        at = await self._statements.next_at(endpoint_id)
        if at is not None and not well:
            await self._jobs.wake(endpoint_id, at)

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
            log.error(
                "Unhandled error in a delivery channel",
                error=type(error).__name__,
                where=logs.where(error),
            )
            outcome = Outcome("again", "defect")
        failpoint("notice-sent")
        row = attempts.settle(endpoint, delivery, outcome, self._scale) | {
            "attempt_id": uuid.uuid4(),
            "endpoint_id": endpoint["endpoint_id"],
            **{name: delivery[name] for name in ("notice_id", "revision")},
            "at": at,
            "outcome": outcome.code,
            "status": outcome.status,
            "seconds": time.monotonic() - started,
        }
        await self._statements.put_attempt(row)
        endpoint["failures"] = row["failures"]
        attempts.report(endpoint, delivery, outcome, row["state"])
        return outcome.verdict in ("delivered", "refused")

    async def _sweep(self) -> None:
        await sweep.sweep(self._jobs, self._statements, self._stalled)
        await sweep.measure(self._statements)
        self._health.beat()
