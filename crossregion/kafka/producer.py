"""Sends one event for a command, and returns once the broker has acknowledged it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from crossregion.errors import ServiceUnavailable
from crossregion.kafka.connection import Kafka
from schemas import codec, envelope
from schemas.topics import Topic

MAX_REQUEST_BYTES = codec.MAX_LETTER_BYTES + 100_000
"""The largest event there is, a dead letter, with its headers."""


def send(
    kafka: Kafka,
    principal: str,
    topic: Topic,
    event: str,
    record: Mapping[str, Any],
    *,
    key: str,
    event_id: str,
    unit: str,
    partition: int | None = None,
) -> None:
    """Check one event against its contract, send it as a principal, and wait for the broker.

    `unit` selects the topic where each unit has its own. Sending twice does no harm if the event's
    id is made of its content. Raises: InvalidRecord, ServiceUnavailable.
    """
    codec.validate(event, record)
    value = codec.encode(event, record)
    headers = envelope.headers(event_id, event, unit, key)
    try:
        producer = KafkaProducer(
            **kafka.options(principal),
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            max_request_size=MAX_REQUEST_BYTES,
        )
        try:
            producer.send(
                topic.name(unit),
                key=key.encode(),
                value=value,
                headers=headers,
                partition=partition,
            ).get()
        finally:
            producer.close()
    except KafkaError as error:
        raise ServiceUnavailable("not-sent", why=kafka.explain(error, principal)) from None
