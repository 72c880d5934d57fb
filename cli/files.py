"""Commands of the files of rescued persons: what is recorded in them, and what they owe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import words
from cli.errors import CommandError
from cli.lists import AsCsv, AsJson, Column, code, show, time_left
from cli.options import Purpose, as_unit, kafka_and_database
from cli.terminal import Terminal
from crossregion.private_files import write_private
from crossregion.settings import settings
from schemas.units import UNITS

if TYPE_CHECKING:
    pass

file_app = typer.Typer(
    no_args_is_help=True, help="The files of rescued persons: aid, follow-ups, what is due."
)
console = Terminal()

COLUMNS = (
    Column("reported_by", of="rescue_unit", shown=code(words.UNIT)),
    Column("rescue_id"),
    Column("owner", shown=code(words.UNIT)),
    Column("item", shown=code("service_type")),
    Column("lead", shown=code(words.DEPARTMENT)),
    Column("due_from"),
    Column("due_on", shown=time_left),
    Column("state", shown=code("item_state")),
)

Unit = Annotated[str | None, typer.Option(help="As this unit; without it as the office.")]


@file_app.command("record")
def file_record(
    entries: Annotated[list[Path], typer.Argument(metavar="FILE...", help="JSON Lines.")],
    unit: Annotated[str, typer.Option(help="Code of the unit that records them.")],
    data: Annotated[
        Path | None, typer.Option(help="Where the spool is; by default CROSSREGION_DATA.")
    ] = None,
) -> None:
    """Take entries of files into the unit's spool, and send what stands there to Kafka.

    Each line is a JSON object: `event` (AssistanceRecorded, FollowUpRecorded or
    GuardianSearchRecorded) and that event's fields; what is left out is empty. What is accepted is
    stored before this command says so, and is sent for as long as it takes, as with `publish`.
    Exit status 3 if a line is refused.
    """
    from cli import demo_report
    from crossregion.kafka import connection as kafka_connection
    from producers import publisher
    from producers.entry_files import read_entries
    from producers.spool.store import Spool

    if unit not in UNITS:
        raise CommandError("no-publishing-unit", unit=unit, known=UNITS)
    chosen = settings()
    kafka = kafka_connection.kafka(chosen) if chosen.kafka else None
    refused = 0
    with Spool((data or chosen.data) / "spool" / f"{unit}.sqlite", unit) as spool:
        publisher.publish([], spool, kafka)
        for path in entries:
            found = read_entries(path, unit)
            taken = spool.accept_all(found.records)
            found.refuse(taken.refused)
            lines = {line for line, _ in found.refused}
            refused += len(lines)
            console.print(
                f"{path.name}: {found.lines} read, {taken.published} accepted, "
                f"{taken.unchanged} unchanged, {len(lines)} refused"
            )
            for line, fault in found.refused:
                console.print(f"    line {line}: {fault.message} ({fault.reason})")
            for line, warning in found.warnings:
                console.print(f"    line {line}, accepted all the same: {warning}")
        left = publisher.send_all(spool, kafka)
    demo_report.of_waiting(left, console)
    if refused:
        raise typer.Exit(demo_report.SOME_REFUSED)


@file_app.command("show")
def file_show(
    reporter: Annotated[str, typer.Argument(help="The unit that registered the rescue.")],
    rescue: Annotated[str, typer.Argument(metavar="ID", help="The rescue's id there.")],
    unit: Unit = None,
    save: Annotated[
        Path | None,
        typer.Option(help="Write the whole entries here, mode 0600; only as a unit, and audited."),
    ] = None,
    purpose: Purpose = "",
) -> None:
    """Show what stands in a rescued person's file, by its codes and days, and what it owes."""
    from crossregion.services import files

    dsn = _database(unit)
    notes, items = files.read(dsn, (reporter, rescue), own=unit is not None)
    if not notes:
        raise CommandError("no-file", rescue=rescue, reporter=reporter)
    for note in notes:
        said = note["person"] or note["assistance"] or note["follow_up"] or note["search"]
        console.print(f"{note['kind']} {note['record_id']} of {note['unit']}")
        for name, value in said.items():
            if value:
                console.print(f"    {name}: {_text(value)}")
    show(COLUMNS, items, None)
    if save is not None:
        if unit is None:
            raise CommandError("save-needs-unit")
        rows = files.read_whole(dsn, notes, purpose)
        write_private(save, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        console.print(f"written to {save}")


@file_app.command("due")
def file_due(
    unit: Unit = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only what is overdue.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show what is due today in the files of rescued persons, the oldest first."""
    from crossregion.services import files

    states = ("overdue",) if overdue else ("due", "overdue")
    rows = [row for row in files.due(_database(unit), unit is not None) if row["state"] in states]
    show(COLUMNS, rows, "items", as_json, as_csv)


def _database(unit: str | None) -> str:
    return kafka_and_database().database if unit is None else as_unit(unit)[1]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
