"""The embedded services, the guard and the supervisor, with real processes."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import jgo
import psycopg
import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from crossregion.embedded.kafka import EmbeddedKafka
from crossregion.embedded.postgres import EmbeddedPostgres
from crossregion.embedded.processes import LOG_LIMIT_BYTES, Guard, open_log, spawn
from crossregion.embedded.service import EmbeddedService, start_together
from crossregion.embedded.supervisor import Death, Supervisor, Worker
from crossregion.errors import DataDirectoryInUse, ServiceUnavailable, WorkerGaveUp
from crossregion.kafka.connection import ADMIN, Kafka

PARENT = """
import json, sys, time
from pathlib import Path
from crossregion.embedded.kafka import EmbeddedKafka
from crossregion.embedded.postgres import EmbeddedPostgres
from crossregion.embedded.service import start_together
data = Path(sys.argv[1])
services = [EmbeddedKafka(data / "kafka"), EmbeddedPostgres(data / "postgres")]
start_together(*services)
print(json.dumps([s.pid for s in services] + [services[0].guard.pid]), flush=True)
time.sleep(600)
"""
SLEEPER = "import time; print('up', flush=True); time.sleep(600)"


@pytest.fixture
def data() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="crossregion-runtime-") as directory:
        data = Path(directory) / "数据, 1"
        data.mkdir()
        yield data


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or only waits to be collected by whoever inherited it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in {"Z", "X"}


def keeps_running(service: EmbeddedService) -> bool:
    service.check()
    return False


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write_both(kafka: Kafka, dsn: str) -> None:
    admin = KafkaAdminClient(**kafka.options(ADMIN))
    admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])
    admin.close()
    producer = KafkaProducer(**kafka.options(ADMIN))
    producer.send("kept", b"event").get(timeout=10)
    producer.close()
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")


def read_both(kafka: Kafka, dsn: str) -> tuple[list[bytes], int]:
    consumer = KafkaConsumer(
        "kept",
        **kafka.options(ADMIN),
        auto_offset_reset="earliest",
        group_id=None,
        consumer_timeout_ms=5000,
    )
    event = next(consumer).value
    consumer.close()
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT value FROM kept").fetchone()
    assert row is not None
    return [event], row[0]


def listeners(data: Path) -> list[int]:
    return [
        port
        for name in ("kafka", "postgres")
        for port in json.loads((data / name / "ports.json").read_text()).values()
    ]


def test_data_survives_a_stop_and_a_change_of_every_port(data: Path) -> None:
    guard = Guard()
    kafka = EmbeddedKafka(data / "kafka", guard)
    postgres = EmbeddedPostgres(data / "postgres", guard)
    first = start_together(kafka, postgres)
    try:
        write_both(kafka.connection, first[1])
        pids = [kafka.pid, postgres.pid]
        assert all(pid is not None and os.getsid(pid) == pid for pid in pids)
    finally:
        kafka.stop()
        postgres.stop()
    assert all(pid is not None and has_ended(pid) for pid in pids)
    assert guard.pid is None

    again = start_together(kafka, postgres)
    kafka.stop()
    postgres.stop()
    assert again == first

    with ExitStack() as stack:
        for port in listeners(data):
            taken = stack.enter_context(socket.socket())
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", port))
            taken.listen()
        stack.callback(kafka.stop)
        stack.callback(postgres.stop)
        moved = start_together(kafka, postgres)
        assert moved[0] != first[0]
        assert moved[1] != first[1]
        assert read_both(kafka.connection, moved[1]) == ([b"event"], 7)


def test_nothing_outlives_a_parent_killed_and_the_data_can_be_used_at_once(data: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(data)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pids = json.loads(parent.stdout.readline())
    assert not any(has_ended(pid) for pid in pids)

    with pytest.raises(DataDirectoryInUse) as refusal:
        EmbeddedKafka(data / "kafka").start()
    assert str(refusal.value) == (
        f"The data directory {data / 'kafka'} of Kafka is in use by the process {parent.pid}; "
        "stop that process or choose another directory."
    )

    parent.kill()
    parent.wait()
    parent.stdout.close()
    with EmbeddedPostgres(data / "postgres") as postgres:
        assert postgres.pid not in pids
    wait_until(lambda: all(has_ended(pid) for pid in pids))


def test_a_killed_broker_is_noticed_and_its_data_found_again(data: Path) -> None:
    kafka, postgres = EmbeddedKafka(data / "kafka"), EmbeddedPostgres(data / "postgres")
    try:
        _, dsn = start_together(kafka, postgres)
        write_both(kafka.connection, dsn)
        for service in (kafka, postgres):
            assert service.pid is not None
            os.kill(service.pid, signal.SIGKILL)
            with pytest.raises(ServiceUnavailable, match=r"ended by itself.*server\.log"):
                wait_until(partial(keeps_running, service))
            service.stop()
        _, dsn = start_together(kafka, postgres)
        assert read_both(kafka.connection, dsn) == ([b"event"], 7)
    finally:
        kafka.stop()
        postgres.stop()


def test_files_are_private_and_the_log_holds_no_value(data: Path) -> None:
    with EmbeddedPostgres(data / "postgres") as postgres:
        dsn = postgres.create_database("other")
        assert dsn == postgres.create_database("other")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE person (name text PRIMARY KEY)")
            connection.execute("INSERT INTO person VALUES ('Zhang San')")
            for statement in (
                "INSERT INTO person VALUES ('Zhang San')",
                "SELECT 'Zhang San'::date",
                "SELECT Zhang San",
            ):
                with pytest.raises(psycopg.Error):
                    connection.execute(statement)
            with pytest.raises(psycopg.Error):
                connection.execute("SELECT %s::int", ["Zhang San"])
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("COPY person TO '/tmp/person'")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(dsn.replace("@", "x@", 1))
    assert "Zhang" not in postgres.log.read_text()
    private = [postgres.log, *(data / "postgres").glob("*.password")]
    assert len(private) > 3
    assert {mode(path) for path in private} == {0o600}
    assert mode(postgres.cluster) == 0o700


def test_a_missing_download_says_what_to_do(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(coordinates: str) -> list[object]:
        raise ConnectionError(coordinates)

    monkeypatch.setattr(jgo, "resolve", no_network)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    guard = Guard()
    kafka = EmbeddedKafka(data / "kafka", guard)
    postgres = EmbeddedPostgres(data / "postgres", guard)
    for _ in range(2):
        with pytest.raises(ServiceUnavailable, match="check the network"):
            kafka.start()
        with pytest.raises(ServiceUnavailable, match="install the package"):
            postgres.start()
    assert guard.pid is None


def test_an_unusable_directory_says_what_to_do(data: Path) -> None:
    (data / "file").write_text("")
    with pytest.raises(ServiceUnavailable, match="cannot be written"):
        EmbeddedKafka(data / "file").start()
    with pytest.raises(ServiceUnavailable, match="cannot be written"):
        EmbeddedKafka(data / "file" / "below").start()
    (data / "newer" / "cluster").mkdir(parents=True)
    (data / "newer" / "cluster" / "PG_VERSION").write_text("19\n")
    with pytest.raises(ServiceUnavailable, match="made by PostgreSQL 19"):
        EmbeddedPostgres(data / "newer").start()


def test_a_failure_of_one_stops_the_other(data: Path) -> None:
    (data / "file").write_text("")
    guard = Guard()
    postgres = EmbeddedPostgres(data / "postgres", guard)
    with pytest.raises(ServiceUnavailable):
        start_together(postgres, EmbeddedKafka(data / "file", guard))
    assert postgres.pid is None
    assert guard.pid is None


def test_a_killed_guard_is_replaced_and_knows_all_that_is_watched(data: Path) -> None:
    guard = Guard()
    script = [sys.executable, "-c", SLEEPER]
    first = spawn(script, log=data / "first.log", env={}, guard=guard)
    killed = guard.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: has_ended(killed))
    second = spawn(script, log=data / "second.log", env={}, guard=guard)
    replacement = guard.pid
    assert replacement not in (None, killed)
    os.kill(replacement or 0, signal.SIGINT)
    guard.abandon()
    assert (first.wait(10), second.wait(10)) == (-signal.SIGTERM, -signal.SIGTERM)


def test_a_large_log_is_put_aside(data: Path) -> None:
    log = data / "worker.log"
    log.write_bytes(b"x" * LOG_LIMIT_BYTES)
    os.close(open_log(log))
    assert (log.stat().st_size, mode(log)) == (0, 0o600)
    assert log.with_name("worker.log.1").stat().st_size == LOG_LIMIT_BYTES


def says_up(log: Path) -> bool:
    return log.read_text().endswith("up\n")


def sleeper(data: Path, name: str, code: str = SLEEPER) -> Worker:
    return Worker(name, [sys.executable, "-c", code], {}, data / f"{name}.log")


def test_the_supervisor_restarts_what_is_killed_and_stops_all(data: Path) -> None:
    supervisor = Supervisor([sleeper(data, "a"), sleeper(data, "b")], first_delay=0.05)
    try:
        first = {name: supervisor.start(name) for name in ("a", "b")}
        assert supervisor.start("a") == first["a"]
        assert supervisor.pids() == first
        supervisor.kill("a")
        deaths: list[Death] = []
        deadline = time.monotonic() + 10
        while "a" not in supervisor.pids() or not deaths:
            assert time.monotonic() < deadline
            deaths += supervisor.poll()
        assert [(d.name, d.pid, d.status) for d in deaths] == [("a", first["a"], -signal.SIGKILL)]
        second = supervisor.pids()
        assert second["a"] != first["a"]
        assert second["b"] == first["b"]
        wait_until(partial(says_up, data / "a.log"))
        assert mode(data / "a.log") == 0o600
    finally:
        supervisor.stop()
    assert supervisor.pids() == {}
    assert all(has_ended(pid) for pid in second.values())
    assert supervisor.poll() == []


def test_the_supervisor_stops_in_order_and_kills_what_does_not_end(data: Path) -> None:
    trap = (
        "import pathlib, signal, sys, time\n"
        "def note(*_): pathlib.Path(sys.argv[1]).write_text(str(time.monotonic_ns()))\n"
        "signal.signal(signal.SIGTERM, note); print('up', flush=True)\n"
        "while True: time.sleep(0.01)\n"
    )
    workers = [
        Worker(n, [sys.executable, "-c", trap, str(data / n)], {}, data / f"{n}.log") for n in "ab"
    ]
    supervisor = Supervisor(workers)
    try:
        pids = [supervisor.start(name) for name in "ab"]
        for worker in workers:
            wait_until(partial(says_up, worker.log))
    finally:
        supervisor.stop(["b", "a"], seconds=0.5)
    assert all(has_ended(pid) for pid in pids)
    assert all((data / name).exists() for name in "ab")


def test_the_supervisor_sends_sigterm_once_so_that_a_worker_can_finish(data: Path) -> None:
    """As an event loop does, the worker gives up its handler before it has finished."""
    finishing = (
        "import pathlib, signal, sys, time\n"
        "def finish(*_):\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_DFL)\n"
        "    time.sleep(0.5)\n"
        "    pathlib.Path(sys.argv[1]).touch()\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, finish); print('up', flush=True)\n"
        "time.sleep(600)\n"
    )
    workers = [
        Worker(n, [sys.executable, "-c", finishing, str(data / n)], {}, data / f"{n}.log")
        for n in "ab"
    ]
    supervisor = Supervisor(workers)
    try:
        for name in "ab":
            supervisor.start(name)
        for worker in workers:
            wait_until(partial(says_up, worker.log))
    finally:
        supervisor.stop()
    assert all((data / name).exists() for name in "ab")


def test_the_supervisor_gives_up_after_five_deaths(data: Path) -> None:
    supervisor = Supervisor(
        [sleeper(data, "good"), sleeper(data, "bad", "raise SystemExit(3)")], first_delay=0.01
    )
    try:
        supervisor.start("good")
        supervisor.start("bad")
        deaths: list[Death] = []
        with pytest.raises(WorkerGaveUp) as verdict:
            while True:
                deaths += supervisor.poll()
                time.sleep(0.01)
        assert [death.status for death in deaths] == [3, 3, 3, 3]
        assert verdict.value.name == "bad"
        assert str(data / "bad.log") in str(verdict.value)
        assert list(supervisor.pids()) == ["good"]
    finally:
        supervisor.stop()


def test_a_command_that_cannot_be_run_says_so(data: Path) -> None:
    missing = Worker("none", [str(data / "missing")], {}, data / "none.log")
    with pytest.raises(ServiceUnavailable, match="cannot be run"):
        Supervisor([missing]).start("none")


def test_the_session_fixtures_answer(kafka: Kafka, database: str) -> None:
    admin = KafkaAdminClient(**kafka.options(ADMIN))
    assert len(admin.describe_cluster()["brokers"]) == 1
    admin.close()
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
