"""What kafka-python 3.0.12 does wrong: TLS, passwords, and records that it cannot read.

Each patch says for which version it is, where the defect is reported or how to report it, and
which test fails without it. `apply_patches` puts them in place; importing this changes nothing.
"""

from __future__ import annotations

import functools
import ssl
import time
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.cluster import ClusterMetadata
from kafka.errors import SaslAuthenticationFailedError
from kafka.net import manager
from kafka.net.transport import KafkaSSLTransport
from kafka.producer.sender import Sender
from kafka.record import memory_records

from crossregion.kafka.record_batch import Batch
from crossregion.patching import require_version

HANDSHAKE_SECONDS = 5.0


class Transport(KafkaSSLTransport):  # type: ignore[misc, unused-ignore]
    """A TLS connection that ends when the broker hangs, and reads what came before its end."""

    async def handshake(self) -> None:
        """Shake hands within HANDSHAKE_SECONDS; kafka-python waits for ever.

        Version: kafka-python 3.0.12
        Upstream: not reported as of 2026-11. dpkp/kafka-python#3027 gave `wait_read` and
            `wait_write` a `timeout_at`; `KafkaSSLTransport.handshake` does not pass it, so a peer
            that accepts TCP and never answers TLS blocks the connection without end.
        Test: tests/unit/test_patches.py::test_a_handshake_ends_where_the_peer_is_silent

        Raises: KafkaTimeoutError.
        """
        deadline = time.monotonic() + HANDSHAKE_SECONDS
        while True:
            try:
                self._sock.do_handshake()
            except ssl.SSLWantReadError:
                await self._net.wait_read(self._sock, deadline)
            except ssl.SSLWantWriteError:
                await self._net.wait_write(self._sock, deadline)
            else:
                return

    def _sock_recv(self) -> tuple[bytes, Exception | None]:
        """Hand over the bytes that came together with the end of the connection.

        Version: kafka-python 3.0.12
        Upstream: not reported as of 2026-11. `_sock_recv` returns bytes and an error when both
            come in one turn, and `_read_from_sock` drops the bytes: a broker's SaslAuthenticate
            response that is followed by its close is seen as a lost connection.
        Test: tests/unit/test_patches.py::test_bytes_before_the_end_of_a_connection_are_read
        """
        received, error = super()._sock_recv()
        return received, None if received else error


_connect = manager.KafkaConnectionManager._connect


async def connect(self: Any, node: Any, conn: Any, **options: Any) -> None:
    """Connect, and remember that a password is wrong, which kafka-python means to do.

    Version: kafka-python 3.0.12
    Upstream: dpkp/kafka-python#2994 (merged) raises what `_auth_failures` holds. It is filled where
        `initialize` raises, but that only puts its error into `init_future`: the client connects
        again until its time is over. That it is still so in 3.0.12 is not reported as of 2026-11.
    Test: tests/unit/test_patches.py::test_a_wrong_password_is_remembered
    """
    await _connect(self, node, conn, **options)
    if conn.init_future.failed():
        error = conn.init_future.exception
        if isinstance(error, SaslAuthenticationFailedError):
            self._auth_failures[node.node_id] = error


_run_once = Sender.run_once


def run_once(self: Any) -> None:
    """One turn of a producer's thread, which ends when its password is wrong.

    Version: kafka-python 3.0.12
    Upstream: dpkp/kafka-python#2364 (closed) is the same loop after another error: `Sender.run`
        logs what `run_once` raises and calls it again at once, without a pause. For a refused
        password in 3.0.12 it is not reported as of 2026-11.
    Test: tests/unit/test_patches.py::test_a_producers_thread_ends_at_a_wrong_password
    """
    try:
        _run_once(self)
    except SaslAuthenticationFailedError:
        self.force_close()


def cluster_of(consumer: KafkaConsumer) -> ClusterMetadata:
    """The metadata a consumer has received: its public methods do not tell a topic's id.

    Version: kafka-python 3.0.12
    Upstream: not reported as of 2026-11; `KafkaConsumer` could have a `topic_id(topic)`.
    Test: tests/unit/test_patches.py::test_the_private_members_in_use_are_there
    """
    return consumer._client.cluster


def drop_unsent(producer: KafkaProducer) -> None:
    """Have a producer drop what it holds, so that closing it does not wait for a broker.

    Version: kafka-python 3.0.12
    Upstream: not reported as of 2026-11. `close(timeout)` waits for what is unsent, then raises
        and leaves the producer open; dpkp/kafka-python#1052 (closed) is an older form of it.
    Test: tests/unit/test_patches.py::test_the_private_members_in_use_are_there
    """
    producer._sender.force_close()


@functools.cache
def apply_patches() -> None:
    """Have every client of this process use these.

    Raises: PatchMismatch where another version is installed.
    """
    require_version("kafka-python", "3.0.12")
    manager.KafkaSSLTransport = Transport
    manager.KafkaConnectionManager._connect = connect
    Sender.run_once = run_once
    memory_records.DefaultRecordBatch = Batch
