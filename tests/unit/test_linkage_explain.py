from __future__ import annotations

import json
from typing import Any

import pytest

from crossregion.domain.events import MatchProposed
from crossregion.linkage.comparison import LEVELS
from crossregion.linkage.explanation import FIELDS, WORDS, explain, lines
from crossregion.linkage.index import Index
from crossregion.linkage.model import load
from crossregion.linkage.posterior import posterior_probabilities
from tests.support.linkage_records import identity, listed

ANNA: dict[str, Any] = {
    "name": "季冬香",
    "sex": "F",
    "birth_date": "1990-03-15",
    "home": "220281",
    "marks": ["右手臂疤痕"],
    "height_cm": 161,
}
LOST, FOUND = "2010-06-01", "2012-06-01"


def proposals() -> list[MatchProposed]:
    """One true candidate and a weaker one."""
    index = Index(load())
    index.put(listed("case", "C1", identity(**ANNA), happened_on=LOST))
    other = {**ANNA, "birth_date": "1991-03-15", "home": "220200", "marks": []}
    index.put(listed("case", "C2", identity(**other), happened_on=LOST))
    pairs = index.put(
        listed("rescue", "R1", identity(**{**ANNA, "height_cm": 164}), happened_on=FOUND)
    )
    return posterior_probabilities(pairs, load())


def test_every_level_has_words() -> None:
    for field, levels in LEVELS.items():
        if field in WORDS:
            assert set(WORDS[field]) == set(levels)
    assert set(WORDS) | {"marks_known"} == set(FIELDS)


def test_the_steps_lead_from_the_start_to_the_weight() -> None:
    first = proposals()[0]
    told = explain(first, [], load())
    odds = told.start / (1 - told.start)
    for step in told.steps:
        odds *= 2**step.bits
        assert step.chance == pytest.approx(odds / (1 + odds))
    assert sum(step.bits for step in told.steps) == pytest.approx(
        sum(item["bits"] for item in first["evidence"])
    )
    sizes = [abs(step.bits) for step in told.steps]
    assert sizes == sorted(sizes, reverse=True)


def test_rivals_are_told_and_the_proposal_is_not_its_own() -> None:
    found = proposals()
    told = explain(found[0], found, load())
    assert [rival.case_id for rival in told.rivals] == [one["case_id"] for one in found[1:]]


def test_the_text_is_readable_and_holds_no_personal_value() -> None:
    found = proposals()
    text = "\n".join(lines(explain(found[0], found, load())))
    assert text.startswith("Case C1, victim C1/1; rescue R1; model persons-1")
    for words in ("written the same", "the same day", "the same county", "one is the same"):
        assert words in text
    assert "times likelier" in text
    assert "Name, rarity" in text
    assert "one in " in text
    values = ("季", "冬香", "dong", "1990", "220281", "164", "疤", LOST)
    assert not [value for value in values if value in text + json.dumps(found)]


@pytest.mark.parametrize(
    ("probability", "field", "words"),
    [
        (0.999, "name", "Very likely the same person"),
        (0.7, "name", "Rather the same person than not"),
        (0.1, "name", "compare DNA before anything is told"),
        (0.1, "dna", "The laboratory's hit decides"),
    ],
)
def test_the_advice_follows_the_chance(probability: float, field: str, words: str) -> None:
    proposal = proposals()[0]
    proposal["probability"] = probability
    proposal["evidence"] = [{"field": field, "level": "equal", "bits": 8.0}]
    *_, last = lines(explain(proposal, [], load()))
    assert words in last


def test_a_stated_pair_says_so() -> None:
    proposal = proposals()[0]
    proposal["kind"] = "stated"
    assert "An officer states that they are the same." in lines(explain(proposal, [], load()))
