"""How a process starts and ends."""

from __future__ import annotations

import faulthandler
import resource
import signal
from collections.abc import Callable

from crossregion.errors import CrossregionError

WORKERS = {
    "delivery": "consumers.delivery.worker",
    "registry": "consumers.registry.worker",
    "notices": "consumers.notices.worker",
    "proposals": "processors.proposals",
    "linkage": "processors.linkage",
    "intake": "processors.intake",
    "sender": "producers.sender",
}
"""Each kind of process and its module."""

BESIDE = {"http-intake": "producers.http_intake.app"}
"""Processes that run only if they are asked for; they know neither Kafka nor the database."""


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
    except CrossregionError as fault:
        raise SystemExit(str(fault)) from fault
