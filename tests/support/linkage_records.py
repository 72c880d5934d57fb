"""Invented persons for the linkage tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from crossregion.domain.events import Identity, PersonsListed
from crossregion.linkage import encoding
from crossregion.linkage.comparison import LEVELS, compare
from crossregion.linkage.frequencies import Frequencies
from crossregion.linkage.index import Index
from crossregion.linkage.model import load
from crossregion.linkage.normalisation import Person, normalise

NOBODY: Identity = {
    "name": None,
    "pinyin": None,
    "other_names": [],
    "sex": None,
    "birth_date": None,
    "birth_precision": "unknown",
    "home": None,
    "height_cm": None,
    "marks": [],
    "id_number": None,
    "dna_sample": None,
}


def identity(**fields: Any) -> Identity:
    """Nobody but for these fields; a birth date is exact unless said otherwise."""
    if "birth_date" in fields:
        fields.setdefault("birth_precision", "day")
    return {**NOBODY, **fields}  # type: ignore[typeddict-item]


def listed(
    kind: str,
    record_id: str,
    *identities: Identity,
    revision: int = 1,
    digest: str = "a",
    unit: str = "220200",
    happened_on: str | None = None,
    stated_case_id: str | None = None,
) -> PersonsListed:
    """A case with a victim for each identity, numbered from 1, or a rescue."""
    return {
        "kind": kind,
        "record_id": record_id,
        "unit": unit,
        "revision": revision,
        "digest": digest,
        "happened_on": happened_on,
        "places": [],
        "stated_case_id": stated_case_id,
        "persons": [
            {
                "person_id": record_id if kind == "rescue" else f"{record_id}/{number}",
                "identity": one,
            }
            for number, one in enumerate(identities, 1)
        ],
    }


def person(happened_on: str | None = None, **fields: Any) -> Person:
    """One normalised person."""
    record = listed("rescue", "R1", identity(**fields), happened_on=happened_on)
    return normalise(record["persons"][0], record)


def levels(victim: Person, rescued: Person) -> dict[str, str]:
    """The level of each field that both have, whichever of the two is held and which is sought."""
    texts, frequencies = encoding.Texts(), Frequencies(load().frequencies)
    one, other = (encoding.encode(each, texts, frequencies) for each in (victim, rescued))
    found = []
    for mine, is_victim, theirs in ((one, True, other), (other, False, one)):
        many = np.array([theirs.row], dtype=np.int32).T
        compared = compare(mine, is_victim, np.ascontiguousarray(many), texts.texts)
        shared = {field: bits.tolist() for field, bits in compared.shared.items()}
        found.append((compared.levels[:, 0].tolist(), shared))
    assert found[0] == found[1]
    return {
        field: names[number - 1]
        for (field, names), number in zip(LEVELS.items(), found[0][0], strict=True)
        if number
    }


def weight(victim: Identity, rescued: Identity, **happened: Any) -> float:
    """The weight in bits of a pair that is stated, so that any weight is said."""
    index = Index(load())
    index.put(listed("case", "C1", victim, happened_on=happened.get("lost")))
    told = listed("rescue", "R1", rescued, happened_on=happened.get("found"), stated_case_id="C1")
    (pair,) = index.put(told)
    assert pair["weight"] is not None
    assert pair["weight"] == round(sum(item["bits"] for item in pair["evidence"]), 3)
    return pair["weight"]
