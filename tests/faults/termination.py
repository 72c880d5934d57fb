"""Ending the rig before its time: whatever it has started ends with it.

Three ways lead there. SIGTERM and SIGHUP end a process of the rig by way of every `finally`; what
is left of its children then is killed. A part also ends when the process that runs the parts is
gone, for that one's guard tells it to. And who is killed outright leaves its children to the guard.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import psutil

from crossregion.embedded.processes import process_guard

SIGNALS = (signal.SIGTERM, signal.SIGHUP)
POLL_SECONDS = 0.05
OF_SIGNALS = 128
"""Added to a signal's number it is the exit status of a process that ended by it."""


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Have the first signal raise SystemExit, and further ones do nothing until all has ended.

    SIGHUP does nothing where the process was started to ignore it, as by nohup.
    """
    handled = [one for one in SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
    for one in handled:
        signal.signal(one, _exit)
    try:
        yield
    except SystemExit:
        kill_children()
        raise


def _exit(number: int, _: FrameType | None) -> None:
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    raise SystemExit(OF_SIGNALS + number)


def kill_children() -> None:
    """Kill what this process has started and not ended, and what that has started."""
    me = psutil.Process()
    while left := [one for one in me.children(recursive=True) if one.pid != process_guard.pid]:
        for one in left:
            one.kill()
        psutil.wait_procs(left, POLL_SECONDS)
    process_guard.abandon()


def terminate_children() -> None:
    """Tell the processes that this one has started to end; the guard does not listen."""
    for one in psutil.Process().children():
        one.terminate()
    time.sleep(POLL_SECONDS)
