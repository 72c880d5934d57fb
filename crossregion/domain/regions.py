"""Places by code and day: GB/T 2260 divisions, Changbaishan, and countries by ISO 3166.

Jilin's rows have exact days (`data/regions.csv`), and so may those of the installation's province
(`divisions` in its file of units); the rest of the mainland is known by the revision it was first
and last seen in (`data/regions_national.csv`), so a day is compared by its month there.
"""

from __future__ import annotations

import csv
import functools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from crossregion.domain.code_lists import _table
from schemas.units import INSTALLATION, Installation, UnitsUnusable

OFFICE = INSTALLATION.office
JILIN = "22"
"""The province that `data/regions.csv` has with exact days."""
ZONE = "management_zone"
MUNICIPALITIES = frozenset({"11", "12", "31", "50"})
"""Provinces whose districts have no prefecture above them; the whole counts as one."""

_SPECIAL = {"71": "TW", "81": "HK", "82": "MO"}
_FIRST_REVISION, _LAST_REVISION = "200712", "202604"


@functools.cache
def _countries() -> frozenset[str]:
    import pycountry  # commands that look up no place start without its tables

    return frozenset(country.alpha_2 for country in pycountry.countries)


@dataclass(frozen=True, slots=True)
class Place:
    """What a code says of a place on a day; a level is None where it is not known.

    `status` is known, unknown_code or not_valid_on_date; `country` is CN for the mainland.
    """

    code: str | None
    status: str
    country: str | None = None
    province: str | None = None
    prefecture: str | None = None
    county: str | None = None

    @property
    def known_to_prefecture(self) -> bool:
        abroad = self.country is not None and self.country != "CN"
        return abroad or self.prefecture is not None


@dataclass(frozen=True, slots=True)
class _Row:
    code: str
    parent: str
    since: str
    until: str
    successors: tuple[str, ...]

    def holds(self, on: str) -> bool:
        return self.since <= on[: len(self.since)] and (
            not self.until or on[: len(self.until)] < self.until
        )


