"""The command line. Errors say what to do; a traceback is shown only with --debug."""

from __future__ import annotations

import importlib
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from kafka.errors import KafkaError
from pydantic import ValidationError
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cli import demo as demonstration
from cli import demo_report
from cli.agreements import agreements_app, corridors
from cli.audit import audit_app
from cli.dead_letters import dead_letters_app
from cli.doctor import doctor
from cli.endpoints import endpoints_app
from cli.files import file_app
from cli.handovers import handover_app
from cli.intake_keys import intake_keys_app
from cli.linkage import explain, link, linkage_app
from cli.notices import notices_app
from cli.proposals import proposals_app
from cli.reconcile import reconcile
from cli.registry import registry_app
from cli.reports import report
from cli.sources import http_intake, outbox, relay, watch
from cli.terminal import Terminal
from cli.tips import tip_app
from cli.topics import topics_app
from cli.users import users_app
from crossregion.embedded.stack import WORKERS, Stack
from crossregion.errors import RuntimeFault
from crossregion.kafka import connection as kafka_connection
from crossregion.linkage.file_linkage import BadLine
from crossregion.linkage.model import BadModel
from crossregion.settings import settings
from producers import publisher
from producers.exports.tables import ExportUnreadable
from producers.spool.store import Spool, SpoolError
from schemas.units import UNITS

INTERRUPTED = 130
SCAN_SECONDS = 0.5

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Matches cases of trafficked women and children across the regions of a province.",
)
app.add_typer(topics_app, name="topics")
app.add_typer(users_app, name="users")
app.add_typer(registry_app, name="registry")
app.add_typer(dead_letters_app, name="dead-letters")
app.add_typer(audit_app, name="audit")
app.add_typer(proposals_app, name="proposals")
app.add_typer(agreements_app, name="agreements")
app.add_typer(notices_app, name="notices")
app.add_typer(handover_app, name="handover")
app.add_typer(file_app, name="file")
app.add_typer(tip_app, name="tip")
app.add_typer(endpoints_app, name="endpoints")
app.add_typer(linkage_app, name="linkage")
app.add_typer(intake_keys_app, name="intake-keys")
app.command()(relay)
app.command()(outbox)
app.command()(watch)
app.command()(http_intake)
app.command()(link)
app.command()(explain)
app.command()(corridors)
app.command()(report)
app.command()(doctor)
app.command()(reconcile)
console = Terminal()

DataOption = Annotated[
    Path | None, typer.Option(help="Where the data is kept; CROSSREGION_DATA by default.")
]


@app.callback()
def options(
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Options of every command; `main` looks for --debug itself."""


@app.command()
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
    found = demonstration.find_feed(feed)
    with _interruptible(), _data_directory(data, out) as directory, _progress() as progress:
        step = progress.add_task("Starting Kafka, PostgreSQL and the workers")

        def show(text: str) -> None:
            progress.update(step, description=text)

        with Stack(directory) as stack:
            results = demonstration.run(found, stack, progress.console.print, show)
            show("Stopping")
    demonstration.write(results, out)
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
        except RuntimeFault as fault:
            logs = Path(directory) / "log"
            if not logs.is_dir():
                raise
            shutil.copytree(logs, out / "log", dirs_exist_ok=True)
            raise RuntimeFault(f"{fault} The logs were saved in {out / 'log'}.") from fault


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
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@app.command()
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


@app.command()
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
    if unit not in UNITS:
        raise RuntimeFault(f"{unit} is no unit that publishes: {', '.join(UNITS)}.")
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


@app.command()
def run(
    process: Annotated[str, typer.Argument(help=f"One of {', '.join(sorted(WORKERS))}.")],
) -> None:
    """Run one process until SIGTERM or Ctrl-C, as a service manager does in production."""
    if process not in WORKERS:
        raise RuntimeFault(f"{process} is no process: {', '.join(sorted(WORKERS))}.")
    importlib.import_module(WORKERS[process]).main()


def main() -> None:
    """Run a command; a known fault is one line on standard error and status 1."""
    try:
        app()
    except (RuntimeFault, ExportUnreadable, SpoolError, BadLine, BadModel) as fault:
        _end(str(fault))
    except ValidationError as error:
        wrong = error.errors()[0]
        name = f"CROSSREGION_{'_'.join(map(str, wrong['loc']))}".upper()
        _end(f"{name} is not usable: {wrong['msg']}.")
    except KafkaError as error:
        _end(f"Kafka did not answer as it should ({type(error).__name__}): `crossregion doctor`.")


def _end(text: str) -> None:
    if "--debug" in sys.argv:
        raise
    Terminal(stderr=True).print(text, style="red")
    sys.exit(1)
