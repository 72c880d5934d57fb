from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from borax.calendars.lunardate import InvalidLunarDateError, LunarDate

from crossregion.linkage.comparison import LEVELS
from crossregion.linkage.encoding import lunar_as_solar
from crossregion.linkage.index import Index
from crossregion.linkage.model import load
from crossregion.linkage.weights import RARITY
from tests.support.linkage_records import NOBODY, identity, levels, listed, person, weight

DAY = "2010-06-01"
NUMBER = "220281199003154023"


def level(field: str, one: dict[str, Any], other: dict[str, Any]) -> str | None:
    """The level of a field, here where it does not matter who is the victim."""
    there = levels(person(**one), person(**other)).get(field)
    assert levels(person(**other), person(**one)).get(field) == there
    return there


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"name": "王红英"}, {"name": "王红英"}, "equal"),
        ({"name": "王红英"}, {"name": "汪宏鹰"}, "sounds"),
        ({"name": "王红英"}, {"pinyin": "wang hongying"}, "pinyin"),
        ({"name": "张红英"}, {"name": "臧红音"}, "folded"),
        ({"name": "李娜"}, {"name": "李拉"}, "folded"),
        ({"name": "王红英", "other_names": ["王小梅"]}, {"name": "王小梅"}, "alias"),
        ({"name": "王红英", "other_names": ["阿梅"]}, {"name": "阿梅"}, "alias-call"),
        ({"name": "小英"}, {"name": "小英"}, "equal"),
        ({"name": "王红英"}, {"name": "小梅"}, "called"),
        ({"name": "王红英", "other_names": ["小梅"]}, {"name": "王小梅"}, "nickname"),
        ({"name": "王红英"}, {"pinyin": "hongying wang"}, "swapped"),
        ({"name": "王红英"}, {"pinyin": "wang hengying"}, "close"),
        ({"name": "王红英"}, {"name": "王海英"}, "surname-last"),
        ({"name": "王红英"}, {"name": "王英"}, "surname-last"),
        ({"name": "王红英"}, {"name": "王红"}, "surname-first"),
        ({"name": "王红英"}, {"name": "赵红英"}, "given"),
        ({"name": "王红英"}, {"name": "小英"}, "nickname"),
        ({"name": "王红英"}, {"name": "英英"}, "nickname"),
        ({"name": "王红英"}, {"name": "王梅"}, "surname"),
        ({"name": "王红英"}, {"name": "赵梅"}, "different"),
        ({"name": "王红英"}, {}, None),
        ({}, {}, None),
    ],
)
def test_name(one: dict[str, Any], other: dict[str, Any], expected: str | None) -> None:
    assert level("name", one, other) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("2001-04-26", "2001-04-26", "equal"),
        ("2001-04-26", "2002-04-26", "year-1"),
        ("2001-04-26", "2003-04-26", "year-2"),
        ("2001-04-26", "2005-04-26", "month-day"),
        ("2001-04-26", "2012-04-26", "different"),
        ("2001-04-05", "2001-05-04", "swapped"),
        ("2001-04-26", "2001-04-20", "near"),
        ("2001-04-26", "2001-10-26", "same-day"),
        ("2001-04-26", "2001-10-20", "same-year"),
        ("2001-04-26", "2002-10-20", "years-2"),
        ("2001-04-26", "2005-10-20", "years-5"),
        ("2001-04-26", "2011-10-20", "different"),
        ("2001-04-26", "2001", "year"),
        ("2001-04-26", "2002", "year-off-1"),
        ("2001-04-26", "2003", "year-off-2"),
        ("2001", "2006", "year-off-5"),
        ("2001", "2007", "year-off"),
        ("2001-04-26", "about 2001", "about"),
        ("2001-04-26", "about 2002", "about-1"),
        ("2001", "about 1999", "about-2"),
        ("about 2001", "about 1996", "about-5"),
        ("about 2001", "about 1980", "about-off"),
        ("2001-04-26", None, None),
    ],
)
def test_birth(one: str | None, other: str | None, expected: str | None) -> None:
    def birth(text: str | None) -> dict[str, Any]:
        if text is None or (len(text) == 10 and text[4] == "-"):
            return {"birth_date": text}
        return {"birth_date": text[-4:], "birth_precision": "about" if len(text) > 4 else "year"}

    assert level("birth", birth(one), birth(other)) == expected


@pytest.mark.parametrize(
    ("victim", "rescued", "expected"),
    [
        ("1990-02-24", "1990-01-29", "lunar"),
        ("1990-01-29", "1990-02-24", "lunar"),
        ("1984-02-03", "1984-01-02", "lunar"),
        ("2001-05-28", "2001-04-26", "days"),
        ("2002-01-20", "2001-12-26", "days"),
        ("2001-04-26", "2001-05-28", "days-after"),
    ],
)
def test_a_lunar_date_read_as_a_solar_one(victim: str, rescued: str, expected: str) -> None:
    """Lunar new year was on 1984-02-02; 1990-01-29 in the lunar calendar was 1990-02-24."""
    found = levels(person(birth_date=victim), person(birth_date=rescued))
    assert found["birth"] == expected


