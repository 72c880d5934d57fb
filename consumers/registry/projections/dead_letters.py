"""Events that cannot be used, in the registry: why, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from consumers.registry.projection import Consumed, Handler, event_id
from crossregion.domain import identifiers
from crossregion.domain.events import DeadLettered
from crossregion.domain.validation import Rejected
from crossregion.postgres import queries
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row
from schemas import codec
from schemas.codec import Undecodable

DISCARDED, REPLAYED = "discarded", "replayed"


@dataclass
class DeadLetters:
    """Dead letters, and by id how some of them were settled."""

    rows: list[Row] = field(default_factory=list)
    settled: dict[str, str] = field(default_factory=dict)

    def handlers(self) -> Mapping[str, Handler]:
        return {"DeadLettered": self._add_read}

    def set_aside(self, consumed: Consumed, error: Undecodable | Rejected) -> None:
        """List what stands on a topic of our own and cannot be used; intake never sees it."""
        topic, partition, offset = consumed.topic, consumed.partition, consumed.offset
        dead_letter: DeadLettered = {
            "dead_letter_id": identifiers.dead_letter_id(topic, partition, offset),
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "reason": error.reason,
            "detail": error.detail,
            "key": None,
            "value": consumed.value,
            "headers": {},
        }
        self._add(dead_letter, codec.encode("DeadLettered", dead_letter))

    def discard(self, dead_letter_id: str) -> None:
        """A dead letter that was replayed as well stays replayed."""
        self.settled.setdefault(dead_letter_id, DISCARDED)

    def replay(self, dead_letter_id: str) -> None:
        self.settled[dead_letter_id] = REPLAYED

    def _add_read(self, record: Row, consumed: Consumed) -> None:
        self._add(record, consumed.value or b"")

    def _add(self, dead_letter: Mapping[str, Any], event: bytes) -> None:
        names = ("dead_letter_id", "topic", "partition", "offset", "reason", "detail")
        self.rows.append(
            {
                **{name: dead_letter[name] for name in names},
                "event_id": event_id(dead_letter["value"], dead_letter["headers"]),
                "event": event,
            }
        )

    def write(self, connection: Connection, changed: Sequence[Row]) -> None:
        for dead_letter in self.rows:
            connection.execute(queries.query("put_dead_letter"), dead_letter)
        for dead_letter_id, outcome in self.settled.items():
            row = {"dead_letter_id": dead_letter_id, "outcome": outcome}
            connection.execute(queries.query("settle_dead_letter"), row)
