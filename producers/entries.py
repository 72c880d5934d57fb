"""Entries of rescued persons' files, as JSON Lines: each line an event's name and its fields.

What a line leaves out is empty, and without a revision the spool counts one. What would be set
aside by intake is refused here, so that whoever wrote it hears of it at once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from crossregion.domain import records
from crossregion.domain.judgement import Refused, judge_event
from producers.export import Exported, Refusal
from producers.tables import ExportUnreadable
from schemas import codec
from schemas.codec import InvalidRecord

MAX_FILE_BYTES = 100_000_000


@dataclass
class Entries:
    """What a file held."""

    lines: int = 0
    records: list[Exported] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    doubts: list[Refusal] = field(default_factory=list)


class _Faulty(Exception):
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name
        self.reason = reason


def read_entries(path: Path, unit: str) -> Entries:
    """Read a unit's entries; a line that cannot be used is listed, and the others go on.

    Raises: ExportUnreadable when the file as a whole cannot be read.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ExportUnreadable(f"{path} is larger than 100 MB: divide it.")
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ExportUnreadable(f"{path} cannot be read: {error.strerror}.") from None
    found = Entries()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        found.lines += 1
        try:
            event, given = _object(line)
            record_id, record, unknown = entry_of(event, given, unit)
        except _Faulty as wrong:
            found.refusals.append(Refusal(path.name, number, wrong.name, wrong.reason))
            continue
        found.records.append(Exported(event, record_id, record, (number,)))
        found.doubts += [Refusal(path.name, number, name, "unknown-field") for name in unknown]
    return found


def _object(line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        given = json.loads(line)
        json.dumps(given, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _Faulty("", "unstorable-text") from None
    except (ValueError, RecursionError):
        raise _Faulty("", "no-json") from None
    if not isinstance(given, dict):
        raise _Faulty("", "no-json")
    event = given.pop("event", None)
    if event not in records.ENTRIES:
        raise _Faulty("event", "unknown-event")
    return str(event), given


def entry_of(
    event: str, given: Mapping[str, Any], unit: str
) -> tuple[str, records.Record, list[str]]:
    """An entry's id, its whole record, and the names of fields that no entry has."""
    unknown: list[str] = []
    schema = codec.schema(event)
    record = _completed(schema, {"unit": unit, "revision": 0, **given}, "", unknown)
    try:
        codec.validate(event, record)
    except InvalidRecord as invalid:
        named = str(invalid).rpartition(": ")[2].split(", ")
        raise _Faulty(", ".join(n.rpartition(".")[2] for n in named), "wrong-type") from None
    numbered = record if record["revision"] > 0 else {**record, "revision": 1}
    try:
        judged = judge_event(event, numbered, unit, None)
    except Refused as refused:
        raise _Faulty(refused.detail, refused.reason) from None
    return judged.record_id, cast(records.Record, record), unknown


def _completed(
    schema: Mapping[str, Any], given: Mapping[str, Any], path: str, unknown: list[str]
) -> dict[str, Any]:
    """The same with an empty value for each field that may be empty."""
    made: dict[str, Any] = {}
    for one in schema["fields"]:
        name, kind = one["name"], one["type"]
        inner = kind if isinstance(kind, dict) else {}
        if name not in given and "default" in one:
            made[name] = one["default"]
        elif inner.get("type") == "record" and isinstance(given.get(name, {}), dict):
            made[name] = _completed(inner, given.get(name, {}), f"{path}{name}.", unknown)
        elif name not in given:
            raise _Faulty(f"{path}{name}", "missing-field")
        elif inner.get("type") == "array" and isinstance(given[name], list):
            made[name] = [
                _completed(inner["items"], item, f"{path}{name}.", unknown)
                if isinstance(item, dict) and isinstance(inner["items"], dict)
                else item
                for item in given[name]
            ]
        else:
            made[name] = given[name]
    unknown += [path + name for name in given.keys() - {one["name"] for one in schema["fields"]}]
    return made
