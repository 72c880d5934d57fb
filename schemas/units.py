"""The units that publish, and the partners that are notified: those of `units.toml`.

The setting `CROSSREGION_UNITS` names another file. It is read here, and not by
`crossregion.settings`, because the contracts of topics stand on the units and import nothing.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SETTING = "CROSSREGION_UNITS"
OWN_FILE = Path(__file__).with_name("units.toml")
KNOWN_PARTNERS = ("border", "foreign-affairs", "police-cooperation")
"""The channels that `crossregion/domain/data/routing.toml` has lines for."""
DIVISION_COLUMNS = {
    *("code", "level", "parent_code", "valid_from", "valid_to", "successor", "borders_country"),
}
FILE_KEYS = {"province", "name_zh", "name_en", "divisions", "units", "partners", "provinces"}
NAME_KEYS = {"name_zh", "name_en"}


class UnitsUnusable(SystemExit):
    """The file of units cannot be used: nothing can run, and the process ends with this line."""


@dataclass(frozen=True)
class Installation:
    """What a file of units says. `regions` gives the unit of a division's code."""

    office: str
    units: tuple[str, ...]
    partners: tuple[str, ...]
    provinces: tuple[str, ...]
    regions: dict[str, str]
    names: dict[str, tuple[str, str]]
    divisions: Path | None

    @property
    def digest(self) -> str:
        """What every process of one installation must agree in, short."""
        table = "" if self.divisions is None else self.divisions.read_text("utf-8")
        content = [self.office, self.units, self.partners, self.provinces, self.regions, table]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def read(file: Path) -> Installation:
    """Read a file of units.

    Raises: UnitsUnusable, which names the file and the entry.
    """
    try:
        data = tomllib.loads(file.read_text("utf-8"))
        found = _installation(file, data)
    except OSError as error:
        raise UnitsUnusable(f"{SETTING}: {file} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnitsUnusable(f"{SETTING}: {file} is no TOML file in UTF-8: {error}.") from None
    except _Wrong as wrong:
        raise UnitsUnusable(f"{SETTING}: {file}: {wrong}.") from None
    return found


class _Wrong(Exception):
    pass


def _installation(file: Path, data: dict[str, Any]) -> Installation:
    _keys("the file", data, FILE_KEYS)
    office = str(data.get("province"))
    _expect(
        _is(data.get("province"), r"\d\d0000"),
        "province must be a code of GB/T 2260, such as 220000",
    )
    units, partners, provinces = (_tables(data, key) for key in ("units", "partners", "provinces"))
    _expect(bool(units), "[units.CODE] is missing: name at least one")
    for code in units:
        fits = _is(code, r"[0-9A-Z]{6}") and code[:2] == office[:2] and code != office
        _expect(fits, f"units.{code} must be six capital letters and digits, {office[:2]} first")
    for code in partners:
        _expect(code in KNOWN_PARTNERS, f"partners.{code} is none of {', '.join(KNOWN_PARTNERS)}")
    for code in provinces:
        fits = _is(code, r"\d\d0000") and code != office
        _expect(fits, f"provinces.{code} must be another province's code, such as 210000")
    names = {office: _names("the province", {key: data.get(key) for key in NAME_KEYS})}
    for kind, tables in (("units", units), ("partners", partners), ("provinces", provinces)):
        for code, table in tables.items():
            _keys(f"{kind}.{code}", table, NAME_KEYS | ({"regions"} if kind == "units" else set()))
            names[code] = _names(f"{kind}.{code}", table)
    return Installation(
        office,
        (office, *units),
        tuple(partners),
        tuple(provinces),
        dict(_regions(office, units)),
        names,
        _divisions(file, data.get("divisions")),
    )


def _tables(data: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    found = data.get(key, {})
    tables = isinstance(found, dict) and all(isinstance(one, dict) for one in found.values())
    _expect(tables, f"{key} must be tables, [{key}.CODE]")
    return dict(found)


def _regions(office: str, units: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    seen: dict[str, str] = {}
    for unit, table in units.items():
        regions = table.get("regions", [unit])
        _expect(isinstance(regions, list), f"units.{unit}.regions must be a list of codes")
        for code in regions:
            fits = _is(code, r"[0-9A-Z]{6}") and code[:2] == office[:2] and code != office
            _expect(fits, f"units.{unit}.regions: {code} is no code of a place in {office}")
            _expect(code not in seen, f"{code} is in the regions of {seen.get(code)} and {unit}")
            seen[code] = unit
            yield code, unit


def _divisions(file: Path, given: Any) -> Path | None:
    if given is None:
        return None
    _expect(isinstance(given, str), "divisions must be the path of a table")
    path = file.parent / str(given)
    _expect(path.is_file(), f"divisions: {path} is no file")
    head, *rows = list(csv.reader(_lines(path))) or [[]]
    lacking = ", ".join(sorted(DIVISION_COLUMNS - {*head}))
    _expect(not lacking, f"divisions: {path} lacks the columns {lacking}")
    for number, row in enumerate(rows, start=1):
        fits = not row or len(row) == len(head)
        _expect(fits, f"divisions: row {number} of {path} has {len(row)} cells, not {len(head)}")
    return path


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise _Wrong(f"divisions: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _Wrong(f"divisions: {path} is no table in UTF-8") from None


def _names(where: str, table: Mapping[str, Any]) -> tuple[str, str]:
    zh, en = table.get("name_zh"), table.get("name_en")
    if not (isinstance(zh, str) and isinstance(en, str) and zh and en):
        raise _Wrong(f"{where} needs name_zh and name_en")
    return zh, en


def _keys(where: str, table: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(table.keys() - known)
    _expect(not unknown, f"{where} has an unknown entry: {', '.join(unknown)}")


def _is(value: Any, pattern: str) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


def _expect(true: bool, otherwise: str) -> None:
    if not true:
        raise _Wrong(otherwise)


INSTALLATION = read(Path(os.environ.get(SETTING) or OWN_FILE))

OFFICE = INSTALLATION.office
"""The province's office, by the province's code."""

UNITS = INSTALLATION.units
"""The units that publish, the office first."""

PARTNERS = INSTALLATION.partners
"""Units that are notified and publish nothing."""

ENTERING = (*UNITS, *PARTNERS)
"""Units that have a way into the database."""

PROVINCES = INSTALLATION.provinces
"""The offices of other provinces, which are notified and do not enter the database."""

NOTIFIED = (*ENTERING, *PROVINCES)
"""Every unit that has an inbox."""
