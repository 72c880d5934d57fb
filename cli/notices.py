"""Commands on notices: units list and answer them, the office reassigns them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import words
from cli.errors import CommandError
from cli.lists import AsCsv, AsJson, Column, code, show, time_left
from cli.options import Purpose, analyst, as_unit, kafka_and_database, officer
from cli.terminal import Terminal
from crossregion.domain import acknowledgements, decisions
from crossregion.private_files import write_private

if TYPE_CHECKING:
    from crossregion.postgres.queries import Row

ALREADY_ANSWERED, NOT_YET_RECORDED = 3, 4
SHOWN = (
    *("notice_id", "revision", "unit", "kind", "cause", "boundary", "units", "regions"),
    *("case_unit", "case_id", "persons", "exploitation", "urgent", "disclosure", "contact"),
    *("item", "due_on", "department"),
)

COLUMNS = (
    Column("id", of="notice_id", is_id=True),
    Column("unit", shown=code(words.UNIT)),
    Column("kind", shown=code("notice_kind")),
    Column("about", of="cause"),
    Column("urgent"),
    Column("answer", shown=code("answer")),
    Column("answer_until", of="until", shown=time_left),
)

notices_app = typer.Typer(
    no_args_is_help=True, help="Notices to units: list, answer, and, as the office, reassign."
)
console = Terminal()

NoticeId = Annotated[
    str, typer.Argument(metavar="ID", help="As `notices list` shows it, or its beginning.")
]
Unit = Annotated[str, typer.Option(help="Code of the notified unit.")]


@notices_app.command("list")
def notices_list(
    unit: Annotated[
        str | None, typer.Option(help="As this unit; without it as the office, all units'.")
    ] = None,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Only those that wait for an answer.")
    ] = False,
    purpose: Purpose = "",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the notices that stand, the oldest first, with the answer that is in force."""
    from crossregion.services import notices as answers

    if unit is None:
        rows = answers.of_all_units(kafka_and_database().database, purpose)
    else:
        rows = answers.listed(as_unit(unit)[1])
    listed = [{**row, "until": answers.due(row)} for row in rows if row["issued"]]
    waited = [row for row in listed if row["until"] or not waiting]
    show(COLUMNS, waited, "notices", as_json, as_csv)


@notices_app.command("show")
def notices_show(
    notice_id: NoticeId,
    unit: Unit,
    save: Annotated[
        Path | None,
        typer.Option(help="Write the records that its acceptance discloses here, mode 0600."),
    ] = None,
    purpose: Purpose = "",
) -> None:
    """Show one notice; the records that its acceptance discloses only into a file.

    They hold names: each reading stands in the audit.
    """
    from crossregion.services import disclosure
    from crossregion.services import notices as answers

    _, dsn = as_unit(unit)
    notice_id = answers.complete_id(dsn, notice_id)
    notice = answers.find(dsn, unit, notice_id)
    for name in SHOWN:
        if notice[name] not in (None, [], False):
            console.print(f"{name}: {_text(notice[name])}")
    if not notice["issued"]:
        console.print("It was withdrawn.")
    elif notice["answer"]:
        console.print(_answered(notice))
    until = answers.due(notice)
    if until:
        console.print(f"Answer until {time_left(until)}.")
    if save is not None:
        found = disclosure.read_disclosed(dsn, notice_id, purpose)
        if not found:
            raise CommandError("not-disclosed", notice_id=notice_id, unit=unit)
        write_private(save, json.dumps(found, ensure_ascii=False, indent=2).encode())
        console.print(f"{len(found)} records written to {save}")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _answered(notice: Row) -> str:
    reason = f", reason {notice['answer_reason']}" if notice["answer_reason"] else ""
    return (
        f"{notice['answer']} at revision {notice['answer_revision']} by the "
        f"{notice['answer_role']} of {notice['unit']}{reason}"
    )


@notices_app.command("acknowledge")
def notices_acknowledge(
    notice_id: NoticeId,
    answer: Annotated[
        str,
        typer.Argument(metavar="ANSWER", help=f"One of {', '.join(acknowledgements.REASONS)}."),
    ],
    unit: Unit,
    reason: Annotated[
        str | None,
        typer.Option(help="Of a refusal, its code; an unknown one is answered by the list."),
    ] = None,
    role: Annotated[str, typer.Option(help="officer or supervisor.")] = acknowledgements.ROLES[0],
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for the registry to record it.", min=0.0)
    ] = 10.0,
) -> None:
    """Answer a notice as a unit, and say what the registry has recorded.

    Exit status 3 if it was answered already, 4 if the answer is sent and not yet recorded: the
    same command again shows what was recorded.
    """
    from crossregion.services import notices as answers

    actor = officer(unit, role)
    notice_id = answers.complete_id(actor.dsn, notice_id)
    outcome = answers.acknowledge(actor, notice_id, answer, reason, wait)
    if outcome is None:
        console.print("sent, not yet recorded")
        raise typer.Exit(NOT_YET_RECORDED)
    if not outcome.holds:
        console.print(f"already {_answered(outcome.row)}")
        raise typer.Exit(ALREADY_ANSWERED)
    console.print(_answered(outcome.row))


@notices_app.command("reassign")
def notices_reassign(
    notice_id: NoticeId,
    to: Annotated[str, typer.Option(help="Code of the unit that gets the notice instead.")],
    role: Annotated[str, typer.Option(help="analyst or supervisor.")] = decisions.ROLES[0],
    purpose: Purpose = "",
) -> None:
    """Reassign a notice to another unit, as the office; at the former unit it is withdrawn."""
    from crossregion.services import notices as answers

    actor = analyst(role, purpose)
    notice_id = answers.complete_registered_id(actor.dsn, notice_id)
    notice = answers.reassign(actor, notice_id, to)
    console.print(f"{notice_id} goes from {notice['unit']} to {to}.")
