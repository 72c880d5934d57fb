"""What every list prints: a table for persons, or JSON or CSV for programs.

At a terminal the table fits its width: ids are cut to prefixes that no other row begins with, which
commands take for the id, and long cells are wrapped. In a pipe each row is one line, whole. Nothing
is ever left out. JSON and CSV hold codes, full ids, and times with their offset of Shanghai.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

import typer

from cli import words
from cli.errors import CommandError
from cli.spreadsheets import harmless
from cli.terminal import seen, write
from crossregion import clock
from crossregion.domain.events import SHANGHAI
from crossregion.settings import language

SHORTEST_PREFIX = 8
GAP = "  "
NARROWEST = 8
"""Columns are not made narrower than this to fit a terminal."""

AsJson = Annotated[
    bool, typer.Option("--json", help="Write JSON: one array, codes and ids in full.")
]
AsCsv = Annotated[bool, typer.Option("--csv", help="Write CSV, codes and ids in full.")]

Shown = Callable[[Any], str]


@dataclass(frozen=True)
class Column:
    """One column: `name` is its key in JSON and CSV, which does not change.

    `read` takes the value from a row, by default what stands under `name` or `of`; `shown` says how
    a person reads it. For persons `title` is the heading instead of `name`, and a `joined` column
    stands in one cell with the one before it. `is_id` is of ids that may be shortened.
    """

    name: str
    of: str | None = None
    read: Callable[[Mapping[str, Any]], Any] | None = None
    shown: Shown | None = None
    title: str | None = None
    joined: bool = False
    is_id: bool = False
    is_number: bool = False

    def value(self, row: Mapping[str, Any]) -> Any:
        return row[self.of or self.name] if self.read is None else self.read(row)


def code(kind: str) -> Shown:
    """Shows codes of a kind of `cli.words`, one or several."""

    def shown(value: Any) -> str:
        several = [value] if isinstance(value, str) else value
        return ", ".join(words.named(kind, one) for one in several)

    return shown


def time_left(value: datetime | date) -> str:
    """A deadline in Shanghai, and how long it is until then or has been since."""
    if not isinstance(value, datetime):
        return f"{value.isoformat()} {_left_days((value - clock.today()).days)}"
    local = value.astimezone(SHANGHAI)
    left = value - datetime.now(SHANGHAI)
    return f"{local:%Y-%m-%d %H:%M} {_left(left)}"


def _left_days(days: int) -> str:
    if days == 0:
        return "今天到期" if language() == "zh" else "due today"
    return _said(days < 0, abs(days), "d")


def _left(left: timedelta) -> str:
    minutes = int(abs(left).total_seconds() // 60)
    over = left < timedelta()
    if minutes < 60:
        return _said(over, minutes, "min")
    if minutes < 48 * 60:
        return _said(over, minutes // 60, "h")
    return _said(over, minutes // (24 * 60), "d")


def _said(over: bool, count: int, unit: str) -> str:
    if language() == "zh":
        name = {"min": "分钟", "h": "小时", "d": "天"}[unit]
        return f"逾期 {count} {name}" if over else f"剩余 {count} {name}"
    return f"overdue by {count} {unit}" if over else f"due in {count} {unit}"


def show(
    columns: Sequence[Column],
    rows: Sequence[Mapping[str, Any]],
    noun: str | None,
    as_json: bool = False,
    as_csv: bool = False,
) -> None:
    """Print the rows, and for persons how many of what there are, if that has a name.

    Raises: CommandError for JSON and CSV at once.
    """
    if as_json and as_csv:
        raise CommandError("json-and-csv")
    if as_json:
        write(to_json(columns, rows))
    elif as_csv:
        write(to_csv(columns, rows))
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        lines = table(columns, rows, width)
        counted = [] if noun is None else [_count(len(rows), noun)]
        write("".join(f"{line}\n" for line in [*lines, *counted]))


def _count(count: int, noun: str) -> str:
    return f"共 {count} 条。" if language() == "zh" else f"{count} {noun}."


def to_json(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> str:
    """An array of objects, one a line."""
    lines = [
        json.dumps({one.name: _plain(one.value(row)) for one in columns}, ensure_ascii=False)
        for row in rows
    ]
    return "[" + ",".join(f"\n{line}" for line in lines) + "\n]\n"


def to_csv(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> str:
    """A header and a line a row, in which no spreadsheet finds a formula."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(one.name for one in columns)
    for row in rows:
        writer.writerow(_cell(_plain(one.value(row))) for one in columns)
    return out.getvalue()


