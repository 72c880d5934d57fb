"""Tips for units: list, read, triage.

A triage takes effect once the registry has recorded it: of two that are made at once one is first.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from crossregion.catalogue import Message
from crossregion.domain import tips
from crossregion.domain.events import TipTriaged
from crossregion.domain.regions import OFFICE
from crossregion.domain.tips import DISMISSALS, ROLES, VERDICTS, Tip, TipState
from crossregion.domain.validation import Rejected
from crossregion.errors import CrossregionError
from crossregion.postgres import audit, queries, transactions
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row
from crossregion.services import prefixes
from crossregion.services.confirmation import Actor, Recorded, publish_statement, wait_recorded
from crossregion.services.disclosure import read_records
from schemas import topics
from schemas.units import UNITS


class TipUnknown(CrossregionError):
    """The unit has no part in such a tip."""

    code = "tip-unknown"


class NotToBeTriaged(CrossregionError):
    """The unit may not triage the tip, or not in its present state, or arguments are not valid."""

    code = "tip-not-to-be-triaged"


def listed(dsn: str | None, unit: str, purpose: str = "") -> list[Row]:
    """The tips that a unit has a part in, the first due first; of the office every one."""
    with transactions.session(dsn) as connection:
        if unit == OFFICE:
            audit.append_audit(connection, "list", "tips", purpose)
            return list(queries.rows(connection, "registered_tips"))
        return list(queries.rows(connection, "tips"))


def find(dsn: str | None, unit: str, tip: Tip) -> Row:
    """One of them.

    Raises: TipUnknown.
    """
    with transactions.session(dsn) as connection:
        return _find(connection, unit, tip)


def _find(connection: Connection, unit: str, tip: Tip) -> Row:
    asked = {"unit": tip[0], "tip_id": tip[1]}
    name = "registered_tip_state" if unit == OFFICE else "tip_state"
    found = queries.one(connection, name, asked)
    if found is None:
        raise TipUnknown(unit=unit, tip_id=tip[1], receiver=tip[0])
    return found


def read(dsn: str | None, unit: str, tip: Tip, purpose: str = "") -> Row | None:
    """The whole tip, once the audit has recorded who reads it and why; None if not permitted.

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
    """The state of a tip once the registry has this content of it; None if not within `wait` s."""
    asked = {"unit": unit, "tip_id": tip_id, "digest": digest}
    name = "registered_tip_content" if unit == OFFICE else "own_tip_content"

    def look(connection: Connection) -> Row | None:
        if queries.one(connection, name, asked) is None:
            return None
        return _find(connection, unit, (unit, tip_id))

    with transactions.session(dsn) as connection:
        return wait_recorded(connection, look, wait)


def triage(
    actor: Actor,
    tip: Tip,
    verdict: str,
    case: tuple[str, str] | None = None,
    to: str | None = None,
    reason: str | None = None,
    wait: float = 10.0,
) -> Recorded | None:
    """Say what a unit makes of a tip; where it stands, once the registry says what became of that.

    None if it has not within `wait` seconds. Raises: TipUnknown, NotToBeTriaged,
    ServiceUnavailable.
    """
    unit = actor.unit
    with transactions.session(actor.dsn) as connection:
        with connection.transaction():
            row = _find(connection, unit, tip)
        state = _state(row)
        case_unit, case_id = case or (None, None)
        made = cast(
            TipTriaged,
            {
                "follows": state.head,
                "revision": state.revision + 1,
                "tip_unit": tip[0],
                "tip_id": tip[1],
                "verdict": verdict,
                "case_unit": case_unit,
                "case_id": case_id,
                "to_unit": to,
                "reason": reason,
                "unit": unit,
                "role": actor.role,
                "triaged_at": datetime.now(UTC).isoformat(timespec="seconds"),
            },
        )
        triage_id = made["triage_id"] = tips.triage_id(made)
        _check(made, unit)
        if unit != OFFICE and unit not in state.may:
            raise NotToBeTriaged("of-another", tip_id=tip[1], receiver=tip[0], duty=row["duty"])
        if tips.after(state, made) is None:
            raise NotToBeTriaged(
                "not-now",
                tip_id=tip[1],
                receiver=tip[0],
                state=state.verdict,
                verdict=verdict,
                unit=unit,
                means=Message(f"tips.means.{verdict}", {}),
            )
        publish_statement(actor, topics.TRIAGE, "TipTriaged", made, key=tip[1], event_id=triage_id)

        def look(connection: Connection) -> Recorded | None:
            now = _find(connection, unit, tip)
            if triage_id not in (*now["taken"], *now["refused"]):
                return None
            return Recorded(triage_id in now["taken"], now)

        return wait_recorded(connection, look, wait)


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
            raise NotToBeTriaged("no-such-code", field=refused.detail, known=known) from None
        raise NotToBeTriaged(
            "does-not-belong", field=refused.detail, verdict=made["verdict"]
        ) from None


def _state(row: Row) -> TipState:
    last = None
    if row["head"] is not None:
        known = {"triage_id": row["head"], "revision": row["triages"], "verdict": row["verdict"]}
        last = cast(TipTriaged, known)
    return TipState(
        row["duty"], frozenset(row["may"]), frozenset(row["had"]), last, tuple(row["taken"])
    )


def complete_id(dsn: str | None, unit: str, tip: Tip) -> str:
    """The id of the tip that begins as given, of those of its receiver that a unit may see.

    Raises: AmbiguousId.
    """
    name = "registered_tip_ids" if unit == OFFICE else "tip_ids"
    return prefixes.complete(dsn, name, tip[1], unit=tip[0])
