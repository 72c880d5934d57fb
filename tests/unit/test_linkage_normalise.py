from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossregion.linkage.normalisation import fold
from tests.support.linkage_records import person

GOOD_NUMBER = "220281199003154023"
WRONG_NUMBER = GOOD_NUMBER[:-1] + "1"


@pytest.mark.parametrize(
    ("name", "surname", "given"),
    [
        ("王红英", "wang", ("hong", "ying")),
        ("王 红英", "wang", ("hong", "ying")),
        ("欧阳丽", "ouyang", ("li",)),
        ("欧阳", "ou", ("yang",)),
        ("单红", "shan", ("hong",)),
        ("解红", "xie", ("hong",)),
        ("仇红", "qiu", ("hong",)),
        ("曾红", "zeng", ("hong",)),
        ("区红", "ou", ("hong",)),
        ("張紅", "zhang", ("hong",)),
        ("歐陽麗", "ouyang", ("li",)),
        ("劉芳", "liu", ("fang",)),
        ("諸葛亮", "zhuge", ("liang",)),
        ("查红", "zha", ("hong",)),
        ("朴红", "piao", ("hong",)),
        ("小红", "", ("xiao", "hong")),
        ("阿香", "", ("a", "xiang")),
        ("丫丫", "", ("ya", "ya")),
    ],
)
def test_a_name_is_split_and_sounded(name: str, surname: str, given: tuple[str, ...]) -> None:
    found = person(name=name).name
    assert found is not None
    assert (found.surname, found.given) == (surname, given)


@pytest.mark.parametrize(
    ("pinyin", "sounds"),
    [
        ("wang hongying", "wanghongying"),
        ("Wáng Hóngyīng", "wanghongying"),
        ("WANG HONG YING", "wanghongying"),
        ("ｗａｎｇ hongying", "wanghongying"),
        ("lü mei", "lvmei"),
        ("lǚ mei", "lvmei"),
    ],
)
def test_pinyin_stands_in_for_a_missing_name(pinyin: str, sounds: str) -> None:
    found = person(pinyin=pinyin).name
    assert found is not None
    assert found.han is None
    assert found.sounds == sounds


def test_a_name_in_characters_comes_before_its_pinyin() -> None:
    found = person(name="解红", pinyin="jie hong").name
    assert found is not None
    assert found.sounds == "xiehong"


@pytest.mark.parametrize("text", ["", "  ", "?", "\u202e", "123"])
def test_what_holds_no_letter_is_no_name(text: str) -> None:
    assert person(name=text, pinyin=text).name is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("zhang", "zang"),
        ("chen", "ceng"),
        ("shi", "si"),
        ("na", "la"),
        ("ran", "lan"),
        ("fu", "hu"),
        ("ling", "lin"),
        ("sheng", "sen"),
    ],
)
def test_sounds_that_dialects_merge_fold_to_one(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_other_sounds_stay_apart() -> None:
    assert len({fold(sound) for sound in ("er", "le", "ma", "ba", "dong", "xiong")}) == 6


def test_a_number_stands_in_for_what_is_not_given() -> None:
    found = person(id_number=GOOD_NUMBER)
    assert (found.sex, str(found.born), found.born_year) == ("F", "1990-03-15", 1990)
    assert found.home[2] == "220281"
    given_too = person(
        id_number=GOOD_NUMBER, sex="M", birth_date="1991-01-01", home="220100", height_cm=170
    )
    assert (given_too.sex, given_too.born_year, given_too.home[1]) == ("M", 1991, "220100")


def test_a_number_with_a_wrong_check_digit_says_nothing_of_birth_and_sex() -> None:
    found = person(id_number=WRONG_NUMBER)
    assert (found.sex, found.born, found.id_number) == (None, None, WRONG_NUMBER)


@pytest.mark.parametrize(
    ("text", "precision", "born", "born_year", "about"),
    [
        ("2001-04-26", "day", "2001-04-26", 2001, False),
        ("2001-02-30", "day", None, 2001, False),
        ("2001-04", "month", None, 2001, False),
        ("2001", "year", None, 2001, False),
        ("2001", "about", None, 2001, True),
        ("not known", "day", None, None, False),
        (None, "unknown", None, None, False),
    ],
)
def test_birth_is_known_as_well_as_it_is_known(
    text: str | None, precision: str, born: str | None, born_year: int | None, about: bool
) -> None:
    found = person(birth_date=text, birth_precision=precision)
    assert (found.born and str(found.born)) == born
    assert (found.born_year, found.birth_about) == (born_year, about)


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("右手臂疤痕", ("右", "手臂", "疤痕")),
        ("右手臂伤疤", ("右", "手臂", "疤痕")),
        ("右手臂疤", ("右", "手臂", "疤痕")),
        ("左耳黑痣", ("左", "耳", "痣")),
        ("额头断指", ("", "额头", "缺指")),
        ("驼背", ("", "驼背", "")),
    ],
)
def test_a_mark_is_side_part_and_type(text: str, mark: tuple[str, str, str]) -> None:
    assert person(marks=[text]).marks == {mark}


