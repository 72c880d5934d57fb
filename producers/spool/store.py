"""The spool: what a unit has accepted, durable before anyone is told so.

SQLite in WAL mode, synchronous. It also remembers the digest of every revision it has ever
published, so that publishing the same file twice publishes nothing twice, and how far it has read
its unit's own topics, so that a spool that is new or was put back learns what it has missed.
"""

from __future__ import annotations

import os
import sqlite3
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from crossregion.domain import events, identifiers
from crossregion.domain.events import DayClosed
from crossregion.failpoints import failpoint
from producers.records import LocalRecord
from producers.spool.errors import (
    BUSY_SECONDS,
    SpoolBusy,
    SpoolDamaged,
    SpoolError,
    SpoolForeign,
    SpoolFull,
    SpoolTooNew,
    damaged,
    fault,
    is_busy,
)
from schemas import codec, topics
from schemas.codec import InvalidRecord

__all__ = [
    "Accepted",
    "Counts",
    "Event",
    "IdempotentRequest",
    "PublishedRevision",
    "Receipt",
    "Spool",
    "SpoolBusy",
    "SpoolDamaged",
    "SpoolError",
    "SpoolForeign",
    "SpoolFull",
    "SpoolTooNew",
    "Stored",
]

VERSION = 3
APPLICATION = 0x58526567
KINDS = {
    "CaseRecorded": "case",
    "RescueRecorded": "rescue",
    "TipRecorded": "tip",
    **{event: kind for event, (kind, _) in events.ENTRIES.items()},
}
EVENTS = {kind: event for event, kind in KINDS.items()}
ACCEPTED, UNCHANGED, REFUSED = "accepted", "unchanged", "refused"
OVERDUE_SECONDS = 300.0
"""What has waited for longer is told: nothing but an outage holds an event up."""
RECEIPT_SECONDS = 30 * 86_400
"""Longer than any sender goes on asking, and than an outbox stands still."""
SWEEP_SECONDS = 3_600.0

_SCHEMA = """
CREATE TABLE about (unit TEXT NOT NULL) STRICT;
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    record_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    digest TEXT NOT NULL,
    counted INTEGER NOT NULL,
    value BLOB,
    checksum INTEGER,
    sent INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, record_id, revision, digest)
) STRICT;
CREATE INDEX unsent ON event (sequence) WHERE NOT sent;
CREATE TABLE place (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) STRICT;
CREATE TABLE day (
    day TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    count INTEGER NOT NULL,
    digest TEXT NOT NULL
) STRICT;
"""
_FROM_1 = """
ALTER TABLE event ADD COLUMN accepted_at INTEGER NOT NULL DEFAULT 0;
UPDATE event SET accepted_at = unixepoch() WHERE NOT sent;
CREATE TABLE day (
    day TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    count INTEGER NOT NULL,
    digest TEXT NOT NULL
) STRICT;
"""
_FROM_2 = """
CREATE TABLE receipt (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    answer TEXT NOT NULL,
    made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE file (
    path TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One event that waits to be sent."""

    sequence: int
    topic: str
    key: str
    event: str
    record_id: str
    event_id: str
    value: bytes
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of some records: stored to be sent, known already, or too large to send."""

    published: int
    unchanged: int
    refused: tuple[LocalRecord, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one record; `state` is accepted, unchanged, or refused as too large."""

    record_id: str
    state: str
    revision: int = 0
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """Records that came together under one key: taken once, however often they come.

    `answer` makes the receipt, which holds no personal value, of what became of them.
    """

    key: str
    fingerprint: str
    exported: tuple[LocalRecord, ...]
    answer: Callable[[Sequence[Stored]], str]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The receipt of a parcel: its own, or that of the first one under its key.

    `same` is whether that had the same content; `stored` is empty for one that was known.
    """

    answer: str
    same: bool
    stored: tuple[Stored, ...]


@dataclass(frozen=True, slots=True)
class PublishedRevision:
    """An event that stands on the unit's topics, without its content."""

    kind: str
    record_id: str
    revision: int
    digest: str
    accepted_at: int = 0
    """Seconds of the epoch, 0 if it is not known."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Events of one kind so far: accepted by this spool or its predecessors, and sent."""

    accepted: int
    sent: int


