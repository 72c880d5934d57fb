"""Whose a tip is to triage and what holds of it, in whatever order; and how one is validated."""

from __future__ import annotations

import csv
import random
from collections.abc import Collection
from copy import deepcopy
from datetime import date
from importlib import resources
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crossregion.domain import tips
from crossregion.domain.events import TipTriaged
from crossregion.domain.regions import OFFICE
from crossregion.domain.tips import (
    DISMISSALS,
    DISMISSED,
    LINKED,
    NEW,
    REFERRED,
    VERDICTS,
    LogEntry,
    Route,
    TipState,
)
from crossregion.domain.validation import (
    MAX_ID,
    MAX_LIST,
    MAX_TEXT,
    Rejected,
    ValidatedEvent,
    validate_event,
)
from schemas import units as known_units
from tests.support.triages import AT, EXAMPLE, TIP, UNITS, A, B, C, triage


def route(unit: str, revision: int = 1) -> Route:
    return Route(revision, f"digest {revision}", AT[unit], False)


def standing(*made: TipTriaged, routes: tuple[Route, ...] = (route(A),)) -> TipState:
    """What was made, one a millisecond; read in another order and twice."""
    placed = [LogEntry(one, number, 0) for number, one in enumerate(made)]
    found = tips.trace(routes, placed)
    assert tips.trace(routes[::-1], placed[::-1]) == found
    assert tips.trace(routes, placed * 2) == found
    return found


def test_a_tip_is_the_units_of_its_place_until_it_is_triaged() -> None:
    assert (standing().unit, standing().verdict, standing().open) == (A, NEW, True)
    linked = standing(triage(LINKED, A))
    assert (linked.verdict, linked.open, linked.unit) == (LINKED, False, A)
    assert standing(triage(LINKED, B)).verdict == NEW
    assert standing(triage(DISMISSED, OFFICE)).verdict == DISMISSED


def test_a_referral_moves_the_duty_and_only_the_office_has_it_go_back() -> None:
    to_b = triage(REFERRED, A, to=B)
    assert (standing(to_b).unit, standing(to_b).open) == (B, True)
    assert standing(to_b, triage(LINKED, A, to_b)).open
    assert standing(to_b, triage(LINKED, B, to_b)).verdict == LINKED
    back = triage(REFERRED, B, to_b, to=A)
    assert standing(to_b, back).unit == B
    by_office = triage(REFERRED, OFFICE, to_b, to=A)
    assert standing(to_b, by_office).unit == A
    assert standing(triage(REFERRED, A, to=A)).verdict == NEW


def test_what_was_made_is_only_taken_back_and_then_waits_again() -> None:
    linked = triage(LINKED, A)
    other = triage(LINKED, A, linked, case_id="another")
    assert standing(linked, other).head == linked["triage_id"]
    new = triage(NEW, A, linked)
    again = standing(linked, new)
    assert (again.verdict, again.open, again.unit) == (NEW, True, A)
    assert standing(linked, new, triage(DISMISSED, A, new)).verdict == DISMISSED
    assert standing(triage(NEW, A)).head is None


def test_of_two_at_once_the_first_by_the_brokers_time_holds() -> None:
    link, dismissal = triage(LINKED, A), triage(DISMISSED, OFFICE)
    assert standing(link, dismissal).verdict == LINKED
    assert standing(dismissal, link).verdict == DISMISSED
    same = [LogEntry(link, 5, 9), LogEntry(dismissal, 5, 0)]
    assert tips.trace([route(A)], same).verdict == DISMISSED
    assert tips.trace([route(A)], same[::-1]).verdict == DISMISSED
    skewed = [LogEntry(link, 9, 0), LogEntry(triage(NEW, A, link), 2, 0)]
    assert tips.trace([route(A)], skewed).verdict == NEW


def test_a_corrected_place_moves_what_waits_and_undoes_nothing() -> None:
    corrected = (route(A), route(B, 2))
    assert standing(routes=corrected).unit == B
    linked = standing(triage(LINKED, A), routes=corrected)
    assert (linked.verdict, linked.unit) == (LINKED, B)
    assert standing(triage(LINKED, B), routes=corrected).verdict == LINKED
    to_c = triage(REFERRED, A, to=C)
    assert standing(to_c, routes=corrected).unit == C
    conflict = (route(A), Route(1, "digest 2", AT[B], False))
    assert standing(routes=conflict).unit == B


