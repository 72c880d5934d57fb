"""Chinese names beside codes: of units, regions, departments, and of the words of code lists.

Where a reader's language is English a code stands alone.
"""

from __future__ import annotations

import csv
import functools
from importlib import resources

from crossregion.settings import language
from schemas.units import INSTALLATION

UNIT, REGION, DEPARTMENT = "unit", "region", "department"
COLUMN = "column"
REGION_TABLES = ("regions_national.csv", "regions.csv")
"""The later one counts: it names this project's own province, one row after the other in time."""


def named(kind: str, code: str) -> str:
    """A code as a list shows it; `kind` is one of those above or names a list of words."""
    name = _name(kind, code) if language() == "zh" else None
    return code if name is None else f"{code} {name}"


def heading(column: str) -> str:
    """The heading of a column: its name in words."""
    name = _name(COLUMN, column) if language() == "zh" else None
    return column.replace("_", " ") if name is None else name


def _name(kind: str, code: str) -> str | None:
    if kind == UNIT:
        names = INSTALLATION.names.get(code)
        return None if names is None else names[0]
    if kind == REGION:
        return _regions().get(code)
    if kind == DEPARTMENT:
        return _departments().get(code)
    return words().get((kind, code))


@functools.cache
def words() -> dict[tuple[str, str], str]:
    """Names by list and word: of the mandate's enumerations and of this project's own lists."""
    own = csv.DictReader(resources.files("cli").joinpath("words.csv").open(encoding="utf-8"))
    return {
        **{(row["enum"], row["value"]): row["name_zh"] for row in _table("enumerations.csv")},
        **{(row["list"], row["word"]): row["zh"] for row in own},
    }


@functools.cache
def _regions() -> dict[str, str]:
    return {row["code"]: row["name_zh"] for name in REGION_TABLES for row in _table(name)}


@functools.cache
def _departments() -> dict[str, str]:
    return {row["code"]: row["name_zh"] for row in _table("departments.csv")}


def _table(name: str) -> list[dict[str, str]]:
    file = resources.files("crossregion.domain").joinpath("data", name)
    return list(csv.DictReader(file.read_text("utf-8").splitlines()))
