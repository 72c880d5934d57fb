"""Agreements as the office keeps them: recorded, listed, and the corridors they are for.

What was sent counts once the registry has recorded it: of two contents under one revision that
were sent at the same time, only then it is known which one holds.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import date
from typing import Any, cast

from crossregion.domain import agreements, identifiers
from crossregion.domain.code_lists import code_list, departments
from crossregion.domain.events import AgreementRecorded, Contact
from crossregion.domain.routing import LEVELS
from crossregion.domain.validation import Rejected
from crossregion.errors import CrossregionError
from crossregion.postgres import queries, transactions
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row
from crossregion.services import prefixes
from crossregion.services.confirmation import Actor, Recorded, publish_statement, wait_recorded
from schemas import topics
from schemas.units import PARTNERS, UNITS

FIELDS = tuple(AgreementRecorded.__annotations__)
DAYS = ("signed_on", "valid_from", "valid_to")
DETAILS = {
    "valid_to is before valid_from": "ends-before-it-begins",
    "valid_to is the day on which it ended": "ended-without-last-day",
}


class AgreementUnknown(CrossregionError):
    """No agreement has this id."""

    code = "agreement-unknown"


class NotToBeRecorded(CrossregionError):
    """What was given is no agreement that two units can have."""

    code = "agreement-not-to-be-recorded"


def listed(dsn: str | None, unit: str | None = None) -> list[Row]:
    """The agreements, each in the state that holds."""
    with transactions.session(dsn) as connection:
        return [
            row
            for row in queries.rows(connection, "agreements")
            if unit is None or unit in row["units"]
        ]


def find(dsn: str | None, agreement_id: str) -> list[Row]:
    """Every state of one agreement, the one that holds last.

    Raises: AgreementUnknown.
    """
    try:
        asked = str(uuid.UUID(agreement_id))
    except ValueError:
        raise _unknown(agreement_id) from None
    with transactions.session(dsn) as connection:
        known = _states(connection, asked)
    if not known:
        raise _unknown(agreement_id)
    return known


def _unknown(agreement_id: str) -> AgreementUnknown:
    return AgreementUnknown(agreement_id=agreement_id)


def corridors(dsn: str | None, on: date, without_agreement: bool = False) -> list[Row]:
    """Pairs of units with cases between them, the busiest first; `agreed` on that day."""
    with transactions.session(dsn) as connection:
        return [
            row
            for row in queries.rows(connection, "corridors", {"on": on})
            if not (without_agreement and row["agreed"])
        ]


def record(
    actor: Actor,
    units: Sequence[str],
    number: str,
    signed_on: str,
    valid_from: str,
    valid_to: str | None,
    case_types: Sequence[str],
    disclosure: str,
    answer_within_hours: int,
    contacts: Sequence[Contact],
    status: str = agreements.IN_FORCE,
    wait: float = 10.0,
) -> Recorded | None:
    """Record an agreement, or its next state; the row is the state that holds.

    None if the registry has not recorded it within `wait` seconds. The state that holds already is
    not sent again. Raises: NotToBeRecorded, ServiceUnavailable.
    """
    agreement: AgreementRecorded = {
        "agreement_id": identifiers.agreement_id(units, number),
        "revision": 1,
        "number": number,
        "units": sorted(units),
        "signed_on": signed_on,
        "valid_from": valid_from,
        "valid_to": valid_to,
        "case_types": sorted(case_types),
        "disclosure": disclosure,
        "answer_within_hours": answer_within_hours,
        "contacts": list(contacts),
        "status": status,
    }
    try:
        agreements.check(agreement)
    except Rejected as refused:
        raise _refusal(refused, agreement) from None
    agreement_id = agreement["agreement_id"]
    digest = identifiers.agreement_digest(agreement)
    with transactions.session(actor.dsn) as connection:
        with connection.transaction():
            known = _states(connection, agreement_id)
            if known and known[-1]["digest"] == digest:
                return Recorded(True, known[-1])
            revision = known[-1]["revision"] + 1 if known else 1
            actor.note(connection, "record", f"agreement {agreement_id}", f"revision {revision}")
        agreement["revision"] = revision
        publish_statement(
            actor,
            topics.AGREEMENTS,
            "AgreementRecorded",
            agreement,
            key=agreement_id,
            event_id=identifiers.event_id(actor.unit, agreement_id, revision, digest),
        )

        def look(connection: Connection) -> Recorded | None:
            states = _states(connection, agreement_id)
            versions = [(row["revision"], row["digest"]) for row in states]
            if (revision, digest) not in versions:
                return None
            return Recorded(versions[-1] == (revision, digest), states[-1])

        return wait_recorded(connection, look, wait)


def _states(connection: Connection, agreement_id: str) -> list[Row]:
    return list(queries.rows(connection, "agreement", {"agreement_id": agreement_id}))


def in_force(row: Row, on: date) -> bool:
    """Whether an agreement of the registry is in force on a day."""
    days = {name: row[name] and row[name].isoformat() for name in DAYS}
    return agreements.in_force(cast(AgreementRecorded, {**row, **days}), on)


def _refusal(refused: Rejected, agreement: AgreementRecorded) -> NotToBeRecorded:
    """What is wrong with it and what would be right, by the field that the check names."""
    field = refused.detail.partition(":")[0]
    fields: dict[str, dict[str, Any]] = {
        "number": {},
        "units": {"given": agreement["units"], "known": UNITS, "partners": PARTNERS},
        "valid_to is before valid_from": {
            "first": agreement["valid_from"],
            "last": agreement["valid_to"],
        },
        "valid_to is the day on which it ended": {},
        "case_types": {"known": sorted(code_list("exploitation_type"))},
        "disclosure": {"given": agreement["disclosure"], "known": LEVELS},
        "status": {"given": agreement["status"], "known": agreements.STATUSES},
        "answer_within_hours": {"most": agreements.MAX_HOURS},
        "contacts.unit": {"known": agreement["units"]},
        "contacts.role": {"known": agreements.CONTACT_ROLES},
        "contacts.office": {"known": sorted(departments())},
    }
    if field in DAYS:
        return NotToBeRecorded("no-day", given=agreement[field])  # type: ignore[literal-required]
    if field not in fields:
        return NotToBeRecorded("not-well-given", detail=refused.detail)
    return NotToBeRecorded(DETAILS.get(field, field), **fields[field])


def complete_id(dsn: str | None, given: str) -> str:
    """The id of the agreement that begins as given.

    Raises: AmbiguousId.
    """
    return prefixes.complete_uuid(dsn, "agreement_ids", given)
