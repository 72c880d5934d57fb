"""Following topics as a member of a group."""

from __future__ import annotations

from collections.abc import Sequence

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

from crossregion.runtime import LogShortened, ServiceUnavailable


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


def poll(consumer: KafkaConsumer, timeout_ms: int) -> dict[TopicPartition, list[ConsumerRecord]]:
    """Poll a consumer whose `auto_offset_reset` is "none".

    What its group has never read it begins at the beginning; what it has read, and is not there any
    more, is not passed over in silence. Raises: LogShortened.
    """
    try:
        found: dict[TopicPartition, list[ConsumerRecord]] = consumer.poll(timeout_ms=timeout_ms)
    except NoOffsetForPartitionError as error:
        consumer.seek_to_beginning(*error.args[0])
        return {}
    except OffsetOutOfRangeError:
        raise LogShortened from None
    return found
