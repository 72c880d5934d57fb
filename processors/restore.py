"""Reading a topic again from its beginning: the log is the state of a processor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord

from crossregion.failpoints import failpoint

FETCH_BYTES = 2 * 1024 * 1024
POLL_MS = 200

Place = tuple[TopicPartition, int]
Connection = Mapping[str, Any]
"""The options by which the processor reaches Kafka, as `worker.options` gives them."""


async def committed(
    connection: Connection, group: str, topic: str, partitions: Iterable[int]
) -> dict[int, int]:
    """The offset each partition of a topic is committed to by a group, 0 where there is none."""
    admin = AIOKafkaAdminClient(**connection)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    offsets = dict.fromkeys(partitions, 0)
    for where, position in found.items():
        if where.topic == topic and where.partition in offsets:
            offsets[where.partition] = max(0, position.offset)
    return offsets


async def behind(connection: Connection, group: str, places: set[TopicPartition]) -> set[Place]:
    """The partitions of which the group has not done all, each with how far it is."""
    admin = AIOKafkaAdminClient(**connection)
    consumer = AIOKafkaConsumer(**connection, enable_auto_commit=False)
    await admin.start()
    try:
        await consumer.start()
        found = await admin.list_consumer_group_offsets(group)
        until = await consumer.end_offsets(list(places))
    finally:
        await admin.close()
        await consumer.stop()
    done = {place: max(0, found[place].offset) if place in found else 0 for place in places}
    return {(place, at) for place, at in done.items() if at < until[place]}


async def ends(connection: Connection, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """The end offset of each partition."""
    consumer = AIOKafkaConsumer(**connection, enable_auto_commit=False)
    await consumer.start()
    try:
        found = await consumer.end_offsets([TopicPartition(topic, p) for p in partitions])
    finally:
        await consumer.stop()
    return {where.partition: offset for where, offset in found.items()}


async def left_too_long(
    connection: Connection, topic: str, until: Mapping[int, int], oldest_ms: int
) -> set[int]:
    """The partitions begun, of which a record still to do is older than this time of the broker."""
    begun = {TopicPartition(topic, p): offset for p, offset in until.items() if offset > 0}
    if not begun:
        return set()
    consumer = AIOKafkaConsumer(**connection, enable_auto_commit=False)
    await consumer.start()
    try:
        since = await consumer.offsets_for_times(dict.fromkeys(begun, oldest_ms))
        ends = await consumer.end_offsets(list(begun))
    finally:
        await consumer.stop()
    kept = {where: since[where].offset if since[where] else ends[where] for where in begun}
    return {where.partition for where, offset in begun.items() if offset < kept[where]}


async def read_again(
    connection: Connection, topic: str, until: dict[int, int]
) -> AsyncIterator[list[ConsumerRecord]]:
    """Every record of the partitions before their offsets in `until`, in slices.

    Between slices the event loop gets its turn, so that heartbeats go on.
    """
    wanted = {TopicPartition(topic, p): offset for p, offset in until.items() if offset > 0}
    if not wanted:
        return
    consumer = AIOKafkaConsumer(
        **connection,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await consumer.start()
    try:
        consumer.assign(list(wanted))
        await consumer.seek_to_beginning()
        while wanted:
            failpoint("rebuilding")
            for where, found in (await consumer.getmany(timeout_ms=POLL_MS)).items():
                yield [record for record in found if record.offset < wanted[where]]
            for where in list(wanted):
                if await consumer.position(where) >= wanted[where]:
                    consumer.pause(where)
                    del wanted[where]
    finally:
        await consumer.stop()
