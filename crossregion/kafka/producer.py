"""Writing one event for a command: acknowledged by the broker before anybody is told so."""

from __future__ import annotations

from kafka import KafkaProducer
from kafka.errors import KafkaError

from crossregion.errors import ServiceUnavailable
from crossregion.kafka.connection import Kafka


def send(
    kafka: Kafka,
    principal: str,
    topic: str,
    key: str,
    value: bytes,
    headers: list[tuple[str, bytes]],
    partition: int | None = None,
) -> None:
    """Send one event as a principal, and wait for the broker.

    Raises: ServiceUnavailable.
    """
    try:
        producer = KafkaProducer(
            **kafka.options(principal),
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
        )
        try:
            producer.send(
                topic, key=key.encode(), value=value, headers=headers, partition=partition
            ).get()
        finally:
            producer.close()
    except KafkaError as error:
        raise ServiceUnavailable(
            "It was not sent; try again, once too often does no harm. "
            f"{kafka.explain(error, principal)}"
        ) from None
