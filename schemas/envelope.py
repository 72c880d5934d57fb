"""Kafka headers: the CloudEvents binary binding and a W3C trace context."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime


def headers(event_id: str, event: str, unit: str, record_id: str) -> list[tuple[str, bytes]]:
    """The headers of one event. Clock and trace stand here, so that content never varies."""
    drawn = secrets.token_hex(24)
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_type", f"crossregion.{event}".encode()),
        ("ce_source", f"/units/{unit}".encode()),
        ("ce_time", datetime.now(UTC).isoformat().encode()),
        ("ce_subject", record_id.encode()),
        ("content-type", b"application/avro"),
        ("traceparent", f"00-{drawn[:32]}-{drawn[32:]}-01".encode()),
    ]


def caused(cause: str, event: str, unit: str, record_id: str) -> list[tuple[str, bytes]]:
    """The headers of an event that follows from another; its id is made from that cause."""
    event_id = uuid.uuid5(uuid.NAMESPACE_OID, f"{cause}\n{event}")
    return headers(str(event_id), event, unit, record_id)
