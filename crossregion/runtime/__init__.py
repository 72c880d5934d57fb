"""What runs the stack on one machine: embedded Kafka and PostgreSQL, guard and supervisor."""

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
from crossregion.runtime.kafka import EmbeddedKafka
from crossregion.runtime.postgres import EmbeddedPostgres
from crossregion.runtime.processes import Guard
from crossregion.runtime.service import EmbeddedService, start_together
from crossregion.runtime.supervisor import Death, Supervisor, Worker

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
