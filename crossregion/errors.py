"""What can go wrong: each error has a code and fields; its sentence stands in the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from crossregion import catalogue
from crossregion.catalogue import Message


class CrossregionError(Exception):
    """Root of everything that a person is told in one line.

    `code` is stable: the class's own, and behind a point what is wrong, where the class has several
    sentences. `fields` are what the sentence names. What it says in text is English, for logs.
    """

    code: str = ""
    package: ClassVar[str] = "crossregion"
    """Where its sentence stands."""

    def __init__(self, detail: str = "", /, **fields: Any) -> None:
        super().__init__(detail)
        self.code = ".".join(part for part in (type(self).code, detail) if part)
        self.fields = {name: _message(value) for name, value in fields.items()}

    @property
    def message(self) -> Message:
        return Message(self.code, self.fields, self.package)

    def __str__(self) -> str:
        return self.message.text(catalogue.ENGLISH)


def _message(value: Any) -> Any:
    return value.message if isinstance(value, CrossregionError) else value


class DataDirectoryInUse(CrossregionError):
    """Another live process uses the data directory."""

    code = "data-directory-in-use"


class ServiceUnavailable(CrossregionError):
    """A service could not be fetched, prepared, started or kept running."""

    code = "service-unavailable"


class LogShortened(CrossregionError):
    """A topic holds fewer records than have been read of it."""

    code = "log-shortened"


class UnhandledEvent(CrossregionError):
    """A contract allows an event here that no handler takes: a defect of this version."""

    code = "unhandled-event"

    def __init__(self, event: str, reader: str) -> None:
        super().__init__(event=event, reader=reader)


class WorkerGaveUp(CrossregionError):
    """A worker died so often that starting it again is pointless."""

    code = "worker-gave-up"

    def __init__(self, name: str, log: Path, deaths: int, window_seconds: float) -> None:
        super().__init__(name=name, log=log, deaths=deaths, window_seconds=window_seconds)
        self.name = name
        self.log = log


class StandsStill(CrossregionError):
    """Kafka has more, and the client library does not fetch it."""

    code = "consumer-stalled"

    @staticmethod
    def after(timeout_factor: float) -> float:
        """Seconds between two looks that must find the same."""
        return max(10.0, 30.0 * timeout_factor)
