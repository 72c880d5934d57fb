"""Kafka headers: the CloudEvents binary binding and a W3C trace context."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime


class Cause:
    """What events follow from: they share its trace and time, and have ids made from it."""

    def __init__(self, cause: str, unit: str, record_id: str) -> None:
        self._cause = cause
        self._shared = _shared(unit, record_id)

    def headers(self, event: str) -> list[tuple[str, bytes]]:
        """The headers of the one event of this kind that follows."""
        event_id = uuid.uuid5(uuid.NAMESPACE_OID, f"{self._cause}\n{event}")
        return [*_own(str(event_id), event), *self._shared]


def headers(
    event_id: str, event: str, unit: str, record_id: str, at: datetime | None = None
) -> list[tuple[str, bytes]]:
    """The headers of one event. Clock and trace stand here, so that content never varies.

    `at` is when it happened, now if None.
    """
    return [*_own(event_id, event), *_shared(unit, record_id, at)]


def when(ce_time: bytes | None) -> datetime | None:
    """When an event says it happened; None if it says nothing that can be read."""
    try:
        at = datetime.fromisoformat((ce_time or b"").decode("ascii", "replace"))
    except ValueError:
        return None
    return at if at.tzinfo else None


def caused(cause: str, event: str, unit: str, record_id: str) -> list[tuple[str, bytes]]:
    """The headers of an event that follows from another; its id is made from that cause."""
    return Cause(cause, unit, record_id).headers(event)


def _own(event_id: str, event: str) -> list[tuple[str, bytes]]:
    return [("ce_id", event_id.encode()), ("ce_type", f"crossregion.{event}".encode())]


def _shared(unit: str, record_id: str, at: datetime | None = None) -> list[tuple[str, bytes]]:
    drawn = secrets.token_hex(24)
    return [
        ("ce_specversion", b"1.0"),
        ("ce_source", f"/units/{unit}".encode()),
        ("ce_time", (at or datetime.now(UTC)).isoformat().encode()),
        ("ce_subject", record_id.encode()),
        ("content-type", b"application/avro"),
        ("traceparent", f"00-{drawn[:32]}-{drawn[32:]}-01".encode()),
    ]
