"""Whatever a record holds, it is linked by what can be compared, and nothing is left out."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from crossregion.domain.events import PairWeighed, PersonsListed
from crossregion.linkage import person_fields
from crossregion.linkage.index import CROWD, Index
from crossregion.linkage.model import load
from crossregion.linkage.normalisation import normalise
from crossregion.linkage.posterior import posterior_probabilities
from tests.support.linkage_records import NOBODY, identity, listed, person

ANNA: dict[str, Any] = {"name": "王红英", "sex": "F", "birth_date": "1990-03-15", "home": "220281"}
LOST, FOUND = "2010-06-01", "2012-06-01"


def linked(victim: dict[str, Any], rescued: dict[str, Any]) -> list[PairWeighed]:
    """The pairs of one case and one rescue, which must not depend on which comes first."""
    case = listed("case", "C1", identity(**victim), happened_on=LOST)
    rescue = listed("rescue", "R1", identity(**rescued), happened_on=FOUND)
    index, later = Index(load()), Index(load())
    index.put(case)
    later.put(rescue)
    pairs = index.put(rescue)
    assert later.put(case) == pairs
    return pairs


@pytest.mark.parametrize("fields", [{}, {"sex": "F"}, {"sex": "x", "birth_precision": "?"}])
def test_who_has_nothing_to_compare_is_no_candidate(fields: dict[str, Any]) -> None:
    assert linked(fields, fields) == []
    assert linked(ANNA, fields) == []
    assert Index(load()).put(listed("rescue", "R1", NOBODY, happened_on=None)) == []


@pytest.mark.parametrize(
    "name",
    [
        "王" * 500,
        "wang " * 100,
        "x" * 500,
        "😀🎉",
        "Maria Kowalska",
        "\u202e王\u200b红英",
        "１２３",
        "'; drop table --",
        "\x00",
    ],
)
def test_any_name_is_compared(name: str) -> None:
    linked(ANNA, {**ANNA, "name": name})
    (pair,) = linked({**ANNA, "name": name}, {**ANNA, "name": name})
    assert (pair["weight"] or 0) > load().keep_bits


@pytest.mark.parametrize(
    ("birth", "level"),
    [
        ("0000-01-01", "unknown"),
        ("0000", "unknown"),
        ("0001-01-01", "unknown"),
        ("9999-12-31", "unknown"),
        ("2090-01-01", "unknown"),
        ("now", "unknown"),
        ("1990-02-30", "year"),
    ],
)
def test_of_an_impossible_birth_only_a_possible_year_counts(birth: str, level: str) -> None:
    (pair,) = linked(ANNA, {**ANNA, "birth_date": birth, "id_number": "110101209003072316"})
    assert {item["field"]: item["level"] for item in pair["evidence"]}["birth"] == level


def test_a_birth_after_the_rescue_is_impossible_and_at_it_is_not() -> None:
    assert person(birth_date="2012-01-01", happened_on=FOUND).born_year == 2012
    assert person(birth_date="2013-01-01", happened_on=FOUND).born_year is None
    assert person(birth_date="2013", birth_precision="year", happened_on=FOUND).born_year is None


@pytest.mark.parametrize("height", [300, 0, -5, 2_000_000_000])
def test_a_height_of_three_metres_says_nothing(height: int) -> None:
    (pair,) = linked({**ANNA, "height_cm": 163}, {**ANNA, "height_cm": height})
    without = linked({**ANNA, "height_cm": 163}, ANNA)[0]
    assert pair == without


ALIASES = [f"王{chr(0x4E00 + number)}{chr(0x5E00 + number)}" for number in range(1_000)]


@pytest.mark.parametrize("alias", [ALIASES[0], ALIASES[500], ALIASES[999]])
def test_each_of_a_thousand_aliases_counts(alias: str) -> None:
    victim = {**ANNA, "other_names": ALIASES}
    (pair,) = linked(victim, {**ANNA, "name": alias})
    (plain,) = linked({**ANNA, "other_names": [alias]}, {**ANNA, "name": alias})
    assert pair["evidence"] == plain["evidence"]
    assert {item["field"]: item["level"] for item in pair["evidence"]}["name"] == "alias"


def test_two_with_many_aliases_each_meet_whichever_comes_first() -> None:
    mine, theirs = ALIASES[:6], [*ALIASES[10:15], ALIASES[5]]
    victim, rescued = {**ANNA, "name": None}, {**ANNA, "name": None}
    (pair,) = linked({**victim, "other_names": mine}, {**rescued, "other_names": theirs})
    assert pair["weight"] is not None


def test_more_marks_than_a_row_holds_all_count() -> None:
    marks = ["右手痣", "左手痣", "额头疤", "左耳痣", "右腿烫伤", "下巴纹身"]
    (pair,) = linked({**ANNA, "marks": marks}, {**ANNA, "marks": [marks[-1]]})
    seen = {item["field"]: item["level"] for item in pair["evidence"]}
    assert seen["marks"] == "shared"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wangsang" * 2_500, "a" * 20_000])
def test_the_memory_of_a_long_name_grows_with_its_length_only(name: str) -> None:
    rescue = listed("rescue", "R1", identity(name=name))
    tracemalloc.start()
    one = normalise(rescue["persons"][0], rescue)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert one.name is not None
    assert one.name.sounds == name
    assert most < 1_000 * len(name)


def test_persons_with_many_marks_are_not_made_again_for_each_candidate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    marked = {**ANNA, "marks": ["右手痣", "左手痣", "额头疤", "左耳痣", "右腿烫伤", "下巴纹身"]}
    index, made = Index(load()), []
    index.put(listed("case", "C1", *[identity(**marked)] * 200, happened_on=LOST))

    def counted(*of: Any) -> Any:
        made.append(of)
        return normalise(*of)

    monkeypatch.setattr(person_fields, "normalise", counted)
    assert len(index.put(listed("rescue", "R1", identity(**marked), happened_on=FOUND))) == 200
    assert len(made) == 1


def crowd(kind: str, number: int) -> PersonsListed:
    return listed(kind, f"{kind}{number}", identity(name="张伟", birth_date="1990-01-01", sex="M"))


@pytest.mark.slow
def test_a_crowd_of_one_name_and_year_is_compared_whole_and_told() -> None:
    index = Index(load())
    for number in range(CROWD + 1):
        index.restore(crowd("case", number))
    assert index.crowded == 0
    pairs = index.put(crowd("rescue", 0))
    assert index.crowded == 1
    assert len(pairs) == CROWD + 1
    assert len({pair["weight"] for pair in pairs}) == 1
    assert [one["rank"] for one in posterior_probabilities(pairs, load())] == list(
        range(1, CROWD + 2)
    )


def test_evidence_is_json_without_numbers_that_json_has_not() -> None:
    (pair,) = linked(ANNA, ANNA)
    assert json.loads(json.dumps(pair, allow_nan=False)) == pair
