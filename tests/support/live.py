"""Helpers for tests against the running stack."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from crossregion.embedded.stack import Stack
from crossregion.flows import Lags
from crossregion.kafka.connection import ADMIN, Kafka
from producers.spool.store import Spool
from schemas import codec, topics

STEP_SECONDS = 0.1


def wait_until(true: Callable[[], bool], stack: Stack, seconds: float = 60.0) -> None:
    """Wait, restarting workers that end."""
    deadline = time.monotonic() + seconds
    while not true():
        stack.check()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(STEP_SECONDS)


def wait_for_quiet(stack: Stack) -> None:
    """Wait until all is sent and every worker has finished all that stands on its topics."""
    wait_until(lambda: not any(unsent(path) for path in stack.spools.glob("*.sqlite")), stack)
    deadline = time.monotonic() + 60.0
    with closing(Lags(stack.kafka)) as lags:
        while (left := lags.first_open()) is not None:
            flow, _ = left
            while lags.lag(flow) > 0:
                stack.check()
                assert time.monotonic() < deadline, left
                time.sleep(STEP_SECONDS)


def unsent(path: Path) -> bool:
    with Spool(path, path.stem) as spool:
        return bool(spool.unsent(1))


def send(kafka: Kafka, records: Iterable[dict[str, Any]]) -> list[RecordMetadata]:
    """Send records, given as arguments of the producer's `send`; returns where they stand."""

    async def sending() -> list[RecordMetadata]:
        producer = AIOKafkaProducer(
            **kafka.options(ADMIN), max_request_size=2_000_000, enable_idempotence=True
        )
        await producer.start()
        try:
            waiting = [await producer.send(**record) for record in records]
            return list(await asyncio.gather(*waiting))
        finally:
            await producer.stop()

    return asyncio.run(sending())


def put(stack: Stack, event: str, record: dict[str, Any]) -> None:
    """Send a unit's case or rescue, as its sender does."""
    topic = topics.CASES if event == "CaseRecorded" else topics.RESCUES
    value = codec.encode(event, record)
    send(stack.kafka, [{"topic": topic.name(record["unit"]), "key": b"k", "value": value}])


def read_all(kafka: Kafka, *names: str) -> list[ConsumerRecord]:
    """Every record of the topics, each partition in its order."""
    consumer = KafkaConsumer(**kafka.options(ADMIN), enable_auto_commit=False)
    places = [
        TopicPartition(name, partition)
        for name in names
        for partition in consumer.partitions_for_topic(name)
    ]
    consumer.assign(places)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(places)
    found: list[ConsumerRecord] = []
    while any(consumer.position(place) < end for place, end in ends.items()):
        for records in consumer.poll(timeout_ms=200).values():
            found += records
    consumer.close()
    return found


def notices(kafka: Kafka) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """What was said under each notice id, by revision.

    Each revision is said once, issued and withdrawn in turn: no notice is issued twice, but one
    that has become urgent.
    """
    said: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for record in read_all(kafka, *topics.NOTICES.names()):
        event, notice = codec.decode(record.value)
        said.setdefault(notice["notice_id"], []).append((event, notice))
    for notice_id, events in said.items():
        assert [notice["revision"] for _, notice in events] == list(range(1, len(events) + 1))
        assert follows("", {}, *events[0]), notice_id
        assert all(follows(*one, *next_one) for one, next_one in pairwise(events)), notice_id
    return said


def follows(before: str, known: dict[str, Any], event: str, notice: dict[str, Any]) -> bool:
    """Whether this may be said of a notice after that, ``""`` for nothing."""
    if event == "NoticeWithdrawn":
        return before == "NoticeIssued"
    return before != "NoticeIssued" or notice["urgent"] > known["urgent"]


def in_force(kafka: Kafka) -> dict[str, dict[str, Any]]:
    """The notices that hold, without their revision."""
    return {
        notice_id: {**events[-1][1], "revision": 0}
        for notice_id, events in notices(kafka).items()
        if events[-1][0] == "NoticeIssued"
    }
