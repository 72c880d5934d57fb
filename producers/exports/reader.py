"""An export file becomes records: whatever helps to find a person is taken, the rest is listed.

Which heading and which word means what stands in `formats/*.toml`, one file a format.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from crossregion.domain import age, events, fillers, identifiers, reading
from crossregion.domain.events import CaseRecorded, Identity, Leg, RescueRecorded, Victim
from crossregion.domain.partial_dates import Period, period
from crossregion.domain.stated_ages import combined, said_by_name, said_of
from crossregion.domain.validation import MAX_ID, MAX_LEGS, MAX_LIST, MAX_TEXT, MAX_VICTIMS
from producers.exports.formats import Format, formats
from producers.exports.tables import ExportUnreadable, Row, printable, read_table
from producers.exports.values import birth_of, date_of, height_of, time_of
from producers.records import LocalRecord
from schemas import codec

LIMITS = {"record_id": MAX_ID, "person_number": MAX_ID, "stated_case_id": MAX_ID}
LISTS = {
    "marks": ("；;", MAX_LIST),
    "other_names": ("、，,；;/", MAX_LIST),
    "transit": ("、，,；;/ ", MAX_LEGS - 2),
    "exploitation": ("、，,；;", MAX_LIST),
    "means": ("、，,；;", MAX_LIST),
}
"""Fields that hold several values: what separates them, and how many there may be."""
CODED = frozenset(
    (
        *("revision", "unit", "reported_at", "lost_on", "registered_at", "found_on", "found_at"),
        *("taken_from", "transit", "taken_to", "person_number", "birth_date", "birth_year"),
        *("assumed_birth_year", "home", "height_cm", "id_number"),
    )
)
"""Fields in which a full-width character means its plain one."""
NAMING = ("record_id", "person_number", "unit")
"""Fields that name something: a word for nothing there is no name, and would join strangers."""
FILLED = {
    "pinyin": ("pinyin", "pinyin"),
    "other_names": ("alias", "other_names"),
    "sex": ("sex", "sex"),
    "birth_date": ("day", "birth_date"),
    "birth_year": ("day", "birth_date"),
    "assumed_birth_year": ("day", "birth_date"),
    "height_cm": ("text", "height_cm"),
    "marks": ("marks", "marks"),
}
"""Cells of a person, by their kind of field and the field of the record that they are for."""
COLUMNS_OF: dict[str, tuple[str, ...]] = {
    "legs": ("taken_from", "transit", "taken_to"),
    "birth_date": ("birth_date", "birth_year", "assumed_birth_year", "age"),
    **dict.fromkeys(("age_band", "birth_precision"), ()),
}
"""Fields of a schema whose content stands in other columns than one of their name, or in none."""
KEY = ("record_id", "unit", "revision", "person_number")
"""Columns that say which record and which of its persons a row is of."""


def columns_of(fields: Iterable[Mapping[str, Any]], *but: str) -> tuple[str, ...]:
    """The columns that the fields of a schema are read from."""
    names = [field["name"] for field in fields if field["name"] not in but]
    return tuple(column for name in names for column in COLUMNS_OF.get(name, (name,)))


_CASE = codec.schema("CaseRecorded")["fields"]
_VICTIM = next(field["type"]["items"]["fields"] for field in _CASE if field["name"] == "victims")
_IDENTITY = next(field["type"]["fields"] for field in _VICTIM if field["name"] == "identity")
CASE_FIELDS = columns_of(_CASE, "case_id", "unit", "revision", "victims", "reading", "remarks")
"""Columns in which all rows of one case must say the same."""
PERSONAL = tuple(
    dict.fromkeys((*columns_of(_IDENTITY), *columns_of(_VICTIM, "victim_id", "identity")))
)
"""Columns that say something of a person, so each row of a case has its own."""
MESSAGES = {
    "undecodable": "not in the file's encoding: export the row again",
    "torn": "the row has another number of cells than the headings: export it again",
    "no-record-id": "the record's id is missing: fill it in",
    "another-unit": "the row is another unit's: publish it for that unit",
    "no-person": "nothing is said of a person: fill in at least one of their columns",
    "unstorable-text": "holds a NUL or a broken character: remove it",
    "over-limit": "longer or more than the limit: shorten it",
    "ambiguous": "the same record, revision and victim with two contents: leave the right one",
    "with-its-record": "another row of the same record and revision is refused: correct that one",
    "unknown-heading": "the heading is not known: its column is not read",
    "missing-heading": "the heading is missing: its field stays empty",
    "repeated-heading": "the heading stands twice: only its first column is read",
    "repeated-row": "the same victim stands twice with the same content: counted once",
    "no-unit": "the unit is missing: taken as the publishing unit's",
    "bad-revision": "the revision is no whole number from 1 on: counted by the spool instead",
    "no-whole-number": "no whole number of centimetres: the field stays empty",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is wrong, and where. Never holds a cell's value."""

    file: str
    line: int
    column: str
    reason: str

    @property
    def message(self) -> str:
        return MESSAGES[self.reason]


