from __future__ import annotations

import json
from typing import Any

import pytest

from crossregion.domain.linkage.compare import AGE_CLASSES, LEVELS, age_class, compare, weigh
from crossregion.domain.linkage.model import load
from tests.unit.linkage_records import person

DAY = "2010-06-01"
NUMBER = "220281199003154020"


def level(field: str, one: dict[str, Any], other: dict[str, Any]) -> str | None:
    """The level of a field, which must not depend on which side says what."""
    there = compare(person(**one), person(**other)).get(field)
    assert compare(person(**other), person(**one)).get(field) == there
    return there


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"name": "王红英"}, {"name": "王红英"}, "equal"),
        ({"name": "王红英"}, {"name": "汪宏鹰"}, "sounds"),
        ({"name": "王红英"}, {"pinyin": "wang hongying"}, "sounds"),
        ({"name": "张红英"}, {"name": "臧红音"}, "folded"),
        ({"name": "李娜"}, {"name": "李拉"}, "folded"),
        ({"name": "王红英", "other_names": ["王小梅"]}, {"name": "王小梅"}, "alias"),
        ({"name": "王红英", "other_names": ["阿梅"]}, {"name": "阿梅"}, "alias"),
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
        ("2001-04-26", "2001-05-28", "days"),
        ("2001-12-26", "2002-01-20", "days"),
        ("2001-04-26", "2001-04-20", "same-month"),
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
        ("1980", "2010-06-01", "2012-06-01", (160, 162), "close"),
        ("1980", "2010-06-01", "2012-06-01", (160, 165), "near"),
        ("1980", "2010-06-01", "2012-06-01", (160, 170), "apart"),
        ("1980", "2010-06-01", "2012-06-01", (160, 171), "far"),
        ("2005", "2010-06-01", "2010-07-01", (109, 110), "child-close"),
        ("2005", "2010-06-01", "2015-06-01", (109, 138), "child-close"),
        ("2005", "2010-06-01", "2015-06-01", (109, 145), "child-near"),
        ("2005", "2010-06-01", "2015-06-01", (109, 126), "child-apart"),
        ("2005", "2010-06-01", "2015-06-01", (109, 110), "child-far"),
        ("2005", "2010-06-01", "2030-06-01", (109, 164), "child-close"),
    ],
)
def test_height(born: str, lost: str, found: str, heights: tuple[int, int], expected: str) -> None:
    same = {"birth_date": born, "birth_precision": "year", "sex": "F"}
    victim = person(happened_on=lost, height_cm=heights[0], **same)
    rescued = person(happened_on=found, height_cm=heights[1], **same)
    assert compare(victim, rescued)["height"] == expected


def test_height_counts_only_where_the_births_agree() -> None:
    born: dict[str, Any] = {"birth_date": "1980-01-01"}
    tall: dict[str, Any] = {"height_cm": 160}
    one = person(happened_on=DAY, **born, **tall)
    assert compare(one, person(happened_on=DAY, **born, **tall))["height"] == "close"
    unlike = (
        person(happened_on=DAY, birth_date="1960-02-03", **tall),
        person(happened_on=DAY, **tall),
        person(happened_on=DAY, **born),
        person(**born, **tall),
    )
    assert not [other for other in unlike if "height" in compare(one, other)]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (["右手痣", "额头疤"], ["额头伤疤", "右手黑痣"], "shared-2"),
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


@pytest.mark.parametrize(("other", "expected"), [("D1", "equal"), ("D2", None), (None, None)])
def test_different_samples_mean_nothing(other: str | None, expected: str | None) -> None:
    assert level("dna", {"dna_sample": "D1"}, {"dna_sample": other}) == expected


@pytest.mark.parametrize(
    ("lost", "found", "expected"),
    [
        ("2010-06-01", "2010-01-01", "long-before"),
        ("2010-06-01", "2010-05-01", "before"),
        ("2010-06-01", "2010-06-01", "year-1"),
        ("2010-06-01", "2012-06-01", "years-3"),
        ("2010-06-01", "2016-06-01", "years-8"),
        ("2010-06-01", "2026-06-01", "later"),
        (None, "2026-06-01", None),
    ],
)
def test_time(lost: str | None, found: str | None, expected: str | None) -> None:
    assert compare(person(happened_on=lost), person(happened_on=found)).get("time") == expected


@pytest.mark.parametrize(
    ("born", "expected"),
    [("2005", "under-6"), ("2004", "6-14"), ("1996", "6-14"), ("1994", "15-up"), (None, "15-up")],
)
def test_age_class_is_taken_at_the_loss(born: str | None, expected: str) -> None:
    victim = person(happened_on="2010-07-02", birth_date=born, birth_precision="year")
    assert age_class(victim, person()) == expected
    assert age_class(person(), victim) == expected


def test_the_model_weighs_every_level_and_no_other() -> None:
    bits = load().bits
    assert tuple(bits) == AGE_CLASSES
    for fields in bits.values():
        assert {field: set(levels) for field, levels in fields.items()} == {
            field: set(levels) for field, levels in LEVELS.items()
        }


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
    one = person(happened_on=DAY, **FULL)
    weight, evidence = weigh(one, one, load())
    assert [item["field"] for item in evidence] == list(LEVELS)
    assert weight == pytest.approx(sum(item["bits"] for item in evidence))
    assert all(item["level"] in LEVELS[item["field"]] for item in evidence)
    said = json.dumps(evidence, ensure_ascii=False)
    values = ("王", "红英", "wang", "小英", "1990", "03-15", "220281", "163", "疤", "D795", DAY)
    assert not [value for value in values if value in said]


def test_two_of_whom_nothing_is_known_weigh_nothing() -> None:
    assert weigh(person(), person(), load()) == (0.0, [])


def test_a_rare_name_says_more_than_a_common_one() -> None:
    model = load()
    common, rare = (
        weigh(person(name=name), person(name=name), model)[0] for name in ("王丽", "贯龘")
    )
    assert rare > common


def test_a_borrowed_number_does_not_outweigh_everything_else() -> None:
    other = {**FULL, "name": "赵梅", "other_names": [], "birth_date": "1961-11-02", "sex": "M"}
    other |= {"home": "520524", "marks": ["左耳纹身"], "dna_sample": None}
    model = load()
    weight, _ = weigh(person(happened_on=DAY, **FULL), person(happened_on=DAY, **other), model)
    assert weight < model.keep_bits