def _plain(value: Any) -> Any:
    """A value as JSON has it; a time with Shanghai's offset."""
    if isinstance(value, datetime):
        return value.astimezone(SHANGHAI).isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return value
    return harmless(" ".join(map(str, value)) if isinstance(value, list) else str(value))


def table(
    columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], width: int | None = None
) -> list[str]:
    """The lines of a table, at most `width` wide; without it a line a row."""
    cells = list(map(list, zip(*(_texts(one, rows) for one in columns), strict=True)))
    if width is not None:
        for place, column in enumerate(columns):
            if column.is_id:
                short = prefixes([line[place] for line in cells])
                for line in cells:
                    line[place] = short[line[place]]
    cells = [_joined(columns, line) for line in cells]
    own = [one for one in columns if not one.joined]
    headings = [words.heading(one.title or one.name) for one in own]
    widths = _widths([headings, *cells], width)
    return [
        GAP.join(
            _pad(part, space, column.is_number)
            for part, space, column in zip(parts, widths, own, strict=True)
        ).rstrip()
        for line in [headings, *cells]
        for parts in _wrapped(line, widths)
    ]


def _texts(column: Column, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A column's cells; codes come again and again, and are named once."""
    known: dict[str, str] = {}
    texts = []
    for row in rows:
        value = column.value(row)
        if not isinstance(value, str):
            texts.append(_shown(column, value))
            continue
        if value not in known:
            known[value] = _shown(column, value)
        texts.append(known[value])
    return texts


def _joined(columns: Sequence[Column], line: Sequence[str]) -> list[str]:
    """A row's cells, those of joined columns in the cell before."""
    cells: list[str] = []
    for column, text in zip(columns, line, strict=True):
        if column.joined:
            cells[-1] = f"{cells[-1]} {text}".strip()
        else:
            cells.append(text)
    return cells


def prefixes(ids: Sequence[str]) -> dict[str, str]:
    """Each id's shortest beginning that no other id has."""
    ordered = sorted(set(ids))
    shared = [0, *(_shared(*pair) for pair in itertools.pairwise(ordered)), 0]
    return {
        one: one[: max(SHORTEST_PREFIX, shared[place] + 1, shared[place + 1] + 1)]
        for place, one in enumerate(ordered)
    }


def _shared(one: str, other: str) -> int:
    """How long the beginning is that two different texts have in common."""
    alike = (a == b for a, b in zip(one, other, strict=False))
    return sum(1 for _ in itertools.takewhile(bool, alike))


def _shown(column: Column, value: Any) -> str:
    if value is None:
        return ""
    if column.shown is not None:
        text = column.shown(value)
    elif isinstance(value, bool):
        text = ("是" if language() == "zh" else "yes") if value else ""
    elif isinstance(value, (list, tuple)):
        text = " ".join(map(str, value))
    elif isinstance(value, datetime):
        text = f"{value.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
    else:
        text = str(value)
    return seen(text).replace("\n", "\\n").replace("\t", "\\t")


def _widths(lines: Sequence[Sequence[str]], width: int | None) -> list[int]:
    """The columns' widths: the widest are made narrower until the table fits."""
    found = [max(map(columns_of, column)) for column in zip(*lines, strict=True)]
    if width is not None:
        room = width - len(GAP) * (len(found) - 1)
        while sum(found) > room and max(found) > NARROWEST:
            found[found.index(max(found))] -= 1
    return found


def _wrapped(line: Sequence[str], widths: Sequence[int]) -> list[list[str]]:
    """A row's lines: cells that are wider than their column go on below."""
    cells = [wrap(text, width) for text, width in zip(line, widths, strict=True)]
    depth = max(map(len, cells))
    return [[cell[place] if place < len(cell) else "" for cell in cells] for place in range(depth)]


def wrap(text: str, width: int) -> list[str]:
    """A text in lines of a width, broken at spaces where there are any."""
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if columns_of(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = ""
        for one in word:
            if columns_of(line + one) > width:
                lines.append(line)
                line = ""
            line += one
    return [*lines, line]


def _pad(text: str, width: int, right: bool) -> str:
    space = " " * (width - columns_of(text))
    return space + text if right else text + space


def columns_of(text: str) -> int:
    """How many columns of a terminal a text takes (UAX #11: wide and fullwidth take two)."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )
