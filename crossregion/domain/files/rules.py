"""Rules of due items as data (`data/files.toml`), and which department leads by which clause."""

from __future__ import annotations

import csv
import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Duty:
    """A clause of the mandate, and the departments that it names."""

    clause: str
    leads: tuple[str, ...]
    assisting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """`data/files.toml`, whose comments say what each of it means."""

    lapses_after_days: int
    fits_within_months: int
    ages: Mapping[str, int]
    bounds: Mapping[str, int]
    clauses: Mapping[str, str]
    fits: Mapping[str, tuple[str, int]]
    open: Mapping[str, int]
    search: Mapping[str, int]
    follow_up: Mapping[str, int]


@functools.cache
def rules() -> Rules:
    found = tomllib.loads(_text("files.toml"))
    return Rules(
        **{**found, "fits": {kind: (who, days) for kind, (who, days) in found["fits"].items()}}
    )


@functools.cache
def duty(kind: str) -> Duty:
    """Who leads and who assists with a kind of aid, or another item of a file."""
    row = _responsibilities()[rules().clauses[kind]]
    return Duty(row["clause_id"], _codes(row["lead_codes"]), _codes(row["assist_codes"]))


@functools.cache
def _responsibilities() -> dict[str, dict[str, Any]]:
    rows = csv.DictReader(_text("responsibilities.csv").splitlines())
    return {row["clause_id"]: row for row in rows}


def _codes(cell: str) -> tuple[str, ...]:
    return tuple(filter(None, cell.split(";")))


def _text(name: str) -> str:
    return (resources.files("crossregion.domain") / "data" / name).read_text("utf-8")
