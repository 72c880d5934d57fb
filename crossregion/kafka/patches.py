"""What kafka-python 3.0.12 does wrong: TLS, passwords, and records that it cannot read."""

from __future__ import annotations

import functools
import ssl
import time
from typing import Any

from kafka.errors import SaslAuthenticationFailedError
from kafka.net import manager
from kafka.net.transport import KafkaSSLTransport
from kafka.producer.sender import Sender
from kafka.record import memory_records

from crossregion.kafka.record_batch import Batch
from crossregion.patching import require_version

HANDSHAKE_SECONDS = 5.0


class Transport(KafkaSSLTransport):  # type: ignore[misc, unused-ignore]
    """A TLS connection that ends when the broker hangs, and hears its last word.

    kafka-python waits for ever for the handshake, and drops what comes together with the end of
    the connection, as the broker's word that a password is wrong does.
    """

    async def handshake(self) -> None:
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
        received, error = super()._sock_recv()
        return received, None if received else error


_connect = manager.KafkaConnectionManager._connect


async def connect(self: Any, node: Any, conn: Any, **options: Any) -> None:
    """Connect, and remember that a password is wrong.

    kafka-python means to raise that error, but misses it, and tries again until its time is over.
    """
    await _connect(self, node, conn, **options)
    if conn.init_future.failed():
        error = conn.init_future.exception
        if isinstance(error, SaslAuthenticationFailedError):
            self._auth_failures[node.node_id] = error


_run_once = Sender.run_once


def run_once(self: Any) -> None:
    """One turn of a producer's thread, which ends when its password is wrong.

    kafka-python raises and logs that again and again, without a pause and ever longer.
    """
    try:
        _run_once(self)
    except SaslAuthenticationFailedError:
        self.force_close()


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
