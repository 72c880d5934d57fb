"""What is told of files: once, by the day, to whom the person is with, whatever was read first."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, cast

import pytest

from crossregion.domain import handovers, routing
from crossregion.domain.events import ENTRIES, HandoverRecorded
from crossregion.domain.files import obligations
from crossregion.domain.notices.board import NoticePlanner
from crossregion.domain.validation import validate_event
from tests.support.builders import a_rescue, an_entry, example

UNIT, OTHER, STRANGER = "220100", "220600", "220300"
RESCUE = a_rescue(found_on="2026-01-31", guardian="NOT_FOUND", age_band="6-13")
ON = date(2026, 1, 31)

Said = tuple[str, dict[str, Any], float]
Published = list[tuple[str, str, str | None]]


class Days:
    """A planner that publishes each day what is new, and the log it reads."""

    def __init__(self, log: Sequence[Said] = ()) -> None:
        self.log = list(log)
        self.planner = NoticePlanner()
        for said in self.log:
            self.planner.take(*said)

    def put(self, event: str, record: Any, at: float = 1.0) -> None:
        said = (event, dict(record), at)
        self.log.append(said)
        self.planner.take(*said)

    def record(self, event: str, record: dict[str, Any]) -> None:
        """What intake makes of a unit's event."""
        validated = validate_event(event, record, record["unit"], None)
        self.put("RecordRemarked", validated.remarked)
        if validated.noted:
            self.put("FileNoted", validated.noted)

    def hand(self, unit: str, action: str, to: str | None, follows: str | None, at: float) -> str:
        step = cast(
            HandoverRecorded,
            {
                "follows": follows,
                "kind": "rescue",
                "record_unit": UNIT,
                "record_id": RESCUE["rescue_id"],
                "action": action,
                "unit": unit,
                "to_unit": to,
                "reason": None,
                "role": "officer",
                "recorded_at": None,
            },
        )
        step["step_id"] = handovers.step_id(step)
        self.put("HandoverRecorded", step, at)
        return step["step_id"]

    def take_over(self) -> None:
        offered = self.hand(UNIT, "offered", OTHER, None, 10.0)
        self.hand(OTHER, "accepted", None, offered, 11.0)

    def publish(self, on: date) -> Published:
        if self.planner.due(0.0, on):
            self.planner.tick(0.0, on)
        published: Published = []
        for notice, _ in self.planner.pending():
            issued = "units" in notice
            self.put("NoticeIssued" if issued else "NoticeWithdrawn", notice)
            kind = notice["kind"] if issued else f"{notice['kind']} withdrawn"
            published.append((kind, notice["unit"], cast(Any, notice).get("item")))
        self.planner.pending()
        return sorted(published, key=str)

    def standing(self) -> set[tuple[str, str, str | None]]:
        """What has been issued and not withdrawn."""
        last = {}
        for event, notice, _ in self.log:
            if event.startswith("Notice"):
                last[notice["notice_id"]] = (event, notice)
        return {
            (notice["kind"], notice["unit"], notice["item"])
            for event, notice in last.values()
            if event == "NoticeIssued"
        }


@pytest.fixture
def days() -> Days:
    made = Days()
    made.record("RescueRecorded", RESCUE)
    return made


def search(**changes: Any) -> dict[str, Any]:
    return an_entry("GuardianSearchRecorded", 1, **{"state": "SEARCHING", **changes})


def test_nothing_is_told_before_its_day_and_each_thing_once(days: Days) -> None:
    assert days.publish(ON - timedelta(days=1)) == []
    first = ["CHILD_PLACEMENT", "LEGAL_AID", "MEDICAL", "PSYCHOLOGICAL", "PUBLIC_NOTICE"]
    assert days.publish(ON) == [("file-due", UNIT, item) for item in [*first, "SCHOOL_RETURN"]]
    assert days.publish(ON + timedelta(days=7)) == []
    late = [("file-overdue", UNIT, item) for item in ("MEDICAL", "PUBLIC_NOTICE")]
    assert days.publish(ON + timedelta(days=8)) == late
    assert days.publish(ON + timedelta(days=8)) == []
    assert ("file-due", UNIT, "FIRST_CERTIFICATE") in days.publish(date(2026, 2, 28))


