"""In linkage a filler is nothing: it changes no weight, and joins no two strangers."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossregion.domain.events import Identity, PersonsListed
from crossregion.linkage import default_days
from crossregion.linkage.file_linkage import link, linked
from crossregion.linkage.index import Index
from crossregion.linkage.model import load
from tests.support.linkage_records import identity, levels, listed, person, weight

WORDS = (
    "无",
    "不详",
    "未采集",
    "/",
    "-",
    "NULL",
    "#N/A",
    "暂无",
    "未知",
    "?",
    "待查",
    "  ",
    "Ｎ／Ａ",
)
FILLERS: dict[str, tuple[Any, ...]] = {
    "name": (*WORDS, "无名氏", "某某", "佚名", "XXX"),
    "pinyin": WORDS,
    "other_names": tuple([word] for word in (*WORDS, "无别名")),
    "sex": (*WORDS, "0", "9"),
    "birth_date": (*WORDS, "1900-01-01", "1899-12-30", "0000-00-00", "9999-12-31"),
    "home": (*WORDS, "000000"),
    "height_cm": (0, 1, 999),
    "marks": tuple([word] for word in (*WORDS, "无明显特征", "未见异常")),
    "id_number": (*WORDS, "0" * 18, "1" * 18, "123456789012345678", "无身份证"),
    "dna_sample": (*WORDS, "0", "未采血", "0000", "无样本"),
}
EMPTY: dict[str, Any] = {"other_names": [], "marks": []}
SOMEBODY = {
    "name": "王红英",
    "pinyin": "wang hongying",
    "other_names": ["小红"],
    "sex": "F",
    "birth_date": "1990-02-03",
    "home": "220202",
    "height_cm": 162,
    "marks": ["左脸伤疤"],
    "id_number": "92022119900203793X",
    "dna_sample": "D100",
}


def without(field: str) -> Identity:
    return identity(**{**SOMEBODY, field: EMPTY.get(field)})


def filled(field: str, filler: Any) -> Identity:
    return identity(**{**SOMEBODY, field: filler})


@pytest.mark.slow
@pytest.mark.parametrize("field", list(FILLERS))
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_a_filler_weighs_as_an_empty_field(field: str, data: st.DataObject) -> None:
    one, other = (data.draw(st.sampled_from([None, *FILLERS[field]])) for _ in range(2))
    victim, rescued = (without(field) if f is None else filled(field, f) for f in (one, other))
    days = {"lost": "2006-01-02", "found": "2008-03-04"}
    somebody = identity(**SOMEBODY)
    assert weight(victim, rescued, **days) == weight(without(field), without(field), **days)
    assert weight(victim, somebody, **days) == weight(without(field), somebody, **days)
    assert weight(somebody, rescued, **days) == weight(somebody, without(field), **days)


@given(st.sampled_from([None, *WORDS, "1900-01-01", "1970-01-01"]))
def test_a_default_day_of_the_loss_is_none(day: str | None) -> None:
    one = weight(identity(**SOMEBODY), identity(**SOMEBODY), lost=day, found="2008-03-04")
    assert one == weight(identity(**SOMEBODY), identity(**SOMEBODY), found="2008-03-04")


def test_a_word_for_no_case_states_none() -> None:
    index = Index(load())
    index.put(listed("case", "无", identity(name="李梅")))
    assert index.put(listed("rescue", "R1", identity(name="赵伟"), stated_case_id="无")) == []


@pytest.mark.parametrize("word", [*WORDS, "无名氏", "女婴", "王某某", "王XX", "无明显特征"])
def test_strangers_with_the_same_filler_everywhere_are_not_proposed(word: str) -> None:
    """Eight cases and eight rescues gave 64 proposals."""
    alike = {
        **dict.fromkeys(("name", "home", "id_number", "dna_sample", "sex"), word),
        "other_names": [word],
        "marks": [word],
        "birth_date": "1900-01-01",
    }
    cases = [listed("case", f"C{number}", identity(**alike)) for number in range(8)]
    rescues = [listed("rescue", f"R{number}", identity(**alike)) for number in range(8)]
    assert linked(cases, iter(rescues)) == []


def test_a_surname_alone_agrees_as_a_surname_does() -> None:
    hidden, whole, other = (person(name=name) for name in ("王某某", "王红英", "李梅"))
    assert levels(hidden, whole)["name"] == "surname"
    assert levels(hidden, hidden)["name"] == "surname"
    assert levels(hidden, person(name="王XX"))["name"] == "surname"
    assert levels(hidden, other)["name"] == "different"
    assert levels(hidden, person(name="王某某", other_names=["王红英"]))["name"] == "surname"
    assert levels(person(name="欧阳某"), person(name="欧阳兰"))["name"] == "surname"


def test_what_a_note_says_is_another_name() -> None:
    noted = person(name="王红英（又名李梅）")
    assert levels(noted, person(name="王红英"))["name"] == "equal"
    assert levels(noted, person(name="李梅"))["name"] == "alias"


def test_a_word_for_a_girl_is_a_sex_and_no_name() -> None:
    girl = person(name="女婴")
    assert (girl.name, girl.sex) == (None, "F")


RIGHT = "220281199003154023"
WRONG = RIGHT[:-1] + "4"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (RIGHT, RIGHT, "equal"),
        (RIGHT, "220281199003154031", "different"),
        (RIGHT, WRONG, "near"),
        (WRONG, WRONG, None),
        (WRONG, RIGHT[:-1] + "5", None),
        (WRONG, "920221199002037930", "different"),
        ("920282198310010000", "920282198310010000", None),
        (RIGHT[:6] + RIGHT[8:17], RIGHT, "equal"),
    ],
)
def test_two_numbers_that_pass_the_check_are_two_persons(
    one: str, other: str, expected: str | None
) -> None:
    found = levels(person(id_number=one), person(id_number=other))
    assert found.get("id_number") == expected


def test_the_first_of_january_says_the_year_alone() -> None:
    found = levels(person(birth_date="1990-01-01"), person(birth_date="1990-01-01"))
    assert found["birth"] == "year"


def births(days: Sequence[str], unit: str = "220200") -> list[PersonsListed]:
    names = (f"王{chr(0x4E00 + number)}" for number in range(len(days)))
    return [
        listed("case", f"{unit}-{name}", identity(name=name, birth_date=born), unit=unit)
        for name, born in zip(names, days, strict=True)
    ]


def dates(found: Sequence[PersonsListed]) -> list[str | None]:
    return [one["persons"][0]["identity"]["birth_date"] for one in found]


SCATTERED = [f"19{60 + n % 40}-{1 + n % 12:02}-{1 + n % 28:02}" for n in range(400)]


def test_a_day_that_far_too_many_of_a_unit_share_says_the_year_alone() -> None:
    records = births([*SCATTERED, *["1985-06-15"] * 20])
    assert dates(default_days.without_defaults(records)) == [*SCATTERED, *["1985"] * 20]


def test_so_does_a_day_of_every_year() -> None:
    defaults = [f"{1950 + n}-07-01" for n in range(30)]
    records = births([*SCATTERED, *defaults])
    found = dates(default_days.without_defaults(records))
    assert found[len(SCATTERED) :] == [f"{1950 + n}" for n in range(30)]


def test_a_day_that_some_share_by_chance_is_kept() -> None:
    records = births([*SCATTERED, *["1985-06-15"] * 4])
    assert default_days.without_defaults(records) == records


def test_one_person_reported_often_shares_no_day_with_others() -> None:
    record = listed("case", "C", identity(name="王红英", birth_date="1985-06-15"))
    often = [*births(SCATTERED), *[{**record, "record_id": f"C{n}"} for n in range(20)]]
    assert default_days.without_defaults(often) == often  # type: ignore[arg-type]


@settings(max_examples=10)
@given(st.randoms())
def test_another_unit_or_order_changes_no_default(random: Any) -> None:
    one = births([*SCATTERED, *["1985-06-15"] * 20])
    mixed = [*one, *births(SCATTERED, "220300")]
    random.shuffle(mixed)
    found = {record["record_id"]: record for record in default_days.without_defaults(mixed)}
    alone = default_days.without_defaults(one)
    assert all(found[record["record_id"]] == record for record in alone)


def test_files_are_linked_without_default_days(tmp_path: Path) -> None:
    day = [f"19{60 + n % 40}-{1 + n % 12:02}-{1 + n % 28:02}" for n in range(300)] + [
        "1985-06-15"
    ] * 20

    def write(kind: str, of: str, on: str) -> Path:
        path = tmp_path / f"{kind}.jsonl.gz"
        rows = [
            {
                f"{kind}_id": f"{kind}{n}",
                "unit": "220200",
                "name_han": f"{of}{chr(0x4E00 + n)}",
                "sex": "F",
                "home_region": "220202",
                "birth_date": born,
                "dob_precision": "day",
                on: "2010-01-01",
            }
            for n, born in enumerate(day)
        ]
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
        return path

    out = tmp_path / "pairs.jsonl"
    link(write("case", "王", "missing_date"), write("rescue", "李", "found_date"), out)
    pairs = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    shared = [
        pair
        for pair in pairs
        if int(pair["rescue_id"][6:]) >= 300 and int(pair["case_id"][4:]) >= 300
    ]
    assert shared
    assert all(
        {"field": "birth", "level": "equal"}.items() != found.items()
        for pair in shared
        for found in ({k: e[k] for k in ("field", "level")} for e in pair["evidence"])
    )
