"""Commands of a unit: the keys of its HTTP intake."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from cli import words
from cli.errors import CommandError
from cli.lists import AsCsv, AsJson, Column, code, show
from cli.terminal import Terminal
from crossregion.settings import settings
from schemas.units import UNITS

if TYPE_CHECKING:
    from producers.http_intake.keys import Keys

console = Terminal()

intake_keys_app = typer.Typer(
    no_args_is_help=True, help="Keys by which units enter the HTTP intake."
)


COLUMNS = (
    Column("unit", shown=code(words.UNIT)),
    Column("name"),
    Column("made_on"),
)


def _keys() -> Keys:
    from producers.http_intake.keys import Keys

    chosen = settings()
    return Keys(chosen.intake_keys or chosen.data / "intake-keys")


def _known(unit: str) -> str:
    if unit not in UNITS:
        raise CommandError("no-publishing-unit", unit=unit, known=UNITS)
    return unit


UnitArgument = Annotated[str, typer.Argument(help="Code of the unit.")]


@intake_keys_app.command("add")
def intake_keys_add(unit: UnitArgument) -> None:
    """Make a key for a unit, beside the one it has: both are valid, so that it can change over.

    The key is printed once, here: hand it to the unit's IT.
    """
    key = _keys().add(_known(unit), date.today())
    console.print(f"key, shown this once: {key}")


@intake_keys_app.command("list")
def intake_keys_list(as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Show which units have keys, by name and day; a key itself is kept nowhere."""
    keys = _keys()
    rows = [
        {"unit": unit, "name": key.name, "made_on": key.made_on}
        for unit in UNITS
        for key in keys.of(unit)
    ]
    show(COLUMNS, rows, "keys", as_json, as_csv)


@intake_keys_app.command("remove")
def intake_keys_remove(
    unit: UnitArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `intake-keys list` shows it.")],
) -> None:
    """Have a key of a unit end, at once."""
    _keys().remove(_known(unit), name)
    console.print(f"{name} of {unit} is no longer valid.")
