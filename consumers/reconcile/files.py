"""Reconciles rescued persons' files: the registry's notes against the records, validated again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from consumers.reconcile.records import differences
from consumers.registry.projections import files
from crossregion.domain.events import ENTRIES, FileNoted
from crossregion.domain.validation import validate_event
from crossregion.postgres import queries
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row

EVENTS = {"rescue": "RescueRecorded", **{kind: event for event, (kind, _) in ENTRIES.items()}}


def owed(connection: Connection) -> Iterator[str]:
    """Items of files against those that rescues, entries and hand-overs call for."""
    notes: dict[files.Rescue, list[FileNoted]] = defaultdict(list)
    with connection.cursor("reconcile") as cursor:
        for kind, unit, record in cursor.execute(queries.query("records_of_files")):
            noted = validate_event(EVENTS[kind], record, unit, None).noted
            if noted is not None:
                notes[noted["rescue_unit"], noted["rescue_id"]].append(noted)
    charge = {
        (row["unit"], row["record_id"]): (row["owner"], row["readers"])
        for row in queries.rows(connection, "rescues_handed_over")
    }
    wanted = [
        _named(item)
        for rescue, its in notes.items()
        for item in files.items(rescue, its, *charge.get(rescue, (rescue[0], [rescue[0]])))
    ]
    held = [_named(row["owed"]) for row in queries.rows(connection, "every_file_item")]
    yield from differences("duty", "name", wanted, held)


def _named(item: Row) -> Row:
    of = f"rescue {item['rescue_id']} of {item['rescue_unit']}"
    return {**item, "name": f"{item['item']} of {of}"}
