"""Commands of units: handing a case or a found person over to another unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import words
from cli.lists import AsCsv, AsJson, Column, code, show
from cli.notices import ALREADY_ANSWERED, NOT_YET_RECORDED
from cli.options import as_unit, officer
from cli.terminal import Terminal
from crossregion.domain import handovers as handovers_domain
from crossregion.domain.handovers import ACCEPTED, OFFERED, REFUSED, RETURNED, WITHDRAWN

if TYPE_CHECKING:
    from crossregion.postgres.queries import Row

handover_app = typer.Typer(
    no_args_is_help=True, help="Cases and found persons that go from one unit to another."
)
console = Terminal()

COLUMNS = (
    Column("kind", shown=code("record_kind")),
    Column("reported_by", of="unit", shown=code(words.UNIT)),
    Column("record_id"),
    Column("owner", shown=code(words.UNIT)),
    Column("offered_to", shown=code(words.UNIT)),
    Column("asked_back"),
)

Kind = Annotated[
    str, typer.Argument(metavar="KIND", help=f"{' or '.join(handovers_domain.KINDS)}.")
]
Of = Annotated[str, typer.Argument(metavar="REPORTER", help="The unit that reported it.")]
Record = Annotated[str, typer.Argument(metavar="ID", help="The record's id.")]
Unit = Annotated[str, typer.Option(help="Code of the unit that does this.")]
Role = Annotated[str, typer.Option(help="officer or supervisor.")]
Wait = Annotated[
    float, typer.Option(help="Seconds to wait for the registry to record it.", min=0.0)
]


@handover_app.command("list")
def handover_list(unit: Unit, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Show the records that were offered to or by a unit, with who owns each."""
    from crossregion.services import handovers

    show(COLUMNS, handovers.listed(as_unit(unit)[1]), "records", as_json, as_csv)


@handover_app.command("offer")
def handover_offer(
    kind: Kind,
    reporter: Of,
    record_id: Record,
    unit: Unit,
    to: Annotated[str, typer.Option(help="Code of the unit that is to take it.")],
    role: Role = handovers_domain.ROLES[0],
    wait: Wait = 10.0,
) -> None:
    """Offer a record that the unit owns to another unit; the owner is the same until it accepts."""
    _do((kind, reporter, record_id), unit, OFFERED, role, wait, to=to)


@handover_app.command("accept")
def handover_accept(
    kind: Kind,
    reporter: Of,
    record_id: Record,
    unit: Unit,
    role: Role = handovers_domain.ROLES[0],
    wait: Wait = 10.0,
) -> None:
    """Take what was offered: the unit owns it from then on, and the giver goes on reading it."""
    _do((kind, reporter, record_id), unit, ACCEPTED, role, wait)


@handover_app.command("refuse")
def handover_refuse(
    kind: Kind,
    reporter: Of,
    record_id: Record,
    unit: Unit,
    reason: Annotated[str, typer.Option(help="Its code; an unknown one is answered by the list.")],
    role: Role = handovers_domain.ROLES[0],
    wait: Wait = 10.0,
) -> None:
    """Do not take what was offered, or, as its owner, do not return what is asked back."""
    _do((kind, reporter, record_id), unit, REFUSED, role, wait, reason=reason)


@handover_app.command("withdraw")
def handover_withdraw(
    kind: Kind,
    reporter: Of,
    record_id: Record,
    unit: Unit,
    role: Role = handovers_domain.ROLES[0],
    wait: Wait = 10.0,
) -> None:
    """Take an offer back; once it has been accepted, ask for the record's return."""
    _do((kind, reporter, record_id), unit, WITHDRAWN, role, wait)


@handover_app.command("return")
def handover_return(
    kind: Kind,
    reporter: Of,
    record_id: Record,
    unit: Unit,
    role: Role = handovers_domain.ROLES[0],
    wait: Wait = 10.0,
) -> None:
    """Give a record back to the unit that it came from, asked or not."""
    _do((kind, reporter, record_id), unit, RETURNED, role, wait)


def _do(
    record: handovers_domain.Record,
    unit: str,
    action: str,
    role: str,
    wait: float,
    to: str | None = None,
    reason: str | None = None,
) -> None:
    """Exit status 3 if another step came first, 4 if this one is sent and not yet recorded."""
    from crossregion.services import handovers

    outcome = handovers.act(officer(unit, role), record, action, to, reason, wait)
    if outcome is None:
        console.print("sent, not yet recorded")
        raise typer.Exit(NOT_YET_RECORDED)
    if not outcome.holds:
        console.print(f"another unit was first: {_where(outcome.row)}")
        raise typer.Exit(ALREADY_ANSWERED)
    console.print(f"{action}: {_where(outcome.row)}")


def _where(row: Row) -> str:
    offered = f", offered to {row['offered_to']}" if row["offered_to"] else ""
    asked = ", asked back" if row["asked_back"] else ""
    return f"{row['kind']} {row['record_id']} of {row['unit']} is {row['owner']}'s{offered}{asked}"
