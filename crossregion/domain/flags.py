"""The flag of a case, derived from its places, and the flag that a confirmed pair adds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from crossregion.domain.boundary import Boundary, boundary
from crossregion.domain.dates import day
from crossregion.domain.events import BoundaryFlagged, Leg
from crossregion.domain.regions import regions
from crossregion.domain.routing import Concerned, is_urgent, told

CONTRADICTING = ("prefecture", "province", "border")
"""Two counties of one prefecture are one unit's affair, and no contradiction between units."""


@dataclass(frozen=True, slots=True)
class Route:
    """The fields of a case's highest revision that its flag is derived from."""

    case_id: str
    unit: str
    revision: int
    digest: str
    legs: Sequence[Leg]
    lost_on: str | None
    age_bands: Collection[str]


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
    case_id: str,
    unit: str,
    revision: int,
    digest: str,
    legs: Sequence[Leg],
    lost_on: date | None,
    age_bands: Collection[str],
) -> BoundaryFlagged:
    """The flag of one revision of a case; `age_bands` are those of its victims."""
    found = boundary(legs, lost_on)
    concerned = _concerned(found, legs)
    return {
        "case_id": case_id,
        "unit": unit,
        "revision": revision,
        "digest": digest,
        "source": found.source,
        "destination": found.destination,
        "source_unit": concerned.source_unit,
        "destination_unit": concerned.destination_unit,
        "boundary": found.boundary,
        "at_least": found.at_least,
        "told": list(
            told(concerned, found.boundary, found.at_least, unit, urgent=is_urgent(age_bands))
        ),
    }


def _concerned(found: Boundary, legs: Sequence[Leg]) -> Concerned:
    codes = [leg["code"] for leg in legs if leg["code"]]
    ends = [code for code in (found.source, found.destination) if code]
    countries = {regions().place(code, None).country for code in codes}
    source_unit, destination_unit = (
        regions().unit_of(code) if code else None for code in (found.source, found.destination)
    )
    return Concerned(
        source_unit,
        destination_unit,
        {unit for code in codes if (unit := regions().unit_of(code))},
        {
            unit
            for code in codes
            if not countries.isdisjoint(regions().borders(code))
            and (unit := regions().unit_of(code))
        },
        {province for code in ends if (province := regions().other_province(code))},
        {province for code in codes if (province := regions().other_province(code))},
        any(regions().is_abroad(code) for code in codes),
    )


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
    made = flag_of(
        case.case_id, case.unit, case.revision, case.digest, legs, lost_on, case.age_bands
    )
    return Confirmed(made, False)


def _leg(role: str, code: str | None) -> Leg:
    return {"role": role, "code": code, "certainty": "stated"}


def _is_place(code: str | None) -> bool:
    return code is not None and regions().place(code, None).country is not None
