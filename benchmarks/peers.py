"""The loops that intake and registry are compared with: the same records, nothing decided.

    python -m benchmarks.peers bare|faust|copy

Each passes raw bytes on: `bare` and `faust` to as many records, in the same partitions, as intake
makes; `copy` into one table.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from typing import Any

from crossregion.kafka import connection as kafka_connection
from crossregion.kafka.connection import ADMIN, Kafka
from crossregion.settings import settings
from processors.intake import BATCH_EVENTS, BATCH_SECONDS, INTAKE_TOPICS
from schemas import topics

PARTITIONS = topics.LINKAGE_RECORDS.partitions


def bare_topics(peer: str) -> tuple[str, str, str, str]:
    """Where a peer writes: flags, remarks (one for each input), listed persons, a file's notes."""
    return f"{peer}-flags", f"{peer}-remarks", f"{peer}-listed", f"{peer}-notes"


def places(peer: str, topic: str, key: bytes) -> list[tuple[str, int]]:
    """Topic and partition of each record that intake would make of this one."""
    flags, remarks, listed, notes = bare_topics(peer)
    own = topics.partition_of(key.decode(), topics.LINKAGE_RECORDS)
    if topic.startswith("cases"):
        return [(flags, own), (remarks, own), (listed, own)]
    everywhere = [(listed, partition) for partition in range(PARTITIONS)]
    return [(remarks, own), (notes, own), *everywhere]


async def bare(kafka: Kafka) -> None:
    """aiokafka alone: read a batch, send it in batches, await every acknowledgement, commit."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    consumer = AIOKafkaConsumer(
        *INTAKE_TOPICS,
        **kafka.options(ADMIN),
        group_id="bench-bare",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_bytes=2 * 1024 * 1024,
    )
    producer = AIOKafkaProducer(
        **kafka.options(ADMIN), acks="all", max_batch_size=512 * 1024, linger_ms=0
    )
    await consumer.start()
    await producer.start()
    while True:
        fetched = await consumer.getmany(timeout_ms=50, max_records=BATCH_EVENTS)
        pending: dict[tuple[str, int], list[Any]] = {}
        for records in fetched.values():
            for record in records:
                for place in places("bare", record.topic, record.key):
                    pending.setdefault(place, []).append(record)
        await asyncio.gather(*(_send(producer, *where, made) for where, made in pending.items()))
        if fetched:
            await consumer.commit()


async def _send(producer: Any, topic: str, partition: int, records: Sequence[Any]) -> None:
    acknowledged = []
    batch = producer.create_batch()
    for one in records:
        given = {
            "key": one.key,
            "value": one.value,
            "timestamp": None,
            "headers": list(one.headers),
        }
        if batch.append(**given) is None:
            acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(**given)
    acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*acknowledged)


def faust_send() -> None:
    """Faust's own way: an agent that sends by `topic.send` and awaits what it has sent."""
    from processors.engine import app as engine_app

    app = engine_app.make_app(ADMIN, "crossregion-bench-faust")
    incoming = app.topic(*INTAKE_TOPICS, key_serializer="raw", value_serializer="raw")
    out = {
        name: app.topic(name, key_serializer="raw", value_serializer="raw")
        for name in bare_topics("faust")
    }

    @app.agent(incoming, concurrency=1)  # type: ignore[untyped-decorator, unused-ignore]
    async def send(stream: Any) -> None:
        async for events in stream.take_events(BATCH_EVENTS, within=BATCH_SECONDS):
            sent = [
                await out[topic].send(
                    key=event.message.key,
                    value=event.message.value,
                    headers=list(event.message.headers),
                    partition=partition,
                )
                for event in events
                for topic, partition in places("faust", event.message.topic, event.message.key)
            ]
            await asyncio.gather(*sent)

    engine_app.run(app)


def copy(kafka: Kafka, dsn: str) -> None:
    """kafka-python and COPY alone: the same records as raw bytes into one table."""
    import psycopg
    from kafka import KafkaConsumer

    from consumers.registry.worker import BATCH_RECORDS, POLL_MS, TOPICS

    consumer = KafkaConsumer(
        *TOPICS,
        **kafka.options(ADMIN),
        group_id="bench-copy",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=BATCH_RECORDS,
    )
    with psycopg.connect(dsn) as connection:
        connection.execute(
            'CREATE TABLE bare (topic text, partition integer, "offset" bigint, value bytea,'
            ' PRIMARY KEY (topic, partition, "offset"))'
        )
        connection.commit()
        while True:
            fetched = consumer.poll(timeout_ms=POLL_MS)
            if not fetched:
                continue
            with connection.cursor().copy("COPY bare FROM STDIN (FORMAT BINARY)") as rows:
                rows.set_types(["text", "int4", "int8", "bytea"])
                for records in fetched.values():
                    for record in records:
                        rows.write_row(
                            (record.topic, record.partition, record.offset, record.value)
                        )
            connection.commit()
            consumer.commit()


def main() -> None:
    parser = argparse.ArgumentParser(description="A loop to compare with.")
    parser.add_argument("peer", choices=("bare", "faust", "copy"))
    peer = parser.parse_args().peer
    kafka = kafka_connection.kafka(settings())
    if peer == "bare":
        import uvloop

        uvloop.run(bare(kafka))
    elif peer == "faust":
        faust_send()
    else:
        copy(kafka, os.environ["CROSSREGION_DATABASE"])


if __name__ == "__main__":
    main()
