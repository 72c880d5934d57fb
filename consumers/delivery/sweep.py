"""The periodic task of delivery: ends stalled jobs, expires deliveries, and counts pending ones."""

from __future__ import annotations

from datetime import timedelta

import structlog

from consumers.delivery.jobs import Jobs
from consumers.delivery.statements import Statements
from crossregion import metrics
from crossregion.domain.delivery import LIFETIME, LONGEST_SECONDS

log = structlog.get_logger()


async def sweep(jobs: Jobs, statements: Statements, stalled_seconds: float) -> None:
    """End jobs of dead workers, expire deliveries, and start jobs for due ones without a job."""
    await jobs.end_stalled(stalled_seconds)
    after = {"after": LIFETIME + timedelta(seconds=LONGEST_SECONDS)}
    for row in await statements.rows("expire_deliveries", after):
        metrics.UNDELIVERED.labels(row["unit"], row["kind"], "expired").inc()
        log.error("Delivery given up", unit=row["unit"], endpoint=row["endpoint_id"])
    for row in await statements.rows("due_endpoints"):
        await jobs.begin(row["endpoint_id"])


async def measure(statements: Statements) -> None:
    """Set the metrics of what waits, since when, and of the endpoints."""
    waiting = await statements.rows("waiting_deliveries")
    metrics.DELIVERIES_WAITING.clear()
    metrics.OLDEST_DELIVERY.clear()
    for row in waiting:
        metrics.DELIVERIES_WAITING.labels(row["unit"], row["kind"]).set(row["count"])
        metrics.OLDEST_DELIVERY.labels(row["unit"], row["kind"]).set(row["since"])
    metrics.ENDPOINTS.clear()
    for row in await statements.rows("count_endpoints"):
        metrics.ENDPOINTS.labels(row["kind"], row["state"]).set(row["count"])