@dataclass
class Export:
    """What a file held. records_read counts rows by record and revision."""

    path: Path
    kind: str
    records_read: int = 0
    records_refused: int = 0
    records: list[LocalRecord] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    warnings: list[Refusal] = field(default_factory=list)

    @property
    def name(self) -> str:
        return printable(self.path.name)


class _Faulty(Exception):
    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


def read_export(path: Path, unit: str | None) -> Export:
    """Read the export of a unit; of whatever units its rows name, if None.

    Raises: ExportUnreadable when the file as a whole cannot be read.
    """
    headings, rows = read_table(path, [frozenset(known.columns) for known in formats()])
    names = set(headings)
    form = max(
        formats(),
        key=lambda known: (len(known.required & names), len(known.columns.keys() & names)),
    )
    missing = sorted(form.required - set(headings))
    if missing:
        raise ExportUnreadable("heading-missing", path=path, headings="、".join(missing))
    export = Export(path, form.kind)
    _warn_of_headings(export, form, headings)
    return _Reader(export, form, headings, unit).read(rows)


def _warn_of_headings(export: Export, form: Format, headings: list[str]) -> None:
    counted = Counter(name for name in headings if name)
    absent = form.columns.keys() - counted.keys() - form.optional
    for names, reason in (
        ([name for name in counted if name not in form.columns], "unknown-heading"),
        ([name for name, count in counted.items() if count > 1], "repeated-heading"),
        (sorted(absent), "missing-heading"),
    ):
        export.warnings += [
            Refusal(export.name, 1, form.spelled.get(name, name), reason) for name in names
        ]


