"""Whether anything listens where the settings say that Kafka is."""

from __future__ import annotations

import socket

from crossregion.runtime.faults import ServiceUnavailable

CONNECT_SECONDS = 10.0


def kafka_at(address: str | None) -> str:
    """The broker's address once something listens there, for a worker about to start.

    Raises: ServiceUnavailable, at once and in one line, where the clients would try on and on.
    """
    if not address:
        raise ServiceUnavailable("Set CROSSREGION_KAFKA to the broker's address, host:port.")
    for one in address.split(","):
        host, _, port = one.strip().rpartition(":")
        if not host or not port.isdigit():
            raise ServiceUnavailable(f"CROSSREGION_KAFKA holds {one}: write host:port.")
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        except OSError:
            continue
        return address
    raise ServiceUnavailable(
        f"Nothing listens at {address}: check CROSSREGION_KAFKA and that the broker runs."
    )
