"""Commands of the other ways in: an outbox, a directory of exports, and HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.terminal import Terminal, write
from crossregion import logs
from crossregion.settings import settings

SOME_REFUSED = 3
console = Terminal()

UnitOption = Annotated[str, typer.Option(help="Code of the unit whose records they are.")]
DataOption = Annotated[
    Path | None, typer.Option(help="Where the spools are kept; CROSSREGION_DATA by default.")
]
OnceOption = Annotated[bool, typer.Option(help="Take what is there now, and end.")]


def relay(unit: UnitOption, once: OnceOption = False, data: DataOption = None) -> None:
    """Take the outbox of a unit's own PostgreSQL into its spool, as rows come, until Ctrl-C.

    CROSSREGION_OUTBOX says where it is; `crossregion outbox` prints what makes it. A row goes from
    there once the spool has it; one that cannot be used stays, with its reason. The sender sends
    (`crossregion run sender`). With --once, exit status 3 if there are rows that cannot be used.
    """
    from producers.outbox import relay as process

    chosen = settings()
    logs.configure(chosen.log_level)
    counts = process.relay(unit, data or chosen.data, once=once)
    if counts is None:
        return
    console.print(f"{counts.read} rows read; {counts.refused} stay in the outbox with their reason")
    if counts.refused:
        raise typer.Exit(SOME_REFUSED)


def outbox(
    example: Annotated[
        bool, typer.Option(help="An example instead: tables of a unit, and their triggers.")
    ] = False,
) -> None:
    """Print the statements that make the outbox in a unit's PostgreSQL, for psql."""
    from producers.outbox.relay import outbox_sql

    write(outbox_sql(example))


def watch(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where exports are put.")],
    unit: UnitOption,
    once: OnceOption = False,
    data: DataOption = None,
) -> None:
    """Publish the exports of a directory as they appear, and again when they change.

    Taken are cases*.csv, rescues*.csv and the same with .xlsx. A file that is still being written
    is waited for. One that cannot be read goes to DIR/set-aside with the reason beside it, if it
    may be moved. The sender sends (`crossregion run sender`). With --once, exit status 1 if a file
    could not be read, 3 if a row was refused.
    """
    from cli import demo_report
    from producers import watch as process
    from producers.spool.store import Spool

    chosen = settings()
    logs.configure("warning" if once else chosen.log_level)
    report = process.watch(directory, unit, data or chosen.data, once=once)
    if not once:
        return
    with Spool((data or chosen.data) / "spool" / f"{unit}.sqlite", unit) as spool:
        demo_report.of_publishing(report, spool.waiting(), console)
    if report.unreadable:
        raise typer.Exit(1)
    if report.refusals:
        raise typer.Exit(SOME_REFUSED)


def http_intake() -> None:
    """Take records of units by HTTP into their spools, until SIGTERM or Ctrl-C.

    Where it listens and within what limits is said by CROSSREGION_INTAKE_...; keys are made by
    `crossregion intake-keys add`. What to send: docs/http-intake.md.
    """
    from producers.http_intake import app as process

    process.main()
