"""The audit's chain: its rows, its heads on Kafka, and what of it has been changed since.

A row holds the hash of the row before it, so whoever changes one must change all that follow.
The head is written to the topic `audit-heads`, which the database's owner cannot write.
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from crossregion import logs
from crossregion.domain.events import AuditHeadRecorded
from crossregion.domain.regions import OFFICE
from crossregion.errors import CrossregionError, ServiceUnavailable
from crossregion.kafka.connection import OPERATOR, Kafka
from crossregion.postgres import queries, transactions
from crossregion.postgres.connection import Connection
from crossregion.postgres.transactions import Database
from schemas import codec, envelope, topics

HEAD_SECONDS = 10.0
SEND_SECONDS = 10.0
POLL_MS = 200
KEY = b"audit"

Heads = Mapping[int, Set[str]]

log = logs.logger()


class AuditBroken(CrossregionError):
    """The audit is not what was written."""

    code = "audit-broken"


@dataclass(frozen=True)
class Entry:
    """One row of the audit."""

    number: int
    at: datetime
    login: str
    role: str
    actor: str
    action: str
    subject: str
    purpose: str
    previous: bytes
    hash: bytes

    def expected_hash(self) -> bytes:
        """The hash that the row was written with, if nothing in it has been changed."""
        at = self.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        who = (self.login, self.role, self.actor)
        parts = (str(self.number), at, *who, self.action, self.subject, self.purpose)
        text = ",".join(f"{len(part.encode())}:{part}" for part in parts)
        return hashlib.sha256(self.previous + text.encode()).digest()


def check(entries: Iterable[Entry], heads: Heads) -> int:
    """Follow the chain from its first row, beside the heads that were written; returns its length.

    Raises: AuditBroken, which names the first bad row.
    """
    previous, number, confirmed = b"", 0, 0
    for entry in entries:
        number += 1
        if entry.number != number:
            raise AuditBroken("row-missing", number=number)
        if entry.previous != previous or entry.hash != entry.expected_hash():
            raise AuditBroken("row-changed", number=number)
        if number in heads:
            if heads[number] != {entry.hash.hex()}:
                raise AuditBroken("rows-changed", first=confirmed + 1, number=number)
            confirmed = number
        previous = entry.hash
    if number < max(heads, default=0):
        raise AuditBroken("end-missing", first=number + 1, newest=max(heads))
    return number


def entries(connection: Connection) -> Iterator[Entry]:
    """All rows in their order, fetched a part at a time."""
    with connection.cursor(name="audit") as cursor:
        cursor.execute(queries.query("audit_entries"))
        for row in cursor:
            yield Entry(*row)


def heads(kafka: Kafka) -> Heads:
    """Every head that was written: the row's number and its hash, or its hashes.

    Raises: ServiceUnavailable.
    """
    found: dict[int, set[str]] = defaultdict(set)
    name = topics.AUDIT_HEADS.name()
    try:
        consumer = KafkaConsumer(
            **kafka.options(OPERATOR),
            enable_auto_commit=False,
            allow_auto_create_topics=False,
        )
        try:
            places = [TopicPartition(name, n) for n in consumer.partitions_for_topic(name) or ()]
            consumer.assign(places)
            consumer.seek_to_beginning()
            ends = consumer.end_offsets(places)
            while any(consumer.position(place) < end for place, end in ends.items()):
                for records in consumer.poll(timeout_ms=POLL_MS).values():
                    for record in records:
                        _, head = codec.decode(record.value, topics.AUDIT_HEADS.schemas)
                        found[head["number"]].add(head["hash"])
        finally:
            consumer.close()
    except KafkaError as error:
        raise ServiceUnavailable(
            "audit-heads-unreadable", why=kafka.explain(error, OPERATOR)
        ) from None
    return found


def verify(kafka: Kafka, dsn: str | None) -> tuple[int, int]:
    """Check the chain; returns how many rows it has, and the last row whose head is on Kafka.

    Raises: AuditBroken, ServiceUnavailable.
    """
    written = heads(kafka)
    with transactions.session(dsn) as connection:
        return check(entries(connection), written), max(written, default=0)


def chain(connection: Connection) -> None:
    """Note what units have asked to read, which they are given once it is noted."""
    connection.execute(queries.query("chain_audit"))


class HeadWriter:
    """Writes the chain's head to Kafka once it has moved, at most every ten seconds."""

    def __init__(self, kafka: Kafka, held: Database) -> None:
        self._database = held
        self._producer = KafkaProducer(
            **kafka.options("registry"),
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            max_block_ms=round(SEND_SECONDS * 1000),
        )
        self._written: tuple[int, bytes] | None = None
        self._due = 0.0

    def step(self) -> None:
        """Write if it is time to."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + HEAD_SECONDS
            self.write()

    def write(self) -> None:
        """Write the head if it is another than the last time; a broker that is away is asked again.

        Raises: KafkaError when waiting cannot help.
        """
        found = self._database.transact(
            lambda connection: connection.execute(queries.query("audit_head")).fetchone()
        )
        if found is None or found == self._written:
            return
        number, digest = found
        head: AuditHeadRecorded = {"number": number, "hash": digest.hex()}
        try:
            self._producer.send(
                topics.AUDIT_HEADS.name(),
                key=KEY,
                value=codec.encode("AuditHeadRecorded", head),
                headers=envelope.caused(head["hash"], "AuditHeadRecorded", OFFICE, str(number)),
            ).get(timeout=SEND_SECONDS)
        except KafkaError as error:
            if not error.retriable:
                raise
            log.warning("Audit head not yet written to Kafka: retries", error=type(error).__name__)
        else:
            self._written = found

    def close(self) -> None:
        self.write()
        self._producer.close()
