"""The jobs of delivery, scheduled by procrastinate on the same PostgreSQL.

A job sends all that is due to one endpoint, one after the other; its lock keeps a second one of
this endpoint back, on whichever worker, and a dead endpoint holds up none but itself. What has to
be tried again stands in `delivery.delivery` with the time it is due, and a job without a lock is
deferred to then: a lock would let it hold back what is due before it.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from procrastinate import App, SyncPsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Status
from psycopg.errors import RaiseException

from crossregion.postgres.connection import Connection

SEND, WAKE, SWEEP = "send", "wake", "sweep"
"""Send what is due to an endpoint; do so from a time on; see to what was left over."""

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


class Jobs:
    """Defers jobs from within the process that runs them."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def begin(self, endpoint_id: str) -> None:
        await self._app.configure_task(SEND, lock=endpoint_id).defer_async(endpoint_id=endpoint_id)

    async def wake(self, endpoint_id: str, at: datetime) -> None:
        await self._app.configure_task(WAKE, schedule_at=at).defer_async(endpoint_id=endpoint_id)

    async def sweep(self) -> None:
        await self._app.configure_task(SWEEP).defer_async(timestamp=0)

    async def end_stalled(self, seconds: float) -> None:
        """End the jobs, and so the locks, of workers without a heartbeat for so many seconds.

        A job that its slow worker, or the sweep of another, has ended meanwhile needs nothing more:
        the library's function raises for it in the database.
        """
        manager = self._app.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=seconds):
            try:
                await manager.finish_job(job, Status.FAILED, delete_job=True)
            except ConnectorException as error:
                if not isinstance(error.__cause__, RaiseException):
                    raise
                log.info("Stalled job had already ended", job=job.id)
