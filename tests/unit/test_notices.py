"""What each unit is told: a function of what is known, whatever the order it came in."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crossregion.domain.notices.board import NoticePlanner
from tests.support.planner import Event, flag


def remarked(
    record_id: str = "C1",
    revision: int = 1,
    digest: str = "d",
    kind: str = "case",
    stated: str | None = None,
    codes: tuple[str, ...] = (),
) -> Event:
    return "RecordRemarked", {
        "kind": kind,
        "record_id": record_id,
        "unit": "220200",
        "revision": revision,
        "digest": digest,
        "stated_case_id": stated,
        "remarks": [{"field": "f", "code": code} for code in codes],
        "happened_on": None,
        "legs": [],
        "persons": [],
        "exploitation": [],
    }


def proposed(revision: int = 1, probability: float = 0.7) -> Event:
    return "MatchProposed", {
        "proposal_id": "P1",
        "revision": revision,
        "case_id": "C1",
        "victim_id": "C1/1",
        "rescue_id": "R1",
        "case_unit": "220200",
        "rescue_unit": "220300",
        "kind": "weighed",
        "model": "m",
        "probability": probability,
        "rank": 1,
        "band": "review",
        "evidence": [],
    }


def withdrawn(revision: int) -> Event:
    record = proposed(revision)[1]
    names = ("proposal_id", "revision", "case_id", "victim_id", "rescue_id", "case_unit")
    return "MatchWithdrawn", {name: record[name] for name in (*names, "rescue_unit")}


def decided(verdict: str = "confirmed", previous: int = 0) -> Event:
    """Of the pair that `proposed` proposes; the planner checks no ids."""
    record = proposed()[1]
    names = ("proposal_id", "case_id", "victim_id", "rescue_id", "case_unit", "rescue_unit")
    return "MatchDecided", {
        **{name: record[name] for name in names},
        "proposal_revision": 1,
        "previous": previous,
        "revision": previous + 1,
        "verdict": verdict,
    }


def case(revision: int = 1, destination: str | None = None) -> Event:
    event, record = remarked(revision=revision)
    ends = (("taken_from", "220202"), ("taken_to", destination))
    legs = [{"role": role, "code": code, "certainty": "stated"} for role, code in ends]
    return event, {**record, "legs": legs}


def rescue(revision: int = 1, found_at: str | None = "220302") -> Event:
    event, record = remarked("R1", revision, kind="rescue")
    leg = {"role": "found_at", "code": found_at, "certainty": "stated"}
    return event, {**record, "unit": "220300", "legs": [leg]}


def published(planner: NoticePlanner, *events: Event) -> list[tuple[str, str, str, int]]:
    for event, record in events:
        planner.take(event, record, 1.0)
    found = []
    for notice, _ in planner.pending():
        kind = notice["kind"] if "units" in notice else f"{notice['kind']} withdrawn"
        found.append((kind, notice["unit"], notice["cause"], notice["revision"]))
    return found


def test_a_flag_is_told_once() -> None:
    planner = NoticePlanner()
    assert published(planner, flag()) == [("flag", "220300", "C1", 1)]
    assert published(planner, flag()) == []


def test_a_revision_that_changes_nothing_told_tells_nobody_again() -> None:
    planner = NoticePlanner()
    published(planner, flag())
    assert published(planner, flag(2)) == []


def test_what_no_longer_holds_is_withdrawn_under_the_same_id() -> None:
    planner = NoticePlanner()
    ((first, _),) = _pending(planner, flag())
    second = {notice["notice_id"]: notice for notice, _ in _pending(planner, flag(2, "none", ()))}
    assert second[first["notice_id"]]["revision"] == 2
    assert "units" not in second[first["notice_id"]]
    assert published(planner, flag(3)) == [("flag", "220300", "C1", 3)]


def _pending(planner: NoticePlanner, *events: Event) -> list[tuple[Any, float]]:
    for event, record in events:
        planner.take(event, record, 1.0)
    return list(planner.pending())


def test_an_older_revision_changes_nothing() -> None:
    planner = NoticePlanner()
    published(planner, flag(2))
    assert published(planner, flag(1, "province", ("220000", "220300"))) == []


def test_a_proposal_is_told_to_the_office_from_half_on() -> None:
    planner = NoticePlanner()
    assert published(planner, proposed(1, 0.49)) == []
    assert published(planner, proposed(2, 0.5)) == [("proposal", "220000", "P1", 1)]
    assert published(planner, proposed(3, 0.9)) == []
    assert published(planner, withdrawn(4)) == [("proposal withdrawn", "220000", "P1", 2)]


def test_remarks_are_one_notice_to_the_unit() -> None:
    planner = NoticePlanner()
    assert published(planner, remarked(codes=("a", "b"))) == [("remarks", "220200", "C1", 1)]
    assert published(planner, remarked(revision=2, codes=())) == [
        ("remarks withdrawn", "220200", "C1", 2)
    ]


def test_the_same_revision_with_two_contents_is_a_remark() -> None:
    planner = NoticePlanner()
    assert published(planner, remarked(digest="d")) == []
    ((notice, _),) = _pending(planner, remarked(digest="e"))
    assert notice["remarks"] == [{"field": "revision", "code": "conflicting-contents"}]


def test_an_unknown_stated_case_is_a_remark_until_it_is_reported() -> None:
    planner = NoticePlanner()
    ((notice, _),) = _pending(planner, remarked("R1", kind="rescue", stated="C7"))
    assert notice["remarks"] == [{"field": "stated_case_id", "code": "unknown-case"}]
    assert published(planner, remarked("C7")) == [("remarks withdrawn", "220200", "R1", 2)]


BOTH = [("confirmed", "220200", "C1", 1), ("confirmed", "220300", "R1", 1)]
SECOND = ("flag", "220300", "C1", 1)


def test_a_confirmation_tells_both_units_and_undoing_withdraws_it() -> None:
    planner = NoticePlanner()
    assert published(planner, decided("more-needed")) == []
    assert sorted(published(planner, decided(previous=1))) == BOTH
    assert published(planner, decided("dismissed", previous=1)) == []
    undone = published(planner, decided("undone", previous=2))
    assert sorted(undone) == [
        ("confirmed withdrawn", "220200", "C1", 2),
        ("confirmed withdrawn", "220300", "R1", 2),
    ]
    again = sorted(published(planner, decided(previous=3)))
    assert [(unit, revision) for _, unit, _, revision in again] == [("220200", 3), ("220300", 3)]


def test_a_confirmed_pair_gives_a_second_flag_whichever_came_last() -> None:
    for order in itertools.permutations([decided(), case(), rescue()]):
        assert sorted(published(NoticePlanner(), *order)) == sorted([*BOTH, SECOND])


def test_a_second_flag_follows_case_and_rescue() -> None:
    planner = NoticePlanner()
    published(planner, decided(), case(), rescue())
    assert sorted(published(planner, case(2, "220582"))) == [
        ("flag withdrawn", "220300", "C1", 2), ("remarks", "220000", "P1", 1),
    ]  # fmt: skip
    assert published(planner, case(3, "220322")) == [("remarks withdrawn", "220000", "P1", 2)]
    assert published(planner, case(4)) == [("flag", "220300", "C1", 3)]
    assert published(planner, rescue(2, None)) == [("flag withdrawn", "220300", "C1", 4)]


def test_the_second_flag_stands_beside_the_reported_one() -> None:
    planner = NoticePlanner()
    assert published(planner, flag()) == [SECOND]
    assert sorted(published(planner, decided(), case(), rescue())) == sorted([*BOTH, SECOND])
    undone = published(planner, decided("undone", 1))
    assert ("flag withdrawn", "220300", "C1", 2) in undone
    assert published(planner, flag(2, "none", ())) == [("flag withdrawn", "220300", "C1", 2)]


def test_what_stands_in_the_topic_counts_as_sent() -> None:
    first = NoticePlanner()
    ((notice, _),) = _pending(first, flag())
    again = NoticePlanner()
    assert published(again, ("NoticeIssued", notice), flag()) == []
    gone = NoticePlanner()
    assert published(gone, ("NoticeIssued", notice)) == [("flag withdrawn", "220300", "C1", 2)]


CHILD = [{"age_band": "6-13", "sex": "F"}]
DAY = 86_400.0


def letter(revision: int = 1, hours: int = 48, **changes: Any) -> Event:
    return "AgreementRecorded", {
        "agreement_id": "A1",
        "revision": revision,
        "number": "1",
        "units": ["220200", "220300"],
        "signed_on": "1970-01-01",
        "valid_from": "1970-01-01",
        "valid_to": None,
        "case_types": [],
        "disclosure": "record",
        "answer_within_hours": hours,
        "contacts": [],
        "status": "in-force",
        **changes,
    }


def aged(revision: int = 1, persons: list[dict[str, str]] = CHILD) -> Event:
    event, record = remarked(revision=revision)
    return event, {**record, "persons": persons}


def hours(planner: NoticePlanner, *events: Event, at: float = 1.0) -> list[tuple[int, int | None]]:
    """Revision and hours of each notice that is issued now."""
    for event, record in events:
        planner.take(event, record, at)
    return [
        (notice["revision"], notice["answer_within_hours"])
        for notice, _ in _pending(planner)
        if "units" in notice
    ]


def test_an_agreement_changes_the_terms_of_later_notices_and_of_no_other() -> None:
    planner = NoticePlanner()
    assert hours(planner, flag()) == [(1, 72)]
    assert hours(planner, letter()) == []
    assert hours(planner, flag(2, "none", ())) == []
    assert hours(planner, flag(3)) == [(3, 48)]
    assert hours(planner, letter(2, 10), letter(3, 20), letter(2, 5)) == []
    assert hours(planner, flag(4, "none", ())) == []
    assert hours(planner, flag(5)) == [(5, 20)]


def test_an_agreement_is_in_force_by_the_day_of_what_is_told() -> None:
    until_first = letter(valid_to="1970-01-01")
    assert hours(NoticePlanner(), until_first, flag(), at=1.0) == [(1, 48)]
    assert hours(NoticePlanner(), until_first, flag(), at=DAY) == [(1, 72)]
    from_second = letter(valid_from="1970-01-02")
    assert hours(NoticePlanner(), from_second, flag(), at=1.0) == [(1, 72)]
    assert hours(NoticePlanner(), from_second, flag(), at=DAY) == [(1, 48)]


def test_of_two_contents_under_one_revision_the_same_holds_in_any_order() -> None:
    both = [letter(hours=24), letter(hours=36), flag()]
    first, *others = (hours(NoticePlanner(), *order) for order in itertools.permutations(both))
    assert first in ([(1, 24)], [(1, 36)])
    assert all(other == first for other in others)


def test_a_notice_that_becomes_urgent_is_stated_again_and_stays_so() -> None:
    planner = NoticePlanner()
    ((before, _),) = _pending(planner, flag(), remarked())
    ((now, _),) = _pending(planner, aged(2))
    assert now["notice_id"] == before["notice_id"]
    assert (now["revision"], now["urgent"], now["answer_within_hours"]) == (2, True, 24)
    assert now["persons"] == CHILD
    assert _pending(planner, aged(3), remarked(revision=4), aged(5)) == []
    again = NoticePlanner()
    again.take("NoticeIssued", now, 0.0)
    assert _pending(again, flag(), aged(5), ("NoticeIssued", before)) == []
    assert published(again, flag(2, "none", ())) == [("flag withdrawn", "220300", "C1", 3)]


def test_everything_about_an_urgent_case_is_urgent() -> None:
    planner = NoticePlanner()
    _, known = case()
    events = ("RecordRemarked", {**known, "persons": CHILD}), rescue(), decided(), proposed()
    issued = [notice for notice, _ in _pending(planner, *events)]
    assert {notice["kind"] for notice in issued} == {"confirmed", "flag", "proposal"}
    assert all(notice["urgent"] for notice in issued)
    assert {notice["case_id"] for notice in issued} == {"C1"}


def test_a_notice_of_version_1_counts_as_sent() -> None:
    planner = NoticePlanner()
    ((notice, _),) = _pending(NoticePlanner(), flag())
    old = {**notice, "disclosure": "summary", "answer_within_hours": None, "regions": []}
    assert _pending(planner, ("NoticeIssued", old), flag()) == []


EVENTS = [
    flag(1),
    flag(2, "province", ("220000", "220300")),
    remarked(),
    remarked(digest="e", codes=("a",)),
    remarked(revision=2, codes=("b",)),
    remarked("R1", kind="rescue", stated="C1"),
    remarked("R2", kind="rescue", stated="C2"),
    proposed(1, 0.9),
    withdrawn(2),
    proposed(3, 0.6),
    decided(),
    case(3),
    case(4, "220582"),
    rescue(5),
    letter(),
    letter(2, 24),
    letter(2, 36),
    aged(6),
]


@given(st.permutations(EVENTS), st.sets(st.integers(0, len(EVENTS) - 1)))
def test_the_notices_in_force_do_not_depend_on_the_order(
    events: list[Event], settled_after: set[int]
) -> None:
    def in_force(order: list[Event], asked: set[int]) -> set[str]:
        planner, standing = NoticePlanner(), set()
        for number, event in enumerate(order):
            planner.take(*event, 1.0)
            if number in asked or number == len(order) - 1:
                for notice, _ in _pending(planner):
                    if "units" in notice:
                        assert notice["urgent"] or notice["notice_id"] not in standing
                        standing.add(notice["notice_id"])
                    else:
                        standing.remove(notice["notice_id"])
        return standing

    assert in_force(events, settled_after) == in_force(EVENTS, set())
