"""What a unit does with tips: it looks at those it has, reads one, and says what is made of it.

A triage counts once the registry has recorded it: of two that are made at once one comes first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar, cast

from crossregion.domain import tips
from crossregion.domain.events import TipTriaged
from crossregion.domain.regions import OFFICE
from crossregion.domain.tips import DISMISSALS, ROLES, VERDICTS, Tip, TipState
from crossregion.domain.validation import Rejected
from crossregion.errors import RuntimeFault
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka import producer
from crossregion.kafka.connection import Kafka
from crossregion.postgres import audit, queries, transactions
from crossregion.postgres.queries import Row
from crossregion.services.disclosure import read_records
from crossregion.services.notices import POLL_SECONDS
from schemas import codec, envelope, topics
from schemas.units import UNITS

Found = TypeVar("Found")

MEANS = {
    "new": "only what is linked or dismissed can be taken back",
    "linked": "only a tip that waits can be linked; take back what was made of it first",
    "referred": "only a tip that waits, to another unit; to one that had it, by the office alone",
    "dismissed": "only a tip that waits can be dismissed; take back what was made of it first",
}


class TipUnknown(RuntimeFault):
    """The unit has no part in such a tip."""


class NotToBeTriaged(RuntimeFault):
    """It is not the unit's to triage, or not allowed where the tip stands, or not well given."""


@dataclass(frozen=True)
class Outcome:
    """What became of a triage: whether it holds, and where the tip stands."""

    holds: bool
    row: Row


def listed(dsn: str | None, unit: str, purpose: str = "") -> list[Row]:
    """The tips that a unit has a part in, the first due first; of the office every one."""
    with transactions.session(dsn) as connection:
        if unit == OFFICE:
            audit.append_audit(connection, "list", "tips", purpose)
    return _rows(dsn, unit)


def _rows(dsn: str | None, unit: str) -> list[Row]:
    with transactions.session(dsn) as connection:
        name = "registered_tips" if unit == OFFICE else "tips"
        return list(queries.rows(connection, name))


def find(dsn: str | None, unit: str, tip: Tip) -> Row:
    """Where one of them stands.

    Raises: TipUnknown.
    """
    for row in _rows(dsn, unit):
        if (row["unit"], row["tip_id"]) == tip:
            return row
    raise TipUnknown(
        f"{unit} has no part in a tip {tip[1]} of {tip[0]}: see `crossregion tip list --unit "
        f"{unit}`."
    )


def read(dsn: str | None, unit: str, tip: Tip, purpose: str = "") -> Row | None:
    """The whole record, once the audit says who took it and what for; None if it may not be read.

    Read by who received it, whose it is to triage, the office, and whose case it is linked to once
    the notice of that is accepted. Raises: ReadingNotNoted.
    """
    key = {"kind": "tip", "unit": tip[0], "record_id": tip[1]}
    if unit != OFFICE:
        return next(iter(read_records(dsn, [key], purpose)), None)
    with transactions.session(dsn) as connection:
        audit.append_audit(connection, "read", f"tip {tip[0]} {tip[1]}", purpose)
        of = {"unit": tip[0], "tip_id": tip[1]}
        found = list(queries.rows(connection, "registered_tip", of))
    return {**key, **found[0]} if found else None


def recorded(dsn: str | None, unit: str, tip_id: str, digest: str, wait: float) -> Row | None:
    """Where a tip stands once the registry has this content of it; None if it has not in time."""

    def look() -> Row | None:
        with transactions.session(dsn) as connection:
            asked = {"unit": unit, "tip_id": tip_id, "digest": digest}
            name = "registered_tip_content" if unit == OFFICE else "own_tip_content"
            if not list(queries.rows(connection, name, asked)):
                return None
        return find(dsn, unit, (unit, tip_id))

    return _waited(look, wait)


def triage(
    kafka: Kafka,
    dsn: str | None,
    unit: str,
    tip: Tip,
    verdict: str,
    case: tuple[str, str] | None = None,
    to: str | None = None,
    reason: str | None = None,
    role: str = ROLES[0],
    wait: float = 10.0,
) -> Outcome | None:
    """Say what a unit makes of a tip, and wait until the registry says what became of that.

    None if it has not. Raises: TipUnknown, NotToBeTriaged, ServiceUnavailable.
    """
    row = find(dsn, unit, tip)
    standing = _standing(row)
    case_unit, case_id = case or (None, None)
    made = cast(
        TipTriaged,
        {
            "follows": standing.head,
            "revision": standing.revision + 1,
            "tip_unit": tip[0],
            "tip_id": tip[1],
            "verdict": verdict,
            "case_unit": case_unit,
            "case_id": case_id,
            "to_unit": to,
            "reason": reason,
            "unit": unit,
            "role": role,
            "triaged_at": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
    made["triage_id"] = tips.triage_id(made)
    _check(made, unit)
    if unit != OFFICE and unit not in standing.may:
        raise NotToBeTriaged(f"The tip {tip[1]} of {tip[0]} is {row['duty']}'s to triage.")
    if tips.after(standing, made) is None:
        raise NotToBeTriaged(
            f"The tip {tip[1]} of {tip[0]} is {standing.verdict}, and not to be {verdict} by "
            f"{unit} now: {MEANS[verdict]}."
        )
    value = codec.encode("TipTriaged", made)
    headers = envelope.headers(made["triage_id"], "TipTriaged", unit, tip[1])
    producer.send(
        kafka, kafka_connection.unit(unit), topics.TRIAGE.name(unit), tip[1], value, headers
    )

    def look() -> Outcome | None:
        now = find(dsn, unit, tip)
        if made["triage_id"] in (*now["taken"], *now["refused"]):
            return Outcome(made["triage_id"] in now["taken"], now)
        return None

    return _waited(look, wait)


def _check(made: TipTriaged, unit: str) -> None:
    try:
        tips.check(made, unit, UNITS)
    except Rejected as refused:
        codes = {
            "verdict": VERDICTS,
            "reason": DISMISSALS if made["verdict"] == tips.DISMISSED else (),
            "role": ROLES,
            "case_unit": UNITS if made["verdict"] == tips.LINKED else (),
            "to_unit": UNITS if made["verdict"] == tips.REFERRED else (),
            "case_id": (),
        }
        known = codes.get(refused.detail, ())
        if known:
            said = f"must be one of these: {', '.join(known)}"
        else:
            said = f"does not belong to {made['verdict']}, or is not well given"
        raise NotToBeTriaged(f"{refused.detail} {said}.") from None


def _standing(row: Row) -> TipState:
    last = None
    if row["head"] is not None:
        known = {"triage_id": row["head"], "revision": row["triages"], "verdict": row["verdict"]}
        last = cast(TipTriaged, known)
    return TipState(
        row["duty"], frozenset(row["may"]), frozenset(row["had"]), last, tuple(row["taken"])
    )


def _waited(look: Callable[[], Found | None], wait: float) -> Found | None:
    deadline = time.monotonic() + wait
    while True:
        found = look()
        if found is not None or time.monotonic() > deadline:
            return found
        time.sleep(POLL_SECONDS)
