"""The command line. Errors say what to do; a traceback is shown only with --debug."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from crossregion.runtime import (
    EmbeddedKafka,
    EmbeddedPostgres,
    RuntimeFault,
    topics,
)
from crossregion.settings import settings

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Matches cases of trafficked women and children across the regions of a province.",
)
topics_app = typer.Typer(no_args_is_help=True, help="Kafka topics.")
app.add_typer(topics_app, name="topics")
console = Console(soft_wrap=True)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Options of every command; `main` looks for --debug itself."""


@app.command()
def up(
    data: Annotated[
        Path | None, typer.Option(help="Where the data is kept; CROSSREGION_DATA by default.")
    ] = None,
) -> None:
    """Start Kafka and PostgreSQL, create the topics, and run until Ctrl-C."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    chosen = settings()
    home = data or chosen.data
    kafka = None if chosen.kafka else EmbeddedKafka(home / "kafka")
    postgres = None if chosen.database else EmbeddedPostgres(home / "postgres")
    embedded = [service for service in (kafka, postgres) if service is not None]
    try:
        for service in embedded:
            service.launch()
        bootstrap = chosen.kafka or (kafka.wait_ready() if kafka else "")
        created = topics.apply(bootstrap)
        console.print(f"Kafka       {bootstrap} ({len(created)} topics created)")
        if postgres:
            postgres.wait_ready()
            console.print(f"PostgreSQL  ready; its address and password: {home / 'postgres'}")
        console.print("Running. Ctrl-C stops everything.")
        while not stop.wait(1.0):
            for service in embedded:
                service.check()
    finally:
        for service in reversed(embedded):
            service.stop()
    console.print("Stopped.")


@topics_app.command("apply")
def topics_apply(
    replication: Annotated[int, typer.Option(help="Copies of each partition.")] = 1,
) -> None:
    """Create the topics that are missing on CROSSREGION_KAFKA."""
    bootstrap = settings().kafka
    if bootstrap is None:
        raise RuntimeFault("Set CROSSREGION_KAFKA to the broker's address, host:port.")
    created = topics.apply(bootstrap, replication)
    console.print(f"{len(created)} topics created.")


def main() -> None:
    """Run a command; a known fault is one line on standard error and status 1."""
    try:
        app()
    except RuntimeFault as fault:
        if "--debug" in sys.argv:
            raise
        Console(stderr=True, soft_wrap=True).print(str(fault), style="red", markup=False)
        sys.exit(1)
