"""Who is told of what, how much and by when: `data/routing.toml`, read line by line."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from crossregion.domain.age import CHILD_BANDS
from crossregion.domain.regions import OFFICE
from schemas.units import PARTNERS, PROVINCES

EXISTENCE, SUMMARY, RECORD = LEVELS = ("existence", "summary", "record")
"""How much is shared, each with what is before it."""
AGREED = "agreed"
URGENT_BANDS = frozenset(CHILD_BANDS)
BORDER, FOREIGN_AFFAIRS, POLICE_COOPERATION = "border", "foreign-affairs", "police-cooperation"
CHANNELS = (BORDER, FOREIGN_AFFAIRS, POLICE_COOPERATION)
ABROAD_ONLY = (FOREIGN_AFFAIRS, POLICE_COOPERATION)
UNIT, PARTNER = "unit", "partner"


@dataclass(frozen=True, slots=True)
class Concerned:
    """The units on a case's route, by the part they have in it; a place abroad has none.

    `provinces` are the other provinces of the two ends, `transit_provinces` those between.
    `abroad` says whether a foreign country is on the route.
    """

    source_unit: str | None
    destination_unit: str | None
    transit_units: Collection[str] = ()
    border_county_units: Collection[str] = ()
    provinces: Collection[str] = ()
    transit_provinces: Collection[str] = ()
    abroad: bool = False

    def units(self, role: str) -> set[str]:
        """Whom a role of the table means on this route."""
        if role == "end":
            return {unit for unit in (self.source_unit, self.destination_unit) if unit}
        if role == "transit":
            return {*self.transit_units, *(set(PROVINCES) & set(self.transit_provinces))}
        if role == "border-county":
            return set(self.border_county_units)
        if role == "partner":
            return set(PROVINCES) & set(self.provinces)
        if role == "office":
            return {OFFICE}
        here = role in PARTNERS and (self.abroad or role not in ABROAD_ONLY)
        return {role} if here else set()


@dataclass(frozen=True, slots=True)
class Terms:
    """How much a recipient may know, and within how many hours it is to answer, if at all."""

    disclosure: str
    answer_within_hours: int | None


def told(
    concerned: Concerned, boundary: str, at_least: str | None, reporter: str, *, urgent: bool
) -> tuple[str, ...]:
    """The units that are told of one flag, sorted, each once.

    The reporter is never told of its own flag. What would reach nobody goes to the office,
    unless the office itself reported it.
    """
    width = (at_least or boundary) if boundary == "unknown" else boundary
    roles = [*_table()["told"][width], *(_table()["told_urgent"][width] if urgent else ())]
    if not roles:
        return ()
    recipients = set().union(*(concerned.units(role) for role in roles)) - {reporter}
    if not recipients and reporter != OFFICE:
        recipients.add(OFFICE)
    return tuple(sorted(recipients))


def is_urgent(age_bands: Collection[str]) -> bool:
    """Whether a child under 14 at the loss is among them, or somebody who may be one."""
    return not URGENT_BANDS.isdisjoint(age_bands)


def terms(kind: str, recipient: str, agreed: Sequence[Terms], *, urgent: bool) -> Terms:
    """The terms of a notice of a kind to a unit, `agreed` by the agreements in force for it.

    Of several agreements the one that shares most and the one that answers soonest hold. A
    recipient that the lines of a kind do not name has the flag's, which name every one.
    """
    given = (class_of(recipient), bool(agreed), urgent)
    disclosure, hours = _lines().get((kind, *given)) or _lines()["flag", *given]
    if disclosure == AGREED:
        disclosure = max((one.disclosure for one in agreed), key=LEVELS.index)
    promised = [one.answer_within_hours for one in agreed if one.answer_within_hours]
    if hours and agreed:
        hours = min(hours, *promised)
    return Terms(disclosure, hours or None)


def class_of(unit: str) -> str:
    """What the lines call a recipient."""
    if unit == OFFICE:
        return "office"
    if unit in CHANNELS:
        return unit
    return PARTNER if is_province(unit) else UNIT


@functools.cache
def channel_of(department: str) -> str | None:
    """The recipient behind which a department stands alone, if there is one."""
    behind = [unit for unit, code in _table()["departments"].items() if code == department]
    if len(behind) != 1:
        return None
    return OFFICE if behind == ["office"] else behind[0]


def is_province(unit: str) -> bool:
    """Whether a unit is the office of another province."""
    return unit.endswith("0000") and unit != OFFICE


@functools.cache
def _lines() -> dict[tuple[str, str, bool, bool], tuple[str, int]]:
    """The lines by kind, class of recipient, agreement and urgency."""
    found: dict[tuple[str, str, bool, bool], tuple[str, int]] = {}
    for kind, recipient, agreement, urgent, disclosure, hours, _ in _table()["terms"]["lines"]:
        for agreed in _either(agreement):
            for hurried in _either(urgent):
                found[kind, recipient, agreed, hurried] = (disclosure, hours)
    return found


def _either(word: str) -> tuple[bool, ...]:
    return {"yes": (True,), "no": (False,), "any": (False, True)}[word]


@functools.cache
def _table() -> dict[str, Any]:
    file = resources.files("crossregion.domain") / "data/routing.toml"
    return tomllib.loads(file.read_text("utf-8"))
