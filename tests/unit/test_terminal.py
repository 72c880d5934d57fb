"""An id that another unit has made does nothing to the terminal of who lists it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.table import Table

import cli
from cli.terminal import Terminal


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("K\x1b[2J", r"K\x1b[2J"),
        ("K\x1b]52;c;eA==\x07", r"K\x1b]52;c;eA==\x07"),
        ("K\x9b31m\r", r"K\x9b31m\r"),
        ("K\u202e1", r"K\u202e1"),
        ("K\ud800", r"K\ud800"),
        ("[red]K[/x] :smile:", "[red]K[/x] :smile:"),
        ("王 小\u3000明, line\nline", "王 小\u3000明, line\nline"),
    ],
)
def test_what_is_not_seen_is_shown_by_its_number(said: str, shown: str) -> None:
    printed = io.StringIO()
    terminal = Terminal(file=printed, force_terminal=True, color_system=None, width=100)
    terminal.print(said)
    assert printed.getvalue() == shown + "\n"
    table = Table()
    table.add_column("id")
    table.add_row(said)
    terminal.print(table)
    assert all(line in printed.getvalue() for line in shown.split("\n"))
    assert "\x1b" not in printed.getvalue()


def test_every_command_prints_on_it() -> None:
    commands = Path(cli.__file__).parent
    own = {path.name for path in commands.glob("*.py") if " Console(" in path.read_text("utf-8")}
    assert own == set()
