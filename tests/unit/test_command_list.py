"""The list of commands is shown without importing one, and says what each says of itself."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from cli.main import COMMANDS, FORMER, app


@pytest.mark.parametrize("name", COMMANDS)
def test_each_line_is_the_first_of_what_the_command_says_of_itself(name: str) -> None:
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    assert COMMANDS[name].help == command.help.split("\n\n")[0].replace("\n", " ")


def test_a_former_name_is_not_a_command_of_its_own() -> None:
    assert not FORMER.keys() & COMMANDS.keys()
    assert set(FORMER.values()) <= COMMANDS.keys()


def test_the_list_imports_no_command() -> None:
    program = (
        "import sys\n"
        "from cli.main import app\n"
        "app(['--help'], standalone_mode=False)\n"
        "print(sorted(one for one in sys.modules if one.startswith(('cli.', 'crossregion'))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "['cli.main']"
