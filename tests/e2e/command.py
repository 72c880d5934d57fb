"""The command line as an operator runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-c", "from cli.main import main; main()"]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("CROSSREGION_")},
    "COLUMNS": "200",
}


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; variables are added to the environment."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env={**ENVIRONMENT, **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def assert_one_clear_line(answer: subprocess.CompletedProcess[str], *words: str) -> None:
    """A fault: status 1, one line on standard error that says what to do, no traceback."""
    assert answer.returncode == 1, answer.stdout + answer.stderr
    lines = [line for line in answer.stderr.strip().splitlines() if not line.startswith("{")]
    assert len(lines) == 1, answer.stderr
    for word in words:
        assert word in lines[0]