class Regions:
    """All rows of the tables, followed backwards and forwards through their changes.

    Raises: UnitsUnusable when a region of a unit stands in no table.
    """

    def __init__(self, installation: Installation = INSTALLATION) -> None:
        self._office, self._units = installation.office, installation.regions
        self._aliases = {row["code"]: row["stands_for"] for row in _table("region_aliases.csv")}
        self._rows: dict[str, list[_Row]] = defaultdict(list)
        self._predecessors: dict[str, set[str]] = defaultdict(set)
        exact = _exact(installation)
        self._borders = _borders(exact)
        for row in (*map(_exact_row, exact), *_national({row["code"][:2] for row in exact})):
            self._rows[row.code].append(row)
            for successor in row.successors:
                if successor != row.code:
                    self._predecessors[successor].add(row.code)
        self._parents = {row.parent for rows in self._rows.values() for row in rows}
        unknown = sorted({self._office, *self._units} - self._rows.keys())
        if unknown:
            raise UnitsUnusable(
                f"CROSSREGION_UNITS: {', '.join(unknown)} stand in no table of divisions: correct "
                "the regions, or name a table that has them as divisions."
            )

    @functools.lru_cache(maxsize=65_536)  # noqa: B019 (one instance lives as long as the process)
    def place(self, code: str | None, on: date | None) -> Place:
        """The place a code names on a day; without a day, as its own newest row says."""
        if code is None:
            return Place(None, "unknown_code")
        named = self._aliases.get(code, code)
        if named in _countries():
            return Place(code, "known", country=named)
        if named[:2] in _SPECIAL:
            return Place(code, "known", country=_SPECIAL[named[:2]])
        if named not in self._rows:
            return Place(code, "unknown_code")
        valid = on is None or any(row.holds(on.isoformat()) for row in self._rows[named])
        then = named if valid or on is None else self._code_of(named, on.isoformat())
        return self._levels(code, then, "known" if valid else "not_valid_on_date")

    @functools.lru_cache(maxsize=65_536)  # noqa: B019 (one instance lives as long as the process)
    def unit_of(self, code: str) -> str | None:
        """The unit of a place by the newest row; None abroad and for unknown codes."""
        place = self.place(code, None)
        if place.country is None:
            return None
        if place.country != "CN":
            return self._office if place.country in _SPECIAL.values() else None
        if place.province != self._office:
            return self._office
        newest = self._levels(code, self._newest(self._aliases.get(code, code)), "known")
        of_prefecture = self._units.get(newest.prefecture or "", self._office)
        return self._units.get(newest.county or "", of_prefecture)

    @functools.lru_cache(maxsize=65_536)  # noqa: B019 (one instance lives as long as the process)
    def other_province(self, code: str) -> str | None:
        """The province of a place elsewhere on the mainland; None in this one and abroad."""
        province = self.place(code, None).province
        return None if province == self._office else province

    @functools.lru_cache(maxsize=65_536)  # noqa: B019 (one instance lives as long as the process)
    def borders(self, code: str) -> frozenset[str]:
        """The countries that a place of this province borders, as far down as it is known."""
        if self.place(code, None).province != self._office:
            return frozenset()
        return self._borders.get(self._newest(self._aliases.get(code, code)), frozenset())

    def is_abroad(self, code: str | None) -> bool:
        """Whether a code names a foreign country; Hong Kong, Macao and Taiwan are none."""
        country = self.place(code, None).country
        return country not in (None, "CN", *_SPECIAL.values())

    def _newest(self, code: str) -> str:
        return self._follow(code, forward=True, on=None)

    def _code_of(self, code: str, on: str) -> str:
        later = all(row.since and on[: len(row.since)] < row.since for row in self._rows[code])
        return self._follow(code, forward=not later, on=on)

    def _follow(self, code: str, *, forward: bool, on: str | None) -> str:
        """The one code this became or came from, on a day or in the end.

        Where the tables leave a gap between two codes, the newest stands for both; a successor that
        stands in no table is none.
        """
        seen = {code}
        current = code
        while True:
            if forward:
                named = {code for row in self._rows[current] for code in row.successors}
                found = {code for code in named - {current} if code in self._rows}
            else:
                found = set(self._predecessors[current])
            if len(found) != 1 or found <= seen:
                return current if on is None else self._newest(code)
            current = found.pop()
            seen.add(current)
            if on is not None and any(row.holds(on) for row in self._rows[current]):
                return current

    def _levels(self, received: str, code: str, status: str) -> Place:
        province = code[:2] + "0000"
        if code == province:
            whole = province if code[:2] in MUNICIPALITIES else None
            return Place(received, status, "CN", province, whole)
        if code.endswith("00") or code in self._parents:
            return Place(received, status, "CN", province, code)
        parent = self._rows[code][-1].parent
        if code[:2] in MUNICIPALITIES:
            parent = province
        elif parent == province:
            parent = code
        return Place(received, status, "CN", province, parent, code)


@functools.cache
def regions() -> Regions:
    """The tables, read once."""
    return Regions()


def _exact(installation: Installation) -> list[dict[str, str]]:
    """The rows with exact days: Jilin's, and those that the installation has of its province."""
    rows = [row for row in _table("regions.csv") if row["code"][:2] == JILIN]
    if installation.divisions is None:
        return rows
    own = csv.DictReader(installation.divisions.read_text("utf-8-sig").splitlines())
    province = installation.office[:2]
    return [
        *(row for row in rows if row["code"][:2] != province),
        *(row for row in own if row["code"][:2] == province),
    ]


def _exact_row(row: dict[str, str]) -> _Row:
    return _Row(
        row["code"],
        row["parent_code"],
        row["valid_from"],
        row["valid_to"],
        tuple(filter(None, row["successor"].split(";"))),
    )


def _borders(rows: Iterable[dict[str, str]]) -> dict[str, frozenset[str]]:
    """The countries by code; a zone borders what its whole does, of which alone it is known."""
    lower = [row for row in rows if row["level"] != "province"]
    found = {
        row["code"]: frozenset(filter(None, row["borders_country"].split(";"))) for row in lower
    }
    zones = {row["code"]: row["parent_code"] for row in lower if row["level"] == ZONE}
    return {code: found[zones.get(code, code)] for code in found}


def _national(but: Collection[str]) -> Iterator[_Row]:
    """The rows of provinces that have no exact ones."""
    for row in _table("regions_national.csv"):
        if row["code"][:2] in but:
            continue
        first, last = row["first_seen"], row["last_seen"]
        yield _Row(
            row["code"],
            row["parent_code"],
            "" if first == _FIRST_REVISION else f"{first[:4]}-{first[4:]}",
            "" if last == _LAST_REVISION else f"{last[:4]}-{last[4:]}-99",
            tuple(filter(None, row["successors"].split(";"))),
        )
