"""Who is told of what, how much and by when: each case of `tests/data/routing_cases.csv`.

That table is written by hand from the mandate and the design, as are the letters that its cases
name; the day of every notice is 2026-03-31.
"""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossregion.domain import agreements, events, flags, handovers, identifiers, tips
from crossregion.domain.boundary import WIDENING
from crossregion.domain.code_lists import departments
from crossregion.domain.events import AgreementRecorded, NoticeIssued
from crossregion.domain.flags import Route
from crossregion.domain.notices import content
from crossregion.domain.regions import OFFICE
from crossregion.domain.routing import (
    CHANNELS,
    LEVELS,
    Concerned,
    Terms,
    class_of,
    terms,
    told,
)
from crossregion.domain.validation import validate_event
from schemas import units as known_units
from schemas.units import NOTIFIED, PARTNERS, PROVINCES

ROOT = Path(__file__).parents[2]
TABLE = tomllib.loads((ROOT / "crossregion/domain/data/routing.toml").read_text("utf-8"))
ON = date(2026, 3, 31)
Row = dict[str, str]


def rows(name: str) -> list[Row]:
    with (ROOT / "tests/data" / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def example(event: str) -> dict[str, Any]:
    file = ROOT / "schemas/examples" / event / "1/example.json"
    return cast(dict[str, Any], json.loads(file.read_text("utf-8")))


def letter(row: Row) -> AgreementRecorded:
    units = sorted(row["units"].split(";"))
    made: AgreementRecorded = {
        "agreement_id": identifiers.agreement_id(units, row["letter"]),
        "revision": 1,
        "number": row["letter"],
        "units": units,
        "signed_on": "2008-12-31",
        "valid_from": row["valid_from"],
        "valid_to": row["valid_to"] or None,
        "case_types": [one for one in row["case_types"].split(";") if one],
        "disclosure": row["disclosure"],
        "answer_within_hours": int(row["hours"]),
        "contacts": [],
        "status": "in-force",
    }
    agreements.check(made)
    return made


LETTERS = {row["letter"]: letter(row) for row in rows("routing_letters.csv")}
CASES = rows("routing_cases.csv")


def case_of(row: Row) -> dict[str, Any]:
    route = (
        ("taken_from", row["source"]),
        *(("transit", code) for code in row["transit"].split(";")),
        ("taken_to", row["destination"]),
    )
    kinds = {"": ["FORCED_MARRIAGE"], "-": []}
    case = example("CaseRecorded")
    legs = [{"role": role, "code": code, "certainty": "stated"} for role, code in route if code]
    return {
        **case,
        "unit": row["reporter"],
        "lost_on": row["lost_on"] or "2012-05-01",
        "legs": legs,
        "exploitation": kinds.get(row["exploitation"], row["exploitation"].split(";")),
        "victims": [{**case["victims"][0], "age_band": row["age"]}],
    }


def told_in(row: Row) -> Iterator[NoticeIssued]:
    """The notices of a rule case, as the notices worker would issue them on that day."""
    case = case_of(row)
    validated = validate_event("CaseRecorded", case, case["unit"], None)
    assert validated.flag is not None
    found: list[NoticeIssued] = []
    if row["kind"] == "flag":
        found += content.of_flag(validated.flag)
    elif row["kind"] == "remarks":
        found += content.of_remarks(validated.remarked, conflicting=True, case_known=True)
    elif row["kind"] == "proposal":
        proposal = {**example("MatchProposed"), **_pair(row, case), "probability": 0.9}
        found += content.of_proposal(cast(events.MatchProposed, proposal))
    elif row["kind"] == "handover":
        standing = handovers.CustodyState(
            case["unit"], frozenset(), row["rescue_unit"], offer="a step"
        )
        found += content.of_handover(("case", case["unit"], case["case_id"]), standing)
    elif row["kind"] in content.OF_TIPS:
        found += told_of_tip(row)
    else:
        decision = cast(events.MatchDecided, {**example("MatchDecided"), **_pair(row, case)})
        route = Route(
            case["case_id"], case["unit"], 1, validated.digest, case["legs"], case["lost_on"],
            [row["age"]],
        )  # fmt: skip
        found += content.of_confirmation(decision, flags.confirmed(route, row["found_at"]))
    letters = [LETTERS[name] for name in row["letters"].split(";") if name]
    about = None if row["kind"] in ("remarks", *content.OF_TIPS) else validated.remarked
    for notice in found:
        yield content.with_terms(notice, about, letters, ON)


def told_of_tip(row: Row) -> Iterator[NoticeIssued]:
    """A tip about a place, as it comes in, or once another unit has linked it to its case."""
    persons = [{"age_band": row["age"], "sex": None}]
    tip = {**example("TipRecorded"), "unit": row["reporter"], "place": row["source"] or None}
    validated = validate_event("TipRecorded", {**tip, "persons": persons}, row["reporter"], None)
    standing = tips.reported([tips.route_of(validated.remarked)])
    if row["kind"] == "tip-linked":
        by = standing.unit if row["rescue_unit"] == OFFICE else OFFICE
        does = {"case_unit": row["rescue_unit"], "unit": by}
        triage = cast(events.TipTriaged, {**example("TipTriaged"), **does})
        linked = tips.after(standing, triage)
        assert linked is not None
        standing = linked
    return content.of_tip(validated.remarked, standing, standing.case and standing.case[0])


def _pair(row: Row, case: dict[str, Any]) -> dict[str, Any]:
    return {
        "case_unit": case["unit"],
        "case_id": case["case_id"],
        "rescue_unit": row["rescue_unit"],
        "rescue_id": "R1",
    }


def said(notice: NoticeIssued, kind: str) -> str:
    hours = notice["answer_within_hours"]
    named = "contradicted" if content.CONTRADICTED in notice["remarks"] else notice["kind"]
    words = [notice["unit"], *([] if kind == "flag" else [named]), notice["disclosure"]]
    return " ".join([*words, "none" if hours is None else str(hours)])


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: f"line {number + 2}")
def test_what_is_told_is_what_the_table_says(number: int) -> None:
    row = CASES[number]
    expected = sorted(filter(None, row["told"].split("; ")))
    assert sorted(said(notice, row["kind"]) for notice in told_in(row)) == expected


