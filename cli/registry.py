"""Commands of operators: the registry in PostgreSQL."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import words
from cli.lists import AsCsv, AsJson, Column, code, show
from cli.options import Purpose, kafka_and_database
from cli.terminal import Terminal
from crossregion.settings import settings

console = Terminal()
AGES = (
    Column("unit", shown=code(words.UNIT)),
    Column("kind", shown=code("record_kind")),
    Column("record_id"),
    Column("field"),
)
registry_app = typer.Typer(no_args_is_help=True, help="The provincial registry in PostgreSQL.")


@registry_app.command("migrate")
def registry_migrate() -> None:
    """Bring CROSSREGION_DATABASE to this version's tables; what is done already is left alone."""
    from crossregion.postgres import migrations

    done = migrations.migrate(settings().database)
    console.print(f"{len(done)} migrations run.")


@registry_app.command("roles")
def registry_roles() -> None:
    """Print the SQL by which an administrator makes the database's roles, before `migrate`.

    It holds no password: set each role's with psql's \\password.
    """
    from crossregion.embedded import postgres

    console.print(postgres.roles(), end="")


@registry_app.command("rebuild")
def registry_rebuild(
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask whether the registry may be dropped.")
    ] = False,
    purpose: Purpose = "",
) -> None:
    """Drop the registry and have it read again from the topics; no notice is sent again.

    Stop every registry worker first and start them again afterwards.
    """
    from consumers.registry import rebuild

    where = kafka_and_database()
    if not yes:
        typer.confirm("Drop the registry and rebuild it from the topics?", abort=True)
    rebuild.rebuild(where.kafka, where.owner, purpose)
    console.print("The registry is empty: start its workers, and they fill it from the topics.")


@registry_app.command("ages-not-told")
def registry_ages_not_told(as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Show the persons whose record says nothing about their age: their urgency is unknown.

    Their units get a remark. A record that states an age, or says child, takes them off the list.
    """
    from crossregion.services import ages

    rows = ages.not_told(kafka_and_database().database)
    show(AGES, rows, "persons of unknown age", as_json, as_csv)
