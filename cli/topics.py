"""Commands of operators: topics, registry, dead letters, and what is wrong with an installation."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.errors import CommandError
from cli.options import kafka_and_database
from cli.terminal import Terminal
from crossregion.settings import settings

topics_app = typer.Typer(no_args_is_help=True, help="Kafka topics.")
console = Terminal()


@topics_app.command("apply")
def topics_apply(
    replication: Annotated[
        int | None,
        typer.Option(
            help="Copies of each partition; if not given, as many as existing topics have, or 1.",
            min=1,
        ),
    ] = None,
) -> None:
    """Bring CROSSREGION_KAFKA to the topics, users and grants of this version.

    A topic that exists keeps what it holds, and gets the configuration that is described; what is
    not described stays. If one has another number of partitions, or of copies than --replication
    says, it is named and nothing is changed. Users get the passwords that stand in the directory
    CROSSREGION_KAFKA_SECRETS. What a principal of the project may do besides is taken away.
    """
    from crossregion.kafka import admin as kafka_admin
    from crossregion.kafka import connection as kafka_connection

    kafka = kafka_connection.kafka(settings())
    created = kafka_admin.apply(kafka, replication)
    console.print(f"{len(created)} topics created.")
    kafka_admin.check(kafka, kafka_connection.ADMIN)


@topics_app.command("read-again")
def topics_read_again(
    group: Annotated[str, typer.Argument(help="As `crossregion doctor` names it.")],
) -> None:
    """Have a process that is stopped read its topics from their beginning when it starts.

    What it has written before, it writes again; nothing happens twice by that. The registry has a
    command of its own: `crossregion registry rebuild`.
    """
    from crossregion.flows import flows
    from crossregion.kafka import admin as kafka_admin

    known = [flow.group for flow in flows()]
    if group not in known:
        raise CommandError("no-group", known=known)
    kafka_admin.read_again(kafka_and_database().kafka, group)
    console.print(f"{group} reads everything again when its processes start.")