def test_what_is_done_is_withdrawn(days: Days) -> None:
    days.publish(ON + timedelta(days=8))
    days.record("GuardianSearchRecorded", search(notice_on="2026-02-09", state="PUBLIC_NOTICE"))
    gone = [(f"{kind} withdrawn", UNIT, None) for kind in ("file-due", "file-overdue")]
    assert days.publish(ON + timedelta(days=9)) == gone
    assert days.publish(date(2026, 3, 10)) != []
    assert ("file-due", UNIT, "WELFARE_HOME") not in days.standing()
    days.publish(date(2026, 3, 11))
    assert ("file-due", UNIT, "WELFARE_HOME") in days.standing()


def test_another_day_for_the_same_thing_is_told_as_another(days: Days) -> None:
    aid = an_entry("AssistanceRecorded", 2, kind="SHELTER", state="NEEDED", needed_on="2026-02-01")
    days.record("AssistanceRecorded", {**aid, "due_on": "2026-02-05"})
    days.publish(date(2026, 2, 7))
    days.record("AssistanceRecorded", {**aid, "revision": 2, "due_on": "2026-02-20"})
    published = days.publish(date(2026, 2, 7))
    shelter = f"SHELTER:{UNIT}/E2"
    assert published == [
        ("file-due withdrawn", UNIT, None),
        ("file-due", UNIT, shelter),
        ("file-overdue withdrawn", UNIT, None),
    ]


def test_a_handover_takes_what_is_due_along(days: Days) -> None:
    days.publish(ON)
    before = days.standing()
    days.take_over()
    days.publish(ON)
    assert days.standing() == {(kind, OTHER, item) for kind, _, item in before}
    medical = an_entry("AssistanceRecorded", 3, kind="MEDICAL", state="DONE", done_on="2026-02-01")
    days.record("AssistanceRecorded", {**medical, "unit": OTHER})
    days.publish(date(2026, 2, 1))
    assert days.standing() == {(kind, OTHER, item) for kind, _, item in before if item != "MEDICAL"}


def test_an_entry_counts_once_its_unit_has_the_person_in_its_charge(days: Days) -> None:
    medical = an_entry("AssistanceRecorded", 3, kind="MEDICAL", state="DONE", done_on="2026-02-01")
    days.record("AssistanceRecorded", {**medical, "unit": OTHER})
    days.record("AssistanceRecorded", {**medical, "unit": STRANGER})
    days.record("FollowUpRecorded", an_entry("FollowUpRecorded", 4, rescue_id="nobody"))
    published = days.publish(ON)
    assert ("file-due", UNIT, "MEDICAL") in published
    assert [unit for kind, unit, _ in published if kind == "remarks"] == sorted(
        [UNIT, OTHER, STRANGER]
    )
    remarked = {
        (notice["unit"], one["code"])
        for event, notice, _ in days.log
        if event == "NoticeIssued"
        for one in notice["remarks"]
    }
    assert remarked == {
        (OTHER, "not-in-charge"),
        (STRANGER, "not-in-charge"),
        (UNIT, "unknown-rescue"),
    } | {(UNIT, code) for _, code in remarks_of(an_entry("FollowUpRecorded", 4))}
    days.take_over()
    published = days.publish(ON)
    assert ("remarks withdrawn", OTHER, None) in published
    assert ("file-due", OTHER, "MEDICAL") not in days.standing()
    assert ("remarks", STRANGER, None) in days.standing()


def remarks_of(visit: dict[str, Any]) -> set[tuple[str, str]]:
    validated = validate_event("FollowUpRecorded", visit, visit["unit"], None)
    return {(one["field"], one["code"]) for one in validated.remarks}


def test_what_nobody_does_lapses_and_is_no_longer_told(days: Days) -> None:
    days.publish(date(2026, 3, 20))
    assert ("file-overdue", UNIT, "MEDICAL") in days.standing()
    days.publish(date(2028, 2, 7))
    assert not any(item == "MEDICAL" for _, _, item in days.standing())
    days.publish(date(2032, 1, 1))
    assert days.standing() == set()


