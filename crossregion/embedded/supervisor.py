"""Keeps named worker processes running, and says so when that is pointless."""

from __future__ import annotations

import logging
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossregion.embedded.processes import Guard, process_guard, spawn, wait_or_kill
from crossregion.errors import ServiceUnavailable, WorkerGaveUp

MAX_DEATHS = 5
WINDOW_SECONDS = 60.0
FIRST_DELAY_SECONDS = 0.25
LONGEST_DELAY_SECONDS = 5.0
STOP_SECONDS = 15.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Worker:
    """A process to keep running: its name, command, whole environment and log file."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path


@dataclass(frozen=True)
class Death:
    """A worker's end: its exit status (negative: the signal) and the seconds until a restart."""

    name: str
    pid: int
    status: int
    restart_in: float


@dataclass
class _Post:
    worker: Worker
    process: subprocess.Popen[bytes] | None = None
    restart_at: float | None = None
    deaths: deque[float] = field(default_factory=deque)


class Supervisor:
    """Starts workers, restarts those that end, and stops them all.

    `poll` does the work and is called from the parent's loop, about every 0.1 s. Not safe
    between threads.
    """

    def __init__(
        self,
        workers: Iterable[Worker],
        *,
        guard: Guard = process_guard,
        first_delay: float = FIRST_DELAY_SECONDS,
    ) -> None:
        self._posts = {worker.name: _Post(worker) for worker in workers}
        self._guard = guard
        self._first_delay = first_delay

    def start(self, name: str) -> int:
        """Start a worker unless it runs; returns its process id.

        Raises KeyError for an unknown name, ServiceUnavailable when its command cannot be run.
        """
        post = self._posts[name]
        if post.process is None:
            worker = post.worker
            try:
                post.process = spawn(worker.argv, log=worker.log, env=worker.env, guard=self._guard)
            except OSError as error:
                raise ServiceUnavailable(
                    "worker-not-run", name=name, strerror=error.strerror, filename=error.filename
                ) from error
            post.restart_at = None
        return post.process.pid

    def poll(self) -> list[Death]:
        """Take note of workers that ended and restart those whose delay is over; never waits.

        Every end counts, also with status 0. Raises WorkerGaveUp at a worker's fifth within a
        minute; the others go on running until `stop`.
        """
        ended = []
        for post in self._posts.values():
            if post.process is not None and post.process.poll() is not None:
                ended.append(self._bury(post, post.process))
            elif post.restart_at is not None and time.monotonic() >= post.restart_at:
                self.start(post.worker.name)
        return ended

    def _bury(self, post: _Post, process: subprocess.Popen[bytes]) -> Death:
        self._guard.unwatch(process.pid)
        post.process = None
        now = time.monotonic()
        post.deaths.append(now)
        while post.deaths[0] < now - WINDOW_SECONDS:
            post.deaths.popleft()
        count = len(post.deaths)
        name = post.worker.name
        if count >= MAX_DEATHS:
            raise WorkerGaveUp(name, post.worker.log, count, WINDOW_SECONDS)
        delay = min(self._first_delay * 2 ** (count - 1), LONGEST_DELAY_SECONDS)
        post.restart_at = now + delay
        death = Death(name, process.pid, process.returncode, delay)
        logger.warning(
            "Worker %s (process %d) ended with status %d; restarted in %.2f s",
            *(death.name, death.pid, death.status, death.restart_in),
        )
        return death

    def pids(self) -> dict[str, int]:
        """Process ids of the workers that run, by name."""
        return {
            name: post.process.pid
            for name, post in self._posts.items()
            if post.process is not None and post.process.poll() is None
        }

    def kill(self, name: str) -> None:
        """End a worker by SIGKILL, as a crash would; `poll` restarts it."""
        process = self._posts[name].process
        if process is not None:
            process.kill()

    def stop(self, order: Sequence[str] | None = None, seconds: float = STOP_SECONDS) -> None:
        """Stop all: SIGTERM in `order` (as given at the beginning, if None), wait, SIGKILL.

        `seconds` are for all together. Workers not named in `order` come last. Each gets SIGTERM
        once: a worker on its way out may have given up its handler, and a second would kill it.
        """
        names = dict.fromkeys([*(order or ()), *self._posts])
        posts = [self._posts[name] for name in names]
        for post in posts:
            post.restart_at = None
            if post.process is not None:
                post.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + seconds
        for post in posts:
            if post.process is not None:
                left = max(0.0, deadline - time.monotonic())
                wait_or_kill(post.process, self._guard, left)
                post.process = None
