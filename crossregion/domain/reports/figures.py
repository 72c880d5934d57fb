"""Figures as a report shows them: what cannot be known is None, and is never said to be 0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

Cell = str | int | float | None

ROUNDED_TO = 5
FEWEST_FOR_SHARE = 23
FEWEST_FOR_TIME = 8
"""Of fewer a rounded report tells no share and no time, for one person could be seen in it."""


class Kind(Enum):
    """What a column holds."""

    KEY = "key"
    COUNT = "count"
    SHARE = "share"
    POINTS = "points"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `name` stands in files."""

    name: str
    kind: Kind = Kind.COUNT


@dataclass(frozen=True, slots=True)
class Table:
    """One part of a report."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class FigureFormat:
    """Makes cells; `rounded` for those who may not know a single case."""

    rounded: bool = False

    def count(self, number: int | None) -> int | None:
        """To the nearest five, so that what is left of a sum says nothing of one person."""
        if number is None or not self.rounded:
            return number
        return (number + ROUNDED_TO // 2) // ROUNDED_TO * ROUNDED_TO

    def share(self, part: int | None, whole: int | None) -> float | None:
        """None of nothing: 0 of 0 is not known to be none.

        Of the counts as they are told: 0.093023 would say 4 of 43, whatever stands beside it.
        """
        if part is None or not whole or (self.rounded and whole < FEWEST_FOR_SHARE):
            return None
        told, told_whole = self.count(part), self.count(whole)
        return told / told_whole if told is not None and told_whole else None

    def time(self, taken: float | None, measured: int) -> float | None:
        if self.rounded and measured < FEWEST_FOR_TIME:
            return None
        return taken


def difference(one: float | None, other: float | None) -> float | None:
    """Of two shares, in percentage points."""
    return None if one is None or other is None else (one - other) * 100


PATTERNS = {"year": "YYYY", "quarter": 'YYYY-"Q"Q', "month": "YYYY-MM", "whole": '"whole"'}
"""How PostgreSQL names the part of a period that a day is in; the same as `parts` below."""


def parts(since: date, until: date, by: str) -> list[str]:
    """The names of a period's parts, in their order."""
    return list(dict.fromkeys(_part(on, by) for on in _days(since, until)))


def _part(on: date, by: str) -> str:
    match by:
        case "year":
            return f"{on.year:04d}"
        case "quarter":
            return f"{on.year:04d}-Q{(on.month + 2) // 3}"
        case "month":
            return f"{on.year:04d}-{on.month:02d}"
    return "whole"


def _days(since: date, until: date) -> Iterator[date]:
    """A day of each month from the first to the last day."""
    on = since
    while on <= until:
        yield on
        on = date(on.year, on.month, 28) + timedelta(days=4)
        on = date(on.year, on.month, 1)
    yield until


def shown(cell: Cell, kind: Kind) -> str:
    """A cell as a person reads it."""
    if cell is None:
        return "n/a"
    match kind:
        case Kind.SHARE:
            return f"{float(cell):.1%}"
        case Kind.POINTS:
            return f"{float(cell):+.1f}"
        case Kind.TIME:
            return f"{float(cell):.1f}"
    return str(cell)