@given(st.none() | st.text(max_size=8) | st.sampled_from(["KP", "HK", "710000", "229900"]))
def test_a_tip_is_never_nobodys(place: str | None) -> None:
    assert tips.unit_of(place) in known_units.UNITS


def test_a_tip_about_any_place_that_ever_was_is_a_units_that_can_triage() -> None:
    data = resources.files("crossregion.domain") / "data"
    found = set()
    for name in ("regions.csv", "regions_national.csv"):
        for row in csv.DictReader((data / name).read_text("utf-8").splitlines()):
            found.add(tips.unit_of(row["code"]))
    assert found == set(known_units.UNITS)


class Tray(RuleBasedStateMachine):
    """Three units and the office, each of which acts by what it has last looked at.

    The model is the tray that the tip lies in: whose it is, who had it, and the stamps on it. One
    that follows another stamp than the last is torn up. The log is shuffled each time it is read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.routes = [route(A)]
        self.written: list[LogEntry] = []
        self.lies_with = A
        self.may, self.had = {A}, {A}
        self.stamps: list[TipTriaged] = []
        self.seen: dict[str, TipTriaged | None] = dict.fromkeys((*UNITS, OFFICE))

    @rule(unit=st.sampled_from((*UNITS, OFFICE)))
    def look(self, unit: str) -> None:
        self.seen[unit] = self.stamps[-1] if self.stamps else None

    @rule(
        unit=st.sampled_from((*UNITS, OFFICE)),
        verdict=st.sampled_from(VERDICTS),
        to=st.sampled_from((*UNITS, OFFICE)),
        twice=st.booleans(),
    )
    def act(self, unit: str, verdict: str, to: str, twice: bool) -> None:
        made = triage(verdict, unit, self.seen[unit], to if verdict == REFERRED else None)
        if any(one.triage == made for one in self.written):
            return
        for _ in range(1 + twice):
            self.written.append(LogEntry(made, len(self.written), 0))
        last = self.stamps[-1] if self.stamps else None
        if self.seen[unit] == last and self.stamped(unit, verdict, to, last):
            self.stamps.append(made)

    def stamped(self, unit: str, verdict: str, to: str, last: TipTriaged | None) -> bool:
        waits = last is None or last["verdict"] in (NEW, REFERRED)
        if unit != OFFICE and unit not in self.may:
            return False
        if waits == (verdict == NEW):
            return False
        if verdict == REFERRED:
            if to == self.lies_with or (to in self.had and unit != OFFICE):
                return False
            self.lies_with, self.may = to, {to}
            self.had.add(to)
        return True

    @rule()
    def report_again(self) -> None:
        self.routes.append(route(A, len(self.routes) + 1))

    @invariant()
    def the_tray_is_what_holds_in_whatever_order(self) -> None:
        for seed in range(2):
            draw = random.Random(seed)
            shuffled = draw.sample(self.written, len(self.written))
            found = tips.trace(draw.sample(self.routes, len(self.routes)), shuffled)
            assert found.unit == self.lies_with
            assert found.may == self.may
            assert found.had == self.had
            assert list(found.taken) == [one["triage_id"] for one in self.stamps]

    @invariant()
    def whoever_has_read_a_part_sees_one_unit_that_had_it(self) -> None:
        part = [one for one in self.written if random.Random(str(one)).random() < 0.7]
        found = tips.trace(self.routes, part)
        assert found.unit in found.had <= {*UNITS, OFFICE}


Tray.TestCase.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
TestTray = pytest.mark.slow(Tray.TestCase)


def test_the_example_is_one_that_can_hold() -> None:
    tips.check(EXAMPLE, EXAMPLE["unit"], known_units.UNITS)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"unit": B}, "another-unit"),
        ({"verdict": "lost"}, "unknown-code"),
        ({"tip_unit": "border"}, "unknown-code"),
        ({"case_unit": None}, "unknown-code"),
        ({"case_unit": "999999"}, "unknown-code"),
        ({"case_id": None}, "over-limit"),
        ({"case_id": "x" * (MAX_ID + 1)}, "over-limit"),
        ({"to_unit": B}, "unknown-code"),
        ({"reason": DISMISSALS[0]}, "unknown-code"),
        ({"verdict": DISMISSED, "case_unit": None, "case_id": None}, "unknown-code"),
        ({"verdict": NEW, "case_unit": None}, "unknown-code"),
        ({"verdict": REFERRED, "case_unit": None, "case_id": None}, "unknown-code"),
        ({"role": "王红英"}, "unknown-code"),
        ({"tip_id": ""}, "over-limit"),
        ({"tip_id": "x" * (MAX_ID + 1)}, "over-limit"),
        ({"tip_id": "a\0b"}, "unstorable-text"),
        ({"revision": 0}, "wrong-revision"),
        ({"revision": 2}, "wrong-revision"),
        ({"follows": EXAMPLE["triage_id"]}, "wrong-revision"),
        ({"revision": 2, "follows": "x" * (MAX_ID + 1)}, "over-limit"),
    ],
)
def test_what_could_never_hold_is_refused(changes: dict[str, Any], reason: str) -> None:
    made = cast(TipTriaged, {**EXAMPLE, **changes})
    made["triage_id"] = tips.triage_id(made)
    with pytest.raises(Rejected) as refused:
        tips.check(made, EXAMPLE["unit"], known_units.UNITS)
    assert refused.value.reason == reason
    assert "王红英" not in str(refused.value)


def test_an_id_that_is_not_the_contents_is_refused_and_the_time_is_no_part_of_it() -> None:
    with pytest.raises(Rejected, match="wrong-id"):
        tips.check(
            cast(TipTriaged, {**EXAMPLE, "case_id": "x"}), EXAMPLE["unit"], known_units.UNITS
        )
    tips.check({**EXAMPLE, "triaged_at": "another time"}, EXAMPLE["unit"], known_units.UNITS)


def validated(**changes: Any) -> ValidatedEvent:
    tip = deepcopy(TIP)
    tip["identity"] |= changes.pop("identity", {})
    return validate_event("TipRecorded", {**tip, **changes}, TIP["unit"], None, date(2026, 11, 25))


SILENT = {"text": " ", "reporter_name": None, "reporter_contact": None}


@pytest.mark.parametrize(
    ("changes", "remarks"),
    [
        ({}, []),
        ({"place": "999999"}, [("place", "unknown-place")]),
        ({"place": "王红英的村子"}, [("place", "unknown-place")]),
        ({"place": None}, [("place", "no-place")]),
        ({"place": "220602", "happened_on": "2026-11-01"}, []),
        ({"happened_on": "2026-12-01"}, [("happened_on", "future-date")]),
        ({"happened_on": "2026-02-30"}, [("happened_on", "impossible-date")]),
        ({"happened_on": "1880-01-01"}, [("happened_on", "implausible-date")]),
        ({"received_at": "yesterday"}, [("received_at", "impossible-date")]),
        ({"received_at": "2099-01-01"}, [("received_at", "future-date")]),
        ({"source": "a friend"}, [("source", "unknown-word")]),
        ({"channel": "pigeon"}, [("channel", "unknown-word")]),
        ({"source": None, "channel": None}, []),
        ({"persons": [{"age_band": "child", "sex": None}]}, [("persons[1]", "unknown-word")]),
        ({"persons": [{"age_band": "adult", "sex": "X"}]}, [("persons[1]", "unknown-word")]),
        ({"identity": {"text": " "}}, [("identity.text", "no-text")]),
        ({"identity": {"text": None}}, [("identity.text", "no-text")]),
        ({"anonymous": True}, [("identity.reporter_name", "named-though-anonymous")]),
        (
            {"identity": {"reporter_name": None, "reporter_contact": ""}},
            [("identity.reporter_name", "no-reporter")],
        ),
        (
            {"identity": {**SILENT, "reporter_contact": "1"}, "persons": [], "place": "x"},
            [("place", "unknown-place"), ("identity.text", "no-text")],
        ),
        (
            {"anonymous": True, "identity": SILENT, "persons": []},
            [("identity.text", "no-text")],
        ),
    ],
)
def test_whatever_helps_is_accepted_with_remarks(
    changes: dict[str, Any], remarks: list[tuple[str, str]]
) -> None:
    found = validated(**changes)
    assert [(one["field"], one["code"]) for one in found.remarks] == remarks
    assert found.listed["persons"] == []
    assert found.flag is None
    assert "孙秀兰" not in str(found)
    assert TIP["identity"]["text"] not in str(found)
    assert "王红英" not in str(found.remarked)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"identity": SILENT, "persons": [], "place": None}, "nothing-said"),
        ({"identity": SILENT, "persons": [], "place": "999999"}, "nothing-said"),
        (
            {
                "identity": {**SILENT, "reporter_contact": "1"},
                "anonymous": True,
                "persons": [],
                "place": None,
            },
            "nothing-said",
        ),
        ({"tip_id": ""}, "no-record-id"),
        ({"tip_id": "x" * (MAX_ID + 1)}, "no-record-id"),
        ({"unit": "220300"}, "another-unit"),
        ({"revision": 0}, "over-limit"),
        ({"identity": {"text": "x" * (MAX_TEXT + 1)}}, "over-limit"),
        ({"persons": [{"age_band": "adult", "sex": None}] * (MAX_LIST + 1)}, "over-limit"),
        ({"identity": {"text": "a\0b"}}, "unstorable-text"),
    ],
)
def test_what_helps_nobody_or_cannot_be_trusted_is_refused(
    changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Rejected) as refused:
        validated(**changes)
    assert refused.value.reason == reason


def test_what_is_said_of_the_place_makes_the_route() -> None:
    found = tips.route_of(validated().remarked)
    assert (found.place, found.unit, found.urgent) == ("220202", "220200", True)
    nowhere = tips.route_of(validated(place="999999", persons=[]).remarked)
    assert (nowhere.place, nowhere.unit, nowhere.urgent) == (None, OFFICE, False)


def test_a_flood_of_one_unit_leaves_the_others_say() -> None:
    """The first hundred of each count, in the order of its topic, each once."""
    flood = [
        triage(DISMISSED, B, reason="too-vague", tip_id="x", case_id=str(n)) for n in range(300)
    ]
    placed = [LogEntry(one, 0, offset) for offset, one in enumerate(flood)]
    placed += [LogEntry(flood[0], 0, 300), LogEntry(triage(LINKED, A), 9, 0)]
    counted = tips.counting(reversed(placed))
    assert len(counted) == tips.MOST_TRIAGES + 1
    assert {one.triage["triage_id"] for one in counted} > {one["triage_id"] for one in flood[:100]}
    assert tips.trace([route(A)], placed).verdict == LINKED
    state = tips.TriageState()
    state.report(validated().remarked)
    for one in placed:
        state.triage(
            LogEntry(cast(TipTriaged, {**one.triage, "tip_id": TIP["tip_id"]}), 0, one.offset)
        )
    found = state.standing((TIP["unit"], TIP["tip_id"]))
    assert found is not None
    assert found[1].verdict == LINKED


@pytest.mark.parametrize("seed", range(5))
def test_the_newest_revision_of_each_unit_says_the_same_as_all(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """A tip that is corrected without end does not become slow for all."""
    draw = random.Random(seed)
    places = ("220202", "220203", "220303", "220502", None)
    said = [validated(revision=n, place=draw.choice(places)).remarked for n in range(1, 60)]
    draw.shuffle(said)
    looked_at: list[int] = []
    reported = tips.reported

    def counting(routes: Collection[Route]) -> TipState:
        looked_at.append(len(routes))
        return reported(routes)

    monkeypatch.setattr(tips, "reported", counting)
    state = tips.TriageState()
    for number, one in enumerate(said, 1):
        found = state.standing(state.report(one))
        assert found is not None
        assert found[1] == reported({tips.route_of(other) for other in said[:number]})
    assert max(looked_at) <= len({tips.unit_of(place) for place in places})
