"""Records between our own processes that cannot be used: an alarm, and on.

Nobody but our processes may write those topics. The record stays where it is, for its topic keeps
it; the log names the place, the metric raises the alarm.
"""

from __future__ import annotations

from crossregion import logs, metrics
from crossregion.domain.validation import Rejected
from schemas.codec import Undecodable

log = logs.logger()


def report_invalid_record(topic: str, partition: int, offset: int, error: Exception) -> str:
    """Tell of one such record; returns the reason, ``defect`` where our own decision raised."""
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
