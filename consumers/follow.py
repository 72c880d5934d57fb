"""Following topics as a member of a group."""

from __future__ import annotations

from collections.abc import Sequence

from kafka import ConsumerRebalanceListener, KafkaConsumer

from crossregion.runtime import ServiceUnavailable


def subscribe(
    consumer: KafkaConsumer,
    names: Sequence[str],
    listener: ConsumerRebalanceListener | None = None,
) -> None:
    """Subscribe once the broker has told which partitions there are.

    kafka-python 3.0.12 as leader of a group assigns nothing of a topic that it has no metadata of
    yet, and does not always rejoin when it has: the topic then stands still.
    Raises: ServiceUnavailable when a topic is missing.
    """
    for name in names:
        if not consumer.partitions_for_topic(name):
            raise ServiceUnavailable(
                f"The topic {name} is missing: run `crossregion topics apply`."
            )
    consumer.subscribe(list(names), listener=listener)
