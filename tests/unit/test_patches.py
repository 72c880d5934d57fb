"""Each patch of a library does what its docstring says, and the library alone does not."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
import time
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.subscription_state import TopicPartitionState
from aiokafka.errors import SaslAuthenticationFailed
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaTimeoutError, SaslAuthenticationFailedError
from kafka.future import Future
from kafka.net import manager
from kafka.net.selector import NetworkSelector
from kafka.producer.sender import Sender

from crossregion.errors import CrossregionError, LogShortened, ServiceUnavailable
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka import patches as kafka_patches
from crossregion.kafka.connection import Kafka
from crossregion.patching import PatchMismatch
from processors.engine import patches as engine_patches

kafka_patches.apply_patches()
engine_patches.apply_patches()

STATE = """
import crossregion.kafka.connection, crossregion.kafka.reader, crossregion.kafka.admin
import crossregion.kafka.patches, processors.engine.app, producers.publisher
import consumers.registry.worker
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer import fetcher
from aiokafka.consumer.subscription_state import TopicPartitionState
from aiokafka.record import memory_records as aiokafka_records
from kafka.net import manager
from kafka.producer.sender import Sender
from kafka.record import memory_records

def theirs():
    return [found.__module__.split(".")[0] for found in (
        manager.KafkaSSLTransport, manager.KafkaConnectionManager._connect, Sender.run_once,
        memory_records.DefaultRecordBatch, AIOKafkaConnection.connect,
        TopicPartitionState.await_reset, aiokafka_records.DefaultRecordBatch,
    )], fetcher.MemoryRecords is aiokafka_records._MemoryRecordsPy

