"""What can go wrong with services and processes, each with a message that says what to do."""

from __future__ import annotations

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


class UnhandledEvent(RuntimeFault):
    """A contract allows an event here that no handler takes: a defect of this version."""

    def __init__(self, event: str, reader: str) -> None:
        super().__init__(
            f"{reader} has no handler for {event}, which schemas/topics allow it to read: install "
            "a version of crossregion that has one."
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
    """Kafka has more, and the client library does not fetch it."""

    def __init__(self) -> None:
        super().__init__("Consumer stalled: lag > 0 and no progress; this worker starts anew.")

    @staticmethod
    def after(timeout_factor: float) -> float:
        """Seconds between two looks that must find the same."""
        return max(10.0, 30.0 * timeout_factor)
