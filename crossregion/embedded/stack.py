"""The whole system on one machine: the services, and one worker of each kind."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import RetriableError

from crossregion import installed_model
from crossregion.data_directory import HOST, DataDirectory, write_private
from crossregion.embedded.kafka import EmbeddedKafka
from crossregion.embedded.postgres import EmbeddedPostgres
from crossregion.embedded.supervisor import Death, Supervisor, Worker
from crossregion.errors import RuntimeFault
from crossregion.kafka import admin as kafka_admin
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka.connection import Kafka
from crossregion.postgres import transactions
from crossregion.settings import Settings, settings
from schemas import topics as contracts

WORKERS = {
    "delivery": "consumers.delivery.worker",
    "registry": "consumers.registry.worker",
    "notices": "consumers.notices.worker",
    "proposals": "processors.proposals",
    "linkage": "processors.linkage",
    "intake": "processors.intake",
    "sender": "producers.sender",
}
"""Each kind of process and its module; stopped from the source on."""

BESIDE = {"http-intake": "producers.http_intake.app"}
"""Processes that run only if they are asked for; they know neither Kafka nor the database."""

ROLES = {"registry": "crossregion_registry", "delivery": "crossregion_delivery"}
"""The database role of each process that has one."""

OWNER, OFFICE, OPERATOR = "crossregion", "crossregion_office", "crossregion_operator"
SUPERVISION = "crossregion_supervision"
STOP_ORDER = ("sender", "intake", "linkage", "proposals", "registry", "notices", "delivery")
DATABASE = "crossregion"
ADDRESSES = "addresses.json"
DATABASES = ("database", "owner", "operator", "supervision")
DOORS = frozenset({"CROSSREGION_KAFKA", "CROSSREGION_KAFKA_SECRETS", "CROSSREGION_DATABASE"})
NOWHERE = Kafka("", Path())
"""Until the embedded Kafka runs."""
HEALTHY_SECONDS = 60.0
STEP_SECONDS = 0.1


@dataclass(frozen=True)
class Flow:
    """One group's part of the way through: it is done when nothing is left of its topics."""

    group: str
    topics: tuple[str, ...]


INTAKE_TOPICS = tuple(sorted(contracts.intake_names()))


def flows() -> tuple[Flow, ...]:
    """In the order of the way through: once one is done, what the next has to read is final.

    Linkage is that of the model in the settings. Raises: RuntimeFault.
    """
    return (
        Flow("crossregion-intake", (*INTAKE_TOPICS, contracts.REPLAYS.name())),
        Flow(installed_model.group(installed_model.chosen()), (contracts.LINKAGE_RECORDS.name(),)),
        Flow(
            "crossregion-proposals",
            (
                contracts.PAIR_WEIGHTS.name(),
                contracts.DECISIONS.name(),
                contracts.MATCH_PROPOSALS.name(),
            ),
        ),
        Flow(
            "crossregion-notices",
            (
                contracts.RECORD_REMARKS.name(),
                contracts.FILE_NOTES.name(),
                contracts.BOUNDARY_FLAGS.name(),
                contracts.MATCH_PROPOSALS.name(),
                contracts.DECISIONS.name(),
                contracts.AGREEMENTS.name(),
                *contracts.ACKNOWLEDGEMENTS.names(),
                contracts.REASSIGNMENTS.name(),
                *contracts.HANDOVERS.names(),
                *contracts.TRIAGE.names(),
                *contracts.NOTICES.names(),
            ),
        ),
        Flow(
            "crossregion-registry",
            (
                *INTAKE_TOPICS,
                contracts.REPLAYS.name(),
                contracts.BOUNDARY_FLAGS.name(),
                contracts.MATCH_PROPOSALS.name(),
                contracts.DECISIONS.name(),
                contracts.AGREEMENTS.name(),
                contracts.DEAD_LETTERS.name(),
                *contracts.NOTICES.names(),
                *contracts.ACKNOWLEDGEMENTS.names(),
                contracts.REASSIGNMENTS.name(),
                *contracts.HANDOVERS.names(),
                *contracts.TRIAGE.names(),
            ),
        ),
        Flow("crossregion-delivery", contracts.NOTICES.names()),
    )


@dataclass(frozen=True)
class Addresses:
    """Where the services of an installation are; the database for each role, with its password."""

    kafka: Kafka
    database: str
    owner: str
    operator: str
    supervision: str
    units: dict[str, str]