print(*theirs())
crossregion.kafka.patches.apply_patches()
print(*theirs())
processors.engine.app.patches.apply_patches()
print(*theirs())
"""


@pytest.mark.slow
def test_an_import_patches_nothing_and_a_process_does() -> None:
    done = subprocess.run([sys.executable, "-c", STATE], capture_output=True, text=True, timeout=60)
    ours, at_work = ["crossregion"] * 4, ["processors"] * 3
    aiokafka = ["aiokafka"] * 3
    assert (done.stderr, done.stdout.splitlines()) == (
        "",
        [
            f"{['kafka'] * 4 + aiokafka} False",
            f"{ours + aiokafka} False",
            f"{ours + at_work} True",
        ],
    )


@pytest.mark.parametrize(
    ("applied", "library"),
    [
        (kafka_patches.apply_patches, "kafka-python"),
        (engine_patches.apply_patches, "aiokafka"),
        (engine_patches.apply_patches, "faust-streaming"),
    ],
)
def test_another_version_of_a_library_is_refused(
    applied: Any, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "9.9" if name == library else found(name))
    with pytest.raises(PatchMismatch, match=rf"{library} 9\.9 is installed"):
        applied.__wrapped__()


def transport(loop: Any, near: socket.socket) -> Any:
    """One end of a TLS connection, as the manager makes it."""
    near.setblocking(False)
    context = ssl.create_default_context()
    return manager.KafkaSSLTransport(loop, near, host="kafka.example", ssl_context=context)


def test_a_handshake_ends_where_the_peer_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_patches, "HANDSHAKE_SECONDS", 0.05)
    loop, (near, far) = NetworkSelector(), socket.socketpair()
    made = transport(loop, near)
    shaking = loop.call_soon(made.handshake)
    deadline = time.monotonic() + 2
    while not shaking.is_done and time.monotonic() < deadline:
        loop.poll(timeout_ms=20)
    assert shaking.is_done
    assert isinstance(shaking.exception, KafkaTimeoutError)
    made._sock.close()
    far.close()


def test_bytes_before_the_end_of_a_connection_are_read() -> None:
    near, far = socket.socketpair()
    made = transport(NetworkSelector(), near)
    made._sock.close()
    far.close()
    came = [b"refused", b"", b""]
    made._sock = SimpleNamespace(recv=lambda _: came.pop(0), getpeername=lambda: ("127.0.0.1", 9))
    made._sock.getsockname = made._sock.getpeername
    assert made._sock_recv() == (b"refused", None)
    received, error = made._sock_recv()
    assert (received, "disconnected" in str(error)) == (b"", True)


def test_a_wrong_password_is_remembered() -> None:
    """As the connection manager meets it: `initialize` returns, and `init_future` has failed."""
    refused = SaslAuthenticationFailedError("wrong")

    async def nothing(*_: object, **__: object) -> None:
        pass

    of_manager = SimpleNamespace(
        _build_transport=nothing,
        closed=False,
        _sensors=None,
        _auth_failures={},
        reset_backoff=lambda _: None,
    )
    conn = SimpleNamespace(
        closed=False,
        connection_made=lambda _: None,
        initialize=nothing,
        broker_version_data=None,
        init_future=Future().failure(refused),
    )
    asyncio.run(
        manager.KafkaConnectionManager._connect(of_manager, SimpleNamespace(node_id=1), conn)
    )
    assert of_manager._auth_failures == {1: refused}


def test_a_producers_thread_ends_at_a_wrong_password() -> None:
    def refuse() -> int:
        raise SaslAuthenticationFailedError("wrong")

    sender = Sender.__new__(Sender)
    sender._topics_to_add, sender._transaction_manager = set(), None
    sender._send_producer_data = refuse
    sender._accumulator = SimpleNamespace(close=lambda: None)
    sender._client = SimpleNamespace(wakeup=lambda: None)
    sender._running, sender._force_close = True, False
    sender.run_once()
    assert (sender._running, sender._force_close) == (False, True)


class Ended(Exception):
    """What `end_process` was called with; it must not return."""


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(error: BaseException) -> None:
        raise Ended(error)

    monkeypatch.setattr(engine_patches, "end_process", end)


@pytest.mark.usefixtures("ending")
def test_a_changed_password_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    found = Kafka("kafka.example:9092", tmp_path)
    monkeypatch.setattr(kafka_connection, "kafka", lambda _: found)

    async def nothing() -> None:
        pass

    async def refuse() -> None:
        raise SaslAuthenticationFailed("wrong")

    async def connect(port: int) -> None:
        connection = AIOKafkaConnection(
            "127.0.0.1",
            port,
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_plain_username="linkage",
            sasl_plain_password="old",
        )
        monkeypatch.setattr(connection, "_do_version_lookup", nothing)
        monkeypatch.setattr(connection, "_do_sasl_handshake", refuse)
        await connection.connect()

    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(Ended) as ended:
        asyncio.run(connect(server.getsockname()[1]))
    (fault,) = ended.value.args
    assert isinstance(fault, ServiceUnavailable)
    assert "refuses linkage" in str(fault)


@pytest.mark.usefixtures("ending")
def test_a_topic_that_became_shorter_ends_the_process() -> None:
    async def reset(*, read: bool) -> None:
        state = TopicPartitionState(SimpleNamespace())
        state.await_reset(1)
        assert state.reset_strategy == 1
        if read:
            state.reset_to(7)
        state.await_reset(2)
        assert state.reset_strategy == 2

    asyncio.run(reset(read=False))
    with pytest.raises(Ended) as ended:
        asyncio.run(reset(read=True))
    assert isinstance(ended.value.args[0], LogShortened)


@pytest.mark.usefixtures("ending")
def test_a_topic_without_partitions_ends_the_process() -> None:
    with pytest.raises(Ended) as ended:
        engine_patches.Assignor._get_copartitioned_groups({"cases"}, ClusterMetadata(), {})
    (fault,) = ended.value.args
    assert isinstance(fault, CrossregionError)
    assert "cases" in str(fault)


def test_the_private_members_in_use_are_there() -> None:
    """On clients that never connect: who knows the version does not wait for a broker."""
    nowhere: Any = {"bootstrap_servers": "127.0.0.1:9", "api_version": (3, 9)}
    consumer = KafkaConsumer(**nowhere)
    assert kafka_patches.cluster_of(consumer).topic_id("cases") is None
    consumer.close()
    producer = KafkaProducer(**nowhere)
    kafka_patches.drop_unsent(producer)
    producer.close(timeout=5)
    app = faust.App("unstarted", broker="kafka://127.0.0.1:9")
    app.producer._producer = at_work = object()
    assert engine_patches.producer_of(app) is at_work