@pytest.mark.parametrize(
    ("code", "home"),
    [
        ("220281", ("220000", "220200", "220281")),
        ("220200", ("220000", "220200", None)),
        ("220000", ("220000", None, None)),
        ("220602", ("220000", "220600", "220602")),
        ("VN", ("VN", None, None)),
        ("ZZZZ", (None, None, None)),
        (None, (None, None, None)),
    ],
)
def test_home_is_known_to_its_level(code: str | None, home: tuple[str | None, ...]) -> None:
    assert person(home=code).home == home


def test_a_county_that_moved_is_compared_where_it_lies_now() -> None:
    assert person(home="220381").home == person(home="220184").home


def test_age_is_the_years_lived_by_the_day() -> None:
    exact = person(birth_date="2000-01-02", happened_on="2010-07-01").age
    rough = person(birth_date="2000", birth_precision="year", happened_on="2010-07-01").age
    assert exact == pytest.approx(10.5, abs=0.01)
    assert rough == pytest.approx(10.0, abs=0.01)
    assert person(birth_date="2000-01-01").age is None


@pytest.mark.parametrize(("height", "kept"), [(165, 165), (3, None), (300, None), (0, None)])
def test_an_impossible_height_is_none(height: int, kept: int | None) -> None:
    assert person(height_cm=height).height == kept


@given(st.text(), st.text(), st.text(), st.lists(st.text(), max_size=3), st.text())
def test_any_text_is_normalised(
    name: str, pinyin: str, birth: str, marks: list[str], number: str
) -> None:
    person(name=name, pinyin=pinyin, birth_date=birth, marks=marks, id_number=number, home=name)


@pytest.mark.parametrize(
    ("one", "other"),
    [("張偉", "张伟"), ("歐陽麗", "欧阳丽"), ("呂黃", "吕黄"), ("趙龍", "赵龙")],
)
def test_traditional_characters_are_the_simplified_ones(one: str, other: str) -> None:
    assert person(name=one).name == person(name=other).name


@pytest.mark.parametrize(
    ("pinyin", "surname"),
    [
        ("Kim Yinghua", "jin"),
        ("Park Meihua", "piao"),
        ("Pak Meihua", "piao"),
        ("Choi Lianhua", "cui"),
        ("Lee Meihua", "li"),
        ("Hwang Meihua", "huang"),
        ("ou yangyiyi", "ouyang"),
        ("ouyang yiyi", "ouyang"),
        ("an meihua", "an"),
        ("zhuge liang", "zhuge"),
    ],
)
def test_a_romanised_surname_is_read_as_the_character(pinyin: str, surname: str) -> None:
    found = person(pinyin=pinyin).name
    assert found is not None
    assert found.surname == surname


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("zhang", "zang"),
        ("chen", "cen"),
        ("shi", "si"),
        ("nan", "lan"),
        ("rong", "long"),
        ("fa", "ha"),
        ("jing", "jin"),
        ("feng", "hen"),
    ],
)
def test_dialects_merge_these_sounds(one: str, other: str) -> None:
    assert fold(one) == fold(other)
    assert fold("er") == "er"