def test_a_partner_without_an_agreement_learns_that_there_is_a_case_and_whom_to_ask() -> None:
    row = next(row for row in CASES if row["told"].startswith("210000 existence"))
    bare = next(notice for notice in told_in(row) if notice["unit"] == "210000")
    fixed = ("notice_id", "revision", "unit", "disclosure", "answer_within_hours", "urgent")
    assert {name: value for name, value in bare.items() if name not in fixed} == {
        "kind": "flag",
        "cause": identifiers.case_reference(row["reporter"], case_of(row)["case_id"]),
        "boundary": None,
        "units": [OFFICE],
        "remarks": [],
        "regions": [],
        "case_unit": None,
        "case_id": None,
        "persons": [],
        "exploitation": [],
        "contact": OFFICE,
        "proposal_id": None,
        "item": None,
        "due_on": None,
        "department": None,
    }
    assert case_of(row)["case_id"] not in str(bare)
    agreed = {**row, "letters": "liaoning"}
    full = next(notice for notice in told_in(agreed) if notice["unit"] == "210000")
    assert full["notice_id"] == bare["notice_id"]
    assert (full["boundary"], full["regions"]) == ("province", [row["source"], row["destination"]])
    assert full["persons"] == [{"age_band": row["age"], "sex": "F"}]
    assert (full["case_unit"], full["contact"]) == (row["reporter"], row["reporter"])
    assert full["cause"] == full["case_id"] == case_of(row)["case_id"]


