"""How a process starts and ends."""

from __future__ import annotations

import faulthandler
import resource
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from crossregion.errors import CrossregionError

if TYPE_CHECKING:
    from crossregion.metrics import Health
    from crossregion.settings import Settings

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

Work = Callable[[threading.Event, "Health"], None]
"""What a worker does until the event is set; it beats to say that it goes on."""


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


def run_worker(name: str, make: Callable[[Settings], Work]) -> None:
    """Run a worker until SIGINT or SIGTERM, with its metrics and health served.

    `make` looks first whether what the worker needs is there: until then it is not seen as running.
    """

    def main() -> None:
        # Imported here: the list of workers above is read by commands that have to start fast.
        import structlog

        from crossregion import logs, metrics
        from crossregion.settings import settings

        chosen = settings()
        logs.configure(chosen.log_level)
        work = make(chosen)
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        health = metrics.Health()
        port, _ = metrics.serve(health, chosen.metrics_host, chosen.metrics_port)
        structlog.get_logger().info("Metrics", process=name, port=port)
        work(stop, health)

    run_process(main)
