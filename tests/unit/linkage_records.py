"""Invented persons for the linkage tests."""

from __future__ import annotations

from typing import Any

from crossregion.domain.linkage.normalise import Person, normalise
from crossregion.domain.records import Identity, PersonsListed

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
