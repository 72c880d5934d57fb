"""The sender against a real broker: kills on both sides, broken spools, missing topics."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient

from crossregion import metrics
from crossregion.embedded.kafka import EmbeddedKafka
from crossregion.kafka import admin as runtime_topics
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka import patches
from crossregion.kafka.connection import ADMIN, Kafka
from producers import publisher
from producers import sender as sender_module
from producers.sender import SpoolSender
from producers.spool.store import Spool
from schemas import topics
from tests.support import exports
from tests.support.command import COMMAND
from tests.support.exports import case

KILLED_BEFORE_MARKING = """
import os, signal
from crossregion import process
from producers import sender
from producers.spool import store
store.Spool.mark_sent = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
process.run_worker("sender", sender.make)
"""


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedKafka]:
    """A broker of these tests alone: one of them kills it."""
    with tempfile.TemporaryDirectory(prefix="crossregion-sender-") as directory:
        service = EmbeddedKafka(Path(directory))
        try:
            service.start()
            runtime_topics.apply(service.connection)
            yield service
        finally:
            service.stop()


@pytest.fixture
def kafka(broker: EmbeddedKafka) -> Kafka:
    broker.wait_ready()
    return broker.connection


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def accept(directory: Path, unit: str, count: int, start: int = 0) -> set[str]:
    """Put cases into a unit's spool; returns the ids of their events, if nothing sends yet."""
    numbers = range(start, start + count)
    rows = [case(案件编号=f"{unit}-C{number}", 承办单位=unit) for number in numbers]
    with Spool(directory / f"{unit}.sqlite", unit) as spool:
        file = exports.write(directory / f"{unit}.csv", *rows)
        assert publisher.accept([file], spool).kinds["case"].published == count
        return {event.event_id for event in spool.unsent(count)}


def waiting(directory: Path, unit: str) -> int:
    with Spool(directory / f"{unit}.sqlite", unit) as spool:
        return spool.waiting()


def on_broker(kafka: Kafka, unit: str) -> list[str]:
    """The ids of all events on a unit's topic of cases."""
    consumer = KafkaConsumer(**kafka.options(ADMIN), enable_auto_commit=False)
    name = topics.CASES.name(unit)
    places = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name) or ()]
    consumer.assign(places)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(places)
    found = []
    while any(consumer.position(place) < end for place, end in ends.items()):
        for records in consumer.poll(timeout_ms=200).values():
            found += [dict(record.headers)["ce_id"].decode() for record in records]
    consumer.close()
    return found