def addresses(chosen: Settings) -> Addresses | None:
    """From the settings; what they do not name from the stack that runs on their data directory.

    A database that the settings name is the same for every command: its role must fit.
    """
    kafka, found = kafka_address(chosen), _running(chosen)
    if chosen.database:
        found |= dict.fromkeys(DATABASES, chosen.database)
        found["units"] = dict.fromkeys(contracts.ENTERING, chosen.database)
    if kafka is None or not found.keys() >= {*DATABASES, "units"}:
        return None
    return Addresses(kafka, units=found["units"], **{name: found[name] for name in DATABASES})


def kafka_address(chosen: Settings) -> Kafka | None:
    """The same for Kafka alone."""
    if chosen.kafka:
        return kafka_connection.kafka(chosen)
    running = _running(chosen)
    return Kafka(running["kafka"], Path(running["kafka_secrets"])) if running else None


def _running(chosen: Settings) -> dict[str, Any]:
    file = chosen.data / ADDRESSES
    runs = file.exists() and DataDirectory(chosen.data, "Crossregion").in_use
    return json.loads(file.read_text()) if runs else {}


class Stack:
    """Starts what the settings do not name, creates topics and tables, and runs the workers."""

    def __init__(self, data: Path, beside: Sequence[str] = ()) -> None:
        chosen = settings()
        self._modules = {**WORKERS, **{name: BESIDE[name] for name in beside}}
        self.data = data
        self._directory = DataDirectory(data, "Crossregion")
        self._kafka = None if chosen.kafka else EmbeddedKafka(data / "kafka")
        self._postgres = None if chosen.database else EmbeddedPostgres(data / "postgres")
        self._embedded = [s for s in (self._kafka, self._postgres) if s is not None]
        self._undo = ExitStack()
        self._given = chosen.database or ""
        self.kafka = kafka_connection.kafka(chosen) if chosen.kafka else NOWHERE
        self.database = ""
        """The office's, which reads everything and writes nothing."""
        self.supervisor = Supervisor([])
        self.metrics_ports: dict[str, int] = {}

    @property
    def spools(self) -> Path:
        return self.data / "spool"

    @property
    def database_without_password(self) -> str:
        return re.sub(r"(?<=//)([^:/@]*):[^@]*@", r"\1@", self.database)

    def start(self) -> None:
        """Start everything; what has been started is stopped again when a part fails.

        Raises: RuntimeFault.
        """
        with ExitStack() as undo:
            self._directory.acquire()
            undo.callback(self._directory.release)
            self.metrics_ports = self._directory.ports(list(self._modules))
            for service in self._embedded:
                undo.callback(service.stop)
                service.launch()
            if self._kafka:
                self._kafka.wait_ready()
                self.kafka = self._kafka.connection
            kafka_admin.apply(self.kafka)
            if self._postgres:
                self._postgres.wait_ready()
                self._postgres.create_database(DATABASE)
            transactions.migrate(self.dsn(OWNER))
            self.database = self.dsn(OFFICE)
            self.spools.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.supervisor = Supervisor(self._worker(name) for name in self._modules)
            order = [name for name in (*BESIDE, *STOP_ORDER) if name in self._modules]
            undo.callback(self.supervisor.stop, order)
            for name in self._modules:
                self.supervisor.start(name)
            found = {
                "kafka": self.kafka.address,
                "kafka_secrets": str(self.kafka.secrets.resolve()),
                "database": self.database,
                "owner": self.dsn(OWNER),
                "operator": self.dsn(OPERATOR),
                "supervision": self.dsn(SUPERVISION),
                "units": {unit: self.dsn(f"unit_{unit}") for unit in contracts.ENTERING},
            }
            write_private(self.data / ADDRESSES, json.dumps(found))
            undo.callback((self.data / ADDRESSES).unlink, missing_ok=True)
            self._undo = undo.pop_all()

    def dsn(self, role: str) -> str:
        """Where a role connects; to a database that the settings name by way of their role."""
        if self._postgres:
            return self._postgres.dsn(DATABASE, role)
        return self._given if role == OWNER else transactions.as_role(self._given, role)

    def environment(self, name: str) -> dict[str, str]:
        """The settings of one process: it knows the database only if it has a role there."""
        if name in BESIDE:
            kept = {name: value for name, value in os.environ.items() if name not in DOORS}
            return {**kept, "CROSSREGION_DATA": str(self.data)}
        known = {
            **Kafka(self.kafka.address, self._secrets_of(name)).environment(),
            "CROSSREGION_DATABASE": self.dsn(ROLES[name]) if name in ROLES else "",
            "CROSSREGION_DATA": str(self.data),
        }
        return {**os.environ, **known}

    def _worker(self, name: str) -> Worker:
        env = {
            **self.environment(name),
            "CROSSREGION_METRICS_PORT": str(self.metrics_ports[name]),
        }
        argv = [sys.executable, "-m", self._modules[name]]
        return Worker(name, argv, env, self.data / "log" / f"{name}.log")

    def _secrets_of(self, name: str) -> Path:
        """A directory with the CA and the passwords that this worker needs, and no other."""
        senders = [kafka_connection.unit(code) for code in contracts.UNITS]
        directory = self.data / "secrets" / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700, parents=True)
        for secret in (kafka_connection.AUTHORITY, *(senders if name == "sender" else [name])):
            (directory / secret).symlink_to((self.kafka.secrets / secret).resolve())
        return directory

    def wait_healthy(self) -> None:
        """Wait until every worker says that it is healthy.

        Raises: RuntimeFault when a worker gives up, or after a minute.
        """
        deadline = time.monotonic() + HEALTHY_SECONDS
        waiting = list(self.metrics_ports)
        while waiting:
            self.check()
            waiting = [name for name in waiting if not _healthy(self.metrics_ports[name])]
            if waiting and time.monotonic() > deadline:
                raise RuntimeFault(
                    f"{', '.join(waiting)} did not become healthy within {HEALTHY_SECONDS:g} "
                    f"seconds: see {self.data / 'log'}."
                )
            time.sleep(STEP_SECONDS)

    def check(self) -> Sequence[Death]:
        """Restart workers that ended.

        Raises: RuntimeFault when a service is gone or a worker ends again and again.
        """
        for service in self._embedded:
            service.check()
        return self.supervisor.poll()

    def stop(self) -> None:
        """Stop everything that `start` started, from the source on."""
        self._undo.close()

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


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=1.0)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


