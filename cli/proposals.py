"""Commands of analysts: which pairs are proposed, why, and what is decided of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import words
from cli.errors import CommandError
from cli.lists import AsCsv, AsJson, Column, code, show
from cli.options import Purpose, analyst, kafka_and_database
from cli.terminal import Terminal
from crossregion.domain import decisions
from crossregion.linkage.posterior import BANDS
from schemas.units import UNITS

if TYPE_CHECKING:
    from crossregion.postgres.queries import Row

ALREADY_DECIDED, NOT_YET_DECIDED = 3, 4

proposals_app = typer.Typer(
    no_args_is_help=True, help="Pairs that may be one person, and what analysts decide of them."
)
console = Terminal()

COLUMNS = (
    Column("id", of="proposal_id", is_id=True),
    Column("case_unit", shown=code(words.UNIT), title="case_id"),
    Column("case_id", joined=True),
    Column("victim_id"),
    Column("rescue_unit", shown=code(words.UNIT), title="rescue_id"),
    Column("rescue_id", joined=True),
    Column("kind", shown=code("proposal_kind")),
    Column(
        "probability",
        read=lambda row: row["probability"] if row["open"] else None,
        shown="{:.4f}".format,
        is_number=True,
    ),
    Column("band", shown=code("band")),
    Column("verdict", shown=code("verdict")),
)

ProposalId = Annotated[
    str, typer.Argument(metavar="ID", help="As `proposals list` shows it, or its beginning.")
]


@proposals_app.command("list")
def proposals_list(
    unit: Annotated[str | None, typer.Option(help="Only those of this unit, either side.")] = None,
    band: Annotated[str | None, typer.Option(help=f"Only one of {', '.join(BANDS)}.")] = None,
    undecided: Annotated[
        bool, typer.Option("--undecided", help="Only those that wait for a decision.")
    ] = False,
    purpose: Purpose = "",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the proposals that stand or are decided: stated ones first, then by probability."""
    from crossregion.services import proposals

    for given, known in ((unit, UNITS), (band, BANDS)):
        if given is not None and given not in known:
            raise CommandError("none-of-these", given=given, known=known)
    rows = proposals.listed(kafka_and_database().database, unit, band, undecided, purpose)
    show(COLUMNS, rows, "proposals", as_json, as_csv)


@proposals_app.command("show")
def proposals_show(proposal_id: ProposalId, purpose: Purpose = "") -> None:
    """Show one proposal: the evidence field by field, its rivals, and what was decided of it."""
    from crossregion.linkage import explanation
    from crossregion.services import proposals

    dsn = kafka_and_database().database
    found = proposals.find(dsn, proposals.complete_id(dsn, proposal_id), purpose=purpose)
    if found.proposal["open"]:
        for line in explanation.lines(found.explanation()):
            console.print(line)
        for new in found.proposal["new_evidence"] or ():
            text = f"New since it was dismissed: {new['field']} {new['level']} {new['bits']:+.1f}"
            console.print(text)
    else:
        console.print("It is not proposed now.")
    for one in found.decisions:
        console.print(_decision(one))


@proposals_app.command("decide")
def proposals_decide(
    proposal_id: ProposalId,
    verdict: Annotated[
        str, typer.Argument(metavar="VERDICT", help=f"One of {', '.join(decisions.REASONS)}.")
    ],
    reason: Annotated[str, typer.Option(help="Its code; an unknown one is answered by the list.")],
    role: Annotated[str, typer.Option(help="analyst or supervisor.")] = decisions.ROLES[0],
    note: Annotated[
        str | None, typer.Option(help="Free text, for the office alone; no notice has it.")
    ] = None,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait for the registry to record it.", min=0.0)
    ] = 10.0,
) -> None:
    """Decide of a proposal, and say what the registry has recorded.

    Exit status 3 if it was decided already, 4 if the decision is sent and not yet recorded: the
    same command again shows what was recorded, and decides nothing twice.
    """
    from crossregion.services import proposals

    actor = analyst(role)
    proposal_id = proposals.complete_id(actor.dsn, proposal_id)
    outcome = proposals.decide(actor, proposal_id, verdict, reason, note, wait)
    if outcome is None:
        console.print("sent, not yet decided")
        raise typer.Exit(NOT_YET_DECIDED)
    if not outcome.holds:
        by = outcome.row
        console.print(f"already decided by the {by['role']} of {by['unit']}: {by['verdict']}")
        raise typer.Exit(ALREADY_DECIDED)
    console.print("decided")


def _decision(one: Row) -> str:
    state = "in force" if one["in_force"] else one["refused"] or "past"
    note = f", note: {one['note']}" if one["note"] else ""
    return (
        f"Decision {one['revision']} ({state}): {one['verdict']} by the {one['role']} of "
        f"{one['unit']}, reason {one['reason']}, on revision {one['proposal_revision']}, "
        f"at {one['decided_at']}{note}"
    )
