"""Commands of operators: dead letters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.lists import AsCsv, AsJson, Column, code, show
from cli.options import Purpose, kafka_and_database
from cli.terminal import Terminal
from crossregion.private_files import write_private

console = Terminal()
dead_letters_app = typer.Typer(
    no_args_is_help=True, help="Events that cannot be used, kept until someone decides."
)
COLUMNS = (
    Column("id", of="dead_letter_id", is_id=True),
    Column("topic"),
    Column("partition", is_number=True),
    Column("offset", is_number=True),
    Column("outcome", shown=code("outcome")),
    Column("reason"),
    Column("detail"),
)
LetterId = Annotated[
    str, typer.Argument(metavar="ID", help="As `dead-letters list` shows it, or its beginning.")
]


@dead_letters_app.command("list")
def dead_letters_list(as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Show every dead letter: where it came from, why, and what was done with it."""
    from crossregion.services import dead_letters

    rows = dead_letters.listed(kafka_and_database().operator)
    show(COLUMNS, rows, "dead letters", as_json, as_csv)


@dead_letters_app.command("show")
def dead_letters_show(
    letter_id: LetterId,
    save: Annotated[
        Path | None,
        typer.Option(help="Write the event's bytes here, mode 0600: they may hold names."),
    ] = None,
    purpose: Purpose = "",
) -> None:
    """Show one dead letter; its bytes only into a file."""
    from crossregion.services import dead_letters

    where = kafka_and_database()
    letter_id = dead_letters.complete_id(where.operator, letter_id)
    dead_letter = dead_letters.find(where.operator, letter_id, purpose=purpose)
    for name in ("dead_letter_id", "topic", "partition", "offset", "reason", "detail"):
        console.print(f"{name}: {dead_letter[name]}")
    console.print(f"bytes: {len(dead_letter['value'] or b'')}")
    if save is not None:
        write_private(save, dead_letter["value"] or b"")
        console.print(f"written to {save}")


@dead_letters_app.command("replay")
def dead_letters_replay(letter_id: LetterId, purpose: Purpose = "") -> None:
    """Replay a dead letter once its cause is fixed; intake validates it again."""
    from crossregion.services import dead_letters

    where = kafka_and_database()
    letter_id = dead_letters.complete_id(where.operator, letter_id)
    dead_letters.replay(where.kafka, where.operator, letter_id, purpose)
    console.print(f"{letter_id} is on its way to intake again.")


@dead_letters_app.command("discard")
def dead_letters_discard(letter_id: LetterId, purpose: Purpose = "") -> None:
    """Note that a dead letter will not be used; its bytes are kept."""
    from crossregion.services import dead_letters

    where = kafka_and_database()
    letter_id = dead_letters.complete_id(where.operator, letter_id)
    dead_letters.discard(where.kafka, where.operator, letter_id, purpose)
    console.print(f"{letter_id} is discarded.")
