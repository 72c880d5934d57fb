from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossregion.domain.events import PairWeighed, PersonsListed
from crossregion.linkage.blocking import posted, sought
from crossregion.linkage.encoding import Texts
from crossregion.linkage.index import Index
from crossregion.linkage.model import load
from tests.support.linkage_records import identity, listed, person

ANNA: dict[str, Any] = {"name": "王红英", "sex": "F", "birth_date": "1990-03-15", "home": "220281"}
BEA: dict[str, Any] = {"name": "赵小梅", "sex": "F", "birth_date": "1985-10-02", "home": "520524"}

PairKey = tuple[str, str, str, str, str]


def key_of(pair: PairWeighed) -> PairKey:
    return (
        pair["case_unit"],
        pair["case_id"],
        pair["victim_id"],
        pair["rescue_unit"],
        pair["rescue_id"],
    )


def case(record_id: str, *persons: dict[str, Any], **more: Any) -> PersonsListed:
    return listed("case", record_id, *(identity(**one) for one in persons), **more)


def rescue(record_id: str, one: dict[str, Any], **more: Any) -> PersonsListed:
    return listed("rescue", record_id, identity(**one), **more)


def test_a_pair_is_said_whichever_comes_first() -> None:
    one, other = Index(load()), Index(load())
    assert one.put(case("C1", ANNA)) == []
    assert other.put(rescue("R1", ANNA)) == []
    (first,), (second,) = one.put(rescue("R1", ANNA)), other.put(case("C1", ANNA))
    assert first == second
    assert key_of(first) == ("220200", "C1", "C1/1", "220200", "R1")
    assert (first["case_revision"], first["rescue_revision"], first["stated"]) == (1, 1, False)
    assert first["model"] == load().version
    assert first["weight"] is not None
    assert first["weight"] > 20


def test_strangers_are_not_said() -> None:
    index = Index(load())
    index.put(case("C1", ANNA))
    assert index.put(rescue("R1", BEA)) == []


def test_two_of_one_kind_are_no_pair() -> None:
    index = Index(load())
    index.put(case("C1", ANNA))
    assert index.put(case("C2", ANNA)) == []


def test_an_equal_revision_says_its_pairs_again() -> None:
    index = Index(load())
    index.put(case("C1", ANNA))
    said = index.put(rescue("R1", ANNA))
    assert index.put(rescue("R1", ANNA)) == said
    assert index.put(case("C1", ANNA)) == said
    assert len(index) == 2


def test_a_lower_revision_changes_nothing() -> None:
    index = Index(load())
    index.put(rescue("R1", ANNA))
    said = index.put(case("C1", ANNA, revision=2))
    assert index.put(case("C1", BEA, revision=1)) == []
    assert index.put(case("C1", BEA, revision=2, digest="0")) == []
    assert index.put(rescue("R1", ANNA)) == said


def test_of_two_contents_under_one_revision_the_higher_digest_is_kept() -> None:
    index = Index(load())
    index.put(rescue("R1", ANNA))
    (said,) = index.put(case("C1", ANNA, digest="a"))
    (gone,) = index.put(case("C1", BEA, digest="b"))
    assert key_of(gone) == key_of(said)
    assert gone["weight"] is None


def test_a_pair_that_is_no_candidate_any_longer_is_said_without_weight() -> None:
    index = Index(load())
    index.put(case("C1", ANNA))
    (said,) = index.put(rescue("R1", ANNA))
    (gone,) = index.put(rescue("R1", BEA, revision=2))
    assert gone == {**said, "rescue_revision": 2, "weight": None, "evidence": []}
    assert index.put(rescue("R1", BEA, revision=3)) == []


def test_a_victim_missing_from_the_newer_revision_is_gone() -> None:
    index = Index(load())
    index.put(rescue("R1", BEA))
    (said,) = index.put(case("C1", ANNA, BEA))
    assert said["victim_id"] == "C1/2"
    (gone,) = index.put(case("C1", ANNA, revision=2))
    assert (gone["victim_id"], gone["weight"], gone["case_revision"]) == ("C1/2", None, 2)


def test_a_stated_pair_is_said_for_every_victim_whatever_its_weight() -> None:
    index, later = Index(load()), Index(load())
    index.put(case("C1", ANNA, BEA))
    said = index.put(rescue("R1", BEA, stated_case_id="C1"))
    assert [(pair["victim_id"], pair["stated"]) for pair in said] == [
        ("C1/1", True),
        ("C1/2", True),
    ]
    assert (said[0]["weight"] or 0) < load().keep_bits < (said[1]["weight"] or 0)
    later.put(rescue("R1", BEA, stated_case_id="C1"))
    assert later.put(case("C1", ANNA, BEA)) == said


