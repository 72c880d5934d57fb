"""Writing as the office: one event at a time, acknowledged before anybody is told so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError

from crossregion.clients import OFFICE as PRINCIPAL
from crossregion.clients import Kafka
from crossregion.faults import ServiceUnavailable
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
    try:
        producer = KafkaProducer(
            **kafka.options(PRINCIPAL),
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
        )
        try:
            producer.send(
                topic.name(),
                key=key.encode(),
                value=codec.encode(event, record),
                partition=partition,
                headers=envelope.headers(event_id, event, unit, key),
            ).get()
        finally:
            producer.close()
    except KafkaError as error:
        raise ServiceUnavailable(
            "It was not sent; try again, once too often does no harm. "
            f"{kafka.explain(error, PRINCIPAL)}"
        ) from None
