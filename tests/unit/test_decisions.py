"""Which of several decisions holds: a state machine, and what it means for the pair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crossregion.domain import decisions, identifiers
from crossregion.domain.decisions import (
    CONFIRMED,
    DISMISSED,
    HEAVIER_BITS,
    MORE_NEEDED,
    REASONS,
    STRONGER_BITS,
    UNDONE,
    ProposalState,
)
from crossregion.domain.events import Evidence, MatchDecided, PairWeighed
from crossregion.domain.validation import Rejected
from schemas import codec

EXAMPLE: MatchDecided = json.loads(
    (Path(__file__).parents[2] / "schemas/examples/MatchDecided/1/example.json").read_text("utf-8")
)


def decided(verdict: str = CONFIRMED, previous: int = 0, **changes: Any) -> MatchDecided:
    content = {"reason": REASONS[verdict][0], "revision": previous + 1, **changes}
    found = cast(MatchDecided, {**EXAMPLE, "verdict": verdict, "previous": previous, **content})
    found["decision_id"] = identifiers.decision_id(found)
    return found


def verdicts(*given_in_order: MatchDecided) -> tuple[str | None, list[str | None]]:
    """The verdict in force, and of each decision why it was refused."""
    standing, refusals = ProposalState(), []
    for decision in given_in_order:
        standing, refused = decisions.step(standing, decision)
        refusals.append(refused)
    return standing.verdict, refusals


def test_of_two_that_know_the_same_the_first_wins() -> None:
    one, other = decided(CONFIRMED), decided(DISMISSED)
    assert verdicts(one, other) == (CONFIRMED, [None, "stale"])
    assert verdicts(other, one) == (DISMISSED, [None, "stale"])


def test_the_same_decision_twice_is_one() -> None:
    assert verdicts(decided(), decided()) == (CONFIRMED, [None, "stale"])
    again = decided(decided_at="another time")
    assert again["decision_id"] == decided()["decision_id"]


def test_undoing_restores_what_was_before() -> None:
    order = [decided(MORE_NEEDED), decided(CONFIRMED, 1), decided(UNDONE, 2)]
    assert verdicts(*order) == (MORE_NEEDED, [None] * 3)
    order.append(decided(UNDONE, 3))
    assert verdicts(*order) == (None, [None] * 4)
    order.append(decided(UNDONE, 4))
    assert verdicts(*order) == (None, [*[None] * 4, "not-allowed"])
    order.append(decided(DISMISSED, 4))
    assert verdicts(*order)[0] == DISMISSED


def test_a_confirmation_is_undone_before_anything_else() -> None:
    for verdict in (CONFIRMED, DISMISSED, MORE_NEEDED):
        assert verdicts(decided(), decided(verdict, 1)) == (CONFIRMED, [None, "not-allowed"])


def test_the_same_verdict_again_needs_a_newer_proposal() -> None:
    first = decided(DISMISSED, proposal_revision=3)
    same, newer = (decided(DISMISSED, 1, proposal_revision=number) for number in (3, 5))
    assert verdicts(first, same) == (DISMISSED, [None, "already-decided"])
    assert verdicts(first, newer) == (DISMISSED, [None, None])


def test_decisions_on_other_proposals_are_another_matter() -> None:
    other = decided(CONFIRMED, victim_id="V")
    other["proposal_id"] = "another"
    partition = [other, decided(DISMISSED), decided(UNDONE, 1), decided(CONFIRMED, 2)]
    assert decisions.effective(EXAMPLE["proposal_id"], partition).verdict == CONFIRMED
    assert decisions.effective("another", partition).verdict == CONFIRMED
    assert decisions.effective("no such", partition) == ProposalState()


class Analysts(RuleBasedStateMachine):
    """Three analysts, of whom each decides by the revision that they have last looked at.

    The model is what an office would keep on paper: a pile of sheets with the verdicts, a count of
    everything that was ever put on it or taken off, and nothing else.
    """

    def __init__(self) -> None:
        super().__init__()
        self.partition: list[MatchDecided] = []
        self.standing = ProposalState()
        self.pile: list[tuple[str, int]] = []
        self.count = 0
        self.seen = [0, 0, 0]

    @rule(analyst=st.integers(0, 2))
    def look(self, analyst: int) -> None:
        self.seen[analyst] = self.count

    @rule(
        analyst=st.integers(0, 2),
        verdict=st.sampled_from(list(REASONS)),
        on=st.integers(1, 3),
        twice=st.booleans(),
    )
    def decide(self, analyst: int, verdict: str, on: int, twice: bool) -> None:
        previous = self.seen[analyst]
        decision = decided(verdict, previous, proposal_revision=on, note=str(analyst))
        expected = previous == self.count and self.may(verdict, on)
        self.partition.append(decision)
        self.standing, refused = decisions.step(self.standing, decision)
        assert (refused is None) == expected
        if expected:
            self.count += 1
            if verdict == UNDONE:
                self.pile.pop()
            else:
                self.pile.append((verdict, on))
        if twice:
            self.partition.append(decision)
            held = self.standing
            self.standing, refused = decisions.step(self.standing, decision)
            assert (self.standing, refused) == (held, "stale" if expected else refused)

    def may(self, verdict: str, on: int) -> bool:
        if not self.pile:
            return verdict != UNDONE
        top, looked_at = self.pile[-1]
        if top == CONFIRMED or verdict == UNDONE:
            return verdict == UNDONE
        return verdict != top or on > looked_at

    @invariant()
    def the_pile_is_what_holds(self) -> None:
        held = [(one["verdict"], one["proposal_revision"]) for one in self.standing.held]
        assert held == self.pile
        assert self.standing.revision == self.count
        assert decisions.effective(EXAMPLE["proposal_id"], self.partition) == self.standing


Analysts.TestCase.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)
TestAnalysts = Analysts.TestCase


def test_the_example_is_one_that_can_take_effect() -> None:
    decisions.check(EXAMPLE, 1, 1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"unit": "220200"}, "another-unit"),
        ({"verdict": "maybe"}, "unknown-code"),
        ({"reason": "because"}, "unknown-code"),
        ({"reason": REASONS[DISMISSED][-1]}, "unknown-code"),
        ({"role": "王红英"}, "unknown-code"),
        ({"kind": "neither"}, "unknown-code"),
        ({"previous": -1, "revision": 0}, "wrong-revision"),
        ({"revision": 2}, "wrong-revision"),
        ({"proposal_revision": 0}, "wrong-revision"),
        ({"note": "x" * (decisions.MAX_NOTE + 1)}, "over-limit"),
        ({"note": "a\0b"}, "unstorable-text"),
        ({"case_id": "x" * 101}, "over-limit"),
        ({"victim_id": ""}, "over-limit"),
        ({"victim_id": "another"}, "wrong-id"),
        ({"proposal_id": "another"}, "wrong-id"),
        ({"evidence": EXAMPLE["evidence"] * 101}, "over-limit"),
        ({"evidence": [{"field": "name", "level": "equal", "bits": float("nan")}]}, "over-limit"),
        ({"evidence": [{"field": "name", "level": "equal", "bits": float("inf")}]}, "over-limit"),
    ],
)
def test_what_could_never_take_effect_is_refused(changes: dict[str, Any], reason: str) -> None:
    decision = cast(MatchDecided, {**EXAMPLE, **changes})
    decision["decision_id"] = identifiers.decision_id(decision)
    with pytest.raises(Rejected) as refused:
        decisions.check(decision, 1, 1)
    assert refused.value.reason == reason
    assert "王红英" not in str(refused.value)


def test_an_id_that_is_not_the_contents_or_another_partition_is_refused() -> None:
    for decision, partition, reason in (
        (cast(MatchDecided, {**EXAMPLE, "note": "changed"}), 1, "wrong-id"),
        (EXAMPLE, 2, "wrong-partition"),
    ):
        with pytest.raises(Rejected) as refused:
            decisions.check(decision, partition, 1)
        assert refused.value.reason == reason


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3))
def test_an_id_survives_the_encoding(bits: list[float]) -> None:
    evidence: list[Evidence] = [{"field": "f", "level": "l", "bits": one} for one in bits]
    _, found = codec.decode(codec.encode("MatchDecided", decided(evidence=evidence)))
    decisions.check(cast(MatchDecided, found), 1, 1)


def weighed(stated: bool = False, **fields: tuple[str, float]) -> PairWeighed:
    evidence: list[Evidence] = [
        {"field": name, "level": level, "bits": bits} for name, (level, bits) in fields.items()
    ]
    return {
        "model": "m",
        "case_id": EXAMPLE["case_id"],
        "victim_id": EXAMPLE["victim_id"],
        "rescue_id": EXAMPLE["rescue_id"],
        "case_unit": EXAMPLE["case_unit"],
        "rescue_unit": EXAMPLE["rescue_unit"],
        "case_revision": 1,
        "rescue_revision": 1,
        "weight": sum(bits for _, bits in fields.values()),
        "stated": stated,
        "evidence": evidence,
    }


NAME, HOME = ("sounds", 6.0), ("unknown", 0.0)
DISMISSAL = decided(DISMISSED, evidence=weighed(name=NAME, home=HOME)["evidence"])


def new(pair: PairWeighed) -> list[tuple[str, str]] | None:
    found = decisions.new_evidence(DISMISSAL, pair)
    return None if found is None else [(one["field"], one["level"]) for one in found]


def test_a_dismissed_pair_stays_dismissed_while_nothing_is_stronger() -> None:
    assert new(weighed(name=NAME, home=HOME)) is None
    assert new(weighed(name=("given", 4.0), home=HOME)) is None
    assert new(weighed(name=NAME, home=("different", -2.0))) is None
    assert new(weighed(name=NAME, home=("other", STRONGER_BITS - 0.01))) is None
    assert new(weighed(name=("sounds", 6.0 + HEAVIER_BITS - 0.01), home=HOME)) is None


def test_a_dismissed_pair_is_offered_again_with_what_is_new() -> None:
    assert new(weighed(name=NAME, home=("county", STRONGER_BITS))) == [("home", "county")]
    assert new(weighed(name=NAME, home=HOME, dna=("equal", 20.0))) == [("dna", "equal")]
    both = weighed(name=("equal", 9.0), home=("different", -2.0))
    assert new(both) == [("name", "equal")]
    assert new(weighed(name=("sounds", 6.0 + HEAVIER_BITS), home=HOME)) == []
    assert new(weighed(stated=True, name=NAME, home=HOME)) == []
    assert decisions.new_evidence(
        decided(DISMISSED, kind="stated", evidence=DISMISSAL["evidence"]),
        weighed(stated=True, name=NAME, home=HOME),
    ) is None  # fmt: skip
