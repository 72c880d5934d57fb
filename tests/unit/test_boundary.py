"""The boundary of a route: a truth table of every kind of place against every other."""

from __future__ import annotations

import csv
from datetime import date
from itertools import product
from pathlib import Path

import pytest

from crossregion.domain.boundary import WIDENING, boundary
from crossregion.domain.dates import day
from crossregion.domain.events import Leg

ROOT = Path(__file__).parents[2]
LOST = date(2012, 5, 1)
PLACES: dict[str, str | None] = {
    "county": "220202",
    "sister": "220203",
    "prefecture": "220200",
    "yanji": "222401",
    "jilin": "220000",
    "changbaishan": "22CBS0",
    "abolished": "220381",
    "qiaodong": "130502",
    "hebei": "130000",
    "korea": "KP",
    "hongkong": "HK",
    "taiwan": "710000",
    "none given": None,
    "no code": "999999",
}
WORDS = {
    "n": "none",
    "c": "county",
    "p": "prefecture",
    "v": "province",
    "b": "border",
    "u": "unknown",
}
TABLE = """
    n c n p u p p v v b b b u u
    c n n p u p p v v b b b u u
    n n n p u p p v v b b b u u
    p p p n u p p v v b b b u u
    u u u u u u u v v b b b u u
    p p p p u n p v v b b b u u
    p p p p u p n v v b b b u u
    v v v v v v v n u b b b u u
    v v v v v v v u u b b b u u
    b b b b b b b b b n b b u u
    b b b b b b b b b b n b u u
    b b b b b b b b b b b n u u
    u u u u u u u u u u u u u u
    u u u u u u u u u u u u u u
"""
EXPECTED = {
    (one, other): WORDS[symbol]
    for one, row in zip(PLACES, TABLE.strip().splitlines(), strict=True)
    for other, symbol in zip(PLACES, row.split(), strict=True)
}


def route(*codes: str | None) -> list[Leg]:
    roles = ["taken_from", *["transit"] * (len(codes) - 2), "taken_to"]
    return [
        {"role": role, "code": code, "certainty": "stated"}
        for role, code in zip(roles, codes, strict=True)
    ]


@pytest.mark.parametrize(("one", "other"), EXPECTED)
def test_two_places(one: str, other: str) -> None:
    found = boundary(route(PLACES[one], PLACES[other]), LOST)
    assert found.boundary == EXPECTED[one, other]
    assert (found.source, found.destination) == (PLACES[one], PLACES[other])


@pytest.mark.parametrize("transit", PLACES)
def test_transit_proves_what_any_two_places_prove(transit: str) -> None:
    for one, other in product(PLACES, PLACES):
        pairs = [EXPECTED[one, transit], EXPECTED[transit, other], EXPECTED[one, other]]
        proven = [pair for pair in pairs if pair in WIDENING]
        widest = max(proven, key=WIDENING.index, default="unknown")
        if widest == "none" and (
            PLACES[one] is None or PLACES[other] is None or "unknown" in _left_open(one, transit)
        ):
            widest = "unknown"
        if widest == "none" and "unknown" in _left_open(other, transit):
            widest = "unknown"
        found = boundary(route(PLACES[one], PLACES[transit], PLACES[other]), LOST)
        assert found.boundary == widest, (one, transit, other)


def _left_open(one: str, transit: str) -> list[str]:
    """A transit that was not given leaves nothing open; one with a code that is unknown does."""
    return [] if PLACES[transit] is None else [EXPECTED[one, transit]]


def test_unknown_says_what_is_proven_all_the_same() -> None:
    within = boundary(route("220202", "220000"), LOST)
    assert (within.boundary, within.at_least) == ("unknown", "none")
    nothing = boundary(route("220202", None), LOST)
    assert (nothing.boundary, nothing.at_least) == ("unknown", None)


def test_places_are_taken_as_they_were_on_the_day_of_the_loss() -> None:
    gongzhuling_siping = route("220381", "220302")
    assert boundary(gongzhuling_siping, date(2012, 1, 1)).boundary == "county"
    assert boundary(gongzhuling_siping, date(2021, 1, 1)).boundary == "prefecture"
    gongzhuling_changchun = route("220184", "220102")
    assert boundary(gongzhuling_changchun, date(2012, 1, 1)).boundary == "prefecture"
    assert boundary(gongzhuling_changchun, date(2021, 1, 1)).boundary == "county"


def test_the_districts_of_a_municipality_are_one_prefecture() -> None:
    assert boundary(route("110101", "110105"), LOST).boundary == "county"
    assert boundary(route("110101", "110000"), LOST).boundary == "none"


def test_every_flag_of_the_samples() -> None:
    with (ROOT / "tests/data/sample_flags.csv").open(encoding="utf-8") as file:
        truth = {(row["case_id"], row["revision"]): row for row in csv.DictReader(file)}
    checked = 0
    for path in sorted((ROOT / "examples/feed").glob("*/cases.csv")):
        for row in csv.DictReader(path.read_text("gb18030").splitlines()):
            transit = [code for code in row["途经地代码"].split("、") if code]
            legs = route(row["流出地代码"] or None, *transit, row["流入地代码"] or None)
            found = boundary(legs, day(row["失踪日期"]))
            expected = truth[row["案件编号"], row["修订号"]]
            assert (found.source or "", found.destination or "", found.boundary) == (
                expected["source"],
                expected["destination"],
                expected["boundary"],
            )
            checked += 1
    assert checked == len(truth) == 1_275
