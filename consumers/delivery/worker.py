"""Delivery: brings notices to the webhooks and mailboxes of the units they are for.

    notices.*  ->  what is to be delivered (PostgreSQL, schema delivery)  ->  webhooks, mail

What is to be delivered, the mark that the notice was read, and the job that sends it are one
transaction; the offsets are committed after it, and a notice that is read again makes nothing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import CommitFailedError, RebalanceInProgressError

from consumers.delivery import jobs
from consumers.delivery.sender import DeliveryDispatcher
from crossregion import logs, metrics
from crossregion.failpoints import failpoint
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka import invalid_records, subscription
from crossregion.kafka.connection import Kafka
from crossregion.postgres import connection as postgres_connection
from crossregion.postgres import migrations, queries
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row
from crossregion.postgres.transactions import Database
from crossregion.process import Work, run_worker
from crossregion.settings import Settings
from schemas import codec, topics
from schemas.codec import Undecodable

PRINCIPAL = "delivery"
GROUP = kafka_connection.group(PRINCIPAL)
TOPICS = topics.names_of(topics.read_by(PRINCIPAL))
EVENTS = topics.events_of(topics.read_by(PRINCIPAL))
BATCH_RECORDS = 1_000
POLL_MS = 500
SESSION_MS = 10_000
ENDING_SECONDS = 10.0

log = logs.logger()


class Reader:
    """Follows the notices and puts down what is to be delivered of them."""

    def __init__(self, kafka: Kafka, dsn: str, worker: str) -> None:
        self._database = Database(postgres_connection.in_schema(dsn, "delivery"))
        self._consumer = KafkaConsumer(
            **kafka.options(PRINCIPAL),
            group_id=GROUP,
            group_instance_id=f"delivery-{worker}",
            client_id=f"delivery-{worker}",
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            auto_offset_reset="none",
            max_poll_records=BATCH_RECORDS,
            max_poll_interval_ms=3_600_000,
            session_timeout_ms=SESSION_MS,
        )

    def run(self, stop: threading.Event, health: metrics.Health, sender: metrics.Health) -> None:
        """Read until told to stop; the process is healthy while both reading and sending are."""
        subscription.subscribe(self._consumer, TOPICS)
        watch = subscription.ProgressWatchdog(self._consumer)
        while not stop.is_set():
            fetched = subscription.poll(self._consumer, POLL_MS)
            watch.look(bool(fetched))
            if fetched:
                self._handle(fetched)
            if sender.healthy:
                health.beat()
        self._consumer.close()
        self._database.close()

    def _handle(self, fetched: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        rows = list(_read(record for found in fetched.values() for record in found))
        failpoint("notices-read")
        self._database.transact(lambda connection: _put(connection, rows))
        failpoint("deliveries-put")
        try:
            self._consumer.commit(
                {
                    where: OffsetAndMetadata(found[-1].offset + 1, "", -1)
                    for where, found in fetched.items()
                }
            )
        except (CommitFailedError, RebalanceInProgressError):
            log.warning("Rebalanced before commit; the new owner reprocesses")
        for row in rows:
            metrics.EVENTS.labels("delivery", row["content"]["kind"], row["event"]).inc()


def _read(records: Iterable[ConsumerRecord]) -> Iterable[Row]:
    for record in records:
        try:
            event, notice = codec.decode(record.value, EVENTS)
        except Undecodable as error:
            invalid_records.report_invalid_record(
                record.topic, record.partition, record.offset, error
            )
            continue
        yield {
            "notice_id": notice["notice_id"],
            "revision": notice["revision"],
            "unit": topics.unit_of_topic(record.topic),
            "event": event,
            "content": notice,
            "at": datetime.fromtimestamp(record.timestamp / 1000, UTC).isoformat(),
        }


def _put(connection: Connection, rows: list[Row]) -> None:
    for (endpoint_id,) in queries.put(connection, "add_notices", rows):
        jobs.begin(connection, endpoint_id)


def _send(sender: DeliveryDispatcher, stop: threading.Event, faults: list[Exception]) -> None:
    """Send, on a loop of its own, until told to stop; a fault stops the reading too."""

    async def both() -> None:
        running = asyncio.create_task(sender.run())
        while not running.done():
            if stop.is_set():
                sender.stop()
            await asyncio.wait((running,), timeout=0.1)
        await running

    try:
        asyncio.run(both())
    except Exception as fault:  # noqa: BLE001 (raised by `make`'s work)
        faults.append(fault)
    finally:
        stop.set()


def make(chosen: Settings) -> Work:
    """One delivery worker. Raises: CrossregionError without Kafka or a current database."""
    kafka = kafka_connection.reachable(chosen)
    migrations.require_current(chosen.database)
    dsn = chosen.database or ""

    def work(stop: threading.Event, health: metrics.Health) -> None:
        of_sender = metrics.Health()
        faults: list[Exception] = []
        sender = DeliveryDispatcher(dsn, chosen, of_sender)
        thread = threading.Thread(target=_send, args=(sender, stop, faults), daemon=True)
        with kafka_connection.explained(kafka, PRINCIPAL):
            reader = Reader(kafka, dsn, chosen.worker)
            thread.start()
            try:
                reader.run(stop, health, of_sender)
            finally:
                stop.set()
                thread.join(ENDING_SECONDS)
        if faults:
            raise faults[0]

    return work


def main() -> None:
    run_worker(PRINCIPAL, make)


if __name__ == "__main__":
    main()
