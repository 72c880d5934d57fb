"""The registry: what has been reported, found, flagged and proposed, in PostgreSQL.

It reads the topics whose `read_by` in `schemas/topics/` names it.

A batch's rows and the marks that its events have been seen are one transaction; the offsets are
committed after it. Everything is keyed so that a second time changes nothing.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import CommitFailedError, RebalanceInProgressError

from consumers.registry import audit_chain
from consumers.registry.batch import INTAKE, Batch
from consumers.registry.projections import files, notices
from crossregion import logs, metrics
from crossregion.domain.acknowledgements import EARLY_SECONDS
from crossregion.errors import CrossregionError
from crossregion.failpoints import failpoint
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka import subscription
from crossregion.kafka.connection import Kafka
from crossregion.kafka.patches import cluster_of
from crossregion.postgres import migrations, queries
from crossregion.postgres.connection import Connection
from crossregion.postgres.transactions import Database
from crossregion.process import Work, run_worker
from crossregion.settings import Settings
from schemas import topics
from schemas.units import UNITS

PRINCIPAL = "registry"
GROUP = kafka_connection.group(PRINCIPAL)
TOPICS = topics.names_of(topics.read_by(PRINCIPAL))
BATCH_RECORDS = 2_000
POLL_MS = 500
COUNT_SECONDS = 30.0
SESSION_MS = 10_000
KINDS = {"cases": "case", "rescues": "rescue", "files": "file", "tips": "tip"}

log = logs.logger()


class Registry:
    """Follows the topics and writes what follows from them."""

    def __init__(
        self,
        kafka: Kafka,
        dsn: str | None,
        worker: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = Database(dsn)
        self._heads = audit_chain.HeadWriter(kafka, self._database)
        self._clock = clock
        self._count_at = time.monotonic()
        self._consumer = KafkaConsumer(
            **kafka.options(PRINCIPAL),
            group_id=GROUP,
            group_instance_id=f"registry-{worker}",
            client_id=f"registry-{worker}",
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            auto_offset_reset="none",
            max_poll_records=BATCH_RECORDS,
            max_poll_interval_ms=3_600_000,
            session_timeout_ms=SESSION_MS,
        )

    def run(self, stop: threading.Event, health: metrics.Health) -> None:
        """Write until told to stop.

        Raises: CrossregionError when a topic is not the one that has been read before.
        """
        subscription.subscribe(self._consumer, TOPICS)
        watch = subscription.ProgressWatchdog(self._consumer)
        known = self._database.transact(self._know_topics)
        forgetting = time.monotonic() + EARLY_SECONDS
        while not stop.is_set():
            fetched = subscription.poll(self._consumer, POLL_MS)
            watch.look(bool(fetched))
            for name, topic_id in self._topic_ids().items():
                if known[name] != topic_id:
                    raise CrossregionError("registry.topic-made-anew", name=name)
            if fetched:
                self._handle(fetched)
            self._database.transact(audit_chain.chain)
            if time.monotonic() >= forgetting:
                self.forget()
                forgetting = time.monotonic() + EARLY_SECONDS
            self._heads.step()
            self._count_what_is_due()
            health.beat()
        self._consumer.close()
        self._heads.close()
        self._database.close()

    def forget(self) -> None:
        """Let go of old answers to what nobody was told, once all notices of now are stored."""
        now = self._clock()
        places = [
            TopicPartition(name, partition)
            for name in topics.NOTICES.names()
            for partition in self._consumer.partitions_for_topic(name) or ()
        ]
        ends = self._consumer.end_offsets(places)
        if all((self._consumer.committed(place) or 0) >= end for place, end in ends.items()):
            self._database.transact(lambda connection: notices.forget(connection, now))

    def _topic_ids(self) -> dict[str, uuid.UUID]:
        cluster = cluster_of(self._consumer)
        found = {name: cluster.topic_id(name) for name in TOPICS}
        return {name: topic_id for name, topic_id in found.items() if topic_id is not None}

    def _know_topics(self, connection: Connection) -> dict[str, uuid.UUID]:
        """Kafka's id of each topic when the registry read it first."""
        now = [{"name": name, "topic_id": str(one)} for name, one in self._topic_ids().items()]
        queries.put(connection, "add_topics", now)
        return dict(connection.execute(queries.query("topics")).fetchall())

    def _handle(self, fetched: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        handled = [record for found in fetched.values() for record in found]
        oldest = metrics.OLDEST_UNHANDLED.labels("registry")
        oldest.set(min(record.timestamp for record in handled) / 1000)
        batch = Batch()
        for record in handled:
            headers = {key: value or b"" for key, value in record.headers}
            outcome = batch.take(
                record.topic,
                record.partition,
                record.offset,
                record.value,
                headers,
                record.timestamp,
            )
            kind = record.topic.partition(".")[0]
            metrics.EVENTS.labels("registry", kind, outcome).inc()
        failpoint("before-transaction")
        self._database.transact(batch.write)
        failpoint("before-commit")
        try:
            self._consumer.commit(
                {
                    where: OffsetAndMetadata(found[-1].offset + 1, "", -1)
                    for where, found in fetched.items()
                }
            )
        except (CommitFailedError, RebalanceInProgressError):
            log.warning("Rebalanced before commit; the new owner reprocesses")
        now = time.time()
        for record in handled:
            if record.topic in INTAKE:
                unit = topics.unit_of_topic(record.topic)
                seconds = max(0.0, now - record.timestamp / 1000)
                metrics.RECORD_TO_REGISTRY.labels(unit).observe(seconds)
        if batch.proposals.rows:
            self._count_proposals()
        oldest.set(0)

    def _count_what_is_due(self) -> None:
        """By the day, so also while nothing is read."""
        if time.monotonic() >= self._count_at:
            self._count_at = time.monotonic() + COUNT_SECONDS
            self._database.transact(files.measure)
            self._count_tips()

    def _count_tips(self) -> None:
        waiting = self._database.transact(
            lambda connection: connection.execute(queries.query("tips_to_triage")).fetchall()
        )
        found = {unit: (count, overdue) for unit, count, overdue in waiting}
        for unit in UNITS:
            count, overdue = found.get(unit, (0, 0))
            metrics.TIPS_WAITING.labels(unit).set(count)
            metrics.TIPS_OVERDUE.labels(unit).set(overdue)

    def _count_proposals(self) -> None:
        rows = self._database.transact(
            lambda connection: connection.execute(queries.query("proposals_by_band")).fetchall()
        )
        for band, count in rows:
            metrics.PROPOSALS.labels(band).set(count)


def make(chosen: Settings) -> Work:
    """One registry worker. Raises: CrossregionError without Kafka or a current database."""
    kafka = kafka_connection.reachable(chosen)
    migrations.require_current(chosen.database)

    def work(stop: threading.Event, health: metrics.Health) -> None:
        with kafka_connection.explained(kafka, PRINCIPAL):
            Registry(kafka, chosen.database, chosen.worker).run(stop, health)

    return work


def main() -> None:
    run_worker(PRINCIPAL, make)


if __name__ == "__main__":
    main()
