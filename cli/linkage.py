"""Commands of linkage without Kafka: link files, explain a proposal, train and evaluate a model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from cli.errors import CommandError
from cli.options import kafka_and_database
from cli.terminal import Terminal
from crossregion.domain.events import MatchProposed, PersonsListed
from crossregion.domain.validation import Rejected as EventRefused
from crossregion.domain.validation import validate_event

if TYPE_CHECKING:
    from rich.progress import Progress

    from crossregion.linkage.model import Model
    from producers.records import LocalRecord

linkage_app = typer.Typer(no_args_is_help=True, help="The linkage model.")
console = Terminal()

ModelOption = Annotated[
    Path | None,
    typer.Option("--model", help="A model file; CROSSREGION_LINKAGE_MODEL by default."),
]
EXPORTS = (".csv", ".xlsx")


def link(
    cases: Annotated[
        Path, typer.Argument(help="Reported victims: .jsonl, .jsonl.gz or an export.")
    ],
    rescues: Annotated[
        Path, typer.Argument(help="Rescued persons: .jsonl, .jsonl.gz or an export.")
    ],
    out: Annotated[Path, typer.Option(help="Where the pairs are written, JSON Lines, mode 0600.")],
    model: ModelOption = None,
) -> None:
    """Find which rescued person is which reported victim, in two files and without Kafka.

    Writes case_id, rescue_id, probability, rank, band and evidence for every pair that is worth
    an analyst's look. Of several revisions of a record the highest counts.
    """
    from crossregion.linkage import default_days, file_linkage

    used = _model(model)
    if out.exists() and any(one.exists() and out.samefile(one) for one in (cases, rescues)):
        raise CommandError("out-is-read", out=out)
    try:
        listed = [
            default_days.without_defaults(_read(path, kind))
            for path, kind in ((cases, "case"), (rescues, "rescue"))
        ]
        with _progress() as progress:
            tracked = progress.track(listed[1], description="Linking")
            count = file_linkage.write_linked(listed[0], iter(tracked), out, used)
    except OSError as error:
        raise CommandError(
            "file-unusable", file=error.filename or out, strerror=error.strerror
        ) from None
    console.print(f"{count} pairs in {out}")


def _progress() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(
        *columns, TimeElapsedColumn(), console=console.rich, disable=not console.rich.is_terminal
    )


def _model(path: Path | None) -> Model:
    from crossregion import installed_model

    return installed_model.chosen() if path is None else installed_model.read(path)


def _read(path: Path, kind: str) -> list[PersonsListed]:
    from crossregion.linkage import file_linkage
    from producers.exports.reader import read_export

    if path.suffix.lower() not in EXPORTS:
        return list(file_linkage.read_listed(path, kind))
    export = read_export(path, None)
    if export.kind != kind:
        raise CommandError("other-kind", path=path, found=export.kind, wanted=kind)
    if export.records_refused:
        console.print(f"{export.records_refused} records of {path} cannot be used.")
    newest: dict[tuple[str, str], PersonsListed] = {}
    for listed in _validated(path, export.records):
        key = (listed["unit"], listed["record_id"])
        if key not in newest or newest[key]["revision"] <= listed["revision"]:
            newest[key] = listed
    return list(newest.values())


def _validated(path: Path, exported: list[LocalRecord]) -> Iterator[PersonsListed]:
    for one in exported:
        record = {**one.record, "revision": max(one.record["revision"], 1)}
        try:
            yield validate_event(one.event, record, one.record["unit"], None).listed
        except EventRefused as refused:
            console.print(f"{path}, line {one.lines[0]}, cannot be used: {refused.reason}")


def explain(
    case_id: Annotated[str, typer.Argument(metavar="CASE")],
    rescue_id: Annotated[str, typer.Argument(metavar="RESCUE")],
) -> None:
    """Explain, field by field, why a victim of a case and a rescued person may be the same.

    Shows how each field was found to agree or not and what that says, never a value of a record.
    """
    from consumers.registry import counts
    from crossregion import installed_model
    from crossregion.linkage import explanation as explaining
    from crossregion.postgres import transactions

    used = installed_model.chosen()
    with transactions.session(kafka_and_database().database) as connection:
        rivals = [
            cast(MatchProposed, row)
            for row in counts.open_proposals(connection)
            if row["rescue_id"] == rescue_id
        ]
    found = [one for one in rivals if one["case_id"] == case_id]
    if not found:
        raise CommandError("no-joining-proposal", case_id=case_id, rescue_id=rescue_id)
    for proposal in found:
        units = {one["rescue_unit"] for one in found}
        same = [one for one in rivals if one["rescue_unit"] in units]
        for line in explaining.lines(explaining.explain(proposal, same, used)):
            console.print(line)


@linkage_app.command("train")
def train(
    directory: Annotated[
        Path, typer.Argument(help="Holds cases, rescues and truth as .jsonl or .jsonl.gz.")
    ],
    name: Annotated[str, typer.Option(help="Name of the new version.")],
    out: Annotated[Path, typer.Option(help="The model file; one that stands there is compared.")],
) -> None:
    """Train a new version of the model on labelled records, and install it if it is no worse.

    Part of the records is kept back for a last look, whose figures are printed and stand in the
    model. A version that does worse there than the one in --out, or whose expected number of
    matches is off, is not installed.
    """
    from crossregion.linkage.training import train as training

    command = f"crossregion linkage train {directory.name} --name {name}"
    try:
        figures = training.train(directory, out, name, date.today(), command)
    except training.ModelRejected as refused:
        raise CommandError("model-rejected", why=refused) from None
    except OSError as error:
        raise CommandError(
            "file-unusable", file=error.filename or out, strerror=error.strerror
        ) from None
    for line in figures.lines():
        console.print(line)
    console.print(f"Installed in {out}")


@linkage_app.command("evaluate")
def evaluate(
    directory: Annotated[
        Path, typer.Argument(help="Holds cases, rescues and truth as .jsonl or .jsonl.gz.")
    ],
    model: ModelOption = None,
) -> None:
    """Measure a model on labelled records: on the part that training keeps back.

    Prints precision, recall and F1, calibration, recall by kind of name error; the share of true
    pairs that blocking compares, candidates a record, and the speed on this machine.
    """
    from crossregion.linkage.training import evaluate as evaluating
    from crossregion.linkage.training import labelled

    used = _model(model)
    try:
        data = labelled.read(directory).only(lambda part: part == labelled.LAST_LOOK)
    except OSError as error:
        raise CommandError("file-unusable", file=error.filename, strerror=error.strerror) from None
    found, spent = evaluating.evaluate(used, data), evaluating.effort(used, data)
    for line in (*found.lines(), *spent.lines()):
        console.print(line)


@linkage_app.command("status")
def status() -> None:
    """Tell how far linkage by each model is, and which model CROSSREGION_LINKAGE_MODEL names.

    Once a new model has 0 records to go, proposals may be started with it.
    """
    from crossregion import installed_model
    from crossregion.flows import Lags
    from crossregion.kafka import connection as kafka_connection

    chosen = installed_model.group(installed_model.chosen())
    lags = Lags(kafka_and_database().kafka)
    try:
        for flow in lags.linkages():
            model = flow.group.removeprefix(kafka_connection.LINKAGE_GROUPS)
            named = ", named by the settings" if flow.group == chosen else ""
            line = f"{model}: {lags.lag(flow)} records to go{named}"
            console.print(line)
    finally:
        lags.close()
