"""Child processes: started in sessions of their own, guarded, and ended in steps.

A session of its own keeps Ctrl-C from the children: it reaches the parent, which ends them in
order. The guard (see `guard`) ends them when the parent cannot.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from crossregion.process import leave_no_core

GUARD_SCRIPT = Path(__file__).with_name("guard.py")
LOG_LIMIT_BYTES = 10 * 1024 * 1024


class Guard:
    """The parent's end of the guard process; one a process is enough. Safe between threads.

    The guard process runs while there is something to watch and ends with the last of it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._watched: dict[int, signal.Signals] = {}

    @property
    def pid(self) -> int | None:
        """Process id of the guard, None while nothing is watched."""
        return None if self._process is None else self._process.pid

    def watch(self, pid: int, with_signal: signal.Signals = signal.SIGTERM) -> None:
        """Have `pid` ended by `with_signal` when this process is gone."""
        with self._lock:
            self._watched[pid] = with_signal
            self._tell([f"+{pid} {with_signal.value}\n"])

    def unwatch(self, pid: int) -> None:
        """Forget a process; call it when that process has ended."""
        with self._lock:
            if self._watched.pop(pid, None) is None:
                return
            if self._watched:
                self._tell([f"-{pid}\n"])
            else:
                self._end(f"-{pid}\n")

    def abandon(self) -> None:
        """Have everything still watched ended now, as if this process were gone."""
        with self._lock:
            self._watched.clear()
            self._end("")

    def _tell(self, lines: Iterable[str]) -> None:
        if self._process is None or not self._write(self._process, lines):
            self._start()

    def _start(self) -> None:
        if self._process is not None:
            self._process.wait()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(GUARD_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env={},
        )
        if self._process.stdout is not None:
            with self._process.stdout as ready:
                ready.readline()
        self._write(self._process, [f"+{pid} {s.value}\n" for pid, s in self._watched.items()])

    def _end(self, last_line: str) -> None:
        if self._process is None:
            return
        self._write(self._process, [last_line])
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process.wait()
        self._process = None

    @staticmethod
    def _write(process: subprocess.Popen[bytes], lines: Iterable[str]) -> bool:
        if process.stdin is None:
            return False
        try:
            process.stdin.write("".join(lines).encode())
            process.stdin.flush()
        except BrokenPipeError:
            return False
        return True


process_guard = Guard()
"""The guard that is used unless another is given."""


@dataclass(frozen=True)
class Account:
    """A system account that a child runs under."""

    uid: int
    gid: int


def open_log(path: Path) -> int:
    """Open a log file for appending, mode 0600; one of 10 MB or more is first put aside.

    Returns the file descriptor; the caller closes it.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        if path.stat().st_size >= LOG_LIMIT_BYTES:
            path.replace(path.with_name(path.name + ".1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def spawn(
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    guard: Guard,
    guard_signal: signal.Signals = signal.SIGTERM,
    cwd: Path | None = None,
    account: Account | None = None,
    inherit: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a guarded child in its own session, its output appended to `log`.

    `inherit` are file descriptors the child keeps open. Files it makes are its own alone.
    """
    leave_no_core()
    output = open_log(log)
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
            umask=0o077,
            pass_fds=inherit,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )
    finally:
        os.close(output)
    guard.watch(process.pid, guard_signal)
    return process


def end(
    process: subprocess.Popen[bytes], guard: Guard, steps: Iterable[tuple[signal.Signals, float]]
) -> int:
    """End a child: each signal in turn with the seconds it is given, SIGKILL at last.

    Returns its exit status (negative: the signal that ended it).
    """
    for step, seconds in steps:
        if process.poll() is not None:
            break
        process.send_signal(step)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    return wait_or_kill(process, guard, 0.0)


def wait_or_kill(process: subprocess.Popen[bytes], guard: Guard, seconds: float) -> int:
    """Wait for a child that has been signalled, so many seconds, then end it by SIGKILL.

    Returns its exit status (negative: the signal that ended it).
    """
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    if process.poll() is None:
        process.kill()
    status = process.wait()
    guard.unwatch(process.pid)
    return status
