"""What can go wrong with services and processes, each with a message that says what to do."""

from __future__ import annotations

import faulthandler
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path


class RuntimeFault(Exception):
    """Root of everything that is told to an operator in one line."""


class DataDirectoryInUse(RuntimeFault):
    """Another live process uses the data directory."""


class ServiceUnavailable(RuntimeFault):
    """A service could not be fetched, prepared, started or kept running."""


class LogShortened(RuntimeFault):
    """A topic holds fewer records than have been read of it."""

    def __init__(self) -> None:
        super().__init__(
            "A topic holds fewer records than have been read of it: it was deleted and made anew, "
            "or Kafka has lost records. `crossregion doctor` names it; docs/runbooks.md says, "
            "under A topic made anew, how to go on."
        )


class WorkerGaveUp(RuntimeFault):
    """A worker died so often that starting it again is pointless."""

    def __init__(self, name: str, log: Path, deaths: int, window_seconds: float) -> None:
        super().__init__(
            f"Worker {name} ended {deaths} times within {window_seconds:g} seconds and is not "
            f"started again; the reason stands at the end of {log}."
        )
        self.name = name
        self.log = log


class StandsStill(RuntimeFault):
    """Kafka has more, and the client library fetches it not."""

    def __init__(self) -> None:
        super().__init__(
            "Kafka has more than comes here, and nothing moves: this worker starts anew."
        )

    @staticmethod
    def after(patience: float) -> float:
        """Seconds between two looks that must find the same."""
        return max(10.0, 30.0 * patience)


def leave_no_core() -> None:
    """Neither this process nor its children leave a core dump, which would hold what they knew."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def run_process(main: Callable[[], None]) -> None:
    """Run a process; a known fault is one line on standard error and status 1.

    SIGUSR1 has it write to standard error where each of its threads stands: no values.
    """
    faulthandler.register(signal.SIGUSR1)
    leave_no_core()
    try:
        main()
    except RuntimeFault as fault:
        sys.exit(str(fault))
