"""Following topics as a member of a group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition

from crossregion.runtime import ServiceUnavailable


class FromTheBeginning(ConsumerRebalanceListener):  # type: ignore[misc, unused-ignore]
    """What a group has not read yet it begins at its beginning.

    For consumers with `auto_offset_reset="none"`: what a group has read, and is not there any more,
    then ends the process, instead of being passed over in silence.
    """

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        new = [place for place in assigned if self._consumer.committed(place) is None]
        if new:
            self._consumer.seek_to_beginning(*new)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        pass


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
