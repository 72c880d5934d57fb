"""Which group reads which topics, and how far each has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import RetriableError

from crossregion import installed_model
from crossregion.errors import CrossregionError
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka.connection import Kafka
from schemas import topics as contracts


@dataclass(frozen=True)
class Flow:
    """One group's part of the way through: it is done when nothing is left of its topics."""

    group: str
    topics: tuple[str, ...]


def flows() -> tuple[Flow, ...]:
    """In the order of the way through: once one is done, what the next has to read is final.

    Linkage is that of the model in the settings. Raises: CrossregionError.
    """
    groups = {"linkage": installed_model.group(installed_model.chosen())}
    return tuple(
        Flow(
            groups.get(worker, kafka_connection.group(worker)),
            contracts.names_of(contracts.read_by(worker)),
        )
        for worker in contracts.workers()
    )


class Lags:
    """How much of the way through is still to be done, by what the broker says."""

    def __init__(self, kafka: Kafka) -> None:
        connection = kafka.options(kafka_connection.OPERATOR)
        self._admin = KafkaAdminClient(**connection)
        self._consumer = KafkaConsumer(**connection, enable_auto_commit=False)
        self._flows = flows()

    def ends(self, names: Sequence[str]) -> dict[TopicPartition, int]:
        """The end offset of every partition of the topics."""
        places = [
            TopicPartition(name, partition)
            for name in names
            for partition in self._consumer.partitions_for_topic(name) or ()
        ]
        found: dict[TopicPartition, int] = self._consumer.end_offsets(places)
        return found

    def linkages(self) -> list[Flow]:
        """Linkage by each model that Kafka knows a group of."""
        listed = sorted(found["group_id"] for found in self._admin.list_groups())
        names = (contracts.LINKAGE_RECORDS.name(),)
        return [
            Flow(group, names)
            for group in listed
            if group.startswith(kafka_connection.LINKAGE_GROUPS)
        ]

    def lag(self, flow: Flow) -> int:
        """Records of the flow's topics that its group has not finished.

        All of them while the broker cannot say yet, as on its first start.
        Raises: CrossregionError where a topic holds less than its group has read.
        """
        try:
            committed = self._admin.list_group_offsets(flow.group)[flow.group]
        except RetriableError:
            committed = {}
        done = {place: max(0, position.offset) for place, position in committed.items()}
        left = {place: end - done.get(place, 0) for place, end in self.ends(flow.topics).items()}
        for place, count in left.items():
            if count < 0:
                raise CrossregionError(
                    "flows.more-read-than-held",
                    group=flow.group,
                    count=-count,
                    topic=place.topic,
                    partition=place.partition,
                )
        return sum(left.values())

    def first_open(self) -> tuple[Flow, int] | None:
        """The first flow with something left, and how much; None when all is done."""
        for flow in self._flows:
            left = self.lag(flow)
            if left > 0:
                return flow, left
        return None

    def close(self) -> None:
        self._admin.close()
        self._consumer.close()