def test_a_statement_taken_back_takes_the_pair_with_it() -> None:
    index = Index(load())
    index.put(case("C1", ANNA))
    index.put(rescue("R1", BEA, stated_case_id="C1"))
    (gone,) = index.put(rescue("R1", BEA, revision=2))
    assert (gone["weight"], gone["stated"]) == (None, False)


def test_erasing_takes_all_pairs_back_and_stays() -> None:
    index = Index(load())
    index.put(rescue("R1", ANNA))
    index.put(rescue("R2", ANNA))
    index.put(case("C1", ANNA, revision=2))
    assert index.remove("case", "220200", "C1", 1, "a") == []
    gone = index.remove("case", "220200", "C1", 2, "a")
    assert [(pair["rescue_id"], pair["weight"]) for pair in gone] == [("R1", None), ("R2", None)]
    assert index.remove("case", "220200", "C1", 2, "a") == []
    assert index.put(case("C1", ANNA, revision=2)) == []
    assert len(index) == 2
    assert len(index.put(case("C1", ANNA, revision=3))) == 2


def test_ids_are_a_units_own() -> None:
    index = Index(load())
    index.put(rescue("R1", ANNA))
    index.put(case("C1", ANNA, unit="220200"))
    index.put(case("C1", BEA, unit="220300"))
    assert [pair["case_unit"] for pair in index.put(rescue("R1", ANNA))] == ["220200"]


def test_restoring_says_nothing_and_knows_the_same() -> None:
    told, restored = Index(load()), Index(load())
    for record in (case("C1", ANNA), case("C2", BEA), case("C1", BEA, revision=2)):
        told.put(record)
        restored.restore(record)
    told.remove("case", "220200", "C2", 1, "a")
    restored.forget("case", "220200", "C2", 1, "a")
    assert restored.put(rescue("R1", BEA)) == told.put(rescue("R1", BEA))


def test_another_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="case or rescue"):
        Index(load()).put(listed("tip", "T1", identity(**ANNA)))
    with pytest.raises(ValueError, match="case or rescue"):
        Index(load()).remove("tip", "220200", "T1", 1, "a")


FIELDS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["王红英", "王宏英", "王英", "赵小梅", "小英", "张伟", None]),
        "other_names": st.lists(st.sampled_from(["小英", "王红英", "梅梅"]), max_size=1),
        "sex": st.sampled_from(["F", "M", None]),
        "birth_date": st.sampled_from(["1990-03-15", "1990-03-05", "1991-03-15", "1990", None]),
        "home": st.sampled_from(["220281", "220200", "520524", None]),
        "marks": st.lists(st.sampled_from(["右手痣", "左手痣", "额头疤"]), max_size=2),
        "id_number": st.sampled_from(["220281199003154020", "220281199003154200", None]),
        "dna_sample": st.sampled_from(["D1", None]),
    }
)


@given(FIELDS, FIELDS)
@settings(max_examples=200, deadline=None)
def test_seeking_is_symmetric(one: dict[str, Any], other: dict[str, Any]) -> None:
    rules, texts = load().keys, Texts()
    mine, theirs = person(**one), person(**other)
    found = sought(mine, rules, texts) & posted(theirs, rules, texts)
    assert bool(found) == bool(sought(theirs, rules, texts) & posted(mine, rules, texts))


CASES = st.builds(
    lambda number, people, revision, digest: case(
        f"C{number}", *people, revision=revision, digest=digest
    ),
    st.integers(1, 3),
    st.lists(FIELDS, min_size=1, max_size=2),
    st.integers(1, 3),
    st.sampled_from("ab"),
)
RESCUES = st.builds(
    lambda number, one, revision, stated: rescue(
        f"R{number}", one, revision=revision, stated_case_id=stated
    ),
    st.integers(1, 3),
    FIELDS,
    st.integers(1, 3),
    st.sampled_from(["C1", None]),
)


def version(record: PersonsListed) -> tuple[str, str, int, str]:
    return record["kind"], record["record_id"], record["revision"], record["digest"]


def last_said(records: list[PersonsListed], erased: list[PersonsListed]) -> dict[PairKey, Any]:
    """What holds at the end: the last word on each pair, those without weight left out."""
    index = Index(load())
    said: dict[PairKey, PairWeighed] = {}
    for record in records:
        for pair in index.put(record):
            said[key_of(pair)] = pair
        if record in erased:
            for pair in index.remove(
                record["kind"],
                record["unit"],
                record["record_id"],
                record["revision"],
                record["digest"],
            ):
                said[key_of(pair)] = pair
    return {key: pair for key, pair in said.items() if pair["weight"] is not None}


@pytest.mark.slow
@given(st.lists(CASES | RESCUES, max_size=10, unique_by=version), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_the_order_makes_no_difference(records: list[PersonsListed], chance: random.Random) -> None:
    erased = records[:1]
    expected = last_said(records, erased)
    again = [*records, *chance.choices(records, k=3)] if records else []
    chance.shuffle(again)
    assert last_said(again, erased) == expected