def wait_until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def started(kafka: Kafka, directory: Path, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        argv,
        env={**os.environ, **kafka.environment(), "CROSSREGION_DATA": str(directory.parent)},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_process_sends_what_comes_and_stops_when_told(kafka: Kafka, directory: Path) -> None:
    directory.mkdir()
    process = started(kafka, directory, *COMMAND, "run", "sender")
    accept(directory, "220100", 30)
    accept(directory, "220300", 1)
    wait_until(lambda: not waiting(directory, "220100") and not waiting(directory, "220300"))
    accept(directory, "220300", 2, start=1)
    wait_until(lambda: not waiting(directory, "220300"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert process.stderr is not None
    assert "王红英" not in process.stderr.read()
    process.stderr.close()
    for unit, count in (("220100", 30), ("220300", 3)):
        sent = on_broker(kafka, unit)
        assert (len(sent), len(set(sent))) == (count, count)


def test_killed_between_acknowledgement_and_mark_it_loses_nothing(
    kafka: Kafka, directory: Path
) -> None:
    directory.mkdir()
    ids = accept(directory, "220400", 700)
    first = started(kafka, directory, sys.executable, "-c", KILLED_BEFORE_MARKING)
    assert first.wait(60) == -signal.SIGKILL
    assert first.stderr is not None
    first.stderr.close()
    assert waiting(directory, "220400") == 700
    assert len(on_broker(kafka, "220400")) == publisher.WINDOW
    sender = SpoolSender(directory, kafka)
    wait_until(lambda: not sender.step()[1])
    sender.close()
    sent = on_broker(kafka, "220400")
    assert set(sent) == ids
    assert len(sent) == 700  # it has read from its topic what had arrived: not even a duplicate


def test_a_spool_that_cannot_be_used_delays_no_other(
    kafka: Kafka, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory.mkdir()
    (directory / "220000.sqlite").write_text("no database " * 100)
    (directory / "999999.sqlite").write_text("no unit's")
    accept(directory, "220500", 3)
    path = directory / "220500.sqlite"
    ids = accept(directory, "220600", 3)
    data = path.read_bytes()
    path.write_bytes(data.replace("王红英".encode(), "王红荧".encode()))
    sender = SpoolSender(directory, kafka)
    assert sender.step() == (3, True)
    assert set(on_broker(kafka, "220600")) == ids
    assert waiting(directory, "220500") == 3
    path.write_bytes(data)
    (directory / "220000.sqlite").unlink()
    wait_until(lambda: sender.step() == (0, False))
    assert len(on_broker(kafka, "220500")) == 3
    sender.close()
    said = capsys.readouterr()
    assert "is no spool: move it away" in said.out + said.err


def test_a_spool_that_another_process_holds_delays_no_other_and_is_sent_when_it_lets_go(
    kafka: Kafka,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CROSSREGION_TIMEOUT_FACTOR", "0.1")
    monkeypatch.setattr(sender_module, "REFUSED_SECONDS", 36_000.0)
    held, free = accept(directory, "220500", 3, 900), accept(directory, "220600", 3, 900)
    holder = sqlite3.connect(directory / "220500.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    sender = SpoolSender(directory, kafka)
    assert sender.step() == (3, True)
    assert set(on_broker(kafka, "220600")) >= free
    assert sender.step() == (0, False)  # nobody waits for it a second time
    sender.close()
    said = capsys.readouterr()
    assert (said.out + said.err).count("220500.sqlite has been held by another process") == 1
    holder.close()
    sender = SpoolSender(directory, kafka)
    wait_until(lambda: not sender.step()[1])
    sender.close()
    assert set(on_broker(kafka, "220500")) >= held


def test_a_unit_whose_topic_is_missing_delays_no_other(kafka: Kafka, directory: Path) -> None:
    directory.mkdir()
    accept(directory, "220000", 2)
    ids = accept(directory, "222400", 2)
    admin = KafkaAdminClient(**kafka.options(ADMIN))
    admin.delete_topics([topics.CASES.name("220000")])
    wait_until(lambda: topics.CASES.name("220000") not in admin.list_topics())
    admin.close()
    sender = SpoolSender(directory, kafka)
    assert sender.step() == (0, True)
    assert sender.step() == (2, True)
    assert set(on_broker(kafka, "222400")) == ids
    runtime_topics.apply(kafka)
    wait_until(lambda: not sender.step()[1])
    assert len(on_broker(kafka, "220000")) == 2
    sender.close()


def test_a_broker_that_hangs_holds_nobody_for_ever(
    broker: EmbeddedKafka, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "DELIVERY_MS", 2_000)
    monkeypatch.setattr(publisher, "CONNECT_MS", 1_000)
    monkeypatch.setattr(patches, "HANDSHAKE_SECONDS", 1.0)
    monkeypatch.setattr(kafka_connection, "CONNECT_SECONDS", 1.0)
    directory.mkdir()
    broker.wait_ready()
    kafka = broker.connection
    before = set(on_broker(kafka, "222400"))
    ids = accept(directory, "222400", 1, start=100)
    sender = SpoolSender(directory, kafka)
    assert sender.step() == (1, False)
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        accept(directory, "222400", 3, start=101)
        assert sender.step() == (0, True)
        assert sender.step() == (0, True)
    finally:
        os.kill(broker.pid, signal.SIGCONT)
    assert waiting(directory, "222400") == 3
    wait_until(lambda: not sender.step()[1])
    sender.close()
    sent = set(on_broker(kafka, "222400")) - before
    assert (ids <= sent, len(sent)) == (True, 4)


def test_a_broker_killed_in_the_middle_delays_and_loses_nothing(
    broker: EmbeddedKafka, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "LONGEST_PAUSE_SECONDS", 1.0)
    monkeypatch.setattr(publisher, "CONNECT_MS", 1_000)
    directory.mkdir()
    broker.wait_ready()
    kafka = broker.connection
    ids = accept(directory, "220700", 6_000)
    stop, health = threading.Event(), metrics.Health()
    thread = threading.Thread(
        target=lambda: SpoolSender(directory, kafka).run(stop, health), daemon=True
    )
    thread.start()
    try:
        wait_until(lambda: waiting(directory, "220700") < 5_500)
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        acknowledged = 6_000 - waiting(directory, "220700")
        assert acknowledged < 6_000
        broker.stop()
        accept(directory, "220800", 5)
        assert broker.start() == kafka.address
        wait_until(lambda: not waiting(directory, "220700") + waiting(directory, "220800"), 90)
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    sent = on_broker(kafka, "220700")
    assert set(sent) == ids
    assert len(set(on_broker(kafka, "220800"))) == 5


def test_spool_depth_is_a_metric(
    kafka: Kafka, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "CONNECT_MS", 1_000)
    directory.mkdir()
    accept(directory, "22CBS0", 4)
    port, close = metrics.serve(metrics.Health())

    def shown() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return str(answer.read().decode())

    sender = SpoolSender(directory, Kafka("127.0.0.1:1", kafka.secrets))
    assert sender.step() == (0, True)
    assert 'crossregion_spool_depth{unit="22CBS0"} 4.0' in shown()
    sender.close()
    sender = SpoolSender(directory, kafka)
    sender.step()
    assert 'crossregion_spool_depth{unit="22CBS0"} 0.0' in shown()
    sender.close()
    close()
