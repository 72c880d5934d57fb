"""What every figure needs: the services, a loaded topic, and a process measured from outside."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from benchmarks.feed import Event
from crossregion.data_directory import HOST
from crossregion.embedded.kafka import EmbeddedKafka
from crossregion.embedded.postgres import EmbeddedPostgres
from crossregion.embedded.processes import end, process_guard, spawn
from crossregion.embedded.service import start_together
from crossregion.kafka import admin as kafka_admin
from crossregion.kafka.connection import ADMIN, Kafka
from crossregion.postgres import migrations

STEP_SECONDS = 0.05
STUCK_SECONDS = 120.0


class Stuck(Exception):
    """A measured process does not get on."""


@dataclass(frozen=True)
class Speed:
    """How fast one process did its work, and how much of a core each event took it."""

    events: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_micros(self) -> float:
        return 1_000_000 * self.cpu_seconds / self.events

    def __str__(self) -> str:
        return (
            f"{self.per_second:9,.0f} events/s  {self.cpu_micros:6,.0f} µs of CPU an event "
            f"(its CPU time alone would allow {1_000_000 / self.cpu_micros:,.0f} events/s)"
        )


@dataclass(frozen=True)
class Services:
    """A broker with all topics and a migrated database, both fresh."""

    kafka: Kafka
    postgres: EmbeddedPostgres
    home: Path

    def database(self, name: str, role: str) -> str:
        """A new database with the registry's tables; returns the role's DSN."""
        migrations.migrate(self.postgres.create_database(name))
        return self.postgres.dsn(name, role)

    def create_topics(self, names: Iterable[str], partitions: int = 4) -> None:
        """Topics of a peer's own, beside the project's."""
        admin = KafkaAdminClient(**self.kafka.options(ADMIN))
        admin.create_topics([NewTopic(name, partitions, 1) for name in names])
        admin.close()


@contextmanager
def services() -> Iterator[Services]:
    """Start the services in a directory that goes with them."""
    with (
        ExitStack() as undo,
        tempfile.TemporaryDirectory(prefix="crossregion-bench-") as directory,
    ):
        home = Path(directory)
        kafka, postgres = EmbeddedKafka(home / "kafka"), EmbeddedPostgres(home / "postgres")
        undo.callback(kafka.stop)
        undo.callback(postgres.stop)
        start_together(kafka, postgres)
        kafka_admin.apply(kafka.connection)
        yield Services(kafka.connection, postgres, home)
        undo.close()


def preload(kafka: Kafka, events: Iterable[Event]) -> None:
    """Put the events on their topics, each in its key's partition."""
    asyncio.run(_preload(kafka, events))


async def _preload(kafka: Kafka, events: Iterable[Event]) -> None:
    producer = AIOKafkaProducer(
        **kafka.options(ADMIN), max_batch_size=256 * 1024, linger_ms=20, acks="all"
    )
    await producer.start()
    sent = [
        await producer.send(event.topic, event.value, event.key, headers=event.headers)
        for event in events
    ]
    await asyncio.gather(*sent)
    await producer.stop()


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Ends:
    """How many records stand on some topics."""

    def __init__(self, kafka: Kafka, names: Sequence[str]) -> None:
        self._consumer = KafkaConsumer(**kafka.options(ADMIN), enable_auto_commit=False)
        self._places = [
            TopicPartition(name, partition)
            for name in names
            for partition in self._consumer.partitions_for_topic(name) or ()
        ]

    def __call__(self) -> int:
        return sum(self._consumer.end_offsets(self._places).values())


@contextmanager
def running(argv: Sequence[str], log: Path, **env: str) -> Iterator[psutil.Process]:
    """A process of this Python, ended with the block."""
    process = spawn(
        [sys.executable, *argv],
        log=log,
        env={**os.environ, "CROSSREGION_METRICS_PORT": "0", **env},
        guard=process_guard,
    )
    try:
        yield psutil.Process(process.pid)
    except Stuck as stuck:
        raise Stuck(f"{stuck} Its log ends: {log.read_text()[-2000:]}") from None
    finally:
        end(process, process_guard, [])


def measured(process: psutil.Process, done: Callable[[], int], total: int) -> Speed:
    """How fast a process does what `done` counts, from the first sign of it up to `total`.

    Starting and joining its group are left out. Raises: Stuck.
    """
    first: tuple[int, float, float] | None = None
    last, since = -1, time.monotonic()
    while True:
        if process.status() == psutil.STATUS_ZOMBIE:
            raise Stuck("The measured process has ended by itself.")
        count, now, cpu = done(), time.monotonic(), cpu_seconds(process)
        if count > 0 and first is None:
            first = count, now, cpu
        if count >= total and first is not None:
            return Speed(count - first[0], now - first[1], cpu - first[2])
        if count != last:
            last, since = count, now
        if now - since > STUCK_SECONDS:
            raise Stuck(f"{count} of {total} done by {' '.join(process.cmdline())}")
        time.sleep(STEP_SECONDS)


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def line(figure: str, target: str, reached: bool, value: str) -> None:
    """One figure, one line."""
    print(f"{figure:<34} {value}  [target {target}: {'reached' if reached else 'MISSED'}]")
