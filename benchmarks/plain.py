"""A broker without TLS and passwords, to know what they cost; nothing but benchmarks can use it.

    python -m benchmarks.plain MODULE

runs a process of the project against it.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from crossregion.embedded.kafka import EmbeddedKafka
from crossregion.embedded.stack import Stack
from crossregion.embedded.supervisor import Worker
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka.connection import Kafka
from crossregion.private_files import write_private
from crossregion.process import WORKERS

CHANGES = {
    "CLIENTS:SASL_SSL,CONTROLLER:SSL": "CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "super.users=": "super.users=User:ANONYMOUS;",
}


class PlainKafka(Kafka):
    """A cluster that asks nobody who they are."""

    def options(self, principal: str) -> dict[str, Any]:
        return {"bootstrap_servers": self.address, "security_protocol": "PLAINTEXT"}

    def require_reachable(self) -> None:
        """There is no certificate to look at."""


class PlainBroker(EmbeddedKafka):
    """The embedded broker with its doors open."""

    @property
    def connection(self) -> Kafka:
        found = super().connection
        return PlainKafka(found.address, found.secrets)

    def _configure(self, name: str, log_directory: str, ports: Mapping[str, int]) -> None:
        super()._configure(name, log_directory, dict(ports))
        file = self.directory.path / name
        text = file.read_text()
        for closed, opened in CHANGES.items():
            assert closed in text
            text = text.replace(closed, opened)
        write_private(file, text)


class PlainStack(Stack):
    """The whole system on such a broker."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self._kafka = PlainBroker(data / "kafka")
        self._embedded[0] = self._kafka

    def _worker(self, name: str) -> Worker:
        argv = [sys.executable, "-m", "benchmarks.plain", WORKERS[name]]
        return replace(super()._worker(name), argv=argv)


def main() -> None:
    """Run a module of which the clients reach the broker without TLS."""
    module = sys.argv.pop(1)
    kafka_connection.Kafka = PlainKafka  # type: ignore[misc]
    if module.startswith("processors."):
        from processors.engine import app

        app.credentials = lambda connection: None
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
