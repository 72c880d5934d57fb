"""What the office is told of notices without an answer, and where it has them told instead."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crossregion.domain import handovers
from crossregion.domain.acknowledgements import EARLY_SECONDS
from tests.support.builders import newest_example as example
from tests.support.planner import Broker, Event, flag

HOURS = 24
DAY = float(HOURS)


def answer(word: str, revision: int = 1, notice: Any = None, **changes: Any) -> Event:
    notice = notice or {}
    known = {"notice_id": notice.get("notice_id"), "notice_revision": notice.get("revision")}
    content = {"answer": word, "revision": revision, "unit": notice.get("unit"), "reason": None}
    return "NoticeAcknowledged", {**example("NoticeAcknowledged"), **known, **content, **changes}


def asked(hours: int | None = HOURS) -> tuple[Broker, dict[str, Any]]:
    """A broker with one flag notice, published at 0 to one unit, which is to answer."""
    broker = Broker()
    broker.put(*flag(), 0.0)
    ((notice, _),) = broker.planner.pending()
    told = {**notice, "answer_within_hours": hours}
    broker.put("NoticeIssued", told, 0.0)
    return broker, told


def test_an_overdue_notice_is_told_to_the_office_once_and_once_more() -> None:
    broker, _ = asked()
    assert broker.publish(DAY - 1) == []
    assert broker.publish(DAY) == [("overdue", "220000")]
    assert broker.publish(2 * DAY - 1) == []
    assert broker.publish(2 * DAY) == [("overdue", "220000")]
    assert broker.publish(99 * DAY) == []


def test_across_restarts_nothing_is_said_twice_and_the_second_time_is_the_first_ones() -> None:
    broker, _ = asked()
    assert broker.publish(5 * DAY) == [("overdue", "220000")]
    for now, told in ((5 * DAY, 0), (6 * DAY - 1, 0), (6 * DAY, 1), (6 * DAY, 0), (9 * DAY, 0)):
        broker = Broker(broker.log)
        assert broker.publish(now) == [("overdue", "220000")] * told


def test_a_clock_that_stands_behind_the_one_before_takes_nothing_back() -> None:
    broker, _ = asked()
    broker.publish(DAY)
    assert Broker(broker.log).publish(DAY - 5) == []


def test_an_answer_in_time_ends_the_wait_and_a_late_one_withdraws_what_was_said() -> None:
    broker, notice = asked()
    broker.put(*answer("accepted", notice=notice), DAY - 1)
    assert broker.publish(9 * DAY) == []
    broker, notice = asked()
    broker.publish(DAY)
    broker.publish(2 * DAY)
    broker.put(*answer("received", notice=notice), 2 * DAY + 1)
    assert broker.publish(2 * DAY + 1) == []
    broker.put(*answer("accepted", 2, notice), 2 * DAY + 2)
    assert broker.publish(2 * DAY + 2) == [("overdue withdrawn", "220000")] * 2


def test_a_withdrawn_notice_waits_for_nothing() -> None:
    broker, _ = asked()
    broker.publish(DAY)
    broker.put(*flag(2, "none", ()), DAY + 1)
    assert sorted(broker.publish(DAY + 1)) == [
        ("flag withdrawn", "220300"), ("overdue withdrawn", "220000"),
    ]  # fmt: skip


def test_what_is_withdrawn_at_the_very_deadline_is_not_told_as_overdue() -> None:
    broker, _ = asked()
    broker.put(*flag(2, "none", ()), DAY - 1)
    assert broker.publish(DAY) == [("flag withdrawn", "220300")]
    broker.put(*flag(3), DAY + 1)
    assert broker.publish(DAY + 1) == [("flag", "220300")]


def test_a_refusal_goes_to_the_office_until_it_is_taken_back() -> None:
    for word, reason in (("refused", "no-capacity"), ("not-ours", None)):
        broker, notice = asked()
        broker.put(*answer(word, 1, notice, reason=reason), 1.0)
        assert broker.publish(1.0) == [("reassign", "220000")]
        _, issued, _ = broker.log[-1]
        assert issued["cause"] == notice["notice_id"]
        assert issued["remarks"] == [{"field": "answer", "code": reason or word}]
        assert broker.publish(9 * DAY) == []
        broker.put(*answer("accepted", 2, notice), 2.0)
        assert broker.publish(9 * DAY) == [("reassign withdrawn", "220000")]


def reassigned(notice_id: str, to_unit: str, revision: int = 1) -> Event:
    content = {"notice_id": notice_id, "to_unit": to_unit, "revision": revision}
    return "NoticeReassigned", {**example("NoticeReassigned"), **content}


def test_what_the_office_reassigns_is_told_to_the_new_unit_and_withdrawn_from_the_old() -> None:
    broker, notice = asked()
    broker.put(*answer("refused", 1, notice, reason="no-capacity"), 1.0)
    broker.publish(1.0)
    broker.put(*reassigned(notice["notice_id"], "220500"), 2.0)
    assert sorted(broker.publish(2.0)) == [
        ("flag", "220500"), ("flag withdrawn", "220300"), ("reassign withdrawn", "220000"),
    ]  # fmt: skip
    (second,) = (record for _, record, _ in broker.log if record.get("unit") == "220500")
    broker.put(*reassigned(second["notice_id"], "220300"), 3.0)
    assert sorted(broker.publish(3.0)) == [("flag", "220300"), ("flag withdrawn", "220500")]
    assert Broker(broker.log).publish(3.0) == []
    broker.put(*reassigned(notice["notice_id"], "220600", 2), 4.0)
    assert sorted(broker.publish(4.0)) == [("flag", "220600"), ("flag withdrawn", "220300")]
    broker.put(*flag(2, "none", ()), 5.0)
    assert broker.publish(5.0) == [("flag withdrawn", "220600")]


def test_what_the_office_is_told_of_answers_goes_nowhere_else() -> None:
    broker, _ = asked()
    broker.publish(DAY)
    (_, overdue, _) = broker.log[-1]
    broker.put(*reassigned(overdue["notice_id"], "220500"), DAY)
    assert broker.publish(DAY) == []


def hurried(notice: dict[str, Any], hours: int) -> dict[str, Any]:
    """The same as it is stated again, of a child."""
    known = {"revision": notice["revision"] + 1, "urgent": True, "answer_within_hours": hours}
    return {**notice, **known}


def test_a_notice_that_becomes_urgent_is_due_sooner_and_never_later() -> None:
    for hours, at, due in ((HOURS, 20.0, DAY), (6, 2.0, 8.0), (6, 23.0, DAY)):
        broker, notice = asked()
        broker.put("NoticeIssued", hurried(notice, hours), at)
        assert broker.publish(due - 1) == []
        assert broker.publish(due) == [("overdue", "220000")]
        assert broker.publish(due + hours - 1) == []
        assert broker.publish(due + hours) == [("overdue", "220000")]


def test_what_the_office_was_told_stands_when_the_notice_becomes_urgent_and_is_urgent_too() -> None:
    broker, notice = asked()
    broker.put(*answer("refused", 1, notice, reason="no-capacity"), 0.5)
    broker.put(*answer("received", 2, notice), 1.0)
    assert broker.publish(DAY) == [("overdue", "220000")]
    _, first, _ = broker.log[-1]
    broker.put("NoticeIssued", hurried(notice, 6), DAY + 1)
    assert broker.publish(DAY + 1) == [("overdue", "220000")]
    _, again, _ = broker.log[-1]
    assert again == {**first, "revision": 2, "urgent": True}
    assert broker.publish(DAY + 6) == [("overdue", "220000")]
    assert broker.publish(99 * DAY) == Broker(broker.log).publish(99 * DAY) == []
    broker.put(*answer("not-ours", 3, notice), 99 * DAY)
    assert sorted(broker.publish(99 * DAY)) == [
        ("overdue withdrawn", "220000"), ("overdue withdrawn", "220000"), ("reassign", "220000"),
    ]  # fmt: skip


def test_a_notice_that_was_withdrawn_and_is_told_again_has_its_whole_time_again() -> None:
    broker, notice = asked()
    broker.publish(DAY)
    gone = {name: notice[name] for name in ("notice_id", "unit", "kind", "cause")}
    broker.put("NoticeWithdrawn", {**gone, "revision": 2}, DAY + 1)
    broker.put("NoticeIssued", {**notice, "revision": 3}, DAY + 2)
    assert broker.publish(DAY + 2) == [("overdue withdrawn", "220000")]
    assert broker.publish(2 * DAY + 1) == []
    assert broker.publish(2 * DAY + 2) == [("overdue", "220000")]


def test_an_answer_that_was_there_long_before_its_notice_is_none_and_is_let_go() -> None:
    _, notice = asked()
    told_at = 3 * EARLY_SECONDS
    for answered_at, forgets_at, counts in (
        (told_at - EARLY_SECONDS - 1, 0.0, False),
        (told_at - EARLY_SECONDS, 0.0, True),
        (told_at - EARLY_SECONDS, told_at + EARLY_SECONDS, True),
        (told_at - EARLY_SECONDS, told_at + EARLY_SECONDS + 1, False),
    ):
        broker = Broker()
        broker.put(*answer("refused", 1, notice, reason="no-capacity"), answered_at)
        broker.planner.forget(forgets_at)
        broker.put(*flag(), told_at)
        broker.publish(told_at)
        assert (broker.log[-1][1]["kind"] == "reassign") == counts


def test_nobody_is_above_the_office() -> None:
    broker = Broker()
    broker.put(*flag(told=("220000",)), 0.0)
    ((notice, _),) = broker.planner.pending()
    told = {**notice, "answer_within_hours": HOURS}
    broker.put("NoticeIssued", told, 0.0)
    broker.put(*answer("not-ours", 1, told), 1.0)
    assert broker.publish(9 * DAY) == []


def stepped(action: str, unit: str, after: Event | None = None, to: str | None = None) -> Event:
    follows = after[1]["step_id"] if after else None
    reason = "no-capacity" if action == "refused" else None
    done = {"action": action, "unit": unit, "follows": follows, "to_unit": to, "reason": reason}
    made = {**example("HandoverRecorded"), **done}
    return "HandoverRecorded", {**made, "step_id": handovers.step_id(made)}  # type: ignore[arg-type]


OFFER = stepped("offered", "220200", to="220300")
OFFER_HOURS = 72


def test_an_offer_is_told_to_its_unit_until_a_step_answers_it() -> None:
    for end in (("accepted", "220300"), ("refused", "220300"), ("withdrawn", "220200")):
        broker = Broker()
        broker.put(*OFFER, 0.0)
        assert broker.publish(1.0) == [("handover", "220300")]
        _, notice, _ = broker.log[-1]
        assert (notice["disclosure"], notice["contact"]) == ("summary", "220200")
        assert notice["case_id"] == OFFER[1]["record_id"]
        broker.put(*answer("accepted", 1, notice), 2.0)
        broker.put(*reassigned(notice["notice_id"], "220500"), 2.0)
        assert broker.publish(2.0) == []
        assert broker.publish(1.0 + OFFER_HOURS) == [("overdue", "220000")]
        broker.put(*stepped(*end, after=OFFER), 99.0)
        assert sorted(broker.publish(99.0)) == [
            ("handover withdrawn", "220300"), ("overdue withdrawn", "220000"),
        ]  # fmt: skip
        assert Broker(broker.log).publish(999.0) == []


def test_what_is_asked_back_is_told_to_its_owner() -> None:
    broker = Broker()
    accepted = stepped("accepted", "220300", OFFER)
    asked_back = stepped("withdrawn", "220200", accepted)
    for number, one in enumerate((asked_back, accepted, OFFER)):
        broker.put(*one, float(9 - number))
    assert broker.publish(10.0) == [("handover", "220300")]
    _, notice, _ = broker.log[-1]
    assert notice["remarks"] == [{"field": "handover", "code": "asked-back"}]
    broker.put(*stepped("returned", "220300", asked_back), 11.0)
    assert broker.publish(11.0) == [("handover withdrawn", "220300")]


def test_a_strangers_steps_tell_nobody() -> None:
    broker = Broker()
    broker.put(*stepped("offered", "220500", to="220300"), 0.0)
    broker.put(*stepped("offered", "220500", OFFER, to="220300"), 0.0)
    assert broker.publish(1.0) == []


def test_a_notice_that_asks_for_no_answer_is_never_overdue() -> None:
    broker, _ = asked(hours=None)
    assert broker.publish(99 * DAY) == []


class Clockwork(RuleBasedStateMachine):
    """A notice, its unit, and planners that are restarted at any time.

    The model is the office's own book: when it was told for the first and for the second time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.broker, self.notice = asked()
        self.now, self.revision = 0.0, 0
        self.answered = False
        self.due, self.hours = DAY, HOURS
        self.book: list[float] = []

    @rule(hours=st.integers(1, HOURS))
    def wait(self, hours: int) -> None:
        self.now += hours

    @rule(word=st.sampled_from(["accepted", "received"]))
    def answer(self, word: str) -> None:
        self.revision += 1
        self.broker.put(*answer(word, self.revision, self.notice), self.now)
        self.answered = word == "accepted"

    @rule(hours=st.integers(1, HOURS))
    def hurry(self, hours: int) -> None:
        if self.notice["urgent"]:
            return
        self.notice = hurried(self.notice, hours)
        self.broker.put("NoticeIssued", self.notice, self.now)
        self.due, self.hours = min(self.due, self.now + hours), min(self.hours, hours)

    @rule()
    def restart(self) -> None:
        self.broker = Broker(self.broker.log)

    @rule()
    def publish(self) -> None:
        self.broker.publish(self.now)
        if self.answered:
            self.book.clear()
        elif len(self.book) < 2 and self.now >= (
            self.book[-1] + self.hours if self.book else self.due
        ):
            self.book.append(self.now)
        assert self.standing() == len(self.book)
        assert Broker(self.broker.log).publish(self.now) == []

    def standing(self) -> int:
        held = {
            record["notice_id"]: event == "NoticeIssued"
            for event, record, _ in self.broker.log
            if record.get("kind") == "overdue"
        }
        return sum(held.values())

    @invariant()
    def nothing_is_said_twice(self) -> None:
        said = [
            (record["notice_id"], record["revision"])
            for event, record, _ in self.broker.log
            if event.startswith("Notice") and record.get("kind") == "overdue"
        ]
        assert len(said) == len(set(said))


Clockwork.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestClockwork = Clockwork.TestCase
