"""What the commands print: tables of ids, codes and numbers, never a value of a record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.errors import sentence
from crossregion.settings import settings

if TYPE_CHECKING:
    from rich.table import Table

    from cli.demo_run import Results
    from cli.terminal import Terminal
    from crossregion.embedded.stack import Stack
    from producers.exports.reader import Refusal
    from producers.publisher import Report

STRONGEST = 10
REFUSALS_SHOWN = 20
SOME_REFUSED = 3
"""Exit status when a row or line is refused, and the others are taken."""
BOUNDARIES = ("border", "province", "prefecture", "county", "none", "unknown")


def of_demo(results: Results, out: Path, console: Terminal) -> None:
    """Everything a demonstration found, and where it lies."""
    _rows_read(results, console)
    for report in results.reports:
        _refused(report, console)
    _flagged(results, console)
    _proposed(results, console)
    _notified(results, console)
    _accounted(results, console)
    console.print(
        f"Results: {out}/ (flags, proposals, notices, dead_letters, refusals, warnings, accounts)"
    )


def _table(title: str, *columns: str) -> Table:
    """Text columns to the left; a column whose heading begins with `#` holds numbers."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        right = column.startswith("#")
        table.add_column(column.removeprefix("#"), justify="right" if right else "left")
    return table


def _rows_read(results: Results, console: Terminal) -> None:
    table = _table("Records of each unit", "unit", "#read", "#published", "#refused", "#unchanged")
    for report in results.reports:
        kinds = report.kinds.values()
        table.add_row(
            report.unit,
            *(
                str(sum(getattr(kind, name) for kind in kinds))
                for name in ("records_read", "published", "refused", "unchanged")
            ),
        )
    console.print(table)


def _refused(report: Report, console: Terminal) -> None:
    for one in report.unreadable:
        console.print(sentence(one), style="red")
    _refusals(report.refusals, f"Refused rows of {report.unit}", console)
    _refusals(report.warnings, f"Read all the same, of {report.unit}", console)


def _refusals(refusals: Sequence[Refusal], title: str, console: Terminal) -> None:
    if not refusals:
        return
    table = _table(title, "file", "#line", "column", "reason", "what to do")
    for one in refusals[:REFUSALS_SHOWN]:
        table.add_row(one.file, str(one.line), one.column, one.reason, one.message)
    console.print(table)
    if len(refusals) > REFUSALS_SHOWN:
        console.print(f"... and {len(refusals) - REFUSALS_SHOWN} more")


def _flagged(results: Results, console: Terminal) -> None:
    from cli.demo_run import boundaries

    table = _table("Cases flagged, by the boundary they cross", "boundary", "#cases")
    counted = boundaries(results)
    for boundary in BOUNDARIES:
        table.add_row(boundary, str(counted[boundary]))
    console.print(table)


def _proposed(results: Results, console: Terminal) -> None:
    shown = results.proposals[:STRONGEST]
    console.print(
        f"Proposals: the strongest {len(shown)} of {len(results.proposals)}", style="italic"
    )
    for proposal in shown:
        console.print(
            f"{proposal['probability']:.4f}  {proposal['kind']:<8} victim {proposal['victim_id']}"
            f" = rescued person {proposal['rescue_id']}\n        {_evidence(proposal['evidence'])}"
        )


def _evidence(evidence: Sequence[dict[str, Any]]) -> str:
    """Each field's level and its bits: one bit doubles the odds, or halves them if negative."""
    return ", ".join(f"{one['field']} {one['level']} {one['bits']:+.1f}" for one in evidence)


def _notified(results: Results, console: Terminal) -> None:
    in_force = [notice for notice in results.notices if notice["state"] == "in force"]
    kinds = sorted({notice["kind"] for notice in in_force})
    counted = Counter((notice["unit"], notice["kind"]) for notice in in_force)
    table = _table("Notices in force of each unit", "unit", *(f"#{kind}" for kind in kinds))
    for unit in sorted({notice["unit"] for notice in in_force}):
        table.add_row(unit, *(str(counted[unit, kind]) for kind in kinds))
    console.print(table)


def _accounted(results: Results, console: Terminal) -> None:
    from cli.demo_run import KINDS

    totals: Counter[str] = Counter()
    for unit in results.accounts.values():
        for kind in KINDS:
            totals.update(unit[kind].numbers())
    console.print(
        "Every row: {records_read} read = {published} published + {refused} refused + "
        "{unchanged} unchanged; {published_so_far} published so far = {registry_revisions} in the "
        "registry + {dead_letters} dead letters; {records_on_broker} on the broker = "
        "{published_so_far} published + {duplicates} duplicates: ".format_map(totals)
        + ("balanced." if results.balanced else "NOT BALANCED, see accounts.json.")
    )


def of_publishing(report: Report, left: int, console: Terminal) -> None:
    """What became of a unit's files, and what still waits in its spool."""
    from cli.demo_run import KINDS

    for one in report.unreadable:
        console.print(sentence(one), style="red")
    for name, (kind, _) in KINDS.items():
        counts = report.kinds[kind]
        if counts.records_read:
            console.print(
                f"{name}: {counts.records_read} read, {counts.published} accepted, "
                f"{counts.unchanged} unchanged, {counts.refused} refused"
            )
    _refusals(report.refusals, "Refused: correct these rows and publish the file again", console)
    _refusals(report.warnings, "Read all the same", console)
    of_waiting(left, console)


def of_waiting(left: int, console: Terminal) -> None:
    """Whether what a unit has accepted is on its way."""
    if left:
        console.print(f"{left} accepted events wait in the spool and are sent by the sender.")
    else:
        console.print("Everything accepted is on Kafka.")


def of_stack(stack: Stack, console: Terminal) -> None:
    """Where everything is that `up` has started."""
    console.print(f"Kafka       {stack.kafka.address}, passwords in {stack.kafka.secrets}")
    console.print(f"PostgreSQL  {stack.database_without_password}")
    if "http-intake" in stack.metrics_ports:
        console.print(f"HTTP intake {settings().intake_url}/v1/events/EVENT")
    for name, port in stack.metrics_ports.items():
        console.print(f"{name:<11} http://127.0.0.1:{port}/metrics and /health")
    console.print(f"Data        {stack.data.resolve()} (passwords in postgres/, logs in log/)")
    console.print("Publish     crossregion publish FILE... --unit CODE")
    console.print("Running. Ctrl-C stops everything.")
