"""Invalid records on topics between our own processes: logged, counted, and skipped.

Only our own processes may write those topics. The record stays on its topic; the log has its topic,
partition and offset, and an alert watches the metric.
"""

from __future__ import annotations

from crossregion import logs, metrics
from crossregion.domain.validation import Rejected
from schemas.codec import Undecodable

log = logs.logger()


def report_invalid_record(topic: str, partition: int, offset: int, error: Exception) -> str:
    """Log and count one such record; returns the reason, ``defect`` where our own code raised."""
    reason = error.reason if isinstance(error, (Undecodable, Rejected)) else "defect"
    metrics.DEAD_LETTERS.labels(reason).inc()
    log.error(
        "Invalid record",
        topic=topic,
        partition=partition,
        offset=offset,
        reason=reason,
        error=type(error).__name__,
        where=logs.where(error),
    )
    return reason
