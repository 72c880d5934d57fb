"""Publishing what a person states, and waiting until the registry has recorded it.

A statement takes effect once the registry has recorded it: only then is it known which of several
that were sent at the same time came first. Its id is made of its content, so sending it twice has
no second effect.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from crossregion.kafka import connection as kafka_connection
from crossregion.kafka.connection import Kafka
from crossregion.postgres import audit
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row
from schemas import topics
from schemas.topics import Topic

FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.05, 1.0, 1.5
"""Seconds between two looks: short at first, for the registry mostly records within one."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Actor:
    """Who acts, and through which connections.

    `unit` is the code of a unit or of the office, `role` one of the roles of what is stated.
    `officer` is who is signed in; without it the audit names the user of this process. `purpose` is
    the reason that the audit records. `dsn` connects to PostgreSQL in the role of this unit.
    """

    unit: str
    role: str
    kafka: Kafka
    dsn: str | None
    purpose: str = ""
    officer: str | None = None

    def note(
        self, connection: Connection, action: str, subject: str, purpose: str | None = None
    ) -> None:
        """Note in the audit, in this transaction, what is done; `purpose` if not the actor's."""
        audit.append_audit(
            connection, action, subject, self.purpose if purpose is None else purpose, self.officer
        )


@dataclass(frozen=True)
class Recorded:
    """Whether the recorded statement took effect, and the present state of its subject."""

    holds: bool
    row: Row


def publish_statement(
    actor: Actor,
    topic: Topic,
    event: str,
    record: Mapping[str, Any],
    *,
    key: str,
    event_id: str,
    partition: int | None = None,
) -> None:
    """Send one statement, checked against its contract, and wait until the broker has it.

    `key` is the id of what it is about. It is written as whom the topic's contract names.
    Raises: InvalidRecord, ServiceUnavailable.
    """
    from crossregion.kafka import producer  # what only reads starts without Kafka's client

    (writer,) = topic.written_by
    producer.send(
        actor.kafka,
        kafka_connection.unit(actor.unit) if writer == topics.UNIT else writer,
        topic,
        event,
        record,
        key=key,
        event_id=event_id,
        unit=actor.unit,
        partition=partition,
    )


def wait_recorded(
    connection: Connection, look: Callable[[Connection], Found | None], wait: float
) -> Found | None:
    """What `look` finds, each time in a transaction of its own; None if nothing within `wait` s.

    It looks at once and once more at the end, and less often the longer it takes.
    """
    deadline = time.monotonic() + wait
    for pause in _pauses():
        with connection.transaction():
            found = look(connection)
        left = deadline - time.monotonic()
        if found is not None or left <= 0:
            return found
        time.sleep(min(pause, left))
    raise AssertionError("the pauses never end")


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * GROWTH, LONGEST_PAUSE)
