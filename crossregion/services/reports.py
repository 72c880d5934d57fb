"""Figures of supervision from the registry, and the ids of the events that each counts.

A report has a period and a day by which the broker had what counts. For the same two it is the
same at any time and on any rebuilt registry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from crossregion.domain.code_lists import code_list
from crossregion.domain.reports.facts import OTHER_WORD
from crossregion.domain.reports.figures import (
    PATTERNS,
    Cell,
    Column,
    FigureFormat,
    Kind,
    Table,
    difference,
    parts,
)
from crossregion.errors import CrossregionError
from crossregion.postgres import audit, queries
from crossregion.postgres.queries import Row
from crossregion.services.baseline import NOTHING, WHOLE, Baseline
from schemas.units import UNITS

if TYPE_CHECKING:
    from crossregion.postgres.connection import Connection


class NothingKnown(CrossregionError):
    """The registry holds nothing yet, or not all of it is counted."""

    code = "nothing-known"


EXACT = FigureFormat()


@dataclass(frozen=True, slots=True)
class Question:
    """A period, what was known, and how the answer is cut."""

    since: date
    until: date
    known_at: datetime
    by: str = "year"
    unit: str | None = None
    baseline: Baseline = NOTHING
    figure_format: FigureFormat = EXACT

    @property
    def values(self) -> Row:
        return {"since": self.since, "until": self.until, "known_at": self.known_at}

    def concerns(self, *units: str | None) -> bool:
        """Whether rows of these units are requested."""
        return self.unit is None or self.unit in units


def newest(connection: Connection) -> datetime:
    """The broker's time of the newest event that the registry has read.

    Raises: NothingKnown.
    """
    (row,) = queries.rows(connection, "newest_known")
    if row["newest"] is None:
        raise NothingKnown("nothing-read")
    if not row["whole"]:
        raise NothingKnown("recorded-before")
    found: datetime = row["newest"]
    return found


def _solved(connection: Connection, question: Question) -> Table:
    pattern = {"pattern": PATTERNS[question.by]}
    found = {
        (row["unit"], row["period"]): (row["reported"], row["solved"], row["unclear"])
        for row in queries.rows(connection, "solved", {**question.values, **pattern})
    }
    known = {row["unit"] for row in queries.rows(connection, "undated", question.values)}
    rows: list[list[Cell]] = []
    for period in parts(question.since, question.until, question.by):
        of_units = {
            unit: found.get((unit, period), (0, 0, 0)) if unit in known else None for unit in UNITS
        }
        told = [counts for counts in of_units.values() if counts is not None]
        whole = tuple(map(sum, zip(*told, strict=True))) if told else None
        of_all = {**of_units, WHOLE: whole}
        rows += [
            _ratio(unit, period, counts, question)
            for unit, counts in of_all.items()
            if question.concerns(unit)
        ]
    return Table("solved", "Cases solved of those reported", SOLVED, rows)


SOLVED = (
    Column("unit", Kind.KEY),
    Column("period", Kind.KEY),
    *(Column("reported"), Column("solved"), Column("unclear"), Column("share", Kind.SHARE)),
    *(Column("baseline_reported"), Column("baseline_solved")),
    Column("baseline_share", Kind.SHARE),
    Column("points_above_baseline", Kind.POINTS),
)


def _ratio(unit: str, period: str, counts: Sequence[int] | None, question: Question) -> list[Cell]:
    figure_format = question.figure_format
    reported, solved, unclear = counts or (None, None, None)
    before, solved_before = question.baseline.of(unit) or (None, None)
    share = figure_format.share(solved, reported)
    share_before = figure_format.share(solved_before, before)
    return [
        *(unit, period, *map(figure_format.count, (reported, solved, unclear)), share),
        *(figure_format.count(before), figure_format.count(solved_before), share_before),
        difference(share, share_before),
    ]


def _corridors(connection: Connection, question: Question) -> Table:
    figure_format = question.figure_format
    rows: list[list[Cell]] = [
        [
            *(row["one"], row["other"], *map(figure_format.count, (row["cases"], row["asked"]))),
            figure_format.count(row["answered"]),
            figure_format.time(row["median_hours"], row["answered"]),
            figure_format.time(row["slowest_tenth_hours"], row["answered"]),
            *(figure_format.count(row["due"]), figure_format.count(row["in_time"])),
            figure_format.share(row["in_time"], row["due"]),
            figure_format.count(row["handed_over"]),
            figure_format.time(row["median_handover_hours"], row["handed_over"]),
            "yes" if row["agreed"] else "no",
        ]
        for row in queries.rows(connection, "supervised_corridors", question.values)
        if question.concerns(row["one"], row["other"])
    ]
    return Table("corridors", "Pairs of units with cases between them", CORRIDORS, rows)


CORRIDORS = (
    *(Column("one", Kind.KEY), Column("other", Kind.KEY), Column("cases"), Column("asked")),
    *(Column("answered"), Column("median_hours_to_answer", Kind.TIME)),
    *(Column("slowest_tenth_hours", Kind.TIME), Column("due"), Column("in_time")),
    *(Column("share_in_time", Kind.SHARE), Column("handed_over")),
    *(Column("median_hours_to_hand_over", Kind.TIME), Column("agreement", Kind.KEY)),
)


def _agreements(connection: Connection, question: Question) -> Table:
    """Pairs with cases in the period that have no agreement, and how many have one."""
    found = [
        row
        for row in queries.rows(connection, "supervised_agreements", question.values)
        if question.concerns(row["one"], row["other"])
    ]
    count = question.figure_format.count
    agreed = sum(row["agreed"] for row in found)
    missing: list[list[Cell]] = [
        [row["one"], row["other"], count(row["cases"]), 1, 0, 0.0]
        for row in found
        if not row["agreed"]
    ]
    cases = sum(row["cases"] for row in found)
    whole = [WHOLE, WHOLE, count(cases), len(found), agreed, EXACT.share(agreed, len(found))]
    return Table("agreements", "Pairs without an agreement in force", AGREEMENTS, [*missing, whole])


AGREEMENTS = (
    *(Column("one", Kind.KEY), Column("other", Kind.KEY), Column("cases"), Column("pairs")),
    *(Column("with_agreement"), Column("share_with_agreement", Kind.SHARE)),
)


def _venues(connection: Connection, question: Question) -> Table:
    """The kinds of venue by how many cases; in each the unit that the victims were taken from."""
    count, share = question.figure_format.count, question.figure_format.share
    found = [
        row
        for row in queries.rows(connection, "venues", question.values)
        if question.concerns(row["unit"])
    ]
    stated = sum(row["cases"] for row in found if row["venue"] is not None)
    rows: list[list[Cell]] = [
        [
            *(row["venue"] or NOT_STATED, row["unit"], count(row["cases"]), count(row["before"])),
            share(row["cases"], stated) if row["venue"] else None,
        ]
        for row in found
    ]
    return Table("venues", "Kinds of venue by cases", VENUES, rows)


NOT_STATED = "not stated"
VENUES = (
    *(Column("venue", Kind.KEY), Column("taken_from", Kind.KEY), Column("cases")),
    *(Column("cases_in_period_before"), Column("share_of_stated", Kind.SHARE)),
)


def _aid(connection: Connection, question: Question) -> Table:
    """A row for every kind of aid; what nobody has recorded at all is not known."""
    figure_format = question.figure_format
    asked = {**question.values, "unit": question.unit}
    found = {row["aid"]: row for row in queries.rows(connection, "aid", asked)}
    persons = found[None]["persons"] if None in found else 0
    recorded = _recorded(connection, "assistance", question)
    rows: list[list[Cell]] = []
    for kind in (ANY, *sorted(code_list("service_type")), OTHER_WORD):
        row = found.get(kind, NOBODY)
        given, declined = (
            (row["given"], None if kind == ANY else row["declined"]) if recorded else (None, None)
        )
        rows.append(
            [
                *(
                    kind,
                    figure_format.count(persons),
                    figure_format.count(given),
                    figure_format.share(given, persons),
                ),
                figure_format.time(row["median_days"], row["measured"]),
                figure_format.time(row["slowest_tenth_days"], row["measured"]),
                figure_format.count(declined),
            ]
        )
    return Table("aid", "Persons rescued, and the aid that they were given", AID, rows)


ANY = "any"
NOBODY = {
    **{"given": 0, "measured": 0, "declined": 0},
    **{"median_days": None, "slowest_tenth_days": None},
}
AID = (
    *(Column("aid", Kind.KEY), Column("rescued"), Column("given"), Column("share", Kind.SHARE)),
    *(Column("median_days", Kind.TIME), Column("slowest_tenth_days", Kind.TIME)),
    Column("declined"),
)


def _recorded(connection: Connection, kind: str, question: Question) -> bool:
    """Whether anybody has recorded such entries at all: else none is not known to be none."""
    (row,) = queries.rows(connection, "recorded", {**question.values, "kind": kind})
    return bool(row["recorded"])


def _guardians(connection: Connection, question: Question) -> Table:
    count, share = question.figure_format.count, question.figure_format.share
    recorded = _recorded(connection, "guardian-search", question)
    rows: list[list[Cell]] = []
    for row in queries.rows(connection, "guardians", question.values):
        unit = row["unit"] or WHOLE
        if not question.concerns(unit):
            continue
        done = {name: row[name] if recorded else None for name in SEARCHED}
        rows.append(
            [
                *(unit, count(row["children"]), count(row["without_guardian"])),
                *(count(done[name]) for name in ("searched", "public_notice", "found")),
                share(done["found"], row["without_guardian"]),
                question.figure_format.time(row["median_days_to_find"], row["measured"]),
                *(count(done[name]) for name in SEARCHED[3:]),
            ]
        )
    return Table("guardians", "Children rescued, and their guardians", GUARDIANS, rows)


SEARCHED = (
    *("searched", "public_notice", "found", "placed"),
    *("first_certificate", "second_certificate"),
)
GUARDIANS = (
    *(Column("unit", Kind.KEY), Column("children"), Column("without_guardian")),
    *(Column("searched"), Column("public_notice"), Column("found")),
    *(Column("share_found", Kind.SHARE), Column("median_days_to_find", Kind.TIME)),
    *(Column("placed"), Column("first_certificate"), Column("second_certificate")),
)


def _undated(connection: Connection, question: Question) -> Table:
    rows: list[list[Cell]] = [
        [row["unit"], *map(question.figure_format.count, (row["cases"], row["rescues"]))]
        for row in queries.rows(connection, "undated", question.values)
        if question.concerns(row["unit"])
    ]
    return Table("undated", "In no period, for want of a day that can be", UNDATED, rows)


UNDATED = (Column("unit", Kind.KEY), Column("cases"), Column("rescues"))

SECTIONS: dict[str, Callable[[Connection, Question], Table]] = {
    "solved": _solved,
    "aid": _aid,
    "guardians": _guardians,
    "corridors": _corridors,
    "agreements": _agreements,
    "venues": _venues,
    "undated": _undated,
}
EVENTS = {
    "solved": ("reported", "solved", "unclear"),
    "aid": ("rescued", "given", "declined"),
    "guardians": ("children", "without_guardian", *SEARCHED),
    "corridors": ("cases", "asked", "answered", "due", "in_time", "handed_over"),
    "agreements": ("agreed", "missing"),
    "venues": ("cases", "not_stated"),
    "undated": ("cases", "rescues"),
}
"""The figures of each section of which the events can be listed."""
LISTED = {
    "solved": ("unit", "on", "event_id"),
    "aid": ("aid", "unit", "event_id"),
    "guardians": ("unit", "event_id"),
    "corridors": ("one", "other", "event_id"),
    "agreements": ("one", "other", "event_id"),
    "venues": ("venue", "unit", "event_id"),
    "undated": ("unit", "event_id"),
}
"""What is listed of an event that a figure of a section counts."""
FIGURES = tuple(f"{section}.{figure}" for section, names in EVENTS.items() for figure in names)


def report(
    connection: Connection, sections: Sequence[str], question: Question, purpose: str = ""
) -> list[Table]:
    """The requested sections; the audit records the request."""
    audit.append_audit(connection, "report", " ".join(sections), purpose)
    connection.execute(queries.query("sort_in_memory"))
    return [SECTIONS[name](connection, question) for name in sections]


def events(connection: Connection, figure: str, question: Question, purpose: str = "") -> Table:
    """The event that says so for everything that a figure counts, with what it is counted under."""
    audit.append_audit(connection, "report", f"events of {figure}", purpose)
    section, _, name = figure.partition(".")
    keys = LISTED[section]
    rows = [
        [None if row[key] is None else str(row[key]) for key in keys]
        for row in queries.rows(
            connection, f"{section}_events", {**question.values, "figure": name}
        )
        if question.concerns(*(row.get(key) for key in ("unit", "one", "other")))
    ]
    columns = tuple(Column(key, Kind.KEY) for key in keys)
    return Table("events", f"Events counted as {figure}", columns, rows)
