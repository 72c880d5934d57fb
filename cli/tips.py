"""Commands on tips: record, list, triage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import words
from cli.errors import CommandError
from cli.lists import AsCsv, AsJson, Column, code, show, time_left
from cli.notices import ALREADY_ANSWERED, NOT_YET_RECORDED
from cli.options import Purpose, analyst, as_unit, officer
from cli.terminal import Terminal
from crossregion.domain import tips
from crossregion.domain.code_lists import code_list
from crossregion.domain.events import PersonSummary
from crossregion.domain.regions import OFFICE
from crossregion.domain.validation import AGE_BANDS
from crossregion.private_files import write_private
from crossregion.settings import settings
from schemas.units import UNITS

if TYPE_CHECKING:
    from crossregion.installation import Addresses
    from crossregion.postgres.queries import Row

SHOWN = (
    *("tip_id", "unit", "revision", "place", "urgent", "duty", "had", "verdict", "case_unit"),
    *("case_id", "reason", "triaged_by", "role"),
)

COLUMNS = (
    Column("received_by", of="unit", shown=code(words.UNIT)),
    Column("id", of="tip_id"),
    Column("place", shown=code(words.REGION)),
    Column("urgent"),
    Column("to_triage", of="duty", shown=code(words.UNIT)),
    Column("state", of="verdict", shown=code("triage")),
    Column("until", of="due_at", shown=time_left),
)

tip_app = typer.Typer(
    no_args_is_help=True, help="Tips of the public and of departments: record, list, triage."
)
console = Terminal()

Of = Annotated[str, typer.Argument(metavar="RECEIVER", help="The unit that received it.")]
TipId = Annotated[str, typer.Argument(metavar="ID", help="As `tips list` shows it.")]
TipBeginning = Annotated[
    str, typer.Argument(metavar="ID", help="As `tips list` shows it, or its beginning.")
]
"""Only to look: T-1 begins T-10 as well, on which nobody should act by a slip."""
Unit = Annotated[str, typer.Option(help="Code of the unit that does this.")]
Wait = Annotated[
    float, typer.Option(help="Seconds to wait for the registry to record it.", min=0.0)
]


def _at(unit: str) -> tuple[Addresses, str]:
    """The installation, and where this unit enters the database; the office sees every tip."""
    where, dsn = as_unit(unit)
    return where, where.database if unit == OFFICE else dsn


@tip_app.command("record")
def tip_record(
    unit: Annotated[str, typer.Option(help="Code of the unit that received the tip.")],
    text: Annotated[
        str | None, typer.Option(help="The tip's text; `-` reads it from standard input.")
    ] = None,
    place: Annotated[
        str | None, typer.Option(metavar="CODE", help="Region code of the reported place.")
    ] = None,
    happened: Annotated[str | None, typer.Option(metavar="DATE", help="Reported day.")] = None,
    person: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BAND[:SEX]",
            help=f"One person concerned, as far as known: {', '.join(sorted(AGE_BANDS))}; F or M. "
            "Several times for more; a child under 14 is urgent.",
        ),
    ] = None,
    source: Annotated[
        str, typer.Option(help=f"Who gave it: {', '.join(sorted(code_list('report_source')))}.")
    ] = "PUBLIC",
    channel: Annotated[
        str, typer.Option(help=f"By which way: {', '.join(sorted(code_list('tip_channel')))}.")
    ] = "HOTLINE",
    received: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it was received; today without.")
    ] = None,
    reporter: Annotated[
        str | None, typer.Option(help="Name of who gave it; without name and contact anonymous.")
    ] = None,
    contact: Annotated[str | None, typer.Option(help="Where they can be reached.")] = None,
    tip_id: Annotated[
        str | None, typer.Option("--id", help="The unit's own id of it; one is made without.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Where the spool is; CROSSREGION_DATA by default.")
    ] = None,
    wait: Wait = 10.0,
) -> None:
    """Take a tip into the unit's spool, and say whose it is to triage once the registry has it.

    On return it is stored, and sent however long the line is down. Exit status 4 if the registry
    has not recorded it yet: the same command again shows what was recorded, and records nothing
    twice.
    """
    from crossregion.installation import addresses
    from crossregion.kafka import connection as kafka_connection
    from crossregion.services import tips as tips_service
    from producers import publisher
    from producers import tips as taking
    from producers.spool.store import Spool

    if unit not in UNITS:
        raise CommandError("no-publishing-unit", unit=unit, known=UNITS)
    given = taking.tip(
        unit,
        typer.get_text_stream("stdin").read() if text == "-" else text,
        place,
        happened_on=happened,
        persons=[_person(one) for one in person or ()],
        source=source,
        channel=channel,
        received_at=received,
        reporter_name=reporter,
        reporter_contact=contact,
        tip_id=tip_id,
    )
    chosen = settings()
    kafka = kafka_connection.kafka(chosen) if chosen.kafka else None
    with Spool((data or chosen.data) / "spool" / f"{unit}.sqlite", unit) as spool:
        if kafka is not None:
            publisher.publish([], spool, kafka)
        taken = taking.take(spool, given)
        publisher.send_all(spool, kafka)
    console.print(f"{'taken' if taken.new else 'known already'}: {taken.tip_id}")
    for remark in taken.remarks:
        console.print(f"    {remark['field']}: {remark['code']}")
    where = addresses(chosen)
    if where is None:
        console.print("stored, and sent on; the registry cannot be asked from here")
        return
    dsn = where.database if unit == OFFICE else where.units[unit]
    row = tips_service.recorded(dsn, unit, taken.tip_id, taken.digest, wait)
    if row is None:
        console.print("not yet recorded")
        raise typer.Exit(NOT_YET_RECORDED)
    console.print(_where(row))


def _person(text: str) -> PersonSummary:
    band, _, sex = text.partition(":")
    if band not in AGE_BANDS or sex not in ("", "F", "M"):
        known = ", ".join(sorted(AGE_BANDS))
        raise CommandError("no-person", known=known)
    return {"age_band": band, "sex": sex or None}


@tip_app.command("list")
def tip_list(
    unit: Annotated[str, typer.Option(help="As this unit; the office sees every tip.")] = OFFICE,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Only those that wait to be triaged.")
    ] = False,
    case: Annotated[
        str | None, typer.Option(metavar="UNIT:ID", help="Only those linked to this case.")
    ] = None,
    purpose: Purpose = "",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the tips that a unit received or has to triage, and those linked to its cases."""
    from crossregion.services import tips as tips_service

    rows = tips_service.listed(_at(unit)[1], unit, purpose)
    if waiting:
        rows = [row for row in rows if row["verdict"] in tips.OPEN]
    if case is not None:
        linked = _case(case)
        rows = [
            row
            for row in rows
            if (row["verdict"], row["case_unit"], row["case_id"]) == (tips.LINKED, *linked)
        ]
    show(COLUMNS, rows, "tips", as_json, as_csv)


