"""Code lists that come with the mandate."""

from __future__ import annotations

import csv
import functools
from importlib import resources


@functools.cache
def code_list(enum: str) -> frozenset[str]:
    """The values of one vocabulary of `data/enumerations.csv`."""
    return frozenset(row["value"] for row in _table("enumerations.csv") if row["enum"] == enum)


@functools.cache
def departments() -> frozenset[str]:
    """The codes of `data/departments.csv`."""
    return frozenset(row["code"] for row in _table("departments.csv"))


def _table(name: str) -> list[dict[str, str]]:
    text = (resources.files("crossregion.domain") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
