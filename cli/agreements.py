"""Commands of the office on cooperation: the agreements between units, and the corridors."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli import words
from cli.errors import CommandError
from cli.lists import AsCsv, AsJson, Column, code, show
from cli.options import analyst, kafka_and_database
from cli.terminal import Terminal
from crossregion.domain.agreements import CONTACT_ROLES, ENDED, IN_FORCE
from crossregion.domain.events import SHANGHAI, Contact
from crossregion.domain.routing import LEVELS, RECORD

if TYPE_CHECKING:
    from crossregion.postgres.queries import Row

ANOTHER_HOLDS, NOT_YET_RECORDED = 3, 4
AGREEMENTS = (
    Column("id", of="agreement_id", is_id=True),
    Column("units", shown=code(words.UNIT)),
    Column("number"),
    Column("valid_from"),
    Column("valid_to"),
    Column("case_types", shown=lambda given: code("exploitation_type")(given) or "every case"),
    Column("disclosure", shown=code("disclosure")),
    Column("answer_within_hours", is_number=True),
    Column("in_force"),
)
CORRIDORS = (
    Column("one", shown=code(words.UNIT)),
    Column("other", shown=code(words.UNIT)),
    *(
        Column(name, is_number=True)
        for name in (
            *("cases", "victims", "to_other", "to_one"),
            *("prefecture", "province", "border"),
        )
    ),
    *(Column(name) for name in ("first_day", "last_day", "agreed")),
)

agreements_app = typer.Typer(
    no_args_is_help=True, help="Agreements between units: what they share, and by when they answer."
)
console = Terminal()

OnDay = Annotated[
    str | None, typer.Option("--on", metavar="DATE", help="The day asked about; today by default.")
]


@agreements_app.command("record")
def agreements_record(
    one: Annotated[str, typer.Argument(metavar="UNIT", help="Code of one of the two units.")],
    other: Annotated[str, typer.Argument(metavar="UNIT", help="Code of the other.")],
    number: Annotated[str, typer.Option(help="The agreement's own number.")],
    signed: Annotated[str, typer.Option(metavar="DATE", help="Day of signature.")],
    since: Annotated[str, typer.Option("--from", metavar="DATE", help="First day in force.")],
    until: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="Last day in force; open without.")
    ] = None,
    case_type: Annotated[
        list[str] | None, typer.Option(help="Only cases of this kind; several times for more.")
    ] = None,
    share: Annotated[str, typer.Option(help=f"How much: {', '.join(LEVELS)}.")] = RECORD,
    hours: Annotated[int, typer.Option(help="Hours within which a notice is answered.")] = 72,
    contact: Annotated[
        list[str] | None,
        typer.Option(
            metavar="UNIT:ROLE:OFFICE",
            help=f"Whom to turn to, by role ({', '.join(CONTACT_ROLES)}) and department.",
        ),
    ] = None,
    ended: Annotated[bool, typer.Option("--ended", help="It ended on its last day.")] = False,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for the registry to record it.", min=0.0)
    ] = 10.0,
) -> None:
    """Record an agreement, or how it is now: units and number say which one it is.

    Exit status 3 if another content, sent at the same time, holds; 4 if it is sent and not yet
    recorded: the same command again shows what was recorded, and records nothing twice.
    """
    from crossregion.services import agreements

    outcome = agreements.record(
        analyst("analyst"),
        (one, other),
        number,
        signed,
        since,
        until,
        case_type or (),
        share,
        hours,
        [_contact(text) for text in contact or ()],
        ENDED if ended else IN_FORCE,
        wait,
    )
    if outcome is None:
        console.print("sent, not yet recorded")
        raise typer.Exit(NOT_YET_RECORDED)
    held = outcome.row
    if not outcome.holds:
        console.print(f"another content of revision {held['revision']} holds: {_state(held)}")
        raise typer.Exit(ANOTHER_HOLDS)
    console.print(f"recorded: {held['agreement_id']}, revision {held['revision']}")


@agreements_app.command("list")
def agreements_list(
    unit: Annotated[str | None, typer.Option(help="Only those of this unit.")] = None,
    on: OnDay = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show every agreement as it holds, and whether it is in force on a day."""
    from crossregion.services import agreements

    day = _day(on)
    rows = agreements.listed(kafka_and_database().database, unit)
    listed = [{**row, "in_force": agreements.in_force(row, day)} for row in rows]
    show(AGREEMENTS, listed, "agreements", as_json, as_csv)


@agreements_app.command("show")
def agreements_show(
    agreement_id: Annotated[
        str, typer.Argument(metavar="ID", help="As `agreements list` shows it, or its beginning.")
    ],
) -> None:
    """Show one agreement: every state it was recorded in, and its contacts."""
    from crossregion.services import agreements

    dsn = kafka_and_database().database
    states = agreements.find(dsn, agreements.complete_id(dsn, agreement_id))
    held = states[-1]
    console.print(f"Agreement {held['number']} of {' and '.join(held['units'])}")
    for state in states:
        console.print(f"Revision {state['revision']}: {_state(state)}")
    for contact in held["contacts"]:
        console.print(f"Contact: {contact['role']} of {contact['unit']}, {contact['office']}")


def corridors(
    on: OnDay = None,
    without_agreement: Annotated[
        bool, typer.Option("--without-agreement", help="Only pairs that have none in force.")
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the pairs of units with cases between them, and which of them have an agreement.

    The two ends of each case by the revision that holds, or by a confirmed pair; another province
    by its own code. First and last are days of the loss.
    """
    from crossregion.services import agreements

    found = agreements.corridors(kafka_and_database().database, _day(on), without_agreement)
    without = sum(not row["agreed"] for row in found)
    noun = f"corridors, {without} without an agreement in force"
    show(CORRIDORS, found, noun, as_json, as_csv)


def _state(row: Row) -> str:
    kinds = " ".join(row["case_types"]) or "every case"
    return (
        f"{row['status']} from {row['valid_from']} to {row['valid_to'] or 'open'}, signed "
        f"{row['signed_on']}, {kinds}, shares {row['disclosure']}, answers within "
        f"{row['answer_within_hours']} hours"
    )


def _contact(text: str) -> Contact:
    unit, _, rest = text.partition(":")
    role, _, office = rest.partition(":")
    if not office:
        raise CommandError("no-contact", text=text)
    return {"unit": unit, "role": role, "office": office}


def _day(text: str | None) -> date:
    if text is None:
        return datetime.now(SHANGHAI).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError("no-day", text=text) from None
