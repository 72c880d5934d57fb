"""The command that keeps the whole system running on this machine."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from cli.terminal import Terminal

SCAN_SECONDS = 0.5

console = Terminal()

DataOption = Annotated[
    Path | None, typer.Option(help="Where the data is kept; CROSSREGION_DATA by default.")
]


def up(
    data: DataOption = None,
    with_http: Annotated[
        bool, typer.Option("--http-intake", help="Take records of units by HTTP as well.")
    ] = False,
) -> None:
    """Start Kafka, PostgreSQL and one worker of each kind, and run until Ctrl-C.

    An address in CROSSREGION_KAFKA or CROSSREGION_DATABASE is used instead of the embedded
    service. The data stays where it is and is found again at the next start.
    """
    from cli import demo_report
    from crossregion.embedded.stack import Stack
    from crossregion.settings import settings

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    beside = ("http-intake",) if with_http else ()
    stack = Stack(data or settings().data, beside)
    with stack:
        stack.wait_healthy()
        demo_report.of_stack(stack, console)
        while not stop.wait(SCAN_SECONDS):
            for death in stack.check():
                console.print(
                    f"{death.name} ended with status {death.status}; "
                    f"started again in {death.restart_in:.2g} s"
                )
    console.print("Stopped.")
