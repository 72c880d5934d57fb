"""The command that publishes a unit's exports."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.errors import CommandError
from cli.terminal import Terminal

console = Terminal()

DataOption = Annotated[
    Path | None, typer.Option(help="Where the spools are kept; CROSSREGION_DATA by default.")
]


def publish(
    exports: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV or XLSX exports.")],
    unit: Annotated[str, typer.Option(help="Code of the unit whose exports they are.")],
    data: DataOption = None,
) -> None:
    """Take a unit's exports into its spool, and send what stands there to Kafka.

    What is accepted is stored before this command says so, and is sent for as long as it takes:
    by this command if CROSSREGION_KAFKA is set and the broker answers, else by the sender
    (`crossregion up` or `crossregion run sender`). Rows that cannot be used are listed with file,
    line, column and reason: correct them and publish the file again. Exit status 3 if any is.
    """
    from cli import demo_report
    from crossregion.kafka import connection as kafka_connection
    from crossregion.settings import settings
    from producers import publisher
    from producers.spool.store import Spool
    from schemas.units import UNITS

    if unit not in UNITS:
        raise CommandError("no-publishing-unit", unit=unit, known=UNITS)
    chosen = settings()
    kafka = kafka_connection.kafka(chosen) if chosen.kafka else None
    with Spool((data or chosen.data) / "spool" / f"{unit}.sqlite", unit) as spool:
        report = publisher.publish(exports, spool, kafka)
        left = publisher.send_all(spool, kafka)
    demo_report.of_publishing(report, left, console)
    if report.unreadable:
        raise typer.Exit(1)
    if report.refusals:
        raise typer.Exit(demo_report.SOME_REFUSED)
