"""The command that shows the whole system over the exports of a directory."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CommandError
from cli.terminal import Terminal
from crossregion.errors import CrossregionError

if TYPE_CHECKING:
    from rich.progress import Progress

INTERRUPTED = 130

console = Terminal()


def demo(
    feed: Annotated[
        Path, typer.Option(help="A directory with <unit>/cases.csv and <unit>/rescues.csv.")
    ] = Path("examples/feed"),
    out: Annotated[Path, typer.Option(help="Where the results are written.")] = Path("demo-out"),
    data: Annotated[
        Path | None,
        typer.Option(help="Keep Kafka's and PostgreSQL's data here; by default it is not kept."),
    ] = None,
) -> None:
    """Run the whole system over the exports of a directory, and show what came of it.

    Starts Kafka, PostgreSQL and one worker of each kind, publishes every export, waits until all
    is processed, prints what was flagged, proposed and notified, writes it to --out as JSON
    Lines, and stops everything. Exit status 0 only if every row is accounted for.
    """
    from cli import demo_report, demo_run
    from crossregion.embedded.stack import Stack

    found = demo_run.find_feed(feed)
    with _interruptible(), _data_directory(data, out) as directory, _progress() as progress:
        step = progress.add_task("Starting Kafka, PostgreSQL and the workers")

        def show(text: str) -> None:
            progress.update(step, description=text)

        with Stack(directory) as stack:
            results = demo_run.run(found, stack, progress.console.print, show)
            show("Stopping")
    demo_run.write(results, out)
    demo_report.of_demo(results, out, console)
    if not results.complete:
        raise typer.Exit(1)


@contextmanager
def _data_directory(chosen: Path | None, out: Path) -> Iterator[Path]:
    """The directory chosen, or one for the time being, of which a failure leaves the logs."""
    if chosen is not None:
        yield chosen
        return
    with tempfile.TemporaryDirectory(prefix="crossregion-demo-") as directory:
        try:
            yield Path(directory)
        except CrossregionError as fault:
            logs = Path(directory) / "log"
            if not logs.is_dir():
                raise
            shutil.copytree(logs, out / "log", dirs_exist_ok=True)
            raise CommandError("logs-saved", fault=fault, logs=out / "log") from fault


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM stops a command in the same way as Ctrl-C, and both say so."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        console.print("Interrupted; everything that was started is stopped.")
        raise typer.Exit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _progress() -> Progress:
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(
        *columns, console=console.rich, transient=True, disable=not console.rich.is_terminal
    )
