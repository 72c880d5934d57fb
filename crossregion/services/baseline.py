"""The baseline that solved cases are compared with: a file of a unit's cases in an earlier year."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crossregion.errors import CrossregionError
from schemas.units import UNITS

WHOLE = "all"
COLUMNS = ["unit", "reported", "solved"]
MAX_BYTES = 100_000


class BaselineUnusable(CrossregionError):
    """The file is no baseline; the message says where and why."""

    code = "baseline-unusable"


@dataclass(frozen=True, slots=True)
class Baseline:
    """Cases reported and solved, by unit; `digest` of the file says which one it was."""

    counts: Mapping[str, tuple[int, int]]
    digest: str

    def of(self, unit: str) -> tuple[int, int] | None:
        """The unit's row, or None; for the whole province the sum, if every unit has a row."""
        if unit != WHOLE or WHOLE in self.counts:
            return self.counts.get(unit)
        if not self.counts.keys() >= set(UNITS):
            return None
        reported, solved = zip(*self.counts.values(), strict=True)
        return sum(reported), sum(solved)


NOTHING = Baseline({}, "")


def read(path: Path) -> Baseline:
    """Read a CSV file with the columns unit, reported and solved.

    Raises: BaselineUnusable.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BaselineUnusable("unreadable", path=path, strerror=error.strerror) from None
    if len(data) > MAX_BYTES:
        raise BaselineUnusable("too-large", path=path, max_bytes=MAX_BYTES)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BaselineUnusable("not-utf-8", path=path) from None
    counts: dict[str, tuple[int, int]] = {}
    try:
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        if [name.strip() for name in next(rows, [])] != COLUMNS:
            raise BaselineUnusable("other-heading", path=path, columns=",".join(COLUMNS))
        for row in rows:
            if row:
                unit, pair = _row(row, path, rows.line_num)
                if unit in counts:
                    raise BaselineUnusable("unit-twice", path=path, line=rows.line_num, unit=unit)
                counts[unit] = pair
    except csv.Error:
        raise BaselineUnusable("no-table", path=path) from None
    if not counts:
        raise BaselineUnusable("no-line", path=path)
    return Baseline(counts, hashlib.sha256(data).hexdigest())


def _row(row: list[str], path: Path, line: int) -> tuple[str, tuple[int, int]]:
    if len(row) != len(COLUMNS):
        raise BaselineUnusable(
            "other-count", path=path, line=line, found=len(row), wanted=len(COLUMNS)
        )
    unit, *numbers = (value.strip() for value in row)
    if unit not in (*UNITS, WHOLE):
        raise BaselineUnusable("no-unit", path=path, line=line, known=UNITS, whole=WHOLE)
    for name, number in zip(COLUMNS[1:], numbers, strict=True):
        if not (number.isascii() and number.isdecimal() and len(number) <= 9):
            raise BaselineUnusable("no-number", path=path, line=line, name=name)
    reported, solved = map(int, numbers)
    if solved > reported:
        raise BaselineUnusable("more-solved-than-reported", path=path, line=line)
    return unit, (reported, solved)