@tip_app.command("show")
def tip_show(
    receiver: Of,
    tip_id: TipBeginning,
    unit: Annotated[str, typer.Option(help="As this unit.")] = OFFICE,
    save: Annotated[
        Path | None, typer.Option(help="Write the whole tip here, mode 0600: it holds names.")
    ] = None,
    purpose: Purpose = "",
) -> None:
    """Show the state of a tip; its text, and who gave it, only into a file.

    Each reading of them stands in the audit.
    """
    from crossregion.services import tips as tips_service

    _, dsn = _at(unit)
    tip_id = tips_service.complete_id(dsn, unit, (receiver, tip_id))
    row = tips_service.find(dsn, unit, (receiver, tip_id))
    for name in SHOWN:
        if row[name] not in (None, [], False):
            console.print(f"{name}: {_text(row[name])}")
    if row["verdict"] == tips.LINKED:
        known = "is reported" if row["case_known"] else "is not known here"
        console.print(f"The case {known}.")
    if row["due_at"] is not None:
        console.print(f"Triage until {time_left(row['due_at'])}.")
    if save is not None:
        found = tips_service.read(dsn, unit, (receiver, tip_id), purpose)
        if found is None:
            raise CommandError("tip-not-readable", tip_id=tip_id, receiver=receiver, unit=unit)
        write_private(save, json.dumps(found, ensure_ascii=False, indent=2).encode())
        console.print(f"written to {save}")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@tip_app.command("triage")
def tip_triage(
    receiver: Of,
    tip_id: TipId,
    verdict: Annotated[
        str, typer.Argument(metavar="VERDICT", help=f"One of {', '.join(tips.VERDICTS)}.")
    ],
    unit: Unit,
    case: Annotated[
        str | None,
        typer.Option(
            metavar="UNIT:ID", help="Of linked: the case, which may still have to be reported."
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="Of referred: code of the unit that has to triage it.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help=f"Of dismissed: {', '.join(tips.DISMISSALS)}.")
    ] = None,
    role: Annotated[str, typer.Option(help="officer or supervisor.")] = tips.ROLES[0],
    wait: Wait = 10.0,
) -> None:
    """Link a tip to a case, refer or dismiss it, or take that back by `new`, and say what holds.

    Exit status 3 if another triage came first, 4 if this one is sent and not yet recorded.
    """
    from crossregion.services import tips as tips_service

    linked = _case(case) if case else None
    actor = analyst(role) if unit == OFFICE else officer(unit, role)
    outcome = tips_service.triage(actor, (receiver, tip_id), verdict, linked, to, reason, wait)
    if outcome is None:
        console.print("sent, not yet recorded")
        raise typer.Exit(NOT_YET_RECORDED)
    if not outcome.holds:
        console.print(f"another was first: {_where(outcome.row)}")
        raise typer.Exit(ALREADY_ANSWERED)
    console.print(_where(outcome.row))


def _case(text: str) -> tuple[str, str]:
    unit, _, case_id = text.partition(":")
    if unit not in UNITS or not case_id:
        raise CommandError("no-case", known=UNITS)
    return unit, case_id


def _where(row: Row) -> str:
    said = f"the tip {row['tip_id']} of {row['unit']} is {row['verdict']}"
    if row["verdict"] == tips.LINKED:
        return f"{said} to the case {row['case_id']} of {row['case_unit']} by {row['triaged_by']}"
    if row["verdict"] == tips.DISMISSED:
        return f"{said} by {row['triaged_by']}: {row['reason']}"
    return f"{said}, {row['duty']}'s to triage"
