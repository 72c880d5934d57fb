"""Which answer to a notice is in force: whatever came first, and whoever else said something."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crossregion.domain import acknowledgements
from crossregion.domain.acknowledgements import (
    ACCEPTED,
    NOT_OURS,
    REASONS,
    RECEIVED,
    REFUSED,
    NoticeState,
)
from crossregion.domain.events import NoticeAcknowledged, NoticeReassigned
from crossregion.domain.validation import Rejected
from schemas.units import NOTIFIED
from tests.support.builders import newest_example as example

EXAMPLE = cast(NoticeAcknowledged, example("NoticeAcknowledged"))
GIVEN = cast(NoticeReassigned, example("NoticeReassigned"))
UNIT, STRANGER = EXAMPLE["unit"], "220300"


def answered(answer: str = ACCEPTED, revision: int = 1, **changes: Any) -> NoticeAcknowledged:
    content = {"answer": answer, "reason": REASONS[answer][0], "revision": revision, **changes}
    return cast(NoticeAcknowledged, {**EXAMPLE, **content})


def holds(told: NoticeState | None, *answers: NoticeAcknowledged) -> str | None:
    found = acknowledgements.in_force(told, answers)
    return None if found is None else found["answer"]


STANDS = NoticeState(UNIT, 1, True)


def test_the_highest_revision_holds_whichever_came_first() -> None:
    first, second = answered(ACCEPTED, 1), answered(REFUSED, 2)
    assert holds(STANDS, first, second) == holds(STANDS, second, first) == REFUSED


def test_two_contents_under_one_revision_have_one_winner() -> None:
    one, other = answered(ACCEPTED), answered(NOT_OURS)
    assert holds(STANDS, one, other) == holds(STANDS, other, one)
    assert {holds(STANDS, one), holds(STANDS, other)} == {ACCEPTED, NOT_OURS}
    later = answered(acknowledged_at="another time")
    assert acknowledgements.version(later) == acknowledgements.version(one)


def test_only_the_notified_units_answer_counts() -> None:
    assert holds(STANDS, answered(ACCEPTED, 9, unit=STRANGER)) is None
    assert holds(STANDS, answered(RECEIVED), answered(ACCEPTED, 9, unit=STRANGER)) == RECEIVED


def test_a_withdrawn_notice_cannot_be_accepted_and_one_issued_again_is_asked_anew() -> None:
    accepted = answered(ACCEPTED)
    again = NoticeState(UNIT, 3, True, withdrawn=2)
    assert holds(NoticeState(UNIT, 2, False, 2), accepted, answered(notice_revision=2)) is None
    assert holds(again, accepted, answered(notice_revision=2)) is None
    assert holds(again, accepted, answered(notice_revision=3)) == ACCEPTED
    assert holds(again, answered(notice_revision=4)) is None
    assert holds(None, accepted) is None


def test_what_is_stated_again_as_more_urgent_need_not_be_answered_again() -> None:
    assert holds(NoticeState(UNIT, 2, True), answered()) == ACCEPTED
    assert holds(NoticeState(UNIT, 4, True, withdrawn=2), answered(notice_revision=3)) == ACCEPTED


class Inbox(RuleBasedStateMachine):
    """A unit, a stranger and the office; the model is a list of what each has written down.

    Nobody sees the sheet change: everything that was said is shuffled each time it is asked.
    """

    def __init__(self) -> None:
        super().__init__()
        self.said: list[NoticeAcknowledged] = []
        self.told = NoticeState(UNIT, 1, True)
        self.sheet: str | None = None
        self.answers = 0

    @rule()
    def withdraw_or_issue_again(self) -> None:
        revision, stands = self.told.revision + 1, not self.told.issued
        self.told = NoticeState(UNIT, revision, stands, self.told.withdrawn if stands else revision)
        self.sheet = None

    @rule()
    def state_again(self) -> None:
        if self.told.issued:
            self.told = NoticeState(UNIT, self.told.revision + 1, True, self.told.withdrawn)

    @rule(answer=st.sampled_from(list(REASONS)), twice=st.booleans())
    def answer(self, answer: str, twice: bool) -> None:
        self.answers += 1
        said = answered(answer, self.answers, notice_revision=self.told.revision)
        self.said += [said] * (2 if twice else 1)
        if self.told.issued:
            self.sheet = answer

    @rule(answer=st.sampled_from(list(REASONS)))
    def answer_what_was_withdrawn(self, answer: str) -> None:
        if self.told.withdrawn:
            self.said.append(answered(answer, 99, notice_revision=self.told.withdrawn))

    @rule(answer=st.sampled_from(list(REASONS)))
    def a_stranger_answers(self, answer: str) -> None:
        revision = self.told.revision
        self.said.append(answered(answer, 99, unit=STRANGER, notice_revision=revision))

    @rule(answer=st.sampled_from(list(REASONS)))
    def a_lower_revision_arrives_late(self, answer: str) -> None:
        if self.sheet is not None:
            self.said.append(answered(answer, 0, notice_revision=self.told.revision))

    @invariant()
    def the_sheet_is_what_holds(self) -> None:
        for seed in range(3):
            order = random.Random(seed).sample(self.said, len(self.said))
            assert holds(self.told, *order) == self.sheet


Inbox.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestInbox = Inbox.TestCase


def test_the_examples_are_ones_that_can_hold() -> None:
    acknowledgements.check(EXAMPLE, UNIT)
    acknowledgements.check_reassignment(GIVEN, NOTIFIED)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"unit": STRANGER}, "another-unit"),
        ({"answer": "maybe"}, "unknown-code"),
        ({"reason": "because"}, "unknown-code"),
        ({"reason": None}, "unknown-code"),
        ({"answer": ACCEPTED}, "unknown-code"),
        ({"role": "王红英"}, "unknown-code"),
        ({"revision": 0}, "wrong-revision"),
        ({"notice_revision": 0}, "wrong-revision"),
        ({"notice_id": "no id"}, "wrong-id"),
        ({"notice_id": EXAMPLE["notice_id"].upper()}, "wrong-id"),
        ({"notice_id": "x" * 101}, "over-limit"),
        ({"acknowledged_at": "a\0b"}, "unstorable-text"),
    ],
)
def test_what_could_never_hold_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected) as refused:
        acknowledgements.check(cast(NoticeAcknowledged, {**EXAMPLE, **changes}), UNIT)
    assert refused.value.reason == reason
    assert "王红英" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"unit": "220200"}, "another-unit"),
        ({"to_unit": "999999"}, "unknown-code"),
        ({"role": "officer"}, "unknown-code"),
        ({"revision": 0}, "wrong-revision"),
        ({"notice_id": ""}, "wrong-id"),
    ],
)
def test_a_reassignment_that_could_never_hold_is_refused(
    changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Rejected) as refused:
        given = cast(NoticeReassigned, {**GIVEN, **changes})
        acknowledgements.check_reassignment(given, NOTIFIED)
    assert refused.value.reason == reason
