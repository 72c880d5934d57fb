"""Writing as the office: one event at a time, acknowledged before anybody is told so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossregion.kafka import producer
from crossregion.kafka.connection import OFFICE as PRINCIPAL
from crossregion.kafka.connection import Kafka
from schemas import codec, envelope
from schemas.topics import Topic


def send(
    kafka: Kafka,
    topic: Topic,
    event: str,
    record: Mapping[str, Any],
    *,
    key: str,
    event_id: str,
    unit: str,
    partition: int | None = None,
) -> None:
    """Send one event; once too often does no harm, for its id is made of its content.

    Raises: InvalidRecord, ServiceUnavailable.
    """
    codec.validate(event, record)
    headers = envelope.headers(event_id, event, unit, key)
    value = codec.encode(event, record)
    producer.send(kafka, PRINCIPAL, topic.name(), key, value, headers, partition)
