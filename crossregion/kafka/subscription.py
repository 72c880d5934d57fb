"""Following topics as a member of a group."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from crossregion import logs
from crossregion.errors import LogShortened, ServiceUnavailable, StandsStill
from crossregion.settings import settings
from schemas import topics
from schemas.units import NOTIFIED

ANSWER_MS = 5_000

log = logs.logger()


def subscribe(
    consumer: KafkaConsumer,
    names: Sequence[str],
    listener: ConsumerRebalanceListener | None = None,
) -> None:
    """Subscribe once the metadata of all topics is known.

    kafka-python 3.0.12 as leader of a group assigns nothing of a topic that it has no metadata of
    yet, and does not always rejoin when it has: the topic is then never consumed.
    Raises: ServiceUnavailable when a topic is missing, or Kafka has those of an unknown unit.
    """
    require_known_units(consumer.topics())
    for name in names:
        if not consumer.partitions_for_topic(name):
            raise ServiceUnavailable("topic-missing", name=name)
    consumer.subscribe(list(names), listener=listener)


def require_known_units(visible: Iterable[str]) -> None:
    """Check that Kafka has no topics of a unit that this process does not know.

    It would ignore them for good. Raises: ServiceUnavailable.
    """
    unknown = topics.of_other_units(visible)
    if unknown:
        raise ServiceUnavailable(
            "topic-of-unknown-unit",
            name=unknown[0],
            known=", ".join(NOTIFIED),
            setting="CROSSREGION_UNITS",
        )


def poll(consumer: KafkaConsumer, timeout_ms: int) -> dict[TopicPartition, list[ConsumerRecord]]:
    """Poll a consumer whose `auto_offset_reset` is "none".

    A partition without a committed offset is read from its beginning. An offset out of range is an
    error instead of a silent reset. Raises: LogShortened.
    """
    try:
        found: dict[TopicPartition, list[ConsumerRecord]] = consumer.poll(timeout_ms=timeout_ms)
    except NoOffsetForPartitionError as error:
        consumer.seek_to_beginning(*error.args[0])
        return {}
    except OffsetOutOfRangeError:
        raise LogShortened from None
    return found


class ProgressWatchdog:
    """Detects a stalled consumer: lag > 0 and nothing fetched.

    After a lost connection kafka-python 3.0.12 sometimes fetches nothing any more, while its
    session in the group stays alive, so that no other worker takes over its partitions.
    """

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self._seconds = StandsStill.after(settings().timeout_factor)
        self._since = time.monotonic()
        self._left: set[TopicPartition] = set()

    def look(self, came: bool) -> None:
        """Call after each poll; `came` is whether it returned records.

        Raises: StandsStill when two checks in a row found lag and no record came in between.
        """
        now = time.monotonic()
        if came:
            self._since, self._left = now, set()
        elif now - self._since >= self._seconds:
            self._since, before = now, self._left
            self._left = self._behind()
            if before & self._left:
                raise StandsStill

    def _behind(self) -> set[TopicPartition]:
        """The partitions with lag > 0; none while Kafka gives no end offsets."""
        mine = self._consumer.assignment()
        try:
            ends = self._consumer.end_offsets(list(mine), timeout_ms=ANSWER_MS)
            at = {one: self._consumer.position(one, timeout_ms=ANSWER_MS) for one in mine}
        except KafkaError as error:
            log.warning("End offsets unknown: lag not checked", error=type(error).__name__)
            return set()
        return {one for one in mine if at[one] < ends[one]}
