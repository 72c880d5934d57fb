"""The guard: a tiny process that ends its parent's children when the parent is gone.

It runs as a script of its own, with nothing but the standard library. An empty line on its
standard output says that it is ready; from its standard input it reads lines: `+PID SIGNAL` to
watch a process, `-PID` to forget it. Standard input ends when the parent does, even by SIGKILL.
Then every process still watched gets its signal, and after `GRACE_SECONDS` SIGKILL. Where the
system has pidfds, a process number used again is never hit.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

GRACE_SECONDS = 15.0
POLL_SECONDS = 0.05


class Watched:
    """One process, held by its pidfd where there is one, else by its number."""

    def __init__(self, pid: int, signal_number: int) -> None:
        self.pid = pid
        self.signal_number = signal_number
        self.handle: int | None = None
        if hasattr(os, "pidfd_open"):
            try:
                self.handle = os.pidfd_open(pid)
            except ProcessLookupError:
                raise
            except OSError:
                self.handle = None

    def send(self, signal_number: int) -> bool:
        """Send a signal; False when the process is gone."""
        try:
            if self.handle is None:
                os.kill(self.pid, signal_number)
            else:
                signal.pidfd_send_signal(self.handle, signal_number)
        except ProcessLookupError:
            return False
        return True

    def lives(self) -> bool:
        """Whether the process has not ended; one that nobody has waited for has."""
        if self.handle is None:
            return self.send(0)
        return not select.select([self.handle], [], [], 0)[0]

    def forget(self) -> None:
        if self.handle is not None:
            os.close(self.handle)


def obey(line: str, watched: dict[int, Watched]) -> None:
    """Carry out one line of the parent's."""
    pid = int(line[1:].split()[0])
    known = watched.pop(pid, None)
    if known is not None:
        known.forget()
    if line.startswith("+"):
        try:
            watched[pid] = Watched(pid, int(line.split()[1]))
        except ProcessLookupError:
            return


def end_all(watched: list[Watched]) -> None:
    """Signal every process, wait for them, and kill what is left."""
    left = [process for process in watched if process.send(process.signal_number)]
    deadline = time.monotonic() + GRACE_SECONDS
    while left and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        left = [process for process in left if process.lives()]
    for process in left:
        process.send(signal.SIGKILL)


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    os.write(sys.stdout.fileno(), b"\n")
    watched: dict[int, Watched] = {}
    for line in sys.stdin:
        obey(line, watched)
    end_all(list(watched.values()))


if __name__ == "__main__":
    main()