class Spool:
    """One unit's spool. Several processes may use it; not safe between threads.

    Every method raises SpoolError, and then has changed nothing: SpoolBusy where another process
    has held it for `busy_seconds` seconds.
    """

    def __init__(self, path: Path, unit: str, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self.unit = unit
        self._busy_seconds = busy_seconds
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
            os.fchmod(descriptor, 0o600)
            os.close(descriptor)
        except OSError as error:
            raise SpoolError("not-opened", path=path, strerror=error.strerror) from None
        with self._clearly():
            self._database = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
        self._swept = 0.0
        try:
            with self._clearly():
                self._prepare()
        except SpoolError:
            self._database.close()
            raise

    def _prepare(self) -> None:
        # In this order: another process that makes the spool commits both at once.
        (tables,) = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application,) = self._database.execute("PRAGMA application_id").fetchone()
        if application != APPLICATION and tables:
            raise SpoolForeign("of-another-program", path=self.path)
        for attempt in Retrying(
            # SQLite doesn't wait here when another process makes the same change.
            retry=retry_if_exception(is_busy),
            stop=stop_after_delay(self._busy_seconds),
            wait=wait_random(0.0, 0.02),
            reraise=True,
        ):
            with attempt:
                self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        with self._transaction():
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise SpoolTooNew(path=self.path)
            if version < VERSION:
                steps = (_SCHEMA + _FROM_2, _FROM_1 + _FROM_2, _FROM_2)[version]
                for statement in filter(str.strip, steps.split(";")):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA user_version = {VERSION}")
            if version == 0:
                self._database.execute("INSERT INTO about VALUES (?)", [self.unit])
                self._database.execute(f"PRAGMA application_id = {APPLICATION}")
        (owner,) = self._database.execute("SELECT unit FROM about").fetchone()
        if owner != self.unit:
            raise SpoolForeign("of-another-unit", path=self.path, owner=owner, unit=self.unit)

    @contextmanager
    def _clearly(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise fault(self.path, error, self._busy_seconds) from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._clearly():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def _rows(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        with self._clearly():
            return self._database.execute(statement, values).fetchall()

    def accept_all(self, exported: Sequence[LocalRecord]) -> Accepted:
        """Store what is new, in one transaction; on return it survives a crash."""
        published = unchanged = 0
        refused = []
        with self._transaction():
            for one in exported:
                try:
                    if self._accept(one).state == ACCEPTED:
                        published += 1
                    else:
                        unchanged += 1
                except InvalidRecord:
                    refused.append(one)
            failpoint("before-commit")
        failpoint("after-commit")
        return Accepted(published, unchanged, tuple(refused))

    def take(self, parcels: Sequence[IdempotentRequest]) -> list[Receipt]:
        """Store what is new of each parcel, with its receipt, all in one transaction.

        On return it survives a crash. A parcel under a known key changes nothing.
        """
        with self._transaction():
            self._sweep()
            taken = [self._take(parcel) for parcel in parcels]
            failpoint("before-commit")
        failpoint("after-commit")
        return taken

    def _take(self, parcel: IdempotentRequest) -> Receipt:
        known = self._database.execute(
            "SELECT answer, fingerprint FROM receipt WHERE key = ?", [parcel.key]
        ).fetchone()
        if known is not None:
            return Receipt(known[0], known[1] == parcel.fingerprint, ())
        stored = []
        for one in parcel.exported:
            try:
                stored.append(self._accept(one))
            except InvalidRecord:
                stored.append(Stored(one.record_id, REFUSED))
        answer = parcel.answer(stored)
        self._database.execute(
            "INSERT INTO receipt VALUES (?, ?, ?, ?)",
            [parcel.key, parcel.fingerprint, answer, int(time.time())],
        )
        return Receipt(answer, True, tuple(stored))

    def _sweep(self) -> None:
        """Forget receipts that nobody will ask for again, now and then."""
        if not self._swept or time.monotonic() - self._swept > SWEEP_SECONDS:
            oldest = int(time.time()) - RECEIPT_SECONDS
            self._database.execute("DELETE FROM receipt WHERE made_at < ?", [oldest])
            self._swept = time.monotonic()

    def files(self) -> dict[str, tuple[int, int]]:
        """Size and time of change of each file that was dealt with, by its path."""
        rows = self._rows("SELECT path, size, changed FROM file")
        return {path: (size, changed) for path, size, changed in rows}

    def remember_file(self, path: str, size: int, changed: int) -> None:
        """Note that a file, as it is now, has been dealt with."""
        with self._transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO file VALUES (?, ?, ?)", [path, size, changed]
            )

    def _accept(self, one: LocalRecord) -> Stored:
        kind = KINDS[one.event]
        digest = identifiers.content_digest(one.record)
        revision = one.record["revision"]
        newest = None if one.has_revision else self._newest(kind, one.record_id)
        known = self._known(kind, one.record_id, revision, digest) if newest is None else None
        text = identifiers.text_digest(digest)
        if newest is not None and identifiers.text_digest(newest[1]) == text:
            new, (revision, digest) = False, newest
        elif known is not None:
            new, digest = False, known
        else:
            if not one.has_revision:
                revision = newest[0] + 1 if newest else 1
            value = _encoded(one.event, one.record, revision)
            new = self._insert(
                kind, one.record_id, revision, digest, value, counted=not one.has_revision
            )
        event_id = identifiers.event_id(self.unit, one.record_id, revision, digest)
        return Stored(one.record_id, ACCEPTED if new else UNCHANGED, revision, event_id)

    def _known(self, kind: str, record_id: str, revision: int, digest: str) -> str | None:
        """The digest under which this content stands at a revision, however it was read.

        Not if another content was read there later: then what is read now is the newest.
        """
        rows = self._database.execute(
            "SELECT digest FROM event WHERE kind = ? AND record_id = ? AND revision = ?",
            [kind, record_id, revision],
        ).fetchall()
        known = [row[0] for row in rows]
        last = max(map(identifiers.reading_of, known), default=0)
        text = identifiers.text_digest(digest)
        same = [one for one in known if identifiers.text_digest(one) == text]
        return max((one for one in same if identifiers.reading_of(one) == last), default=None)

    def _newest(self, kind: str, record_id: str) -> tuple[int, str] | None:
        found: tuple[int, str] | None = self._database.execute(
            "SELECT revision, digest FROM event WHERE kind = ? AND record_id = ?"
            " ORDER BY revision DESC, sequence DESC LIMIT 1",
            [kind, record_id],
        ).fetchone()
        return found

    def _insert(
        self,
        kind: str,
        record_id: str,
        revision: int,
        digest: str,
        value: bytes | None,
        *,
        counted: bool = False,
        accepted_at: int | None = None,
    ) -> bool:
        checksum = None if value is None else _checksum(kind, record_id, revision, digest, value)
        cursor = self._database.execute(
            "INSERT INTO event"
            " (kind, record_id, revision, digest, counted, value, checksum, sent, accepted_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [
                *(kind, record_id, revision, digest, counted, value, checksum, value is None),
                int(time.time()) if accepted_at is None else accepted_at,
            ],
        )
        return cursor.rowcount > 0

    def places(self) -> dict[tuple[str, int], int]:
        """The next offset to read of each topic and partition that has been read before."""
        rows = self._rows("SELECT topic, partition, next FROM place")
        return {(topic, partition): following for topic, partition, following in rows}

    def catch_up(
        self, standing: Iterable[PublishedRevision], places: Mapping[tuple[str, int], int]
    ) -> None:
        """Take in what stands on the unit's topics, read up to `places`.

        What was accepted meanwhile and stands there already, by whichever reading, counts as
        sent; a revision that this spool had counted without knowing the topics is counted anew.
        """
        with self._transaction():
            waiting = self._database.execute(
                "SELECT sequence, kind, record_id, counted, value FROM event"
                " WHERE NOT sent ORDER BY sequence"
            ).fetchall()
            changed = set()
            for one in standing:
                key = (one.kind, one.record_id, one.revision, one.digest)
                if self._insert(*key, None, accepted_at=one.accepted_at):
                    changed.add((one.kind, one.record_id))
                else:
                    self._database.execute(
                        "UPDATE event SET sent = 1, value = NULL WHERE kind = ? AND record_id = ?"
                        " AND revision = ? AND digest = ?",
                        key,
                    )
            for sequence, kind, record_id, counted, value in waiting:
                if (kind, record_id) in changed:
                    self._database.execute(
                        "DELETE FROM event WHERE sequence = ? AND NOT sent", [sequence]
                    )
                    event, again = codec.decode(value)
                    revision = 0 if counted else again["revision"]
                    record = cast(events.Record, {**again, "revision": revision})
                    self._accept(LocalRecord(event, record_id, record, ()))
            self._database.executemany(
                "INSERT INTO place VALUES (?, ?, ?)"
                " ON CONFLICT (topic, partition) DO UPDATE SET next = excluded.next",
                [(topic, partition, following) for (topic, partition), following in places.items()],
            )

    def unsent(self, limit: int) -> list[Event]:
        """The oldest events that the broker has not acknowledged.

        Raises: SpoolDamaged when one is not what was accepted.
        """
        rows = self._rows(
            "SELECT sequence, kind, record_id, revision, digest, value, checksum, accepted_at"
            " FROM event WHERE NOT sent ORDER BY sequence LIMIT ?",
            [limit],
        )
        if any(_checksum(*row[1:6]) != row[6] for row in rows):
            raise damaged(self.path)
        return [
            Event(
                sequence,
                _topic(kind).name(self.unit),
                _key(kind, record_id, value),
                EVENTS[kind],
                record_id,
                identifiers.event_id(self.unit, record_id, revision, digest),
                value,
                datetime.fromtimestamp(accepted_at, UTC),
            )
            for sequence, kind, record_id, revision, digest, value, _, accepted_at in rows
        ]

    def mark_sent(self, sequences: Iterable[int]) -> None:
        """Note the broker's acknowledgement; the bytes are no longer needed here."""
        with self._transaction():
            self._database.executemany(
                "UPDATE event SET sent = 1, value = NULL WHERE sequence = ?",
                [(sequence,) for sequence in sequences],
            )

    def waiting(self) -> int:
        """How many events the broker has not acknowledged."""
        ((count,),) = self._rows("SELECT count(*) FROM event WHERE NOT sent")
        return int(count)

    def overdue(self, seconds: float = OVERDUE_SECONDS) -> int:
        """How many events have waited for so long."""
        ((count,),) = self._rows(
            "SELECT count(*) FROM event WHERE NOT sent AND accepted_at < ?",
            [time.time() - seconds],
        )
        return int(count)

    def days_to_tell(self, today: date) -> list[DayClosed]:
        """The accounts of days before `today` that are new, or other than they were told.

        None of a day of which something is still to be sent.
        """
        ids: dict[str, list[str]] = defaultdict(list)
        waiting = set()
        rows = self._rows(
            "SELECT record_id, revision, digest, accepted_at, sent FROM event WHERE accepted_at > 0"
        )
        for record_id, revision, digest, accepted_at, sent in rows:
            day = identifiers.day_of_acceptance(datetime.fromtimestamp(accepted_at, UTC))
            ids[day].append(identifiers.event_id(self.unit, record_id, revision, digest))
            if not sent:
                waiting.add(day)
        told = {day: rest for day, *rest in self._rows("SELECT * FROM day")}
        found: list[DayClosed] = []
        for day in sorted(ids.keys() - waiting):
            revision, *before = told.get(day, [0, None, None])
            count, digest = len(ids[day]), identifiers.digest_of_ids(ids[day])
            if day < today.isoformat() and [count, digest] != before:
                found.append(
                    {
                        "unit": self.unit,
                        "day": day,
                        "revision": revision + 1,
                        "count": count,
                        "digest": digest,
                    }
                )
        return found

    def mark_told(self, days: Iterable[DayClosed]) -> None:
        """Note that the broker has acknowledged these accounts."""
        with self._transaction():
            self._database.executemany(
                "INSERT OR REPLACE INTO day VALUES (:day, :revision, :count, :digest)",
                [dict(day) for day in days],
            )

    def counts(self, kind: str) -> Counts:
        """Counts of one kind, ``case``, ``rescue`` or ``tip``."""
        ((accepted, sent),) = self._rows(
            "SELECT count(*), coalesce(sum(sent), 0) FROM event WHERE kind = ?", [kind]
        )
        return Counts(accepted, sent)

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _topic(kind: str) -> topics.Topic:
    return next(topic for topic in topics.INTAKE if EVENTS[kind] in topic.schemas)


def _key(kind: str, record_id: str, value: bytes) -> str:
    """Everything of one person's file is one key's, so that it stays in its order."""
    if _topic(kind) is not topics.FILES:
        return record_id
    return str(codec.decode(value)[1]["rescue_id"])


def _encoded(event: str, record: events.Record, revision: int) -> bytes:
    numbered = {**record, "revision": revision}
    codec.validate(event, numbered)
    value = codec.encode(event, numbered)
    if len(value) > codec.MAX_EVENT_BYTES:
        raise InvalidRecord(f"{event} is larger than {codec.MAX_EVENT_BYTES} bytes")
    return value


def _checksum(kind: str, record_id: str, revision: int, digest: str, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(f"{kind}\n{record_id}\n{revision}\n{digest}".encode()))
