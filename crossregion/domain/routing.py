"""Who is told of a flag: a table, so that the rule can be read and checked row by row."""

from __future__ import annotations

from crossregion.domain.regions import OFFICE

ENDS = "the units of source and destination"
BORDER, FOREIGN_AFFAIRS = "border", "foreign-affairs"

TOLD: dict[str, tuple[str, ...]] = {
    "border": (ENDS, OFFICE, BORDER, FOREIGN_AFFAIRS),
    "province": (ENDS, OFFICE),
    "prefecture": (ENDS,),
    "county": (ENDS,),
    "none": (),
    "unknown": (),
}
"""Boundary to recipients; `unknown` that proves something wider is told as what it proves."""


def told(
    source_unit: str | None,
    destination_unit: str | None,
    boundary: str,
    at_least: str | None,
    reporter: str,
    *,
    abroad: bool,
) -> tuple[str, ...]:
    """The units that are told of one flag, sorted, each once.

    The reporter is never told of its own flag. What would reach nobody goes to the office,
    unless the office itself reported it. `abroad` says whether a foreign country is on the route:
    Hong Kong, Macao and Taiwan are no affair of foreign affairs.
    """
    row = TOLD[(at_least or boundary) if boundary == "unknown" else boundary]
    if not row:
        return ()
    recipients: set[str] = set()
    for recipient in row:
        if recipient == ENDS:
            recipients |= {unit for unit in (source_unit, destination_unit) if unit}
        elif abroad or recipient != FOREIGN_AFFAIRS:
            recipients.add(recipient)
    recipients.discard(reporter)
    if not recipients and reporter != OFFICE:
        recipients.add(OFFICE)
    return tuple(sorted(recipients))
