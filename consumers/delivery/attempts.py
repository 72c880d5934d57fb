"""Records an attempt to deliver: its row, the time of the next try, metrics and log line."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta

import structlog

from crossregion import metrics
from crossregion.domain import delivery as delivery_domain
from crossregion.domain.delivery import Outcome
from crossregion.postgres.queries import Row

STATES = {"delivered": "delivered", "refused": "refused"}
"""By verdict: the state of a delivery that is over; other deliveries wait or expire."""

log = structlog.get_logger()


def settle(endpoint: Row, delivery: Row, outcome: Outcome, timeout_factor: float) -> Row:
    """What an outcome leaves of the delivery and says of the endpoint.

    `timeout_factor` stretches the pauses. After a failure the endpoint is paused, and the delivery
    is due again later, or expires when its time is over.
    """
    state, due, failures, paused = STATES.get(outcome.verdict, "waiting"), None, 0, None
    if outcome.verdict == "again":
        now, drawn = datetime.now(UTC), random.random()  # noqa: S311 (spreads, hides nothing)
        asked = outcome.asked_seconds
        attempts, failures = delivery["attempts"] + 1, endpoint["failures"] + 1
        due = delivery_domain.next_try(
            delivery["since"], now, attempts, drawn, asked, timeout_factor
        )
        pause = delivery_domain.pause(failures, drawn, asked, timeout_factor)
        paused = now + timedelta(seconds=pause)
        state = "expired" if due is None else "waiting"
    return {
        "state": state,
        "due_at": due,
        "failures": failures,
        "paused_until": paused,
        "gone": outcome.verdict == "gone",
    }


def report(endpoint: Row, delivery: Row, outcome: Outcome, state: str) -> None:
    """Count an attempt, and log it unless it succeeded."""
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
        log.error("Endpoint disabled: the receiver is gone", **known)
    elif state == "waiting":
        log.info("Delivery failed: will be retried", **known)
    else:
        metrics.UNDELIVERED.labels(unit, kind, state).inc()
        log.error("Delivery given up", **known, state=state)
