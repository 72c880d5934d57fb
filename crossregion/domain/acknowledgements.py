"""Answers of units to notices: which one is in force, and the unit a notice is reassigned to.

A notice and the answers to it stand in topics of their own, which have no common order. So the
answer in force does not depend on which was read first: of the notified unit's answers since the
notice was last withdrawn, it is the highest revision, and of equals the higher digest.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from crossregion.domain import decisions, identifiers
from crossregion.domain.events import NoticeAcknowledged, NoticeReassigned
from crossregion.domain.regions import OFFICE
from crossregion.domain.validation import MAX_ID, Rejected, check_texts

RECEIVED, ACCEPTED, REFUSED, NOT_OURS = "received", "accepted", "refused", "not-ours"
REFUSALS = ("known-already", "no-capacity", "other-agency", "record-unclear")
"""Code list refusal_reason."""
REASONS: dict[str, tuple[str | None, ...]] = {
    RECEIVED: (None,),
    ACCEPTED: (None,),
    REFUSED: REFUSALS,
    NOT_OURS: (None,),
}
"""Which reasons go with an answer."""
ANSWERED = (ACCEPTED, REFUSED, NOT_OURS)
"""What ends the wait for an answer; that a notice was received does not."""
DECLINED = (REFUSED, NOT_OURS)
ROLES = ("officer", "supervisor")
EARLY_SECONDS = 3600.0
"""By so much an answer may stand on the broker before its notice does, for clocks differ. An
earlier one answers nothing, so that one to what nobody was told need not be kept for ever."""


@dataclass(frozen=True, slots=True)
class NoticeState:
    """What was published last of a notice: to whom, whether it stands, and when it last did not.

    `withdrawn` is the highest revision by which it was taken back, 0 if it never was. One that is
    stated again meanwhile, as more urgent, need not be answered again.
    """

    unit: str
    revision: int
    issued: bool
    withdrawn: int = 0


def version(answer: NoticeAcknowledged) -> tuple[int, str]:
    """The sort key of an answer, of which the highest is in force; the time is no part of it."""
    content = {name: value for name, value in answer.items() if name != "acknowledged_at"}
    return answer["revision"], identifiers.digest_of(identifiers.canonical(content))


def in_force(
    state: NoticeState | None, answers: Iterable[NoticeAcknowledged]
) -> NoticeAcknowledged | None:
    """The answer in force; None while there is none, or the notice is withdrawn."""
    if state is None or not state.issued:
        return None
    counting = (
        one
        for one in answers
        if one["unit"] == state.unit and state.withdrawn < one["notice_revision"] <= state.revision
    )
    return max(counting, key=version, default=None)


def check(answer: NoticeAcknowledged, topic_unit: str) -> None:
    """Check that an answer could be in force, whatever notices there are.

    Raises: Rejected, whose detail names the field.
    """
    check_texts(answer, "")
    _check_notice_id(answer["notice_id"])
    if answer["unit"] != topic_unit:
        raise Rejected("another-unit", "unit")
    if answer["revision"] < 1 or answer["notice_revision"] < 1:
        raise Rejected("wrong-revision", "revision or notice_revision")
    if answer["answer"] not in REASONS:
        raise Rejected("unknown-code", "answer")
    if answer["reason"] not in REASONS[answer["answer"]]:
        raise Rejected("unknown-code", "reason")
    if answer["role"] not in ROLES:
        raise Rejected("unknown-code", "role")


def check_reassignment(given: NoticeReassigned, units: Iterable[str]) -> None:
    """Check that the office reassigns a notice to an existing unit.

    Raises: Rejected, whose detail names the field.
    """
    check_texts(given, "")
    _check_notice_id(given["notice_id"])
    if given["unit"] != OFFICE:
        raise Rejected("another-unit", "unit")
    if given["revision"] < 1:
        raise Rejected("wrong-revision", "revision")
    if given["to_unit"] not in units:
        raise Rejected("unknown-code", "to_unit")
    if given["role"] not in decisions.ROLES:
        raise Rejected("unknown-code", "role")


def _check_notice_id(notice_id: str) -> None:
    if len(notice_id) > MAX_ID:
        raise Rejected("over-limit", "notice_id")
    try:
        right = notice_id == str(uuid.UUID(notice_id))
    except ValueError:
        right = False
    if not right:
        raise Rejected("wrong-id", "notice_id")


def reassignment_version(given: NoticeReassigned) -> tuple[int, str]:
    """The sort key of a reassignment, of which the highest is in force."""
    content = {name: value for name, value in given.items() if name != "reassigned_at"}
    return given["revision"], identifiers.digest_of(identifiers.canonical(content))
