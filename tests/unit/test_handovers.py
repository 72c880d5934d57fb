"""Who owns a record: one unit always, whatever order the steps are read in."""

from __future__ import annotations

import random
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crossregion.domain import handovers
from crossregion.domain.events import HandoverRecorded
from crossregion.domain.handovers import (
    ACCEPTED,
    ACTIONS,
    OFFERED,
    REFUSED,
    RETURNED,
    WITHDRAWN,
    CustodyState,
    LogEntry,
)
from crossregion.domain.validation import Rejected
from schemas import units as known_units
from tests.support.builders import newest_example as example

EXAMPLE = cast(HandoverRecorded, example("HandoverRecorded"))
RECORD = handovers.record_of(EXAMPLE)
A, B, C = UNITS = ("220200", "220300", "220400")


def step(
    action: str, unit: str, follows: HandoverRecorded | str | None = None, to: str | None = None
) -> HandoverRecorded:
    after = follows if follows is None or isinstance(follows, str) else follows["step_id"]
    reason = "no-capacity" if action == REFUSED else None
    made = {"action": action, "unit": unit, "follows": after, "to_unit": to, "reason": reason}
    found = cast(HandoverRecorded, {**EXAMPLE, **made})
    return {**found, "step_id": handovers.step_id(found)}


def standing(*steps: HandoverRecorded) -> CustodyState:
    """The steps as they were written, one a millisecond; read in another order."""
    placed = [LogEntry(one, number, 0) for number, one in enumerate(steps)]
    found = handovers.trace(RECORD, placed)
    assert handovers.trace(RECORD, reversed(placed)) == found
    assert handovers.trace(RECORD, placed * 2) == found
    return found


OFFER = step(OFFERED, A, to=B)
ACCEPT = step(ACCEPTED, B, OFFER)


def test_the_owner_changes_with_the_acceptance_and_the_giver_goes_on_reading() -> None:
    assert standing().owner == A
    assert (standing(OFFER).owner, standing(OFFER).offered_to) == (A, B)
    taken = standing(OFFER, ACCEPT)
    assert (taken.owner, taken.offered_to, set(taken.readers)) == (B, None, {A, B})


def test_a_refused_or_withdrawn_offer_leaves_everything_as_it_was() -> None:
    for end in (step(REFUSED, B, OFFER), step(WITHDRAWN, A, OFFER)):
        ended = standing(OFFER, end)
        assert (ended.owner, ended.offered_to, set(ended.readers)) == (A, None, {A})
        assert standing(OFFER, end, ACCEPT).owner == A
        again = step(OFFERED, A, end, to=C)
        assert standing(OFFER, end, again, step(ACCEPTED, C, again)).owner == C


def test_withdrawing_after_the_acceptance_asks_for_it_back() -> None:
    late = step(WITHDRAWN, A, OFFER)
    knowing = step(WITHDRAWN, A, ACCEPT)
    for asked in (late, knowing):
        found = standing(OFFER, ACCEPT, asked)
        assert (found.owner, found.asked_back) == (B, True)
        back = standing(OFFER, ACCEPT, asked, step(RETURNED, B, asked))
        assert (back.owner, back.asked_back, set(back.readers)) == (A, False, {A, B})
        kept = standing(OFFER, ACCEPT, asked, step(REFUSED, B, asked))
        assert (kept.owner, kept.asked_back) == (B, False)
    assert standing(OFFER, ACCEPT, step(WITHDRAWN, C, ACCEPT)).asked_back is False


def test_it_goes_back_the_way_it_came() -> None:
    onward = step(OFFERED, B, ACCEPT, to=C)
    there = step(ACCEPTED, C, onward)
    first = step(RETURNED, C, there)
    second = step(RETURNED, B, first)
    way = [standing(OFFER, ACCEPT, onward, there)]
    way.append(standing(OFFER, ACCEPT, onward, there, first))
    way.append(standing(OFFER, ACCEPT, onward, there, first, second))
    assert [one.owner for one in way] == [C, B, A]
    assert way[-1].readers == set(UNITS)
    assert (
        standing(OFFER, ACCEPT, onward, there, first, second, step(RETURNED, A, second)) == way[2]
    )


def test_of_two_that_follow_the_same_step_the_first_by_the_brokers_time_holds() -> None:
    to_b, to_c = OFFER, step(OFFERED, A, to=C)
    assert standing(to_b, to_c).offered_to == B
    assert standing(to_c, to_b).offered_to == C
    same = [
        LogEntry(ACCEPT, 5, 0),
        LogEntry(step(WITHDRAWN, A, OFFER), 5, 0),
        LogEntry(OFFER, 1, 0),
    ]
    assert handovers.trace(RECORD, same) == handovers.trace(RECORD, reversed(same))


