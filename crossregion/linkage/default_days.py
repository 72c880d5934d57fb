"""Days of birth that a unit writes where it does not know the day: they count as the year alone.

Pure: it depends on which records there are, not on their order. That takes all records of a unit at
once, so files are linked by it; live linkage, whose weights follow from two records and the model,
knows only the day that every register defaults to (`fillers.year_alone`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

from crossregion.domain.dates import day
from crossregion.domain.events import PersonsListed

LEAST: Final = 8
"""So many persons of a day that differ by name: twins, and a person reported often, are fewer."""
CHANCE: Final = 1e-9
"""A count as high as this by chance is not met in all registers of a country."""
DAYS: Final = 365.25


def without_defaults(listed: Sequence[PersonsListed]) -> list[PersonsListed]:
    """The records, with the year alone of a birth on a day that its unit defaults to."""
    defaults = {unit: _defaults(dates) for unit, dates in _births(listed).items()}
    return [_roughened(one, defaults.get(one["unit"], (set(), set()))) for one in listed]


def _births(listed: Iterable[PersonsListed]) -> dict[str, set[tuple[date, str]]]:
    """By unit: each day of birth with the names that it has."""
    found = defaultdict[str, set[tuple[date, str]]](set)
    for one in listed:
        for person in one["persons"]:
            born = _exact(person["identity"]["birth_date"], person["identity"]["birth_precision"])
            if born is not None:
                name = person["identity"]["name"] or person["identity"]["pinyin"]
                found[one["unit"]].add((born, name or f"\n{person['person_id']}"))
    return found


def _defaults(births: set[tuple[date, str]]) -> tuple[set[date], set[tuple[int, int]]]:
    """Single days, and days of any year, that far more of a unit's persons have than by chance."""
    on = Counter(born for born, _ in births)
    in_year = Counter(born.year for born, _ in births)
    every_year = Counter((born.month, born.day) for born, _ in births)
    days = {born for born, count in on.items() if _too_many(count, in_year[born.year] / DAYS)}
    yearly = {one for one, count in every_year.items() if _too_many(count, len(births) / DAYS)}
    return days, yearly


def _too_many(count: int, expected: float) -> bool:
    """Whether a Poisson variable with this mean is at least so high by less than `CHANCE`.

    The tail from k > mean on is at most exp(k - mean) * (mean / k) ** k (Chernoff's bound).
    """
    if count < LEAST or count <= expected:
        return False
    log_tail = count - expected + count * math.log(expected / count)
    return log_tail < math.log(CHANCE)


def _roughened(
    listed: PersonsListed, defaults: tuple[set[date], set[tuple[int, int]]]
) -> PersonsListed:
    days, yearly = defaults
    if not (days or yearly):
        return listed
    made: PersonsListed = {**listed, "persons": []}
    for person in listed["persons"]:
        identity = person["identity"]
        born = _exact(identity["birth_date"], identity["birth_precision"])
        if born is not None and (born in days or (born.month, born.day) in yearly):
            year: str = f"{born.year:04}"
            rough = {**identity, "birth_date": year, "birth_precision": "year"}
            person = {**person, "identity": rough}  # type: ignore[typeddict-item]
        made["persons"].append(person)
    return made


def _exact(text: str | None, precision: str) -> date | None:
    return day(text) if precision == "day" else None
