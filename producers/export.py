"""An export file becomes records: whatever helps to find a person is taken, the rest is listed.

Which heading and which word means what stands in `formats/*.toml`, one file a format.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from crossregion.domain.dates import day, year
from crossregion.domain.records import CaseRecorded, Identity, Leg, RescueRecorded, Victim
from producers.tables import ExportUnreadable, Row, heading, read_table

MAX_TEXT = 2_000
MAX_ID = 100
SPLIT = {"marks": "；;", "other_names": "、", "transit": "、", "exploitation": "、", "means": "、"}
PERSONAL = (
    *("name", "pinyin", "other_names", "sex", "birth_date", "birth_year", "assumed_birth_year"),
    *("home", "height_cm", "marks", "id_number", "dna_sample"),
)
CASE_FIELDS = (
    *("reported_at", "lost_on", "taken_from", "transit", "taken_to", "status", "exploitation"),
    *("means", "intermediary", "venue"),
)
MESSAGES = {
    "undecodable": "not in the file's encoding: export the row again",
    "torn": "the row has another number of cells than the headings: export it again",
    "no-record-id": "the record's id is missing: fill it in",
    "another-unit": "the row is another unit's: publish it for that unit",
    "no-person": "nothing is said of a person: fill in at least one of their columns",
    "unstorable-text": "holds a NUL or a broken character: remove it",
    "over-limit": "longer than the limit: shorten it",
    "bad-revision": "the revision is no whole number from 1 on: correct it",
    "ambiguous": "the same record, revision and victim with two contents: leave the right one",
    "with-its-record": "another row of the same record and revision is refused: correct that one",
    "unknown-heading": "the heading is not known: its column is not read",
    "missing-heading": "the heading is missing: its field stays empty",
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


@dataclass(frozen=True, slots=True)
class Exported:
    """One record of an export; without a revision of its own it has 0, and the spool counts."""

    event: str
    record_id: str
    record: CaseRecorded | RescueRecorded
    lines: tuple[int, ...]

    @property
    def has_revision(self) -> bool:
        return self.record["revision"] > 0


@dataclass
class Export:
    """What a file held. records_read counts rows by record and revision."""

    path: Path
    kind: str
    records_read: int = 0
    records_refused: int = 0
    records: list[Exported] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    doubts: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True)
class Format:
    """Headings and words of one kind of export."""

    kind: str
    required: frozenset[str]
    optional: frozenset[str]
    columns: dict[str, str]
    words: dict[str, dict[str, str]]


class _Faulty(Exception):
    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


@functools.cache
def formats() -> tuple[Format, ...]:
    """Every format in `formats/`."""
    found = []
    for file in sorted((resources.files("producers") / "formats").iterdir(), key=str):
        data: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
        found.append(
            Format(
                data["kind"],
                frozenset(map(heading, data["required"])),
                frozenset(map(heading, data["optional"])),
                {heading(name): meaning for name, meaning in data["columns"].items()},
                data.get("words", {}),
            )
        )
    return tuple(found)


def read_export(path: Path, unit: str) -> Export:
    """Read the export of a unit.

    Raises: ExportUnreadable when the file as a whole cannot be read.
    """
    headings, rows = read_table(path, [known.required for known in formats()])
    form = max(formats(), key=lambda known: len(known.required & set(headings)))
    missing = sorted(form.required - set(headings))
    if missing:
        raise ExportUnreadable(f"{path} lacks the heading {'、'.join(missing)}: export it again.")
    export = Export(path, form.kind)
    _doubt_headings(export, form, headings)
    return _Reader(export, form, headings, unit).read(rows)


def _doubt_headings(export: Export, form: Format, headings: list[str]) -> None:
    unknown = [name for name in headings if name not in form.columns]
    absent = form.columns.keys() - set(headings) - form.optional
    export.doubts += [Refusal(export.path.name, 1, name, "unknown-heading") for name in unknown]
    export.doubts += [
        Refusal(export.path.name, 1, name, "missing-heading") for name in sorted(absent)
    ]


class _Reader:
    def __init__(self, export: Export, form: Format, headings: list[str], unit: str) -> None:
        self._export = export
        self._form = form
        self._unit = unit
        self._fields = [form.columns.get(name) for name in headings]
        self._column = {meaning: name for name, meaning in form.columns.items()}

    def read(self, rows: Iterable[Row]) -> Export:
        groups: dict[tuple[str, str], list[tuple[int, dict[str, str]]]] = {}
        refused: set[tuple[str, str]] = set()
        for row in rows:
            cells = self._cells(row)
            record_id = cells.get("record_id", "")
            key = (record_id, cells.get("revision", "")) if record_id else ("", f"#{row.line}")
            groups.setdefault(key, []).append((row.line, cells))
            try:
                self._check(row, cells)
            except _Faulty as fault:
                self._refuse(row.line, fault)
                refused.add(key)
        for key, lines in groups.items():
            self._export.records_read += 1
            if key in refused:
                self._export.records_refused += 1
                faulty = {refusal.line for refusal in self._export.refusals}
                for line, _ in lines:
                    if line not in faulty:
                        self._refuse(line, _Faulty(self._column["record_id"], "with-its-record"))
                continue
            try:
                self._export.records.append(self._record(lines))
            except _Faulty as fault:
                self._export.records_refused += 1
                for line, _ in lines:
                    self._refuse(line, fault)
        return self._export

    def _refuse(self, line: int, fault: _Faulty) -> None:
        column = self._column.get(fault.column, fault.column)
        self._export.refusals.append(Refusal(self._export.path.name, line, column, fault.reason))

    def _cells(self, row: Row) -> dict[str, str]:
        if row.cells is None:
            return {}
        return {
            name: cell.strip()
            for name, cell in zip(self._fields, row.cells, strict=True)
            if name is not None
        }

    def _check(self, row: Row, cells: dict[str, str]) -> None:
        if row.cells is None:
            raise _Faulty("", row.fault)
        for name, cell in cells.items():
            if "\0" in cell or not _encodable(cell):
                raise _Faulty(name, "unstorable-text")
            if len(cell) > (MAX_ID if name in ("record_id", "person_number") else MAX_TEXT):
                raise _Faulty(name, "over-limit")
        if not cells["record_id"]:
            raise _Faulty("record_id", "no-record-id")
        if cells.get("unit", "") not in ("", self._unit):
            raise _Faulty("unit", "another-unit")
        revision = cells.get("revision", "")
        if revision and not re.fullmatch(r"[1-9]\d{0,8}", revision, re.ASCII):
            raise _Faulty("revision", "bad-revision")
        if not any(cells.get(name) for name in PERSONAL):
            raise _Faulty("name", "no-person")

    def _record(self, lines: list[tuple[int, dict[str, str]]]) -> Exported:
        first = lines[0][1]
        numbers = tuple(line for line, _ in lines)
        revision = int(first.get("revision") or 0)
        event = "CaseRecorded" if self._form.kind == "case" else "RescueRecorded"
        record: CaseRecorded | RescueRecorded
        if self._form.kind == "case":
            record = self._case(lines, revision)
        else:
            if any(cells != first for _, cells in lines):
                raise _Faulty("record_id", "ambiguous")
            record = self._rescue(lines[0], revision)
        return Exported(event, first["record_id"], record, numbers)

    def _case(self, lines: list[tuple[int, dict[str, str]]], revision: int) -> CaseRecorded:
        first = lines[0][1]
        for _, cells in lines:
            for name in CASE_FIELDS:
                if cells.get(name) != first.get(name):
                    raise _Faulty(name, "ambiguous")
        lost_on = _date(first.get("lost_on", ""))
        victims: dict[str, Victim] = {}
        for line, cells in lines:
            victim = self._victim(line, cells, lost_on)
            if victims.setdefault(victim["victim_id"], victim) != victim:
                raise _Faulty("person_number", "ambiguous")
        legs: list[Leg] = []
        for role in ("taken_from", "transit", "taken_to"):
            codes = self._list(first, "transit") if role == "transit" else [first.get(role, "")]
            legs += [{"role": role, "code": code, "certainty": "stated"} for code in codes if code]
        return {
            "case_id": first["record_id"],
            "unit": self._unit,
            "revision": revision,
            "reported_at": _time(first.get("reported_at", "")),
            "lost_on": lost_on,
            "legs": legs,
            "status": self._word(first, "status"),
            "exploitation": self._list(first, "exploitation"),
            "means": self._list(first, "means"),
            "intermediary": self._word(first, "intermediary"),
            "venue": self._word(first, "venue"),
            "victims": list(victims.values()),
        }

    def _victim(self, line: int, cells: dict[str, str], lost_on: str | None) -> Victim:
        identity = self._identity(line, cells)
        number = cells.get("person_number", "")
        if not number:
            text = json.dumps(identity, ensure_ascii=False, sort_keys=True)
            number = "x" + hashlib.sha256(text.encode()).hexdigest()[:8]
        return {
            "victim_id": f"{cells['record_id']}/{number}",
            "age_band": age_band(identity, lost_on),
            "sex": identity["sex"],
            "identity": identity,
        }

    def _rescue(self, row: tuple[int, dict[str, str]], revision: int) -> RescueRecorded:
        line, cells = row
        found_on = _date(cells.get("found_on", ""))
        identity = self._identity(line, cells)
        return {
            "rescue_id": cells["record_id"],
            "unit": self._unit,
            "revision": revision,
            "registered_at": _time(cells.get("registered_at", "")),
            "found_on": found_on,
            "found_at": cells.get("found_at") or None,
            "stated_case_id": cells.get("stated_case_id") or None,
            "guardian": self._word(cells, "guardian"),
            "person": {
                "age_band": age_band(identity, found_on),
                "sex": identity["sex"],
                "identity": identity,
            },
        }

    def _identity(self, line: int, cells: dict[str, str]) -> Identity:
        birth_date, precision = _birth(cells)
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

    def _height(self, line: int, text: str) -> int | None:
        if not text:
            return None
        found = re.fullmatch(r"(-?\d{1,6})(?:\.\d*)?\s*(?:cm|CM|厘米)?", text, re.ASCII)
        if found is None:
            self._export.doubts.append(
                Refusal(self._export.path.name, line, self._column["height_cm"], "no-whole-number")
            )
            return None
        return int(found[1])

    def _word(self, cells: dict[str, str], name: str) -> str | None:
        word = cells.get(name, "")
        return self._form.words.get(name, {}).get(word, word) or None

    def _list(self, cells: dict[str, str], name: str) -> list[str]:
        parts = re.split(f"[{SPLIT[name]}]", cells.get(name, ""))
        words = self._form.words.get(name, {})
        return [words.get(part.strip(), part.strip()) for part in parts if part.strip()]


def age_band(identity: Identity, on: str | None) -> str:
    """under-6, 6-13, 14-17 or adult on a day, as well as the birth is known; else unknown."""
    then, born_year = day(on), year(identity["birth_date"])
    if then is None or born_year is None:
        return "unknown"
    born = day(identity["birth_date"]) if identity["birth_precision"] == "day" else None
    age = then.year - born_year
    if born is not None and (then.month, then.day) < (born.month, born.day):
        age -= 1
    if age < 0:
        return "unknown"
    return "under-6" if age < 6 else "6-13" if age < 14 else "14-17" if age < 18 else "adult"


_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T](.*))?", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?", re.ASCII)


def _date(text: str) -> str | None:
    """An ISO day where the text names one, also an impossible one; else the text."""
    if re.fullmatch(r"\d{8}", text, re.ASCII):
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    found = _DATE.fullmatch(text)
    if found is None:
        return text or None
    return f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}"


def _time(text: str) -> str | None:
    """An ISO time; a clock without a zone is Asia/Shanghai's."""
    found = _DATE.fullmatch(text)
    clock = _CLOCK.fullmatch((found[4] or "").strip()) if found else None
    if found is None or clock is None:
        return text if found and found[4] else _date(text)
    return f"{_date(text)}T{int(clock[1]):02}:{clock[2]}:{clock[3] or '00'}+08:00"


def _birth(cells: dict[str, str]) -> tuple[str | None, str]:
    """The birth date and its precision: day, month, year, about or unknown."""
    text = _date(cells.get("birth_date", ""))
    if text is not None:
        if _is_day(text):
            return text, "day"
        if re.fullmatch(r"\d{4}[-/.年]\d{1,2}月?", text, re.ASCII):
            return f"{text[:4]}-{int(re.split('[-/.年月]', text)[1]):02}", "month"
        if re.fullmatch(r"\d{4}年?", text, re.ASCII):
            return text[:4], "year"
        about = re.search(r"(?<!\d)(1[89]|20)\d{2}(?!\d)", text)
        return (about[0], "about") if about else (text, "day")
    for name, precision in (("birth_year", "year"), ("assumed_birth_year", "about")):
        found = re.search(r"\d{4}", cells.get(name, ""), re.ASCII)
        if found:
            exact = re.fullmatch(r"\d{4}年?", cells[name], re.ASCII) is not None
            return found[0], precision if exact else "about"
    return None, "unknown"


def _is_day(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) is not None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
