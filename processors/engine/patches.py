"""Defects of Faust and aiokafka that are fixed here."""

from __future__ import annotations

import functools
from typing import Any

from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.subscription_state import TopicPartitionState
from aiokafka.errors import SaslAuthenticationFailed
from faust.assignor.partition_assignor import PartitionAssignor

from crossregion.errors import CrossregionError, LogShortened
from crossregion.kafka import connection as kafka_connection
from crossregion.patching import require_version
from crossregion.settings import settings
from processors.engine import record_batch
from processors.engine.liveness import end_process

VERSIONS = {"aiokafka": "0.14.0", "faust-streaming": "0.15.3"}

_connect = AIOKafkaConnection.connect


async def connect(connection: AIOKafkaConnection) -> Any:
    """Connect; aiokafka itself would go on with a password that was changed, for ever."""
    try:
        return await _connect(connection)
    except SaslAuthenticationFailed as error:
        found = kafka_connection.kafka(settings())
        end_process(found.explain(error, connection._sasl_plain_username))


_await_reset = TopicPartitionState.await_reset


def await_reset(state: TopicPartitionState, strategy: int) -> None:
    """Begin at the beginning what was never read; Faust would drop all up to where it was."""
    if state.has_valid_position:
        end_process(LogShortened())
    _await_reset(state, strategy)


class Assignor(PartitionAssignor):  # type: ignore[misc, unused-ignore]
    """Faust's own, which ignores a topic of whose partitions Kafka has not told the leader yet."""

    @classmethod
    def _get_copartitioned_groups(cls, topics: set[str], cluster: Any, subscriptions: Any) -> Any:
        """The topic would stand still, given to nobody: end instead, and join anew."""
        for topic in sorted(topics):
            if not cluster.partitions_for_topic(topic):
                end_process(CrossregionError("topics.without-partitions", topic=topic))
        return super()._get_copartitioned_groups(topics, cluster, subscriptions)


@functools.cache
def apply_patches() -> None:
    """Have every app of this process use these.

    Raises: PatchMismatch where another version of a library is installed.
    """
    for library, version in VERSIONS.items():
        require_version(library, version)
    AIOKafkaConnection.connect = connect
    TopicPartitionState.await_reset = await_reset
    record_batch.apply_patches()
