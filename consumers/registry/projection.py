"""What a projection is given of the log, and what it must do with it."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from crossregion.domain.validation import ValidatedEvent
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row


@dataclass(frozen=True, slots=True)
class Consumed:
    """Where an event stands, its bytes and headers, and the broker's time in milliseconds."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    headers: Mapping[str, bytes]
    received: int | None

    @property
    def position(self) -> Row:
        """What orders events of one topic."""
        return {"milliseconds": self.received or 0, "offset": self.offset}

    @property
    def received_at(self) -> str | None:
        return moment(self.received)

    @property
    def event_id(self) -> str:
        return event_id(self.value, self.headers)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A revision of a unit's record that intake accepts, as it may be stored."""

    validated: ValidatedEvent
    record: Row
    received: int | None

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind, unit and id of the record."""
        return self.validated.kind, self.validated.unit, self.validated.record_id

    @property
    def version(self) -> tuple[int, str]:
        """Of one record's revisions the highest holds."""
        return self.validated.revision, self.validated.digest


Handler = Callable[[Row, Consumed], None]


class Projection(Protocol):
    """Rows of one noun: collected from events in whatever order, then written in one transaction.

    Everything is keyed so that a second time changes nothing.
    """

    def handlers(self) -> Mapping[str, Handler]:
        """By event: what collects the rows that follow from it."""

    def write(self, connection: Connection, changed: Sequence[Row]) -> None:
        """Store the rows; `changed` are the records whose newest revision is another now."""


def first(known: dict[Any, Row], key: object, row: Row, time: str = "received_at") -> None:
    """Keep of several rows the one that the broker had first; `time` names its time."""
    there = known.get(key)
    if there is None or (row[time] is not None and row[time] < (there[time] or "~")):
        known[key] = row


def moment(received: int | None) -> str | None:
    """The broker's time in milliseconds, as PostgreSQL takes it."""
    if received is None:
        return None
    return datetime.fromtimestamp(received / 1000, UTC).isoformat(timespec="milliseconds")


def event_id(value: bytes | None, headers: Mapping[str, bytes]) -> str:
    """The id that an event which was refused claims, or one made from its bytes."""
    claimed = headers.get("ce_id", b"").decode("ascii", "replace")
    try:
        return str(uuid.UUID(claimed))
    except ValueError:
        return hashlib.sha256(value or b"").hexdigest()
