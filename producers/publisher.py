"""Publishing: export files into the spool, and from the spool to Kafka.

An event counts as sent only after the broker's acknowledgement; until then it stays in the
spool, however long the line is down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import structlog
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from crossregion.domain.records import CaseRecorded, RescueRecorded
from producers.export import Refusal, read_export
from producers.spool import KINDS, Event, Spool
from producers.tables import ExportUnreadable
from schemas import codec, envelope, topics
from schemas.codec import Undecodable

WINDOW = 500
"""Events that may wait for their acknowledgement at a time."""
DELIVERY_MS = 30_000

log = structlog.get_logger()


@dataclass
class KindReport:
    """Records of one kind: as the file reader and the spool counted them."""

    records_read: int = 0
    published: int = 0
    refused: int = 0
    unchanged: int = 0


@dataclass
class Report:
    """What became of some files of one unit."""

    unit: str
    kinds: dict[str, KindReport] = field(
        default_factory=lambda: {"case": KindReport(), "rescue": KindReport()}
    )
    refusals: list[Refusal] = field(default_factory=list)
    doubts: list[Refusal] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def accept(files: Sequence[Path], spool: Spool) -> Report:
    """Take the files into the spool. On return everything accepted survives a crash.

    A file that cannot be read at all is named in the report, and the others go on.
    Raises: SpoolError.
    """
    report = Report(spool.unit)
    for path in files:
        try:
            export = read_export(path, spool.unit)
        except ExportUnreadable as error:
            report.unreadable.append(str(error))
            continue
        accepted = spool.accept_all(export.records)
        counts = report.kinds[export.kind]
        counts.records_read += export.records_read
        counts.published += accepted.published
        counts.unchanged += accepted.unchanged
        counts.refused += export.records_refused + len(accepted.refused)
        report.refusals += export.refusals
        report.doubts += export.doubts
        report.refusals += [
            Refusal(path.name, one.lines[0], "", "over-limit") for one in accepted.refused
        ]
    return report


def connect(bootstrap: str, unit: str) -> KafkaProducer:
    """A producer that neither loses nor reorders what it has been given.

    Raises: KafkaError when the broker does not answer.
    """
    return KafkaProducer(
        bootstrap_servers=bootstrap,
        security_protocol="PLAINTEXT",
        client_id=f"unit-{unit}",
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        delivery_timeout_ms=DELIVERY_MS,
        request_timeout_ms=DELIVERY_MS // 2,
        linger_ms=5,
    )


def restore(spool: Spool, bootstrap: str) -> None:
    """Read the unit's own topics into a spool that is new or was put back.

    Raises: KafkaError when the broker does not answer.
    """
    spool.restore(_standing(spool.unit, bootstrap))


def _standing(unit: str, bootstrap: str) -> Iterator[tuple[str, CaseRecorded | RescueRecorded]]:
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        security_protocol="PLAINTEXT",
        client_id=f"unit-{unit}",
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        auto_offset_reset="earliest",
    )
    try:
        places = [
            TopicPartition(topic.name(unit), partition)
            for topic in (topics.CASES, topics.RESCUES)
            for partition in consumer.partitions_for_topic(topic.name(unit)) or ()
        ]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        while any(consumer.position(place) < end for place, end in ends.items()):
            for found in consumer.poll(timeout_ms=200).values():
                for record in found:
                    known = _decoded(record.value, unit)
                    if known is not None:
                        yield known
    finally:
        consumer.close()


def _decoded(value: bytes | None, unit: str) -> tuple[str, CaseRecorded | RescueRecorded] | None:
    """What this unit can have published; anything else is for intake to set aside."""
    try:
        event, record = codec.decode(value)
    except Undecodable:
        return None
    if event not in ("CaseRecorded", "RescueRecorded") or record["unit"] != unit:
        return None
    return event, cast(CaseRecorded | RescueRecorded, record)


def send_unsent(spool: Spool, producer: KafkaProducer) -> int:
    """Send one window of what waits; returns how many the broker has acknowledged.

    Raises: KafkaError when any was not, once the others are marked; the producer is then spent.
    """
    waiting: list[tuple[Event, Any]] = []
    failure: KafkaError | None = None
    acknowledged = []
    try:
        for event in spool.unsent(WINDOW):
            waiting.append((event, _send(producer, spool.unit, event)))
    except KafkaError as error:
        failure = error
    for event, future in waiting:
        try:
            future.get()
            acknowledged.append(event.sequence)
        except KafkaError as error:
            failure = error
    if acknowledged:
        spool.mark_sent(acknowledged)
    if failure is not None:
        raise failure
    return len(acknowledged)


def _send(producer: KafkaProducer, unit: str, event: Event) -> Any:
    return producer.send(
        event.topic,
        key=event.record_id.encode(),
        value=event.value,
        headers=envelope.headers(event.event_id, event.event, unit, event.record_id),
    )


def publish(files: Sequence[Path], spool: Spool, bootstrap: str | None) -> Report:
    """Accept the files; a new spool first reads the unit's own topics, if the broker answers.

    Sending is another step. Raises: SpoolError.
    """
    if bootstrap is not None and not spool.restored:
        try:
            restore(spool, bootstrap)
        except KafkaError as error:
            _say_that_kafka_is_away(spool, error)
    return accept(files, spool)


def send_all(spool: Spool, bootstrap: str | None) -> int:
    """Send what waits in the spool, while the broker answers.

    Returns: how many events still wait.
    """
    if bootstrap is not None and spool.unsent(1):
        try:
            if not spool.restored:
                restore(spool, bootstrap)
            producer = connect(bootstrap, spool.unit)
            try:
                while send_unsent(spool, producer):
                    pass
            finally:
                producer.close(timeout=0)
        except KafkaError as error:
            _say_that_kafka_is_away(spool, error)
    return waiting(spool)


def waiting(spool: Spool) -> int:
    """Events of a spool that the broker has not acknowledged."""
    counted = [spool.counts(kind) for kind in KINDS.values()]
    return sum(counts.accepted - counts.sent for counts in counted)


def _say_that_kafka_is_away(spool: Spool, error: KafkaError) -> None:
    log.warning("Kafka is away", unit=spool.unit, error=type(error).__name__)
