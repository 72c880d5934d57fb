"""What each unit is told: a function of what is known, whatever the order it came in."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consumers.notices import Noticeboard

Event = tuple[str, dict[str, Any]]


def flag(
    revision: int = 1, boundary: str = "prefecture", told: tuple[str, ...] = ("220300",)
) -> Event:
    return "BoundaryFlagged", {
        "case_id": "C1",
        "unit": "220200",
        "revision": revision,
        "digest": "d",
        "source": "220202",
        "destination": "220302",
        "source_unit": "220200",
        "destination_unit": "220300",
        "boundary": boundary,
        "at_least": None,
        "told": list(told),
    }


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
    """Of the pair that `proposed` proposes; the board checks no ids."""
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


def told(board: Noticeboard, *events: Event) -> list[tuple[str, str, str, int]]:
    for event, record in events:
        board.take(event, record, 1.0)
    found = []
    for notice, _ in board.difference():
        kind = notice["kind"] if "units" in notice else f"{notice['kind']} withdrawn"
        found.append((kind, notice["unit"], notice["cause"], notice["revision"]))
    return found


def test_a_flag_is_told_once() -> None:
    board = Noticeboard()
    assert told(board, flag()) == [("flag", "220300", "C1", 1)]
    assert told(board, flag()) == []


def test_a_revision_that_changes_nothing_told_tells_nobody_again() -> None:
    board = Noticeboard()
    told(board, flag())
    assert told(board, flag(2)) == []


def test_what_no_longer_holds_is_withdrawn_under_the_same_id() -> None:
    board = Noticeboard()
    ((first, _),) = _differences(board, flag())
    second = {notice["notice_id"]: notice for notice, _ in _differences(board, flag(2, "none", ()))}
    assert second[first["notice_id"]]["revision"] == 2
    assert "units" not in second[first["notice_id"]]
    assert told(board, flag(3)) == [("flag", "220300", "C1", 3)]


def _differences(board: Noticeboard, *events: Event) -> list[tuple[Any, float]]:
    for event, record in events:
        board.take(event, record, 1.0)
    return list(board.difference())


def test_an_older_revision_changes_nothing() -> None:
    board = Noticeboard()
    told(board, flag(2))
    assert told(board, flag(1, "province", ("220000", "220300"))) == []


def test_a_proposal_is_told_to_the_office_from_half_on() -> None:
    board = Noticeboard()
    assert told(board, proposed(1, 0.49)) == []
    assert told(board, proposed(2, 0.5)) == [("proposal", "220000", "P1", 1)]
    assert told(board, proposed(3, 0.9)) == []
    assert told(board, withdrawn(4)) == [("proposal withdrawn", "220000", "P1", 2)]


def test_remarks_are_one_notice_to_the_unit() -> None:
    board = Noticeboard()
    assert told(board, remarked(codes=("a", "b"))) == [("remarks", "220200", "C1", 1)]
    assert told(board, remarked(revision=2, codes=())) == [("remarks withdrawn", "220200", "C1", 2)]


def test_the_same_revision_with_two_contents_is_a_remark() -> None:
    board = Noticeboard()
    assert told(board, remarked(digest="d")) == []
    ((notice, _),) = _differences(board, remarked(digest="e"))
    assert notice["remarks"] == [{"field": "revision", "code": "conflicting-contents"}]


def test_an_unknown_stated_case_is_a_remark_until_it_is_reported() -> None:
    board = Noticeboard()
    ((notice, _),) = _differences(board, remarked("R1", kind="rescue", stated="C7"))
    assert notice["remarks"] == [{"field": "stated_case_id", "code": "unknown-case"}]
    assert told(board, remarked("C7")) == [("remarks withdrawn", "220200", "R1", 2)]


BOTH = [("confirmed", "220200", "C1", 1), ("confirmed", "220300", "R1", 1)]
SECOND = ("flag", "220300", "C1", 1)


def test_a_confirmation_tells_both_units_and_undoing_withdraws_it() -> None:
    board = Noticeboard()
    assert told(board, decided("more-needed")) == []
    assert sorted(told(board, decided(previous=1))) == BOTH
    assert told(board, decided("dismissed", previous=1)) == []
    undone = told(board, decided("undone", previous=2))
    assert sorted(undone) == [
        ("confirmed withdrawn", "220200", "C1", 2),
        ("confirmed withdrawn", "220300", "R1", 2),
    ]
    again = sorted(told(board, decided(previous=3)))
    assert [(unit, revision) for _, unit, _, revision in again] == [("220200", 3), ("220300", 3)]


def test_a_confirmed_pair_gives_a_second_flag_whichever_came_last() -> None:
    for order in itertools.permutations([decided(), case(), rescue()]):
        assert sorted(told(Noticeboard(), *order)) == sorted([*BOTH, SECOND])


def test_a_second_flag_follows_case_and_rescue() -> None:
    board = Noticeboard()
    told(board, decided(), case(), rescue())
    assert sorted(told(board, case(2, "220582"))) == [
        ("flag withdrawn", "220300", "C1", 2), ("remarks", "220000", "P1", 1),
    ]  # fmt: skip
    assert told(board, case(3, "220322")) == [("remarks withdrawn", "220000", "P1", 2)]
    assert told(board, case(4)) == [("flag", "220300", "C1", 3)]
    assert told(board, rescue(2, None)) == [("flag withdrawn", "220300", "C1", 4)]


def test_the_second_flag_stands_beside_the_reported_one() -> None:
    board = Noticeboard()
    assert told(board, flag()) == [SECOND]
    assert sorted(told(board, decided(), case(), rescue())) == sorted([*BOTH, SECOND])
    undone = told(board, decided("undone", 1))
    assert ("flag withdrawn", "220300", "C1", 2) in undone
    assert told(board, flag(2, "none", ())) == [("flag withdrawn", "220300", "C1", 2)]


def test_what_stands_in_the_topic_counts_as_sent() -> None:
    first = Noticeboard()
    ((notice, _),) = _differences(first, flag())
    again = Noticeboard()
    assert told(again, ("NoticeIssued", notice), flag()) == []
    gone = Noticeboard()
    assert told(gone, ("NoticeIssued", notice)) == [("flag withdrawn", "220300", "C1", 2)]


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
]


@given(st.permutations(EVENTS), st.sets(st.integers(0, len(EVENTS) - 1)))
def test_the_notices_in_force_do_not_depend_on_the_order(
    events: list[Event], settled_after: set[int]
) -> None:
    def in_force(order: list[Event], asked: set[int]) -> set[str]:
        board, standing = Noticeboard(), set()
        for number, event in enumerate(order):
            board.take(*event, 1.0)
            if number in asked or number == len(order) - 1:
                for notice, _ in board.difference():
                    if "units" in notice:
                        standing.add(notice["notice_id"])
                    else:
                        standing.remove(notice["notice_id"])
        return standing

    assert in_force(events, settled_after) == in_force(EVENTS, set())
