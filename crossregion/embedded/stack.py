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
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from crossregion.data_directory import HOST, DataDirectory
from crossregion.embedded.kafka import EmbeddedKafka
from crossregion.embedded.postgres import EmbeddedPostgres
from crossregion.embedded.supervisor import Death, Supervisor, Worker
from crossregion.errors import CrossregionError
from crossregion.installation import ADDRESSES, DATABASE, OFFICE, OPERATOR, OWNER, SUPERVISION
from crossregion.kafka import admin as kafka_admin
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka.connection import Kafka
from crossregion.postgres import connection as postgres_connection
from crossregion.postgres import migrations
from crossregion.private_files import write_private
from crossregion.process import BESIDE, WORKERS
from crossregion.settings import settings
from schemas import topics
from schemas.units import ENTERING, UNITS

ROLES = {"registry": "crossregion_registry", "delivery": "crossregion_delivery"}
"""The database role of each process that has one."""
STOP_ORDER = ("sender", *topics.workers())
"""From the source on: each after those whose topics it reads."""
DOORS = frozenset({"CROSSREGION_KAFKA", "CROSSREGION_KAFKA_SECRETS", "CROSSREGION_DATABASE"})
NOWHERE = Kafka("", Path())
"""Until the embedded Kafka runs."""
HEALTHY_SECONDS = 60.0
STEP_SECONDS = 0.1


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

        Raises: CrossregionError.
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
            migrations.migrate(self.dsn(OWNER))
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
                "units": {unit: self.dsn(f"unit_{unit}") for unit in ENTERING},
            }
            write_private(self.data / ADDRESSES, json.dumps(found))
            undo.callback((self.data / ADDRESSES).unlink, missing_ok=True)
            self._undo = undo.pop_all()

    def dsn(self, role: str) -> str:
        """Where a role connects; to a database that the settings name by way of their role."""
        if self._postgres:
            return self._postgres.dsn(DATABASE, role)
        return self._given if role == OWNER else postgres_connection.as_role(self._given, role)

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
        senders = [kafka_connection.unit(code) for code in UNITS]
        directory = self.data / "secrets" / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700, parents=True)
        for secret in (kafka_connection.AUTHORITY, *(senders if name == "sender" else [name])):
            (directory / secret).symlink_to((self.kafka.secrets / secret).resolve())
        return directory

    def wait_healthy(self) -> None:
        """Wait until every worker says that it is healthy.

        Raises: CrossregionError when a worker gives up, or after a minute.
        """
        deadline = time.monotonic() + HEALTHY_SECONDS
        waiting = list(self.metrics_ports)
        while waiting:
            self.check()
            waiting = [name for name in waiting if not _healthy(self.metrics_ports[name])]
            if waiting and time.monotonic() > deadline:
                raise CrossregionError(
                    "stack.not-healthy",
                    known=waiting,
                    healthy_seconds=HEALTHY_SECONDS,
                    logs=self.data / "log",
                )
            time.sleep(STEP_SECONDS)

    def check(self) -> Sequence[Death]:
        """Restart workers that ended.

        Raises: CrossregionError when a service is gone or a worker ends again and again.
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