class Lags:
    """How much of the way through is still to be done, by what the broker says."""

    def __init__(self, kafka: Kafka) -> None:
        connection = kafka.options(kafka_connection.OPERATOR)
        self._admin = KafkaAdminClient(**connection)
        self._consumer = KafkaConsumer(**connection, enable_auto_commit=False)
        self._flows = flows()

    def ends(self, names: Sequence[str]) -> dict[TopicPartition, int]:
        """The end offset of every partition of the topics."""
        places = [
            TopicPartition(name, partition)
            for name in names
            for partition in self._consumer.partitions_for_topic(name) or ()
        ]
        found: dict[TopicPartition, int] = self._consumer.end_offsets(places)
        return found

    def linkages(self) -> list[Flow]:
        """Linkage by each model that Kafka knows a group of."""
        listed = sorted(found["group_id"] for found in self._admin.list_groups())
        names = (contracts.LINKAGE_RECORDS.name(),)
        return [
            Flow(group, names)
            for group in listed
            if group.startswith(kafka_connection.LINKAGE_GROUPS)
        ]

    def lag(self, flow: Flow) -> int:
        """Records of the flow's topics that its group has not finished.

        All of them while the broker cannot say yet, as on its first start.
        Raises: RuntimeFault where a topic holds less than its group has read.
        """
        try:
            committed = self._admin.list_group_offsets(flow.group)[flow.group]
        except RetriableError:
            committed = {}
        done = {place: max(0, position.offset) for place, position in committed.items()}
        left = {place: end - done.get(place, 0) for place, end in self.ends(flow.topics).items()}
        for place, count in left.items():
            if count < 0:
                raise RuntimeFault(
                    f"{flow.group} has read {-count} records more of {place.topic} (partition "
                    f"{place.partition}) than it holds: see docs/runbooks.md, under A topic made "
                    "anew."
                )
        return sum(left.values())

    def first_open(self) -> tuple[Flow, int] | None:
        """The first flow with something left, and how much; None when all is done."""
        for flow in self._flows:
            left = self.lag(flow)
            if left > 0:
                return flow, left
        return None

    def close(self) -> None:
        self._admin.close()
        self._consumer.close()
