"""Hand-overs for units: the state of a record, and the next step.

A step takes effect once the registry has recorded it: of two units that act at once one is first.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from crossregion.catalogue import Message
from crossregion.domain import handovers
from crossregion.domain.events import HandoverRecorded
from crossregion.domain.handovers import CustodyState, Record
from crossregion.domain.validation import Rejected
from crossregion.errors import CrossregionError
from crossregion.postgres import queries, transactions
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row
from crossregion.services.confirmation import Actor, Recorded, publish_statement, wait_recorded
from schemas import topics
from schemas.units import UNITS


class NotToBeHandedOver(CrossregionError):
    """The step is not allowed in the record's present state, or its arguments are not valid."""

    code = "record-not-to-be-handed-over"


def listed(dsn: str | None) -> list[Row]:
    """The records that the unit of this role has a part in by a hand-over."""
    with transactions.session(dsn) as connection:
        return list(queries.rows(connection, "handovers"))


def act(
    actor: Actor,
    record: Record,
    action: str,
    to: str | None = None,
    reason: str | None = None,
    wait: float = 10.0,
) -> Recorded | None:
    """Send a step; returns the record's state once the registry has recorded the step.

    None if it has not within `wait` seconds. Raises: NotToBeHandedOver, ServiceUnavailable.
    """
    kind, reporter, record_id = record
    with transactions.session(actor.dsn) as connection:
        with connection.transaction():
            row = _find(connection, record)
            known = row is not None or _reported(connection, record)
        custody = _custody(reporter, row)
        step = cast(
            HandoverRecorded,
            {
                "follows": custody.head,
                "kind": kind,
                "record_unit": reporter,
                "record_id": record_id,
                "action": action,
                "unit": actor.unit,
                "to_unit": to,
                "reason": reason,
                "role": actor.role,
                "recorded_at": datetime.now(UTC).isoformat(timespec="seconds"),
            },
        )
        step_id = step["step_id"] = handovers.step_id(step)
        _check(step, custody)
        if not known:
            raise NotToBeHandedOver("not-reported", unit=actor.unit, kind=kind, record_id=record_id)
        publish_statement(
            actor, topics.HANDOVERS, "HandoverRecorded", step, key=record_id, event_id=step_id
        )

        def look(connection: Connection) -> Recorded | None:
            now = _find(connection, record)
            if now is None or step_id not in (*now["taken"], *now["refused"]):
                return None
            return Recorded(step_id in now["taken"], now)

        return wait_recorded(connection, look, wait)


def _check(step: HandoverRecorded, custody: CustodyState) -> None:
    try:
        handovers.check(step, step["unit"], UNITS)
    except Rejected as rejected:
        if rejected.reason == "another-unit":
            raise _not_now(step) from None
        codes = {"reason": handovers.REFUSALS, "kind": handovers.KINDS, "role": handovers.ROLES}
        known = codes.get(rejected.detail, UNITS)
        raise NotToBeHandedOver("no-such-code", field=rejected.detail, known=known) from None
    if handovers.after(custody, step) is None:
        raise _not_now(step)


def _not_now(step: HandoverRecorded) -> NotToBeHandedOver:
    action, unit = step["action"], step["unit"]
    return NotToBeHandedOver(
        "not-now",
        kind=step["kind"],
        record_id=step["record_id"],
        record_unit=step["record_unit"],
        action=action,
        unit=unit,
        means=Message(f"handovers.means.{action}", {}),
    )


def _find(connection: Connection, record: Record) -> Row | None:
    return queries.one(connection, "handover", _key(record))


def _reported(connection: Connection, record: Record) -> bool:
    """Whether the asking unit has reported it."""
    return queries.one(connection, "own_record", _key(record)) is not None


def _key(record: Record) -> Row:
    return dict(zip(("kind", "unit", "record_id"), record, strict=True))


def _custody(reporter: str, row: Row | None) -> CustodyState:
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
