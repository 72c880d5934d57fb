"""Tips as a unit takes them in: into its spool, so that what it has taken survives."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from crossregion.catalogue import Message
from crossregion.domain import events, fillers, identifiers
from crossregion.domain.events import PersonSummary, Remark, TipRecorded
from crossregion.domain.validation import MAX_ID, MAX_LIST, MAX_TEXT, Rejected, validate_event
from crossregion.errors import CrossregionError
from producers.records import LocalRecord
from producers.spool.store import Spool

EVENT = "TipRecorded"
REFUSALS = ("nothing-said", "unstorable-text", "over-limit", "no-record-id")
"""Reasons that have a sentence of their own."""


class NotToBeTaken(CrossregionError):
    """What was given helps nobody, or cannot be kept."""

    code = "tip-not-taken"


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
    """What was given, unless it is a word or sign for nothing."""
    said = (given or "").strip()
    return None if fillers.is_filler("text", said) else said


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
        validated = validate_event(EVENT, numbered, spool.unit, None, received_on)
    except Rejected as refused:
        raise _refusal(refused.reason, refused.detail) from None
    accepted = spool.accept_all([LocalRecord(EVENT, made["tip_id"], made, ())])
    if accepted.refused:
        raise _refusal("over-limit", "")
    return TipReceipt(made["tip_id"], validated.digest, validated.remarks, accepted.published > 0)


def _refusal(reason: str, detail: str) -> NotToBeTaken:
    if reason not in REFUSALS:
        return NotToBeTaken(why=detail)
    limits = {"max_text": MAX_TEXT, "max_list": MAX_LIST, "max_id": MAX_ID}
    return NotToBeTaken(why=Message(f"tips.refused.{reason}", limits))
