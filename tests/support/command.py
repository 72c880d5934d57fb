"""The command line as an operator runs it: in this process, or in one of its own."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from rich.console import Console

from cli.main import main

COMMAND = [sys.executable, "-c", "from cli.main import main; main()"]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("CROSSREGION_")},
    "COLUMNS": "200",
    "CROSSREGION_LANGUAGE": "en",
}
HANDLED = (signal.SIGINT, signal.SIGTERM)


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end in this process; variables are added to the environment.

    An interpreter of its own would spend more on its imports than most commands do on their work;
    `run_process` takes one.
    """
    argv = ["crossregion", *map(str, arguments)]
    output, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    with _as_process(argv, variables), redirect_stdout(output), redirect_stderr(errors):
        status = _status()
    printed = [_content(stream) for stream in (output, errors)]
    return subprocess.CompletedProcess(argv, status, *printed)


def run_process(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end as a process; variables are added to the environment."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env={**ENVIRONMENT, **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@contextmanager
def _as_process(argv: list[str], variables: dict[str, str]) -> Iterator[None]:
    """What a new process has of its own: arguments, environment, signals and the line's width."""
    handlers = {number: signal.getsignal(number) for number in HANDLED}
    environment = {**ENVIRONMENT, **variables}
    columns = int(environment["COLUMNS"])
    with (
        mock.patch.object(sys, "argv", argv),
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(Console, "width", columns),
    ):
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _status() -> int:
    """Run the command that `sys.argv` names; returns its exit status as a process would have it."""
    try:
        main()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
            return 1
        return ended.code or 0
    except Exception:  # noqa: BLE001 (the interpreter prints it and ends with status 1)
        traceback.print_exc()
        return 1
    return 0


def _content(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


def assert_one_clear_line(answer: subprocess.CompletedProcess[str], *words: str) -> None:
    """A fault: status 1, one line on standard error that says what to do, no traceback."""
    assert answer.returncode == 1, answer.stdout + answer.stderr
    lines = [line for line in answer.stderr.strip().splitlines() if not line.startswith("{")]
    assert len(lines) == 1, answer.stderr
    for word in words:
        assert word in lines[0]
