"""What the embedded services have in common: prepare, start, wait until it answers, stop."""

from __future__ import annotations

import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import ClassVar, Self

from crossregion.data_directory import DataDirectory
from crossregion.embedded.processes import Guard, end, process_guard
from crossregion.errors import ServiceUnavailable

READY_SECONDS = 90.0
POLL_SECONDS = 0.05


class EmbeddedService(ABC):
    """A server run as a child of this process on a data directory of its own."""

    title: ClassVar[str]
    stop_steps: ClassVar[Sequence[tuple[Signals, float]]]
    advertised_port: int | None = None
    """The port clients are told where something stands in front of the server, as a proxy does."""

    def __init__(self, data: Path, guard: Guard = process_guard) -> None:
        self.directory = DataDirectory(data, self.title)
        self.guard = guard
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """The server's log file, mode 0600."""
        return self.directory.path / "server.log"

    @property
    def pid(self) -> int | None:
        """Process id of the server, None when it is not started."""
        return None if self._process is None else self._process.pid

    def start(self) -> str:
        """Start the server and return its address once it answers.

        Raises DataDirectoryInUse or ServiceUnavailable.
        """
        self.launch()
        return self.wait_ready()

    def launch(self) -> None:
        """Start the server without waiting for its answer; `wait_ready` must follow."""
        with ExitStack() as undo:
            lock = self.directory.acquire()
            undo.callback(self.directory.release)
            try:
                self._process = self._launch(lock)
            except OSError as error:
                raise ServiceUnavailable(
                    "not-started",
                    title=self.title,
                    strerror=error.strerror,
                    file=error.filename or self.directory.path,
                ) from error
            undo.pop_all()

    def wait_ready(self) -> str:
        """Wait until the server answers; returns its address. Stops it when it does not."""
        with ExitStack() as undo:
            undo.callback(self.stop)
            deadline = time.monotonic() + READY_SECONDS
            while True:
                self.check()
                address = self._answer()
                if address is not None:
                    undo.pop_all()
                    return address
                if time.monotonic() > deadline:
                    raise ServiceUnavailable(
                        "no-answer-in-time",
                        title=self.title,
                        ready_seconds=READY_SECONDS,
                        log=self.log,
                    )
                time.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Raise ServiceUnavailable unless the server's process lives."""
        if self._process is None:
            raise ServiceUnavailable("is-not-started", title=self.title)
        status = self._process.poll()
        if status is not None:
            raise ServiceUnavailable(
                "ended-by-itself", title=self.title, status=status, log=self.log
            )

    def stop(self) -> None:
        """Stop the server, its data kept; does nothing when it is not started."""
        if self._process is not None:
            end(self._process, self.guard, self.stop_steps)
            self._process = None
        self.directory.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @abstractmethod
    def _launch(self, lock: int) -> subprocess.Popen[bytes]:
        """Prepare the data and start the process, which must inherit `lock`."""

    @abstractmethod
    def _answer(self) -> str | None:
        """The server's address if it answers, else None."""


def start_together(*services: EmbeddedService) -> list[str]:
    """Start services side by side; returns their addresses in the given order.

    When one cannot be started the others are stopped and its exception is raised.
    """
    with ExitStack() as undo, ThreadPoolExecutor(max_workers=max(1, len(services))) as pool:
        for service in services:
            undo.callback(service.stop)
        starts = [pool.submit(service.start) for service in services]
        addresses = [started.result() for started in starts]
        undo.pop_all()
        return addresses
