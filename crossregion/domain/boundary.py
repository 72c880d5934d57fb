"""Which boundary a route crosses: the widest that any two of its known legs prove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations

from crossregion.domain.events import Leg
from crossregion.domain.regions import Place, regions

WIDENING = ("none", "county", "prefecture", "province", "border")


@dataclass(frozen=True, slots=True)
class Boundary:
    """The two ends as received and the widest crossing proven between any two known legs.

    `boundary` is border, province, prefecture, county, none or unknown. `at_least` says, with
    unknown, what is proven all the same: that the known legs cross nothing, or None when fewer
    than two legs are known.
    """

    source: str | None
    destination: str | None
    boundary: str
    at_least: str | None


def boundary(legs: Sequence[Leg], lost_on: date | None) -> Boundary:
    """The boundary of a route, its places taken as they were on the day of the loss."""
    source = next((leg["code"] for leg in legs if leg["role"] == "taken_from"), None)
    destination = next(
        (leg["code"] for leg in reversed(legs) if leg["role"] in ("taken_to", "exploited_at")),
        None,
    )
    places = [regions().place(leg["code"], lost_on) for leg in legs if leg["code"]]
    known = [place for place in places if place.country is not None]
    proven = max(
        (_between(one, other) for one, other in combinations(known, 2)),
        key=WIDENING.index,
        default=None,
    )
    if proven is not None and proven != "none":
        return Boundary(source, destination, proven, None)
    certain = (
        source is not None
        and destination is not None
        and all(place.known_to_prefecture for place in places)
    )
    if certain:
        return Boundary(source, destination, "none", None)
    return Boundary(source, destination, "unknown", proven)


def _between(one: Place, other: Place) -> str:
    if one.country != other.country:
        return "border"
    for level, width in (
        ("province", "province"),
        ("prefecture", "prefecture"),
        ("county", "county"),
    ):
        here, there = getattr(one, level), getattr(other, level)
        if here is None or there is None:
            return "none"
        if here != there:
            return width
    return "none"
