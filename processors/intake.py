"""Intake: every event of a unit becomes a flag, remarks, notes and persons, or a dead letter.

cases.<unit>, rescues.<unit>,            ->  boundary-flags, record-remarks, linkage-records,
files.<unit>, tips.<unit>, replays           file-notes, dead-letters
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import structlog

from crossregion import logs, metrics
from crossregion.domain import identifiers, validation
from crossregion.domain.dates import day_of
from crossregion.domain.events import DeadLettered
from crossregion.domain.validation import Rejected, ValidatedEvent
from crossregion.process import run_process
from processors.outputs import Outputs
from schemas import codec, envelope, topics
from schemas.codec import Undecodable

BATCH_EVENTS = 1_000
BATCH_SECONDS = 0.05
INTAKE_TOPICS = topics.intake_names()
DISCARDED = "discarded"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record of an intake topic as the broker gave it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]
    received_on: date | None = None


def take(incoming: Incoming, outputs: Outputs) -> str:
    """Add to the outputs all that follows from one record.

    Returns: the outcome for the metrics, accepted or the reason of refusal.
    """
    origin = incoming
    try:
        if incoming.topic == topics.REPLAYS.name():
            event, dead_letter = codec.decode(incoming.value)
            if event == "DeadLettered" and dead_letter["reason"] == DISCARDED:
                return DISCARDED
            if event != "DeadLettered" or dead_letter["topic"] not in INTAKE_TOPICS:
                raise Rejected("wrong-event", "no dead letter of an intake topic")
            fields = ("topic", "partition", "offset", "key", "value", "headers")
            origin = replace(incoming, **{field: dead_letter[field] for field in fields})
        event, record = codec.decode(origin.value)
        ce_id = origin.headers.get("ce_id")
        validated = validation.validate_event(
            event,
            record,
            topics.unit_of_topic(origin.topic),
            None if ce_id is None else ce_id.decode("ascii", "replace"),
            origin.received_on,
        )
        made = Outputs()
        _accept(validated, origin.headers.get("traceparent"), made)
    except (Undecodable, Rejected) as refused:
        _dead_letter(origin, refused.reason, refused.detail, outputs)
        return refused.reason
    except Exception as error:  # noqa: BLE001 (our own decision raised: this event's fault, kept)
        log.error(
            "Unhandled error while validating an event",
            error=type(error).__name__,
            where=logs.where(error),
        )
        _dead_letter(origin, "defect", type(error).__name__, outputs)
        return "defect"
    outputs.extend(made)
    return "accepted"


def _accept(validated: ValidatedEvent, traceparent: bytes | None, outputs: Outputs) -> None:
    partition = topics.partition_of(validated.record_id, topics.LINKAGE_RECORDS)
    cause = envelope.Cause(validated.event_id, validated.unit, validated.record_id, traceparent)
    if validated.flag is not None:
        outputs.add(
            topics.BOUNDARY_FLAGS.name(),
            partition,
            validated.record_id,
            "BoundaryFlagged",
            validated.flag,
            cause.headers("BoundaryFlagged"),
        )
    outputs.add(
        topics.RECORD_REMARKS.name(),
        partition,
        validated.record_id,
        "RecordRemarked",
        validated.remarked,
        cause.headers("RecordRemarked"),
    )
    if validated.noted is not None:
        outputs.add(
            topics.FILE_NOTES.name(),
            topics.partition_of(validated.noted["rescue_id"], topics.FILE_NOTES),
            validated.noted["rescue_id"],
            "FileNoted",
            validated.noted,
            cause.headers("FileNoted"),
        )
    if validated.listed["persons"]:
        outputs.add_to_each(
            topics.LINKAGE_RECORDS.name(),
            [partition] if validated.kind == "case" else range(topics.LINKAGE_RECORDS.partitions),
            "\n".join(
                (
                    validated.kind,
                    validated.unit,
                    validated.record_id,
                    str(validated.revision),
                    validated.digest,
                )
            ),
            "PersonsListed",
            validated.listed,
            cause.headers("PersonsListed"),
        )


def _dead_letter(origin: Incoming, reason: str, detail: str, outputs: Outputs) -> None:
    place = f"{origin.topic}\n{origin.partition}\n{origin.offset}"
    dead_letter: DeadLettered = {
        "dead_letter_id": identifiers.dead_letter_id(origin.topic, origin.partition, origin.offset),
        "topic": origin.topic,
        "partition": origin.partition,
        "offset": origin.offset,
        "reason": reason,
        "detail": detail,
        "key": origin.key,
        "value": origin.value,
        "headers": dict(origin.headers),
    }
    unit = topics.unit_of_topic(origin.topic)
    metrics.DEAD_LETTERS.labels(reason).inc()
    outputs.add(
        topics.DEAD_LETTERS.name(),
        0,
        dead_letter["dead_letter_id"],
        "DeadLettered",
        dead_letter,
        envelope.caused(place, "DeadLettered", unit, dead_letter["dead_letter_id"]),
    )


def main() -> None:
    """Run one intake worker."""
    from processors.engine import app as engine_app
    from processors.engine import patches

    app = engine_app.make_app("intake")
    names = topics.names_of(topics.read_by("intake"))
    incoming = app.topic(*names, key_serializer="raw", value_serializer="raw")

    async def handle(events: Sequence[Any]) -> None:
        outputs = Outputs()
        outcomes: Counter[tuple[str, str]] = Counter()
        for event in events:
            message = event.message
            headers = {key: value or b"" for key, value in message.headers or ()}
            outcome = take(
                Incoming(
                    message.topic,
                    message.partition,
                    message.offset,
                    message.key,
                    message.value,
                    headers,
                    day_of(round(message.timestamp * 1000)),
                ),
                outputs,
            )
            outcomes[message.topic.partition(".")[0], outcome] += 1
        for (kind, outcome), count in outcomes.items():
            metrics.EVENTS.labels("intake", kind, outcome).inc(count)
        await outputs.send(patches.producer_of(app))

    @app.agent(incoming, concurrency=1)  # type: ignore[untyped-decorator, unused-ignore]
    async def intake(stream: Any) -> None:
        await engine_app.each_batch("intake", stream, handle, BATCH_EVENTS, BATCH_SECONDS)

    engine_app.run(app)


if __name__ == "__main__":
    run_process(main)
