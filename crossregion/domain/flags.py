"""What follows from a case's places: its flag, and what a confirmed pair adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from crossregion.domain.boundary import boundary
from crossregion.domain.dates import day
from crossregion.domain.records import BoundaryFlagged, Leg
from crossregion.domain.regions import regions
from crossregion.domain.routing import told

CONTRADICTING = ("prefecture", "province", "border")
"""Two counties of one prefecture are one unit's affair, and no contradiction between units."""


@dataclass(frozen=True, slots=True)
class Route:
    """What of the highest revision of a case its flag follows from."""

    case_id: str
    unit: str
    revision: int
    digest: str
    legs: Sequence[Leg]
    lost_on: str | None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a confirmed pair says of a case's destination, beside what its unit reported."""

    flag: BoundaryFlagged | None
    contradicts: bool


def found_leg(code: str | None) -> Leg:
    """Where a rescued person was found, as a leg."""
    return {"role": "found_at", "code": code, "certainty": "stated"}


def found_at(legs: Sequence[Leg]) -> str | None:
    """The code of that leg."""
    return next((leg["code"] for leg in legs if leg["role"] == "found_at"), None)


def flag_of(
    case_id: str, unit: str, revision: int, digest: str, legs: Sequence[Leg], lost_on: date | None
) -> BoundaryFlagged:
    """The flag of one revision of a case."""
    found = boundary(legs, lost_on)
    source_unit, destination_unit = (
        regions().unit_of(code) if code else None for code in (found.source, found.destination)
    )
    return {
        "case_id": case_id,
        "unit": unit,
        "revision": revision,
        "digest": digest,
        "source": found.source,
        "destination": found.destination,
        "source_unit": source_unit,
        "destination_unit": destination_unit,
        "boundary": found.boundary,
        "at_least": found.at_least,
        "told": list(
            told(
                source_unit,
                destination_unit,
                found.boundary,
                found.at_least,
                unit,
                abroad=any(regions().is_abroad(leg["code"]) for leg in legs),
            )
        ),
    }


def confirmed(case: Route, found: str | None) -> Confirmed:
    """The flag of basis `confirmed` of a pair, or that it contradicts what the unit states.

    `found`, where the rescued person was found, is the destination while the case's unit states
    none itself; a code that no place has states nothing.
    """
    if not _is_place(found):
        return Confirmed(None, False)
    lost_on = day(case.lost_on)
    destination = boundary(case.legs, lost_on).destination
    if _is_place(destination):
        ends = [_leg("taken_from", destination), _leg("taken_to", found)]
        return Confirmed(None, boundary(ends, lost_on).boundary in CONTRADICTING)
    legs = [*case.legs, _leg("taken_to", found)]
    made = flag_of(case.case_id, case.unit, case.revision, case.digest, legs, lost_on)
    return Confirmed(made, False)


def _leg(role: str, code: str | None) -> Leg:
    return {"role": role, "code": code, "certainty": "stated"}


def _is_place(code: str | None) -> bool:
    return code is not None and regions().place(code, None).country is not None
