"""Tips as a unit takes them in: into its spool, so that what it has taken survives."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from crossregion.domain import events, identifiers
from crossregion.domain.events import PersonSummary, Remark, TipRecorded
from crossregion.domain.validation import MAX_ID, MAX_LIST, MAX_TEXT, Rejected, validate_event
from crossregion.errors import RuntimeFault
from producers.records import LocalRecord
from producers.spool.store import Spool

EVENT = "TipRecorded"
REFUSALS = {
    "nothing-said": "a tip needs words, or a place that there is, or persons, or whom to ask",
    "unstorable-text": "a text holds a NUL: remove it",
    "over-limit": f"a text has more than {MAX_TEXT} characters, or a list more than {MAX_LIST}",
    "no-record-id": f"an id has 1 to {MAX_ID} characters",
}


class NotToBeTaken(RuntimeFault):
    """What was given helps nobody, or cannot be kept."""


@dataclass(frozen=True, slots=True)
class TipReceipt:
    """A tip that stands in the spool: its id and digest, and what is doubtful in it.

    `new` says whether the spool did not have this content yet.
    """

    tip_id: str
    digest: str
    remarks: list[Remark]
    new: bool


def tip(
    unit: str,
    text: str | None,
    place: str | None = None,
    *,
    happened_on: str | None = None,
    persons: Sequence[PersonSummary] = (),
    source: str | None = None,
    channel: str | None = None,
    received_at: str | None = None,
    reporter_name: str | None = None,
    reporter_contact: str | None = None,
    tip_id: str | None = None,
) -> TipRecorded:
    """A tip as a unit was told it; who gave no name is anonymous. The spool counts its revisions.

    Without an id of its own it has one of its content, so that a second time is the same tip.
    """
    name, contact = _text(reporter_name), _text(reporter_contact)
    made: TipRecorded = {
        "tip_id": tip_id or "",
        "unit": unit,
        "revision": 0,
        "received_at": _text(received_at) or identifiers.day_of_acceptance(datetime.now(UTC)),
        "source": _text(source),
        "channel": _text(channel),
        "happened_on": _text(happened_on),
        "place": _text(place),
        "persons": list(persons),
        "anonymous": name is None and contact is None,
        "identity": {
            "text": _text(text),
            "reporter_name": name,
            "reporter_contact": contact,
        },
    }
    if not tip_id:
        made["tip_id"] = f"{unit}-{uuid.uuid5(identifiers.NAMESPACE, _said(made))}"
    return made


def _text(given: str | None) -> str | None:
    return (given or "").strip() or None


def _said(made: TipRecorded) -> str:
    left_out = ("tip_id", "revision", "received_at")
    return f"tip\n{identifiers.canonical({k: v for k, v in made.items() if k not in left_out})}"


def take(spool: Spool, made: TipRecorded) -> TipReceipt:
    """Store a tip; on return it survives a crash.

    Raises: NotToBeTaken, which names no value; SpoolError.
    """
    numbered: TipRecorded = {**made, "revision": max(1, made["revision"])}
    received_on = datetime.now(events.SHANGHAI).date()
    try:
        judged = validate_event(EVENT, numbered, spool.unit, None, received_on)
    except Rejected as refused:
        why = REFUSALS.get(refused.reason, refused.detail)
        raise NotToBeTaken(f"The tip was not taken: {why}.") from None
    accepted = spool.accept_all([LocalRecord(EVENT, made["tip_id"], made, ())])
    if accepted.refused:
        raise NotToBeTaken(f"The tip was not taken: {REFUSALS['over-limit']}.")
    return TipReceipt(made["tip_id"], judged.digest, judged.remarks, accepted.published > 0)
