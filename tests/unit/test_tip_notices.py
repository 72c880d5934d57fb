"""Who is told of a tip: whose it is to triage, the office when that is late, a case's unit."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import permutations
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from crossregion.domain import handovers
from crossregion.domain.regions import OFFICE
from crossregion.domain.tips import DISMISSED, LINKED, NEW, REFERRED
from crossregion.domain.validation import validate_event
from tests.support.builders import newest_example as example
from tests.support.planner import Broker
from tests.support.triages import AT, CASE, A, B, C, triage

TIP = example("TipRecorded")
RECEIVER = TIP["unit"]
URGENT, CALM = 12.0, 72.0


def remarked(revision: int = 1, unit: str | None = A, band: str = "adult") -> dict[str, Any]:
    """What intake says of a tip about a place of a unit."""
    changes = {
        "revision": revision,
        "place": AT[unit] if unit else None,
        "persons": [{"age_band": band, "sex": None}],
    }
    return dict(validate_event("TipRecorded", {**TIP, **changes}, RECEIVER, None).remarked)


def published(unit: str | None = A, band: str = "adult") -> Broker:
    """A broker at which a tip has come in, and its unit been told of it."""
    broker = Broker()
    broker.put("RecordRemarked", remarked(unit=unit, band=band), 0.0)
    assert [one for one in broker.publish(0.0) if one[0] != "remarks"] == [("tip", unit or OFFICE)]
    return broker


def last(broker: Broker, kind: str) -> dict[str, Any]:
    return [record for _, record, _ in broker.log if record.get("kind") == kind][-1]


@pytest.mark.parametrize(("band", "hours"), [("adult", CALM), ("6-13", URGENT)])
def test_the_office_is_told_once_of_a_tip_that_nobody_triages(band: str, hours: float) -> None:
    broker = published(band=band)
    assert broker.publish(hours - 1) == []
    assert broker.publish(hours) == [("overdue", OFFICE)]
    assert broker.publish(hours * 9) == []
    assert Broker(broker.log).publish(hours * 9) == []
    assert last(broker, "overdue")["contact"] == A
    broker.put("TipTriaged", triage(DISMISSED, A), hours * 9)
    assert sorted(broker.publish(hours * 9)) == [
        ("overdue withdrawn", OFFICE),
        ("tip withdrawn", A),
    ]
    assert Broker(broker.log).publish(hours * 99) == []


def test_triage_in_time_is_in_time_however_late_it_is_read() -> None:
    broker = published()
    broker.put("TipTriaged", triage(DISMISSED, A), CALM - 1)
    assert Broker(broker.log).publish(CALM * 9) == [("tip withdrawn", A)]


def test_a_tip_is_not_answered_but_triaged() -> None:
    broker = published()
    notice = last(broker, "tip")
    answer = {
        **example("NoticeAcknowledged"), "unit": A, "notice_id": notice["notice_id"],
        "notice_revision": 1, "revision": 1, "reason": None,
    }  # fmt: skip
    broker.put("NoticeAcknowledged", {**answer, "answer": "not-ours"}, 1.0)
    assert broker.publish(1.0) == []
    broker.put("NoticeAcknowledged", {**answer, "answer": "accepted", "revision": 2}, 2.0)
    given = {"notice_id": notice["notice_id"], "to_unit": C, "revision": 1}
    broker.put("NoticeReassigned", {**example("NoticeReassigned"), **given}, 3.0)
    assert broker.publish(CALM) == [("overdue", OFFICE)]


def test_a_referral_moves_the_duty_with_a_deadline_of_its_own() -> None:
    broker = published()
    broker.put("TipTriaged", triage(REFERRED, A, to=B), 10.0)
    assert sorted(broker.publish(10.0)) == [("tip", B), ("tip withdrawn", A)]
    assert broker.publish(10.0 + CALM - 1) == []
    assert broker.publish(10.0 + CALM) == [("overdue", OFFICE)]


def test_a_corrected_place_and_a_child_that_becomes_known_are_told_anew() -> None:
    broker = published()
    broker.put("RecordRemarked", remarked(2, band="under-6"), 1.0)
    assert broker.publish(1.0) == [("tip", A)]
    assert last(broker, "tip")["answer_within_hours"] == URGENT
    broker.put("RecordRemarked", remarked(3, unit=B, band="under-6"), 2.0)
    assert sorted(broker.publish(2.0)) == [("tip", B), ("tip withdrawn", A)]
    assert broker.publish(2.0 + URGENT) == [("overdue", OFFICE)]


def test_a_tip_about_no_place_is_the_offices_and_nobody_is_above_it() -> None:
    broker = published(unit=None)
    assert broker.publish(CALM * 9) == []


def test_a_case_s_unit_is_told_of_a_tip_that_another_links_to_its_case() -> None:
    broker = published()
    linked = triage(LINKED, A)
    broker.put("TipTriaged", linked, 1.0)
    assert sorted(broker.publish(1.0)) == [("tip withdrawn", A), ("tip-linked", "220800")]
    notice = last(broker, "tip-linked")
    assert (notice["cause"], notice["contact"]) == (TIP["tip_id"], RECEIVER)
    assert (notice["case_unit"], notice["case_id"]) == ("220800", "220800-C1")
    broker.put("TipTriaged", triage(NEW, A, linked), 2.0)
    assert sorted(broker.publish(2.0)) == [("tip", A), ("tip-linked withdrawn", "220800")]
    own = published()
    own.put("TipTriaged", triage(LINKED, A, case_unit=A), 1.0)
    assert own.publish(1.0) == [("tip withdrawn", A)]


def handed(action: str, unit: str, follows: str | None, to: str | None = None) -> Any:
    """A step of handing over the case to which tips are linked here."""
    step: Any = {
        **example("HandoverRecorded"), "follows": follows, "kind": "case", "record_unit": CASE[0],
        "record_id": CASE[1], "action": action, "unit": unit, "to_unit": to, "reason": None,
    }  # fmt: skip
    return {**step, "step_id": handovers.step_id(step)}


OFFER = handed("offered", CASE[0], None, B)
TAKEN = handed("accepted", B, OFFER["step_id"])
BACK = handed("returned", B, TAKEN["step_id"])


def test_the_notice_of_a_link_goes_with_the_case() -> None:
    broker = published()
    broker.put("TipTriaged", triage(LINKED, A), 1.0)
    broker.publish(1.0)
    broker.put("HandoverRecorded", OFFER, 2.0)
    assert broker.publish(2.0) == [("handover", B)]
    broker.put("HandoverRecorded", TAKEN, 3.0)
    assert sorted(broker.publish(3.0)) == [
        ("handover withdrawn", B), ("tip-linked", B), ("tip-linked withdrawn", CASE[0]),
    ]  # fmt: skip
    notice = last(broker, "tip-linked")
    assert (notice["case_unit"], notice["case_id"]) == CASE
    broker.put("HandoverRecorded", BACK, 4.0)
    assert sorted(broker.publish(4.0)) == [("tip-linked", CASE[0]), ("tip-linked withdrawn", B)]
    assert Broker(broker.log).publish(4.0) == []


@pytest.mark.parametrize(
    ("linked_by", "to_whom"), [(CASE[0], B), (B, None), (A, B)], ids=["reporter", "owner", "other"]
)
def test_who_owns_the_case_is_told_of_a_link_and_not_of_its_own(
    linked_by: str, to_whom: str | None
) -> None:
    """Whatever of the tip, its triages and the hand-over is read first."""
    first = triage(REFERRED, A, to=linked_by) if linked_by != A else None
    link = triage(LINKED, linked_by, first)
    said: list[tuple[str, Any, float]] = [("RecordRemarked", remarked(), 0.0)]
    said += [("TipTriaged", one, number + 1.0) for number, one in enumerate((first, link)) if one]
    said += [("HandoverRecorded", OFFER, 4.0), ("HandoverRecorded", TAKEN, 5.0)]
    for order in permutations(said):
        broker = Broker()
        for one in order:
            broker.put(*one)
        linked = [unit for kind, unit in broker.publish(6.0) if kind == "tip-linked"]
        assert linked == ([to_whom] if to_whom else [])


def test_what_is_made_of_a_tip_that_has_not_come_in_waits_for_it() -> None:
    broker = Broker()
    broker.put("TipTriaged", triage(REFERRED, A, to=B), 0.0)
    assert broker.publish(0.0) == []
    broker.put("RecordRemarked", remarked(), 1.0)
    assert broker.publish(1.0) == [("tip", B)]


def test_no_word_of_a_tip_is_told() -> None:
    broker = published()
    broker.put("TipTriaged", triage(LINKED, A), 1.0)
    broker.publish(CALM * 9)
    assert not any(word in str(broker.log) for word in TIP["identity"].values())


class Counter(RuleBasedStateMachine):
    """A tip and its unit, and planners that are restarted; the model is the office's own book."""

    def __init__(self) -> None:
        super().__init__()
        self.broker = published()
        self.now = self.since = 0.0
        self.waits, self.book = True, 0
        self.made = [triage(NEW, C)][:0]

    @rule(hours=st.integers(1, int(CALM)))
    def wait(self, hours: int) -> None:
        self.now += hours

    @rule()
    def restart(self) -> None:
        """The topics are read again, in another order, each in its own."""
        topics: dict[str, list[Any]] = defaultdict(list)
        for event, record, at in self.broker.log:
            inbox = event in ("NoticeIssued", "NoticeWithdrawn")
            topics[record["unit"] if inbox else event].append((event, record, at))
        order = random.Random(len(self.broker.log)).sample(sorted(topics), len(topics))
        self.broker = Broker([one for topic in order for one in topics[topic]])

    @rule()
    def publish(self) -> None:
        before = self.standing()
        self.broker.publish(self.now)
        if self.waits and self.now >= self.since + CALM:
            assert self.standing() == 1
        else:
            assert self.standing() == (before if self.waits else 0)
        assert Broker(self.broker.log).publish(self.now) == []

    @precondition(lambda self: self.waits)
    @rule()
    def dismiss(self) -> None:
        self.publish()
        self.put(triage(DISMISSED, A, self.made[-1] if self.made else None))
        self.waits = False
        self.publish()

    @precondition(lambda self: not self.waits)
    @rule()
    def take_back(self) -> None:
        self.put(triage(NEW, A, self.made[-1]))
        self.waits, self.since = True, self.now
        self.publish()

    def put(self, made: Any) -> None:
        self.made.append(made)
        self.broker.put("TipTriaged", made, self.now)

    def standing(self) -> int:
        held: dict[str, tuple[int, bool]] = {}
        for event, record, _ in self.broker.log:
            if record.get("kind") == "overdue":
                said = (record["revision"], event == "NoticeIssued")
                held[record["notice_id"]] = max(said, held.get(record["notice_id"], said))
        return sum(issued for _, issued in held.values())

    @invariant()
    def nothing_is_said_twice(self) -> None:
        said = [
            (record["notice_id"], record["revision"])
            for event, record, _ in self.broker.log
            if event.startswith("Notice")
        ]
        assert len(said) == len(set(said))


Counter.TestCase.settings = settings(max_examples=50, stateful_step_count=15, deadline=None)
TestCounter = Counter.TestCase
