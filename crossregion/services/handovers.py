"""What a unit does to hand a record over: it looks where the record stands, and takes one step.

A step counts once the registry has recorded it: of two units that act at once one comes first.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from crossregion.domain import handovers
from crossregion.domain.events import HandoverRecorded
from crossregion.domain.handovers import CustodyState, Record
from crossregion.domain.validation import Rejected
from crossregion.errors import RuntimeFault
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka import producer
from crossregion.kafka.connection import Kafka
from crossregion.postgres import queries, transactions
from crossregion.postgres.queries import Row
from crossregion.services.notices import POLL_SECONDS
from schemas import codec, envelope, topics
from schemas.units import UNITS

MEANS = {
    "offered": "only its owner may offer it, to another unit, and one offer at a time",
    "accepted": "only the unit that it is offered to may accept it",
    "refused": "only the unit that it is offered to, or its owner if it is asked back, may refuse",
    "withdrawn": "only who has offered it, or from whom it came, may take it back, and once",
    "returned": "only its owner may return it, if it came from another, and it is on no offer",
}


class NotToBeHandedOver(RuntimeFault):
    """The step is not allowed where the record stands, or is not well given."""


@dataclass(frozen=True)
class Outcome:
    """What became of a step: whether it holds, and where the record stands."""

    holds: bool
    row: Row


def listed(dsn: str | None) -> list[Row]:
    """The records that the unit of this role has a part in by a hand-over."""
    with transactions.session(dsn) as connection:
        return list(queries.rows(connection, "handovers"))


def act(
    kafka: Kafka,
    dsn: str | None,
    unit: str,
    record: Record,
    action: str,
    to: str | None = None,
    reason: str | None = None,
    role: str = handovers.ROLES[0],
    wait: float = 10.0,
) -> Outcome | None:
    """Send a step and wait until the registry says what became of it; None if it has not.

    Raises: NotToBeHandedOver, ServiceUnavailable.
    """
    kind, reporter, record_id = record
    row = _find(dsn, record)
    standing = _standing(reporter, row)
    step = cast(
        HandoverRecorded,
        {
            "follows": standing.head,
            "kind": kind,
            "record_unit": reporter,
            "record_id": record_id,
            "action": action,
            "unit": unit,
            "to_unit": to,
            "reason": reason,
            "role": role,
            "recorded_at": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
    step["step_id"] = handovers.step_id(step)
    try:
        handovers.check(step, unit, UNITS)
    except Rejected as refused:
        if refused.reason == "another-unit":
            raise _not_now(record, action, unit) from None
        codes = {"reason": handovers.REFUSALS, "kind": handovers.KINDS, "role": handovers.ROLES}
        known = ", ".join(codes.get(refused.detail, UNITS))
        raise NotToBeHandedOver(f"{refused.detail} must be one of these: {known}.") from None
    if handovers.after(standing, step) is None:
        raise _not_now(record, action, unit)
    if row is None and not _holds(dsn, record):
        raise NotToBeHandedOver(f"{unit} has reported no {kind} {record_id}.")
    value = codec.encode("HandoverRecorded", step)
    headers = envelope.headers(step["step_id"], "HandoverRecorded", unit, record_id)
    name = topics.HANDOVERS.name(unit)
    producer.send(kafka, kafka_connection.unit(unit), name, record_id, value, headers)
    deadline = time.monotonic() + wait
    while True:
        row = _find(dsn, record)
        if row is not None and step["step_id"] in (*row["taken"], *row["refused"]):
            return Outcome(step["step_id"] in row["taken"], row)
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL_SECONDS)


def _not_now(record: Record, action: str, unit: str) -> NotToBeHandedOver:
    kind, reporter, record_id = record
    return NotToBeHandedOver(
        f"{kind} {record_id} of {reporter} is not to be {action} by {unit} now: "
        f"{MEANS[action]}. See `crossregion handover list --unit {unit}`."
    )


def _find(dsn: str | None, record: Record) -> Row | None:
    for row in listed(dsn):
        if (row["kind"], row["unit"], row["record_id"]) == record:
            return row
    return None


def _holds(dsn: str | None, record: Record) -> bool:
    kind, _, record_id = record
    with transactions.session(dsn) as connection:
        asked = {"kind": kind, "record_id": record_id}
        return bool(list(queries.rows(connection, "own_record", asked)))


def _standing(reporter: str, row: Row | None) -> CustodyState:
    if row is None:
        return CustodyState(reporter, frozenset({reporter}))
    return CustodyState(
        row["owner"],
        frozenset(row["readers"]),
        row["offered_to"],
        row["asked_back"],
        tuple(row["givers"]),
        row["head"],
        tuple(row["taken"]),
    )