class _Reader:
    def __init__(self, export: Export, form: Format, headings: list[str], unit: str | None) -> None:
        self._export = export
        self._form = form
        self._unit = unit
        self._column = {meaning: form.spelled[name] for name, meaning in form.columns.items()}
        self._places: dict[str, int] = {}
        for place, name in enumerate(headings):
            if name in form.columns:
                self._places.setdefault(form.columns[name], place)

    def read(self, rows: Iterable[Row]) -> Export:
        groups: dict[tuple[str, int], list[tuple[int, dict[str, str]]]] = {}
        refused: dict[tuple[str, int], set[int]] = {}
        faulty = []
        for row in rows:
            cells = self._cells(row)
            if row.fault:
                self._refuse(row.line, _Faulty(self._broken(cells), row.fault))
                faulty.append((row.line, cells))
                continue
            key = _key(row.line, cells)
            groups.setdefault(key, []).append((row.line, cells))
            try:
                self._check(row.line, cells)
            except _Faulty as fault:
                self._refuse(row.line, fault)
                refused.setdefault(key, set()).add(row.line)
        for line, cells in faulty:
            key = _key(line, cells)
            if not self._may_hold_more(cells, groups.get(key, [])):
                key = ("", line)
            groups.setdefault(key, []).append((line, cells))
            refused.setdefault(key, set()).add(line)
        for key, lines in groups.items():
            self._export.records_read += 1
            if key in refused:
                self._refuse_rest(lines, refused[key])
                continue
            try:
                self._export.records.append(self._record(lines, key[1]))
            except _Faulty as fault:
                self._export.records_refused += 1
                for line, _ in lines:
                    self._refuse(line, fault)
        for listed in (self._export.refusals, self._export.warnings):
            listed.sort(key=lambda place: place.line)
        return self._export

    def _may_hold_more(
        self, cells: dict[str, str], lines: list[tuple[int, dict[str, str]]]
    ) -> bool:
        """Whether a row that cannot be read may hold a victim that its record's others do not."""
        number = cells.get("person_number", "")
        others = {other.get("person_number") for _, other in lines}
        return self._form.kind == "case" and bool(lines) and not (number and number in others)

    def _refuse_rest(self, lines: list[tuple[int, dict[str, str]]], listed: set[int]) -> None:
        """A record is published whole or not at all: else its correction would contradict it."""
        self._export.records_refused += 1
        for line, _ in lines:
            if line not in listed:
                self._refuse(line, _Faulty("record_id", "with-its-record"))

    def _refuse(self, line: int, fault: _Faulty) -> None:
        column = self._column.get(fault.column, fault.column)
        self._export.refusals.append(Refusal(self._export.name, line, column, fault.reason))

    def _warn(self, line: int, name: str, reason: str) -> None:
        place = Refusal(self._export.name, line, self._column[name], reason)
        self._export.warnings.append(place)

    def _cells(self, row: Row) -> dict[str, str]:
        found = {}
        for name, place in self._places.items():
            if place < len(row.cells):
                cell = row.cells[place]
                if name in CODED and not cell.isascii():
                    cell = unicodedata.normalize("NFKC", cell)
                found[name] = cell.strip()
        for name in NAMING:
            if found.get(name) and fillers.is_filler("text", found[name]):
                found[name] = ""
        return found

    def _broken(self, cells: dict[str, str]) -> str:
        """The column of a row that could not be decoded, if it is one that is read."""
        return next((name for name, cell in cells.items() if "\ufffd" in cell), "")

    def _check(self, line: int, cells: dict[str, str]) -> None:
        for name, cell in cells.items():
            if "\0" in cell or not _encodable(cell):
                raise _Faulty(name, "unstorable-text")
            if len(cell) > LIMITS.get(name, MAX_TEXT):
                raise _Faulty(name, "over-limit")
            if name in LISTS and len(self._list(cells, name)) > LISTS[name][1]:
                raise _Faulty(name, "over-limit")
        if not cells["record_id"]:
            raise _Faulty("record_id", "no-record-id")
        unit = cells.get("unit", self._unit or "").upper()
        if self._unit is not None and unit not in ("", self._unit):
            raise _Faulty("unit", "another-unit")
        if not unit:
            self._warn(line, "unit", "no-unit")
        if cells.get("revision") and not _revision(cells):
            self._warn(line, "revision", "bad-revision")
        if not any(cells.get(name) for name in PERSONAL):
            raise _Faulty("name", "no-person")

    def _record(self, lines: list[tuple[int, dict[str, str]]], revision: int) -> LocalRecord:
        record_id = lines[0][1]["record_id"]
        numbers = tuple(line for line, _ in lines)
        if self._form.kind == "case":
            return self._read("CaseRecorded", record_id, self._case(lines, revision), numbers)
        first, *others = [self._rescue(line, cells, revision) for line, cells in lines]
        if any(other != first for other in others):
            raise _Faulty("record_id", "ambiguous")
        for line in numbers[1:]:
            self._warn(line, "record_id", "repeated-row")
        return self._read("RescueRecorded", record_id, first, numbers)

    def _read(
        self, event: str, record_id: str, record: events.Record, lines: tuple[int, ...]
    ) -> LocalRecord:
        return LocalRecord(event, record_id, reading.read(event, record), lines)

    def _unit_of(self, cells: dict[str, str]) -> str:
        return self._unit or cells.get("unit", "").upper()

    def _case(self, lines: list[tuple[int, dict[str, str]]], revision: int) -> CaseRecorded:
        first = dict(lines[0][1])
        for name in CASE_FIELDS:
            told = {cells.get(name, "") for _, cells in lines}
            if len({cell for cell in told if not fillers.is_filler("text", cell)}) > 1 or (
                len(told) > 1 and not all(fillers.is_filler("text", cell) for cell in told)
            ):
                raise _Faulty(name, "ambiguous")
            first[name] = max(told)
        lost_on = date_of(first.get("lost_on", ""))
        reported_at = time_of(first.get("reported_at", ""))
        legs: list[Leg] = []
        for role in ("taken_from", "transit", "taken_to"):
            codes = self._list(first, "transit") if role == "transit" else [first.get(role, "")]
            legs += [{"role": role, "code": code, "certainty": "stated"} for code in codes if code]
        then = age.happened(_day(lost_on), _day(reported_at))
        victims, left_out = self._victims(lines, then)
        case: CaseRecorded = {
            "case_id": first["record_id"],
            "unit": self._unit_of(first),
            "revision": revision,
            "reported_at": reported_at,
            "lost_on": lost_on,
            "legs": legs,
            "status": self._word(first, "status"),
            "exploitation": self._list(first, "exploitation"),
            "means": self._list(first, "means"),
            "intermediary": self._word(first, "intermediary"),
            "venue": self._word(first, "venue"),
            "victims": victims,
            "remarks": left_out,
        }
        if any(victim["age_band"] == age.UNKNOWN for victim in case["victims"]):
            for victim, aged in zip(
                case["victims"], age.of_case(reading.for_age(case)), strict=True
            ):
                victim["age_band"] = aged.full_band
        return case

    def _victims(
        self, lines: list[tuple[int, dict[str, str]]], then: age.Happened
    ) -> tuple[list[Victim], list[events.Remark]]:
        """The victims, each once and in an order that the file's has no part in; what they lack."""
        written = [
            None if cells.get("person_number") else self._identity(None, cells)
            for _, cells in lines
        ]
        unnumbered = {identifiers.canonical(one): one["name"] for one in written if one is not None}
        named = Counter(unnumbered.values())
        victims: dict[str, Victim] = {}
        rows: dict[str, list[dict[str, str]]] = defaultdict(list)
        for (line, cells), as_written in zip(lines, written, strict=True):
            identity = self._identity(line, _without_fillers(cells))
            number = cells.get("person_number") or _number(cast(Identity, as_written), named)
            victim: Victim = {
                "victim_id": f"{cells['record_id']}/{number}",
                "age_band": _age_band(identity, cells, then),
                "sex": identity["sex"],
                "identity": identity,
            }
            rows[victim["victim_id"]].append(cells)
            known = victims.setdefault(victim["victim_id"], victim)
            if known != victim:
                raise _Faulty("person_number", "ambiguous")
            if known is not victim:
                self._warn(line, "record_id", "repeated-row")
        if len(victims) > MAX_VICTIMS:
            raise _Faulty("person_number", "over-limit")
        ordered = sorted(victims)
        left_out = [
            remark
            for number, victim_id in enumerate(ordered, 1)
            for remark in _left_out(rows[victim_id], f"victims[{number}]")
        ]
        return [victims[victim_id] for victim_id in ordered], left_out

    def _rescue(self, line: int, cells: dict[str, str], revision: int) -> RescueRecorded:
        found_on = date_of(cells.get("found_on", ""))
        registered_at = time_of(cells.get("registered_at", ""))
        then = age.happened(_day(found_on), _day(registered_at))
        identity = self._identity(line, _without_fillers(cells))
        return {
            "rescue_id": cells["record_id"],
            "unit": self._unit_of(cells),
            "revision": revision,
            "registered_at": registered_at,
            "found_on": found_on,
            "found_at": cells.get("found_at") or None,
            "stated_case_id": cells.get("stated_case_id") or None,
            "guardian": self._word(cells, "guardian"),
            "person": {
                "age_band": _age_band(identity, cells, then),
                "sex": identity["sex"],
                "identity": identity,
            },
            "remarks": _left_out([cells], "person"),
        }

    def _identity(self, line: int | None, cells: dict[str, str]) -> Identity:
        """The person of a row; what is doubtful is told, if there is a line to tell it of."""
        birth_date, precision = birth_of(cells)
        return {
            "name": cells.get("name") or None,
            "pinyin": cells.get("pinyin") or None,
            "other_names": self._list(cells, "other_names"),
            "sex": self._word(cells, "sex"),
            "birth_date": birth_date,
            "birth_precision": precision,
            "home": cells.get("home") or None,
            "height_cm": self._height(line, cells.get("height_cm", "")),
            "marks": self._list(cells, "marks"),
            "id_number": cells.get("id_number", "").upper() or None,
            "dna_sample": cells.get("dna_sample") or None,
        }

    def _height(self, line: int | None, text: str) -> int | None:
        height = height_of(text)
        if text and height is None and line is not None:
            self._warn(line, "height_cm", "no-whole-number")
        return height

    def _word(self, cells: dict[str, str], name: str) -> str | None:
        word = cells.get(name, "")
        return self._form.words.get(name, {}).get(word, word) or None

    def _list(self, cells: dict[str, str], name: str) -> list[str]:
        cell = cells.get(name)
        if not cell:
            return []
        parts = re.split(f"[{LISTS[name][0]}]", cell)
        words = self._form.words.get(name, {})
        return [words.get(part.strip(), part.strip()) for part in parts if part.strip()]


