"""Reads topics from their beginning to their present end offsets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from crossregion.kafka.connection import Kafka

POLL_MILLISECONDS = 200


def records(kafka: Kafka, principal: str, names: Iterable[str]) -> Iterator[ConsumerRecord]:
    """Every record in these topics, those of one partition in their order.

    Raises: ServiceUnavailable when the principal's password cannot be read.
    """
    consumer = KafkaConsumer(
        **kafka.options(principal),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        allow_auto_create_topics=False,
    )
    try:
        places = [
            TopicPartition(name, partition)
            for name in names
            for partition in consumer.partitions_for_topic(name) or ()
        ]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        while any(consumer.position(place) < end for place, end in ends.items()):
            for found in consumer.poll(timeout_ms=POLL_MILLISECONDS).values():
                yield from found
    finally:
        consumer.close()