def test_thousands_of_steps_take_no_longer_each_than_a_few() -> None:
    """Every step that is looked at is looked at once, whoever else has written how much."""
    steps, last, owner = [], None, A
    for number in range(3_000):
        if number % 2:
            made = step(ACCEPTED, B if owner == A else A, last)
            owner = made["unit"]
        else:
            made = step(OFFERED, owner, last, to=B if owner == A else A)
        steps.append(made)
        last = made
    strange = [step(ACCEPTED, C, f"nothing {number}") for number in range(3_000)]
    looked_at = 0

    class Counted(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            nonlocal looked_at
            looked_at += name == "action"
            return super().__getitem__(name)

    placed = [
        LogEntry(cast(HandoverRecorded, Counted(one)), number, 0)
        for number, one in enumerate([*strange, *steps])
    ]
    found = handovers.trace(RECORD, placed)
    assert (found.owner, len(found.taken), len(found.givers)) == (A, 3_000, 1_500)
    assert looked_at < 4 * len(steps)


def test_a_step_counts_though_its_topics_clock_is_behind_the_one_it_follows() -> None:
    assert handovers.trace(RECORD, [LogEntry(OFFER, 9, 0), LogEntry(ACCEPT, 2, 0)]).owner == B


def test_another_records_steps_are_another_matter() -> None:
    other = cast(HandoverRecorded, {**OFFER, "record_id": "another"})
    assert standing(other) == CustodyState(A, frozenset({A}))


class Deed(RuleBasedStateMachine):
    """Three units, of whom each acts by what it has last looked at; the model is the deed on paper.

    The paper has a pile of owners, whom it is offered to and whether it is asked back; a step that
    is taken is stamped on it, and one that follows another stamp than the last is torn up.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written: list[LogEntry] = []
        self.pile = [A]
        self.readers = {A}
        self.offered: str | None = None
        self.asked = False
        self.stamps: list[HandoverRecorded] = []
        self.seen: dict[str, HandoverRecorded | None] = dict.fromkeys(UNITS)

    @rule(unit=st.sampled_from(UNITS))
    def look(self, unit: str) -> None:
        self.seen[unit] = self.stamps[-1] if self.stamps else None

    @rule(
        unit=st.sampled_from(UNITS),
        action=st.sampled_from(ACTIONS),
        to=st.sampled_from(UNITS),
        twice=st.booleans(),
    )
    def act(self, unit: str, action: str, to: str, twice: bool) -> None:
        made = step(action, unit, self.seen[unit], to if action == OFFERED else None)
        if any(one.step == made for one in self.written):
            return
        for _ in range(1 + twice):
            self.written.append(LogEntry(made, len(self.written), 0))
        last = self.stamps[-1] if self.stamps else None
        follows = made["follows"]
        if follows == (last["step_id"] if last else None):
            if self.stamp(action, unit, to):
                self.stamps.append(made)
        elif last and last["action"] == ACCEPTED and last["follows"] == follows:
            self.too_late(made)

    def too_late(self, made: HandoverRecorded) -> None:
        if made["action"] == WITHDRAWN and made["unit"] == self.pile[-2]:
            self.asked = True
            self.stamps.append(made)

    def stamp(self, action: str, unit: str, to: str) -> bool:
        owner = self.pile[-1]
        if action == OFFERED and unit == owner and self.offered is None and to != owner:
            self.offered = to
        elif action == ACCEPTED and unit == self.offered:
            self.pile.append(unit)
            self.readers.add(unit)
            self.offered, self.asked = None, False
        elif action == REFUSED and unit == self.offered:
            self.offered = None
        elif action == REFUSED and unit == owner and self.asked:
            self.asked = False
        elif action == WITHDRAWN and unit == owner and self.offered:
            self.offered = None
        elif action == WITHDRAWN and self.pile[-2:-1] == [unit] and not self.asked:
            self.asked = True
        elif action == RETURNED and unit == owner and len(self.pile) > 1 and not self.offered:
            self.pile.pop()
            self.asked = False
        else:
            return False
        return True

    @invariant()
    def the_deed_is_what_holds_in_whatever_order(self) -> None:
        for seed in range(2):
            shuffled = random.Random(seed).sample(self.written, len(self.written))
            found = handovers.trace(RECORD, shuffled)
            assert (found.owner, found.offered_to) == (self.pile[-1], self.offered)
            assert (found.asked_back, set(found.readers)) == (self.asked, self.readers)
            assert list(found.taken) == [one["step_id"] for one in self.stamps]

    @invariant()
    def whoever_has_read_a_part_sees_one_owner_who_has_had_it(self) -> None:
        for seed in range(2):
            part = [one for one in self.written if random.Random(f"{seed}{one}").random() < 0.7]
            found = handovers.trace(RECORD, part)
            assert found.owner in found.readers <= set(UNITS)


Deed.TestCase.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
TestDeed = pytest.mark.slow(Deed.TestCase)


def test_the_example_is_one_that_can_hold() -> None:
    handovers.check(EXAMPLE, A, known_units.UNITS)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"unit": B}, "another-unit"),
        ({"record_unit": B}, "another-unit"),
        ({"kind": "victim"}, "unknown-code"),
        ({"action": "lost"}, "unknown-code"),
        ({"to_unit": None}, "unknown-code"),
        ({"to_unit": "border"}, "unknown-code"),
        ({"record_unit": "999999", "follows": "x"}, "unknown-code"),
        ({"action": ACCEPTED}, "unknown-code"),
        ({"action": REFUSED, "to_unit": None}, "unknown-code"),
        ({"role": "王红英"}, "unknown-code"),
        ({"record_id": ""}, "over-limit"),
        ({"record_id": "x" * 101}, "over-limit"),
        ({"follows": "x" * 101}, "over-limit"),
        ({"record_id": "a\0b"}, "unstorable-text"),
    ],
)
def test_what_could_never_hold_is_refused(changes: dict[str, Any], reason: str) -> None:
    made = cast(HandoverRecorded, {**EXAMPLE, **changes})
    made["step_id"] = handovers.step_id(made)
    with pytest.raises(Rejected) as refused:
        handovers.check(made, A, known_units.UNITS)
    assert refused.value.reason == reason
    assert "王红英" not in str(refused.value)


def test_an_id_that_is_not_the_contents_is_refused() -> None:
    with pytest.raises(Rejected, match="wrong-id"):
        handovers.check(cast(HandoverRecorded, {**EXAMPLE, "to_unit": C}), A, known_units.UNITS)
