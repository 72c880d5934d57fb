"""Dead letters for operators: list, read, replay, discard.

A dead letter is replayed through the topic `replays`, never by writing the unit's own topic.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from crossregion.errors import CrossregionError
from crossregion.kafka.connection import OPERATOR, Kafka
from crossregion.postgres import audit, queries, transactions
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row
from crossregion.services import prefixes
from schemas import codec, envelope, topics

DISCARDED = "discarded"


class DeadLetterUnknown(CrossregionError):
    """No dead letter has this id."""

    code = "dead-letter-unknown"


class NotReplayable(CrossregionError):
    """The dead letter is of a topic that no unit writes."""

    code = "dead-letter-not-replayable"


def listed(dsn: str | None) -> list[dict[str, Any]]:
    """Every dead letter with its origin, reason and outcome; never its bytes."""
    with transactions.session(dsn) as connection:
        return list(dead_letter_rows(connection))


def find(
    dsn: str | None, dead_letter_id: str, action: str = "read", purpose: str = ""
) -> dict[str, Any]:
    """The whole dead letter, once the audit has recorded who reads it and why.

    Raises: DeadLetterUnknown.
    """
    found = None
    if _is_id(dead_letter_id):
        with transactions.session(dsn) as connection:
            found = dead_letter_event(connection, dead_letter_id)
            if found is not None:
                subject = f"dead letter {dead_letter_id}"
                audit.append_audit(connection, action, subject, purpose)
    if found is None:
        raise DeadLetterUnknown(dead_letter_id=dead_letter_id)
    _, dead_letter = codec.decode(found)
    return dead_letter


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def replay(kafka: Kafka, dsn: str | None, dead_letter_id: str, purpose: str = "") -> None:
    """Replay a dead letter; intake and registry handle it as if read from its original topic.

    Raises: DeadLetterUnknown, NotReplayable.
    """
    dead_letter = find(dsn, dead_letter_id, "replay", purpose)
    if dead_letter["topic"] not in topics.intake_names():
        raise NotReplayable(topic=dead_letter["topic"], dead_letter_id=dead_letter_id)
    _send(kafka, dead_letter)


def discard(kafka: Kafka, dsn: str | None, dead_letter_id: str, purpose: str = "") -> None:
    """Record that a dead letter is discarded; its bytes are kept."""
    dead_letter = find(dsn, dead_letter_id, "discard", purpose)
    _send(kafka, {**dead_letter, "reason": DISCARDED})


def _send(kafka: Kafka, dead_letter: dict[str, Any]) -> None:
    from crossregion.kafka import producer  # what only reads starts without Kafka's client

    dead_letter_id = dead_letter["dead_letter_id"]
    producer.send(
        kafka,
        OPERATOR,
        topics.REPLAYS,
        "DeadLettered",
        dead_letter,
        key=dead_letter_id,
        event_id=envelope.named_id(f"{dead_letter_id}\nDeadLettered"),
        unit=topics.unit_of_topic(dead_letter["topic"]),
    )


def dead_letter_rows(connection: Connection) -> Iterator[Row]:
    """Dead letters without their bytes, which may hold names."""
    return queries.rows(connection, "dead_letters")


def dead_letter_event(connection: Connection, dead_letter_id: str) -> bytes | None:
    """The whole dead letter as it stands on its topic."""
    row = connection.execute(
        queries.query("dead_letter_event"), {"dead_letter_id": dead_letter_id}
    ).fetchone()
    return None if row is None else bytes(row[0])


def complete_id(dsn: str | None, given: str) -> str:
    """The id of the dead letter that begins as given.

    Raises: AmbiguousId.
    """
    return prefixes.complete_uuid(dsn, "dead_letter_ids", given)