def _age_band(identity: Identity, cells: dict[str, str], then: age.Happened) -> str:
    """The band by the whole row: a word says child before it becomes a code, or nothing.

    What stands in other columns of the birth counts where that of the day holds none.
    """
    found = (
        *(age.by_birth(one, then) for one in _other_births(identity, cells, then)),
        said_by_name(cells.get("name")),
        said_of(cells.get("sex")),
        said_of(cells.get("age"), bare=True),
    )
    sources = [age.of_person(identity, then), *(one for one in found if one is not None)]
    return age.band_of(combined(sources))


def _other_births(
    identity: Identity, cells: dict[str, str], then: age.Happened
) -> list[Period | None]:
    """What the columns of the year say of the birth where that of the day holds something else."""
    kept = identity["birth_date"]
    if kept is None or identity["birth_precision"] != "day" or period(kept) is not None:
        return []
    exact, assumed = cells.get("birth_year"), cells.get("assumed_birth_year")
    return [period(exact, then.latest), period(assumed, then.latest, about=True)]


def _without_fillers(cells: dict[str, str]) -> dict[str, str]:
    """The cells of a person, those empty that hold a filler; a name is read by itself."""
    return {**cells, **dict.fromkeys(_filled(cells), "")}


def _filled(cells: dict[str, str]) -> list[str]:
    return [
        name
        for name, (kind, _) in FILLED.items()
        if (cell := cells.get(name))
        and (fillers.is_filler(kind, cell) or (kind == "day" and _no_day(cell)))
    ]


