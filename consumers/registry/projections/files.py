"""Files of rescued persons in the registry: what each owes, made anew from all its notes.

So neither the order of the topics nor a second time changes anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from consumers.registry.projection import Accepted, Consumed, Handler
from crossregion import metrics
from crossregion.domain.events import FileNoted
from crossregion.domain.files import obligations
from crossregion.postgres import queries
from crossregion.postgres.clock import look_from_today
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row

Rescue = tuple[str, str]


def version(note: FileNoted) -> tuple[int, str]:
    """Of one record's notes the highest holds."""
    return note["revision"], note["digest"]


@dataclass
class Files:
    """The newest note of each record, and hand-overs, for they decide who is in charge."""

    notes: dict[tuple[str, str, str], FileNoted] = field(default_factory=dict)
    steps: list[Row] = field(default_factory=list)

    def handlers(self) -> Mapping[str, Handler]:
        return {"HandoverRecorded": self._add_step}

    def add_record(self, accepted: Accepted) -> None:
        note = accepted.validated.noted
        if note is None:
            return
        known = self.notes.get(accepted.key)
        if known is None or version(known) < version(note):
            self.notes[accepted.key] = note

    def _add_step(self, record: Row, _: Consumed) -> None:
        self.steps.append(record)

    def write(self, connection: Connection, changed: Sequence[Row]) -> None:
        if self.notes or self.steps:
            _write(connection, list(self.notes.values()), self.steps)


def _write(connection: Connection, notes: Sequence[FileNoted], steps: Sequence[Row]) -> None:
    """Store notes, and make anew what the files owe that they or hand-overs are about.

    Two workers take turns; a hand-over that one has not committed is seen by the other's turn.
    """
    connection.execute(queries.query("lock_files"))
    rows = [cast(Row, {**note, "note": note}) for note in notes]
    changed = {*queries.put(connection, "files_of_records", rows)}
    changed |= {*queries.put(connection, "put_file_notes", rows)}
    changed |= {(s["record_unit"], s["record_id"]) for s in steps if s["kind"] == "rescue"}
    of = [{"rescue_unit": unit, "rescue_id": rescue_id} for unit, rescue_id in sorted(changed)]
    known: dict[Rescue, list[FileNoted]] = defaultdict(list)
    charge: dict[Rescue, tuple[str, list[str]]] = {}
    for unit, rescue_id, note, owner, readers in queries.put(connection, "notes_of_files", of):
        known[unit, rescue_id].append(note)
        charge[unit, rescue_id] = (owner or unit, readers or [unit])
    queries.put(connection, "remove_file_items", of)
    owed = [row for rescue, held in known.items() for row in items(rescue, held, *charge[rescue])]
    queries.put(connection, "add_file_items", owed)


def items(
    rescue: Rescue, notes: Sequence[FileNoted], owner: str, readers: Sequence[str]
) -> list[Row]:
    """The rows of what one file owes."""
    unit, rescue_id = rescue
    return [
        {
            "rescue_unit": unit,
            "rescue_id": rescue_id,
            "item": one.item,
            "owner": owner,
            "lead": one.lead,
            "assisting": list(one.assisting),
            "clause": one.clause,
            "due_from": one.due_from.isoformat(),
            "due_on": one.due_on.isoformat(),
            "lapses_on": one.lapses_on.isoformat(),
        }
        for one in obligations.owed(notes, readers)
    ]


def measure(connection: Connection) -> None:
    """Set the metrics of what is due and overdue today."""
    look_from_today(connection)
    metrics.FILE_ITEMS.clear()
    for unit, lead, state, count in connection.execute(queries.query("count_file_items")):
        metrics.FILE_ITEMS.labels(unit, lead, state).set(count)
