"""The command that runs one process."""

from __future__ import annotations

import importlib
from typing import Annotated

import typer

from cli.errors import CommandError
from crossregion.errors import CrossregionError
from crossregion.process import WORKERS


def run(
    process: Annotated[str, typer.Argument(help=f"One of {', '.join(sorted(WORKERS))}.")],
) -> None:
    """Run one process until SIGTERM or Ctrl-C, as a service manager does in production."""
    if process not in WORKERS:
        raise CommandError("no-process", process=process, known=sorted(WORKERS))
    try:
        importlib.import_module(WORKERS[process]).main()
    except SystemExit as ended:
        if isinstance(ended.__cause__, CrossregionError):
            raise ended.__cause__ from None  # said in the reader's language, with what helps
        raise