def test_every_day_is_found_in_the_lunar_calendar_or_not_as_the_calendar_says() -> None:
    """1987 had a leap month; the calendar knows no day before 1900 and none after 2100."""
    for first in (date(1899, 12, 1), date(1987, 1, 1), date(2100, 11, 1)):
        for day in (first + timedelta(number) for number in range(400)):
            try:
                expected = LunarDate(day.year, day.month, day.day).to_solar_date().toordinal()
            except InvalidLunarDateError:
                expected = 0
            assert lunar_as_solar(day) == expected


@pytest.mark.parametrize(
    ("lunar", "solar"),
    [
        ("1978-08-15", "1978-09-17"),
        ("1978-08-01", "1978-09-03"),
        ("1978-07-30", "1978-09-02"),
        ("1933-06-01", "1933-07-23"),
        ("1933-06-29", "1933-08-20"),
        ("1954-11-01", "1954-11-25"),
        ("1954-11-30", "1954-12-24"),
        ("1900-01-01", "1900-01-31"),
        ("1914-10-01", "1914-11-17"),
        ("1987-06-01", "1987-06-26"),
        ("1987-07-01", "1987-08-24"),
        ("2020-04-30", "2020-05-22"),
        ("2020-05-01", "2020-06-21"),
        ("2033-12-01", "2034-01-20"),
        ("1978-08-30", None),
        ("1933-06-30", None),
        ("1899-12-01", None),
        ("2101-01-01", None),
    ],
)
def test_a_lunar_day_is_the_day_of_the_almanac(lunar: str, solar: str | None) -> None:
    """In three of these months other libraries are a day off: docs/adr/0018-lunar-calendar.md.

    1987 had a second sixth month, 2020 a second fourth and 2033 a second eleventh: the months
    after them begin a month later, and of the two with one number the first is meant.
    """
    expected = date.fromisoformat(solar).toordinal() if solar else 0
    assert lunar_as_solar(date.fromisoformat(lunar)) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("F", "F", "equal"), ("F", "M", "different"), ("F", None, None), (None, None, None)],
)
def test_sex(one: str | None, other: str | None, expected: str | None) -> None:
    assert level("sex", {"sex": one}, {"sex": other}) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("220281", "220281", "county"),
        ("220281", "220221", "other-county"),
        ("220281", "220200", "prefecture"),
        ("220281", "220100", "other-prefecture"),
        ("220281", "220000", "province"),
        ("220281", "520524", "different"),
        ("220281", "520000", "different"),
        ("220281", "VN", "different"),
        ("VN", "VN", "province"),
        ("220281", None, None),
    ],
)
def test_home(one: str | None, other: str | None, expected: str | None) -> None:
    assert level("home", {"home": one}, {"home": other}) == expected


@pytest.mark.parametrize(
    ("born", "lost", "found", "heights", "expected"),
    [
        ("1980", "2010-06-01", "2012-06-01", (160, 162), "within-2"),
        ("1980", "2010-06-01", "2012-06-01", (160, 165), "within-6"),
        ("1980", "2010-06-01", "2012-06-01", (160, 170), "within-10"),
        ("1980", "2010-06-01", "2012-06-01", (160, 173), "far"),
        ("2005", "2010-06-01", "2010-07-01", (109, 110), "child-2"),
        ("2005", "2010-06-01", "2015-06-01", (109, 138), "child-2"),
        ("2005", "2010-06-01", "2015-06-01", (109, 145), "child-7"),
        ("2005", "2010-06-01", "2015-06-01", (109, 126), "child-16"),
        ("2005", "2010-06-01", "2015-06-01", (109, 110), "child-far"),
        ("2005", "2010-06-01", "2030-06-01", (109, 164), "child-2"),
    ],
)
def test_height(born: str, lost: str, found: str, heights: tuple[int, int], expected: str) -> None:
    same = {"birth_date": born, "birth_precision": "year", "sex": "F"}
    victim = person(happened_on=lost, height_cm=heights[0], **same)
    rescued = person(happened_on=found, height_cm=heights[1], **same)
    assert levels(victim, rescued)["height"] == expected


