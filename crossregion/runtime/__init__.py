"""What runs the stack on one machine: embedded Kafka and PostgreSQL, guard and supervisor.

The two services are imported when they are first asked for: a worker needs neither of them, and
what they need takes a quarter of its start.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from crossregion.faults import (
    DataDirectoryInUse,
    LogShortened,
    RuntimeFault,
    ServiceUnavailable,
    StandsStill,
    WorkerGaveUp,
    run_process,
)
from crossregion.runtime.crash import crash_point
from crossregion.runtime.directory import DataDirectory
from crossregion.runtime.processes import Guard
from crossregion.runtime.service import EmbeddedService, start_together
from crossregion.runtime.supervisor import Death, Supervisor, Worker

if TYPE_CHECKING:
    from crossregion.runtime.kafka import EmbeddedKafka
    from crossregion.runtime.postgres import EmbeddedPostgres

SERVICES = {"EmbeddedKafka": "kafka", "EmbeddedPostgres": "postgres"}

__all__ = [
    "DataDirectory",
    "DataDirectoryInUse",
    "Death",
    "EmbeddedKafka",
    "EmbeddedPostgres",
    "EmbeddedService",
    "Guard",
    "LogShortened",
    "RuntimeFault",
    "ServiceUnavailable",
    "StandsStill",
    "Supervisor",
    "Worker",
    "WorkerGaveUp",
    "crash_point",
    "run_process",
    "start_together",
]


def __getattr__(name: str) -> Any:
    if name not in SERVICES:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{SERVICES[name]}"), name)
