"""The command that counts on both sides what must agree."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import kafka_and_database
from cli.terminal import Terminal
from crossregion.settings import settings
from schemas.units import UNITS

if TYPE_CHECKING:
    from crossregion.installation import Addresses

console = Terminal()


def reconcile(
    every: Annotated[
        float | None,
        typer.Option(help="Ask again after so many seconds, for ever, and serve the metrics."),
    ] = None,
    standing: Annotated[
        float, typer.Option(help="Seconds after which a group that has work must have moved.")
    ] = 10.0,
) -> None:
    """Compare spools, topics and registry, and name each discrepancy by ids, units and days.

    Events unsent for 5 minutes in this machine's spools; each unit's own account of its days;
    flags and proposals against those made anew from cases and rescues, links and confirmed flags
    against those made anew from decisions; proposals without notice;
    events marked as seen without a row; answers, what they disclose, owners and agreements against
    those that the log has; tips that nobody was told to triage; groups that stand still with work
    to do. Exit status 1 if anything disagrees.
    """
    from crossregion import metrics

    where = kafka_and_database()
    if every is None:
        if _reconciled(where, standing):
            raise typer.Exit(1)
        return
    chosen = settings()
    health = metrics.Health(stall_seconds=every + standing + 600.0)
    port, stop = metrics.serve(health, chosen.metrics_host, chosen.metrics_port)
    console.print(f"Metrics: http://{chosen.metrics_host}:{port}/metrics")
    try:
        while True:
            _reconciled(where, standing)
            health.beat()
            time.sleep(every)
    finally:
        stop()


def _reconciled(where: Addresses, standing: float) -> int:
    """Ask everything once; returns how many discrepancies there are."""
    from crossregion import metrics

    total = 0
    for name, found in discrepancies(where, settings().data / "spool", standing).items():
        metrics.DISCREPANCIES.labels(name).set(len(found))
        total += len(found)
        console.print(f"{name}: {len(found)} discrepancies")
        for one in found:
            console.print(f"    {one}")
    return total


def discrepancies(where: Addresses, spools: Path, standing: float) -> dict[str, list[str]]:
    """What disagrees, by the question asked: now, and still after `standing` seconds.

    What is only on its way at the moment is no discrepancy.
    """
    from consumers.reconcile import records as reconciling
    from crossregion.flows import flows

    groups = {flow.group: flow.topics for flow in flows()}
    before = reconciling.committed(where.kafka, groups)
    at_first = _asked(where, spools)
    time.sleep(standing)
    again = _asked(where, spools) if any(at_first.values()) else at_first
    both = {
        name: [line for line in lines if line in again[name]] for name, lines in at_first.items()
    }
    now = reconciling.committed(where.kafka, groups)
    still = [
        line
        for group, (done, _) in now.items()
        for line in reconciling.standing(*before[group], done, group)
    ]
    return {**both, "standing": still}


def _asked(where: Addresses, spools: Path) -> dict[str, list[str]]:
    from consumers.reconcile import answers, files
    from consumers.reconcile import records as reconciling
    from crossregion.postgres import connection as postgres_connection

    with postgres_connection.connect(where.database) as connection:
        return {
            "unsent": list(_unsent(spools)),
            "days": list(reconciling.days(where.kafka, connection)),
            "flags": list(reconciling.flags(connection)),
            "proposals": list(reconciling.proposals(connection)),
            "links": list(reconciling.links(connection)),
            "untold": list(reconciling.told(where.kafka, connection)),
            "tips": list(reconciling.triaged(where.kafka, connection)),
            "marks": list(reconciling.marks(connection)),
            "answers": list(answers.answered(where.kafka, connection)),
            "handovers": list(answers.handed_over(where.kafka, connection)),
            "agreements": list(answers.agreed(where.kafka, connection)),
            "files": list(files.owed(connection)),
        }


def _unsent(directory: Path) -> Iterator[str]:
    from producers.spool.store import Spool

    for unit in UNITS:
        path = directory / f"{unit}.sqlite"
        if path.exists():
            with Spool(path, unit) as spool:
                overdue = spool.overdue()
            if overdue:
                yield f"unit {unit} has {overdue} events unsent for over 5 minutes"