def _no_day(cell: str) -> bool:
    on = date_of(cell)
    return on is None or fillers.day_read(on) is None


def _left_out(lines: Iterable[dict[str, str]], path: str) -> list[events.Remark]:
    """What the cells of one person hold of fillers."""
    fields = {FILLED[name][1] for cells in lines for name in _filled(cells)}
    return [
        {"field": f"{path}.identity.{field}", "code": fillers.FILLER} for field in sorted(fields)
    ]


def _day(text: str | None) -> str | None:
    """A day, unless it is a filler."""
    return text and fillers.day_read(text)


def _key(line: int, cells: dict[str, str]) -> tuple[str, int]:
    """The record and revision that a row belongs to; a row without a record stands alone."""
    record_id = cells.get("record_id", "")
    return (record_id, _revision(cells)) if record_id else ("", line)


def _revision(cells: dict[str, str]) -> int:
    """The revision, or 0: then the spool counts."""
    found = re.fullmatch(r"0*([1-9]\d{0,17})", cells.get("revision", ""), re.ASCII)
    return int(found[1]) if found else 0


def _number(identity: Identity, named: Counter[str | None]) -> str:
    """The number of a victim to whom the unit gave none, from their content alone.

    From the name where it tells them from the case's others, so that correcting the rest keeps
    the number; else from everything. Another unit, file or order makes the same number.
    """
    name = identity["name"]
    content = {"name": name} if name and named[name] == 1 else identity
    return "x" + hashlib.sha256(identifiers.canonical(content).encode()).hexdigest()[:12]


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