def test_every_line_of_the_table_is_reached_by_a_case() -> None:
    reached = set()
    for row in CASES:
        urgent = row["age"] in ("under-6", "6-13")
        for notice in told_in(row):
            kind = said(notice, "").split()[1]
            reached.add((kind, class_of(notice["unit"]), bool(row["letters"]), urgent))
    for kind, recipient, agreement, urgent, *_ in TABLE["terms"]["lines"]:
        assert any(
            (kind, recipient, agreed, hurried) in reached
            for agreed in (True, False)
            if agreement in ("any", "yes" if agreed else "no")
            for hurried in (True, False)
            if urgent in ("any", "yes" if hurried else "no")
        ), (kind, recipient, agreement, urgent)
    assert {row["letters"] for row in CASES} >= LETTERS.keys() - {"x"}


def test_the_table_is_whole_and_every_line_has_its_clause() -> None:
    assert set(TABLE["told"]) == set(TABLE["told_urgent"]) == {*WIDENING, "unknown"}
    assert set(CHANNELS) == set(PARTNERS)
    clauses = {row["clause_id"]: row for row in rows("responsibilities.csv")}
    for _, recipient, _, _, disclosure, hours, clause in TABLE["terms"]["lines"]:
        assert disclosure in (*LEVELS, "agreed")
        assert 0 <= hours <= agreements.MAX_HOURS
        department = TABLE["departments"].get(recipient)
        responsible = clauses[clause]
        if recipient in CHANNELS:
            assert department in departments()
            assert department in (responsible["lead_codes"] + ";" + responsible["assist_codes"])
    assert max(line[5] for line in TABLE["terms"]["lines"]) == agreements.MAX_HOURS


UNITS = st.sampled_from([*known_units.UNITS, None])
CODES = st.sampled_from(known_units.UNITS)
BOUNDARIES = st.sampled_from([*WIDENING, "unknown"])


@st.composite
def concerned(draw: st.DrawFn) -> Concerned:
    some = st.frozensets(CODES, max_size=3)
    provinces = st.frozensets(st.sampled_from(["210000", "110000", "230000"]), max_size=2)
    return Concerned(
        draw(UNITS), draw(UNITS), draw(some), draw(some), draw(provinces), draw(provinces),
        draw(st.booleans()),
    )  # fmt: skip


@given(concerned(), BOUNDARIES, st.sampled_from([None, *WIDENING]), CODES, st.booleans())
def test_who_is_told_is_never_nobody_and_never_the_reporter(
    on_route: Concerned, boundary: str, at_least: str | None, reporter: str, urgent: bool
) -> None:
    found = told(on_route, boundary, at_least, reporter, urgent=urgent)
    width = (at_least or boundary) if boundary == "unknown" else boundary
    assert reporter not in found
    assert list(found) == sorted(set(found))
    assert set(found) <= set(NOTIFIED)
    if width in ("county", "prefecture", "province", "border") and reporter != OFFICE:
        assert found
        assert width not in ("province", "border") or OFFICE in found
    calm = told(on_route, boundary, at_least, reporter, urgent=False)
    assert set(calm) <= {*found, OFFICE}
    if not on_route.abroad:
        assert not {"foreign-affairs", "police-cooperation"} & set(found)


AGREED = st.builds(Terms, st.sampled_from(LEVELS), st.integers(1, agreements.MAX_HOURS))


@given(
    st.sampled_from(sorted({line[0] for line in TABLE["terms"]["lines"]})),
    st.sampled_from(NOTIFIED),
    st.lists(AGREED, max_size=3),
    st.booleans(),
)
def test_every_notice_has_terms_and_urgency_never_slows(
    kind: str, unit: str, agreed: list[Terms], urgent: bool
) -> None:
    found = terms(kind, unit, agreed, urgent=urgent)
    assert found.disclosure in LEVELS
    calm = terms(kind, unit, agreed, urgent=False)
    assert (found.answer_within_hours or 0) <= (calm.answer_within_hours or 0)
    assert found == terms(kind, unit, agreed[::-1], urgent=urgent)
    if unit in PROVINCES and not agreed and kind != "remarks":
        assert found.disclosure == "existence"
