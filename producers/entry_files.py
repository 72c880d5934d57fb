"""Entries of rescued persons' files, as JSON Lines: each line an event's name and its fields.

What a line leaves out is empty, and without a revision the spool counts one. What intake would set
aside is refused here, so that whoever wrote it hears of it at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from crossregion.domain import events
from producers import json_records
from producers.exports.tables import ExportUnreadable
from producers.json_records import Fault, Unfit
from producers.records import LocalRecord

MAX_FILE_BYTES = 100_000_000


@dataclass
class Entries:
    """What a file held, and what is wrong in it, line by line."""

    lines: int = 0
    records: list[LocalRecord] = field(default_factory=list)
    refused: list[tuple[int, Fault]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)

    def refuse(self, taken: Sequence[LocalRecord]) -> None:
        """Note what the spool has refused: it is too large."""
        self.refused += [(line, Fault("", "over-limit")) for one in taken for line in one.lines]


def read_entries(path: Path, unit: str) -> Entries:
    """Read a unit's entries; a line that cannot be used is listed, and the others go on.

    Raises: ExportUnreadable when the file as a whole cannot be read.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ExportUnreadable("too-large-to-divide", path=path)
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ExportUnreadable("unreadable", path=path, strerror=error.strerror) from None
    found = Entries()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        found.lines += 1
        try:
            one = _entry(line, unit)
        except Unfit as unfit:
            found.refused += [(number, fault) for fault in unfit.faults]
            continue
        found.records.append(replace(one.exported, lines=(number,)))
        found.warnings += [(number, f"{said['field']}: {said['code']}") for said in one.remarks]
    return found


def _entry(line: bytes, unit: str) -> json_records.Incoming:
    given = json_records.parse(line)
    if not isinstance(given, dict):
        raise Unfit(Fault("", "wrong-type"))
    event = given.pop("event", None)
    if event not in events.ENTRIES:
        raise Unfit(Fault("/event", "no-such-event"))
    return json_records.check(event, given, unit)