def test_an_entry_that_was_meant_for_another_file_leaves_the_first(days: Days) -> None:
    medical = an_entry("AssistanceRecorded", 3, kind="MEDICAL", state="DONE", done_on="2026-02-01")
    days.record("AssistanceRecorded", medical)
    days.publish(ON)
    assert ("file-due", UNIT, "MEDICAL") not in days.standing()
    days.record("AssistanceRecorded", {**medical, "revision": 2, "rescue_id": "another"})
    assert ("file-due", UNIT, "MEDICAL") in days.publish(ON)


def test_a_department_behind_an_inbox_of_its_own_is_told_there(days: Days) -> None:
    problem = {"kind": "RIGHTS", "department": "FAO", "state": "OPEN", "due_on": "2026-03-01"}
    days.record(
        "FollowUpRecorded",
        an_entry("FollowUpRecorded", 5, state="DONE", done_on="2026-02-10", problems=[problem]),
    )
    days.publish(date(2026, 2, 10))
    assert ("file-due", "foreign-affairs", "PROBLEM:RIGHTS") in days.standing()
    assert routing.channel_of("JCO") == "220000"
    assert routing.channel_of("PSD") is None
    assert routing.channel_of("CAD") is None


def history(seed: int) -> list[Said]:
    """A year of one file, as intake and units put it."""
    draw = random.Random(seed)
    days = Days()
    days.record("RescueRecorded", RESCUE)
    days.take_over()
    for number in range(12):
        event = draw.choice(sorted(ENTRIES))
        on = date(2026, 2, 1) + timedelta(days=draw.randint(0, 300))
        changes: dict[str, Any] = {
            name: on.isoformat()
            for name in example(event)
            if name.endswith("_on") and draw.random() < 0.3 and name != "found_on"
        }
        changes["unit"] = draw.choice([UNIT, OTHER, STRANGER])
        if event == "AssistanceRecorded":
            changes["kind"] = draw.choice(["MEDICAL", "SCHOOL_RETURN", "LEGAL_AID"])
        changes["state"] = draw.choice(["NEEDED", "STARTED", "DONE", "PLANNED", "PUBLIC_NOTICE"])
        changes["revision"] = draw.randint(1, 3)
        days.record(event, an_entry(event, number % 5, **changes))
    return days.log


def each_day() -> Iterator[date]:
    for number in range(0, 420, 3):
        yield ON + timedelta(days=number)


@pytest.mark.parametrize("seed", range(8))
def test_order_restarts_and_leaps_of_the_clock_change_nothing(seed: int) -> None:
    said = history(seed)
    steady = Days(said)
    for on in each_day():
        steady.publish(on)
    last = max(each_day())
    for shuffle in range(3):
        random.Random(shuffle).shuffle(said)
        assert_same(Days(said), last, steady)
    restarted = Days(said)
    for number, on in enumerate(each_day()):
        if number % 20 == 0:
            restarted = Days(restarted.log)
            assert_no_news(restarted, on - timedelta(days=3))
        restarted.publish(on)
    assert restarted.standing() == steady.standing()


def assert_same(leaping: Days, last: date, steady: Days) -> None:
    leaping.publish(last)
    assert leaping.standing() == steady.standing()


def assert_no_news(restarted: Days, on: date) -> None:
    """On the day on which it was stopped; on the first there was nothing yet."""
    if on >= ON:
        assert restarted.publish(on) == []


@pytest.fixture
def made_anew(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many notes there were each time that it was computed what a file owes."""
    counted: list[int] = []
    owed = obligations.owed

    def counting(notes: Any, readers: Any) -> list[obligations.Item]:
        counted.append(len(notes))
        return owed(notes, readers)

    monkeypatch.setattr(obligations, "owed", counting)
    return counted


@pytest.mark.parametrize("unit", [UNIT, STRANGER])
def test_a_flood_of_entries_costs_no_more_than_its_length(
    days: Days, made_anew: list[int], unit: str
) -> None:
    days.publish(ON)
    made_anew.clear()
    for number in range(300):
        aid = an_entry("AssistanceRecorded", number, unit=unit, kind="SHELTER", state="NEEDED")
        days.record("AssistanceRecorded", aid)
    assert len(days.publish(ON)) >= 300
    assert made_anew == [301]
    for later in range(1, 4):
        made_anew.clear()
        days.publish(ON + timedelta(days=40 * later))
        assert len(made_anew) <= 1
