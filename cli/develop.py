"""`make dev`: the services kept up, and the workers started again whenever a source changes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from cli.terminal import Terminal
from crossregion.embedded.stack import STOP_ORDER, Stack
from crossregion.embedded.supervisor import Supervisor
from crossregion.errors import WorkerGaveUp
from crossregion.settings import settings

ROOT = Path(__file__).parents[1]
SOURCES = ("schemas", "crossregion", "producers", "processors", "consumers")
"""The packages that workers are made of; a change of `cli` or `console` is none of theirs."""
SUFFIXES = (".py", ".sql", ".toml", ".avsc", ".json", ".csv")
LOOK_SECONDS = 1.0

console = Terminal()


class Followed(Protocol):
    """What is needed of a running stack."""

    @property
    def supervisor(self) -> Supervisor:
        """Of its workers."""

    def check(self) -> object:
        """Start workers again that ended; raises WorkerGaveUp."""


def last_change(root: Path = ROOT) -> float:
    """When a source was last written, seconds since 1970."""
    files = (file for package in SOURCES for file in (root / package).rglob("*"))
    return max(_written_at(file) for file in files if file.suffix in SUFFIXES)


def _written_at(file: Path) -> float:
    """0 of what an editor has just taken away, or locks by a link that leads nowhere."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def follow(
    stack: Followed,
    changed: Callable[[], float],
    stopped: Callable[[], bool],
    say: Callable[[str], None],
) -> None:
    """Start the workers again at each change, until stopped.

    Workers that end again and again are left alone until the next change, which may fix them.
    """
    known = changed()
    while not stopped():
        now = changed()
        if now != known:
            known = now
            stack.supervisor.stop(STOP_ORDER)
            for name in STOP_ORDER:
                stack.supervisor.start(name)
            say("Sources have changed; the workers were started again.")
        try:
            stack.check()
        except WorkerGaveUp as fault:
            say(str(fault))


def main() -> None:
    """Run until Ctrl-C."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Stack(settings().data) as stack:
        stack.wait_healthy()
        console.print(f"Running on {stack.data}; the workers follow the sources.")
        follow(stack, last_change, lambda: stop.wait(LOOK_SECONDS), console.print)
    console.print("Stopped.")


if __name__ == "__main__":
    main()
