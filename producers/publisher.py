"""Publishing: export files into the spool, and from the spool to Kafka.

An event counts as sent only after the broker's acknowledgement; until then it stays in the
spool, however long the line is down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError, UnknownTopicOrPartitionError

from crossregion import logs
from crossregion.domain.validation import Rejected, validate_event
from crossregion.errors import ServiceUnavailable
from crossregion.failpoints import failpoint
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka import patches
from crossregion.kafka.connection import Kafka
from crossregion.settings import settings
from producers.exports.reader import Export, Refusal, read_export
from producers.exports.tables import ExportUnreadable
from producers.spool.store import Event, PublishedRevision, Spool, SpoolError
from schemas import codec, envelope, topics
from schemas.codec import Undecodable

WINDOW = 500
"""Events that may wait for their acknowledgement at a time."""
DELIVERY_MS = 30_000
CONNECT_MS = 5_000
CLOSE_SECONDS = 5.0
STUCK_SECONDS = 10.0
"""Without a record for so long while reading, the broker is away."""

NOT_REACHED = (KafkaError, ServiceUnavailable)
"""Kafka is away, or does not let this unit in, or its password is not there."""

log = logs.logger()


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
    warnings: list[Refusal] = field(default_factory=list)
    unreadable: list[ExportUnreadable] = field(default_factory=list)
    """Why a file as a whole could not be read, one message a file."""


def accept(files: Sequence[Path], spool: Spool) -> Report:
    """Take the files into the spool. On return everything accepted survives a crash.

    A file that cannot be read is told in the report, and the others go on. Raises: SpoolError.
    """
    report = Report(spool.unit)
    for path in files:
        try:
            export = read_export(path, spool.unit)
        except ExportUnreadable as error:
            report.unreadable.append(error)
            continue
        take(export, spool, report)
    return report


def take(export: Export, spool: Spool, report: Report) -> None:
    """Take one export into the spool, and add to the report. Raises: SpoolError."""
    accepted = spool.accept_all(export.records)
    counts = report.kinds[export.kind]
    counts.records_read += export.records_read
    counts.published += accepted.published
    counts.unchanged += accepted.unchanged
    counts.refused += export.records_refused + len(accepted.refused)
    report.refusals += export.refusals
    report.warnings += export.warnings
    report.refusals += [
        Refusal(export.name, line, "", "over-limit")
        for one in accepted.refused
        for line in one.lines
    ]


def connect(kafka: Kafka, unit: str) -> KafkaProducer:
    """A producer that neither loses nor reorders what it has been given.

    Raises: KafkaError when the broker does not answer.
    """
    delivery_ms = int(DELIVERY_MS * settings().timeout_factor)
    return KafkaProducer(
        **kafka.options(kafka_connection.unit(unit)),
        client_id=kafka_connection.unit(unit),
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        bootstrap_timeout_ms=CONNECT_MS,
        max_block_ms=delivery_ms // 2,
        delivery_timeout_ms=delivery_ms,
        request_timeout_ms=delivery_ms // 2,
        linger_ms=5,
    )


def abandon(producer: KafkaProducer) -> None:
    """Close a producer at once; what it still holds is dropped, and waits in the spool."""
    patches.drop_unsent(producer)
    try:
        producer.close(timeout=CLOSE_SECONDS)
    except KafkaError as error:
        log.warning("Kafka producer not closed in time", error=type(error).__name__)


def catch_up(spool: Spool, kafka: Kafka) -> None:
    """Read from the unit's own topics what the spool does not know: all, if it is new.

    Raises: KafkaError when the broker does not answer or lacks a topic; SpoolError when it has
    less than the spool has read there before.
    """
    consumer = KafkaConsumer(
        **kafka.options(kafka_connection.unit(spool.unit)),
        client_id=kafka_connection.unit(spool.unit),
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        auto_offset_reset="none",
        bootstrap_timeout_ms=CONNECT_MS,
        request_timeout_ms=int(DELIVERY_MS * settings().timeout_factor) // 2,
    )
    try:
        known = spool.places()
        ends = _ends(consumer, spool.unit)
        for (topic, partition), following in known.items():
            if ends.get(TopicPartition(topic, partition), 0) < following:
                raise SpoolError("topic-holds-less", topic=topic, path=spool.path)
        places = {(place.topic, place.partition): end for place, end in ends.items()}
        if places != known:
            spool.catch_up(list(_standing(consumer, spool.unit, ends, known)), places)
    finally:
        consumer.close()


def _ends(consumer: KafkaConsumer, unit: str) -> dict[TopicPartition, int]:
    places = []
    for name in (topic.name(unit) for topic in topics.INTAKE):
        partitions = consumer.partitions_for_topic(name)
        if not partitions:
            raise UnknownTopicOrPartitionError(name)
        places += [TopicPartition(name, partition) for partition in partitions]
    ends: dict[TopicPartition, int] = consumer.end_offsets(places)
    return ends


def _standing(
    consumer: KafkaConsumer,
    unit: str,
    ends: dict[TopicPartition, int],
    known: dict[tuple[str, int], int],
) -> Iterator[PublishedRevision]:
    consumer.assign(list(ends))
    for place in ends:
        consumer.seek(place, known.get((place.topic, place.partition), 0))
    moved = time.monotonic()
    while any(consumer.position(place) < end for place, end in ends.items()):
        polled = consumer.poll(timeout_ms=200)
        if polled:
            moved = time.monotonic()
        elif time.monotonic() - moved > STUCK_SECONDS:
            raise KafkaTimeoutError("the unit's own topics cannot be read to their end")
        for found in polled.values():
            for record in found:
                yield from _decoded(record.value, dict(record.headers), unit)


def _decoded(
    value: bytes | None, headers: Mapping[str, bytes | None], unit: str
) -> Iterator[PublishedRevision]:
    """What counts as published: what intake sets aside, such as a wrong id, does not."""
    ce_id = headers.get("ce_id")
    try:
        event, record = codec.decode(value)
        validated = validate_event(
            event, record, unit, None if ce_id is None else ce_id.decode("ascii", "replace")
        )
    except (Undecodable, Rejected):
        return
    at = envelope.when(headers.get("ce_time"))
    seconds = 0 if at is None else int(at.timestamp())
    yield PublishedRevision(
        validated.kind, validated.record_id, validated.revision, validated.digest, seconds
    )


def send_unsent(spool: Spool, producer: KafkaProducer) -> int:
    """Send one window of what waits; returns how many the broker has acknowledged.

    Raises: KafkaError when any was not, once the others are marked; the producer is then spent.
    """
    waiting: list[tuple[Event, Any]] = []
    failure: KafkaError | None = None
    acknowledged = []
    failpoint("before-send")
    try:
        for event in spool.unsent(WINDOW):
            waiting.append((event, _send(producer, spool.unit, event)))
    except KafkaError as error:
        failure = error
    left = _time_left()
    for event, future in waiting:
        try:
            future.get(timeout=left())
            acknowledged.append(event.sequence)
        except KafkaError as error:
            failure = error
    if acknowledged:
        failpoint("acknowledged")
        spool.mark_sent(acknowledged)
    if failure is not None:
        raise failure
    return len(acknowledged)


def _time_left() -> Callable[[], float]:
    """A function that gives the seconds left for a whole window of sends.

    kafka-python does not always give up by itself.
    """
    until = time.monotonic() + 2 * DELIVERY_MS * settings().timeout_factor / 1000
    return lambda: max(0.0, until - time.monotonic())


def _send(producer: KafkaProducer, unit: str, event: Event) -> Any:
    return producer.send(
        event.topic,
        key=event.key.encode(),
        value=event.value,
        headers=envelope.headers(
            event.event_id, event.event, unit, event.record_id, event.accepted_at
        ),
    )


def tell_days(spool: Spool, producer: KafkaProducer, today: date) -> int:
    """Tell the province what this unit has accepted on each day that is over.

    Raises: KafkaError when the broker did not acknowledge it; it is told another time.
    """
    days = spool.days_to_tell(today)
    futures = []
    for day in days:
        cause = f"{day['day']}\n{day['revision']}"
        futures.append(
            producer.send(
                topics.DAYS.name(spool.unit),
                key=day["day"].encode(),
                value=codec.encode("DayClosed", day),
                headers=envelope.caused(cause, "DayClosed", spool.unit, day["day"]),
            )
        )
    left = _time_left()
    for future in futures:
        future.get(timeout=left())
    spool.mark_told(days)
    return len(days)


def publish(files: Sequence[Path], spool: Spool, kafka: Kafka | None) -> Report:
    """Accept the files, once what is new on the unit's own topics is read, if the broker answers.

    Sending is another step. Raises: SpoolError.
    """
    if kafka is not None:
        try:
            catch_up(spool, kafka)
        except NOT_REACHED as error:
            say_that_kafka_is_away(kafka, spool.unit, error)
    return accept(files, spool)


def send_all(spool: Spool, kafka: Kafka | None) -> int:
    """Send what waits in the spool, while the broker answers.

    Returns: how many events still wait.
    """
    if kafka is not None and spool.waiting():
        try:
            catch_up(spool, kafka)
            producer = connect(kafka, spool.unit)
            try:
                while send_unsent(spool, producer):
                    pass
            finally:
                abandon(producer)
        except NOT_REACHED as error:
            say_that_kafka_is_away(kafka, spool.unit, error)
    return spool.waiting()


def say_that_kafka_is_away(kafka: Kafka, unit: str, error: Exception) -> None:
    """Why a unit's events wait, and what to do about it."""
    log.warning(
        "Kafka unavailable: events wait in the spool",
        unit=unit,
        reason=str(kafka.explain(error, kafka_connection.unit(unit))),
    )
