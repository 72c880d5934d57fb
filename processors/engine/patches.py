"""What aiokafka 0.14.0 and faust-streaming 0.15.3 do wrong.

Each patch says for which version it is, where the defect is reported or how to report it, and
which test fails without it. `apply_patches` puts them in place; importing this changes nothing.
Whoever makes an app passes `Assignor` to it.
"""

from __future__ import annotations

import functools
from typing import Any

import faust
from aiokafka import AIOKafkaProducer
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
    """Connect, or end the process: its password was changed, and the file holds the new one.

    Version: aiokafka 0.14.0
    Upstream: not reported as of 2026-11 (aio-libs/aiokafka#1080 is about sessions that expire).
        `AIOKafkaClient._get_conn` logs SaslAuthenticationFailed as it logs a broker that is away,
        and it connects again with the same password, without end; no call of a consumer raises.
    Test: tests/unit/test_patches.py::test_a_changed_password_ends_the_process
    """
    try:
        return await _connect(connection)
    except SaslAuthenticationFailed as error:
        found = kafka_connection.kafka(settings())
        end_process(found.explain(error, connection._sasl_plain_username))


_await_reset = TopicPartitionState.await_reset


def await_reset(state: TopicPartitionState, strategy: int) -> None:
    """Begin at the beginning what was never read, and end where records that were read are gone.

    Version: aiokafka 0.14.0
    Upstream: not reported as of 2026-11 (faust-streaming/faust#651 is about tables). When an offset
        is out of range aiokafka begins anew and tells nobody; Faust keeps its own offset and drops
        every record below it, so a topic that was made anew is not read until it is longer.
    Test: tests/unit/test_patches.py::test_a_topic_that_became_shorter_ends_the_process
    """
    if state.has_valid_position:
        end_process(LogShortened())
    _await_reset(state, strategy)


class Assignor(PartitionAssignor):  # type: ignore[misc, unused-ignore]
    """Faust's own, but for topics whose partitions Kafka has not told the leader yet.

    Version: faust-streaming 0.15.3
    Upstream: faust-streaming/faust#558 (closed): the assignor only warns of such a topic, which is
        given to nobody until the next rebalance. To override this method is the answer there.
    Test: tests/unit/test_patches.py::test_a_topic_without_partitions_ends_the_process
    """

    @classmethod
    def _get_copartitioned_groups(cls, topics: set[str], cluster: Any, subscriptions: Any) -> Any:
        """End where a topic would be given to nobody; the process joins anew."""
        for topic in sorted(topics):
            if not cluster.partitions_for_topic(topic):
                end_process(CrossregionError("topics.without-partitions", topic=topic))
        return super()._get_copartitioned_groups(topics, cluster, subscriptions)


def producer_of(app: faust.App) -> AIOKafkaProducer:
    """The app's own aiokafka producer, whose batches can be awaited one by one.

    Version: faust-streaming 0.15.3
    Upstream: not reported as of 2026-11; `app.producer` hands over single messages only.
    Test: tests/unit/test_patches.py::test_the_private_members_in_use_are_there

    Raises: NotReady before the app has started.
    """
    return app.producer._ensure_producer()


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