def test_height_counts_only_where_the_births_agree() -> None:
    born: dict[str, Any] = {"birth_date": "1980-01-01"}
    tall: dict[str, Any] = {"height_cm": 160}
    one = person(happened_on=DAY, **born, **tall)
    assert levels(one, person(happened_on=DAY, **born, **tall))["height"] == "exact"
    unlike = (
        person(happened_on=DAY, birth_date="1960-02-03", **tall),
        person(happened_on=DAY, **tall),
        person(happened_on=DAY, **born),
        person(**born, **tall),
    )
    assert not [other for other in unlike if "height" in levels(one, other)]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (["右手痣", "额头疤"], ["额头伤疤", "右手黑痣"], "shared-2"),
        (["右手痣", "额头疤", "左耳痣"], ["额头疤", "右手痣", "左耳黑痣"], "shared-3"),
        (["右手痣", "额头疤"], ["右手痣"], "shared"),
        (["右手痣"], ["左手痣"], "other-side"),
        (["右手痣"], ["左耳痣"], "same-type"),
        (["右手痣"], ["左耳纹身"], "none-shared"),
        (["右手痣"], [], None),
    ],
)
def test_marks(one: list[str], other: list[str], expected: str | None) -> None:
    assert level("marks", {"marks": one}, {"marks": other}) == expected


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (NUMBER, "equal"),
        (NUMBER[:6] + NUMBER[8:17], "equal"),
        (NUMBER[:14] + "9" + NUMBER[15:], "near"),
        (NUMBER[:10] + "5103" + NUMBER[14:], "different"),
        (NUMBER[:12] + "51" + NUMBER[14:], "near"),
        ("110101198001011234", "different"),
        ("12", None),
        (None, None),
    ],
)
def test_id_number(other: str | None, expected: str | None) -> None:
    assert level("id_number", {"id_number": NUMBER}, {"id_number": other}) == expected


@pytest.mark.parametrize(("other", "expected"), [("D1", "equal"), ("D2", "other"), (None, None)])
def test_dna(other: str | None, expected: str | None) -> None:
    assert level("dna", {"dna_sample": "D1"}, {"dna_sample": other}) == expected


@pytest.mark.parametrize(
    ("lost", "found", "expected"),
    [
        ("2010-06-01", "2010-01-01", "long-before"),
        ("2010-06-01", "2010-05-01", "before"),
        ("2010-06-01", "2010-06-01", "month-1"),
        ("2010-06-01", "2010-08-01", "quarter-1"),
        ("2010-06-01", "2011-05-01", "year-1"),
        ("2010-06-01", "2012-05-01", "years-2"),
        ("2010-06-01", "2016-06-01", "years-8"),
        ("2010-06-01", "2026-06-01", "later"),
        (None, "2026-06-01", None),
    ],
)
def test_time(lost: str | None, found: str | None, expected: str | None) -> None:
    assert levels(person(happened_on=lost), person(happened_on=found)).get("time") == expected


@pytest.mark.parametrize(
    ("born", "expected"),
    [("2008", "under-3"), ("2005", "3-5"), ("2004", "6-9"), ("1996", "10-14"), ("1994", "15-up")],
)
def test_age_class_is_taken_at_the_loss(born: str, expected: str) -> None:
    victim = person(happened_on="2010-07-02", birth_date=born, birth_precision="year")
    older = person(happened_on="2020-07-02", birth_date=born, birth_precision="year")
    assert levels(victim, person())["age_class"] == expected
    assert levels(victim, older)["age_class"] == expected
    assert levels(person(), victim)["age_class"] == expected
    assert "age_class" not in levels(person(), person())


FULL: dict[str, Any] = {
    "name": "王红英",
    "pinyin": "wang hongying",
    "other_names": ["小英"],
    "sex": "F",
    "birth_date": "1990-03-15",
    "home": "220281",
    "height_cm": 163,
    "marks": ["右手臂疤痕"],
    "id_number": NUMBER,
    "dna_sample": "D7952297233",
}


def test_evidence_adds_up_and_holds_no_personal_value() -> None:
    index = Index(load())
    index.put(listed("case", "C1", identity(**FULL), happened_on=DAY))
    (pair,) = index.put(listed("rescue", "R1", identity(**FULL), happened_on=DAY))
    evidence = pair["evidence"]
    assert {item["field"] for item in evidence} >= {"name", "birth", "sex", "home", "marks", "dna"}
    assert pair["weight"] == pytest.approx(sum(item["bits"] for item in evidence))
    assert all(
        item["level"] in (*LEVELS[item["field"]], "unknown")
        for item in evidence
        if not item["field"].endswith(RARITY)
    )
    (rarity,) = (item for item in evidence if item["field"] == "name" + RARITY)
    assert rarity["level"].removeprefix("1-in-").strip("0") in "123456789"
    said = json.dumps(evidence, ensure_ascii=False)
    values = ("王", "红英", "wang", "小英", "1990", "03-15", "220281", "163", "疤", "D795", DAY)
    assert not [value for value in values if value in said]


def test_two_of_whom_nothing_is_known_weigh_next_to_nothing() -> None:
    assert abs(weight(NOBODY, NOBODY)) < load().keep_bits


def test_a_rare_name_says_more_than_a_common_one() -> None:
    common, rare = (weight(identity(name=name), identity(name=name)) for name in ("王丽", "贯龘"))
    assert rare > common


def test_a_borrowed_number_does_not_outweigh_everything_else() -> None:
    other = {**FULL, "name": "赵梅", "other_names": [], "birth_date": "1961-11-02", "sex": "M"}
    other |= {"home": "520524", "marks": ["左耳纹身"], "dna_sample": None}
    assert weight(identity(**FULL), identity(**other), lost=DAY, found=DAY) < load().keep_bits
