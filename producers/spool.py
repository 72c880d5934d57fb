"""The spool: what a unit has accepted, durable before anyone is told so.

SQLite in WAL mode, synchronous. It also remembers the digest of every revision it has ever
published, so that publishing the same file twice publishes nothing twice.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from crossregion.domain import records
from crossregion.domain.records import CaseRecorded, RescueRecorded
from producers.export import Exported
from schemas import codec, topics
from schemas.codec import InvalidRecord

VERSION = 1
KINDS = {"CaseRecorded": "case", "RescueRecorded": "rescue"}
BUSY_SECONDS = 60.0

_SCHEMA = """
CREATE TABLE about (unit TEXT NOT NULL, restored INTEGER NOT NULL) STRICT;
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    record_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    digest TEXT NOT NULL,
    counted INTEGER NOT NULL,
    value BLOB,
    sent INTEGER NOT NULL,
    UNIQUE (kind, record_id, revision, digest)
) STRICT;
CREATE INDEX unsent ON event (sequence) WHERE NOT sent;
"""


class SpoolError(Exception):
    """The spool cannot be used. The message says what to do."""


class SpoolForeign(SpoolError):
    """The file is another unit's spool, or none at all."""


class SpoolTooNew(SpoolError):
    """A newer version of crossregion wrote the file."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event that waits to be sent."""

    sequence: int
    topic: str
    event: str
    record_id: str
    event_id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of some records: stored to be sent, known already, or too large to send."""

    published: int
    unchanged: int
    refused: tuple[Exported, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Events of one kind so far: accepted by this spool or its predecessors, and sent."""

    accepted: int
    sent: int


class Spool:
    """One unit's spool. Several processes may use it; not safe between threads.

    Raises: SpoolForeign, SpoolTooNew, SpoolError.
    """

    def __init__(self, path: Path, unit: str) -> None:
        self.path = path
        self.unit = unit
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._prepare()
        except sqlite3.DatabaseError as error:
            raise SpoolForeign(
                f"{path} cannot be used as a spool ({type(error).__name__}): move it away; "
                "a new one is filled from the unit's own topics."
            ) from None
        except OSError as error:
            raise SpoolError(f"{path} cannot be opened: {error.strerror}.") from None

    def _prepare(self) -> None:
        with self._transaction():
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise SpoolTooNew(
                    f"{self.path} was written by a newer version: install that version."
                )
            if version == 0:
                for statement in filter(str.strip, _SCHEMA.split(";")):
                    self._database.execute(statement)
                self._database.execute("INSERT INTO about VALUES (?, 0)", [self.unit])
                self._database.execute(f"PRAGMA user_version = {VERSION}")
        (owner,) = self._database.execute("SELECT unit FROM about").fetchone()
        if owner != self.unit:
            raise SpoolForeign(
                f"{self.path} is the spool of unit {owner}: give unit {self.unit} another one."
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def accept_all(self, exported: Sequence[Exported]) -> Accepted:
        """Store what is new, in one transaction; on return it survives a crash."""
        published = unchanged = 0
        refused = []
        with self._transaction():
            for one in exported:
                try:
                    if self._accept(one):
                        published += 1
                    else:
                        unchanged += 1
                except InvalidRecord:
                    refused.append(one)
        return Accepted(published, unchanged, tuple(refused))

    def _accept(self, one: Exported) -> bool:
        kind = KINDS[one.event]
        digest = records.content_digest(one.record)
        revision = one.record["revision"]
        if not one.has_revision:
            newest = self._newest(kind, one.record_id)
            if newest is not None and newest[1] == digest:
                return False
            revision = newest[0] + 1 if newest else 1
        value = _encoded(one.event, one.record, revision)
        return self._insert(
            kind, one.record_id, revision, digest, value, counted=not one.has_revision
        )

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
    ) -> bool:
        cursor = self._database.execute(
            "INSERT INTO event (kind, record_id, revision, digest, counted, value, sent)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [kind, record_id, revision, digest, counted, value, value is None],
        )
        return cursor.rowcount > 0

    @property
    def restored(self) -> bool:
        """Whether the unit's own topics have been read into this spool."""
        (restored,) = self._database.execute("SELECT restored FROM about").fetchone()
        return bool(restored)

    def restore(self, known: Iterable[tuple[str, CaseRecorded | RescueRecorded]]) -> None:
        """Take in the events that stand on the unit's topics, as (event, record).

        What was accepted meanwhile and stands there already counts as sent; a revision that
        this spool had counted without knowing the topics is counted anew.
        """
        with self._transaction():
            for event, record in known:
                kind = KINDS[event]
                record_id = str(record["case_id" if kind == "case" else "rescue_id"])  # type: ignore[typeddict-item]
                digest = records.content_digest(record)
                if not self._insert(kind, record_id, record["revision"], digest, None):
                    self._database.execute(
                        "UPDATE event SET sent = 1, value = NULL WHERE kind = ? AND record_id = ?"
                        " AND revision = ? AND digest = ?",
                        [kind, record_id, record["revision"], digest],
                    )
            counted = self._database.execute(
                "SELECT sequence, record_id, value FROM event"
                " WHERE counted AND NOT sent ORDER BY sequence"
            ).fetchall()
            for sequence, record_id, value in counted:
                self._database.execute("DELETE FROM event WHERE sequence = ?", [sequence])
                event, again = codec.decode(value)
                record = cast(CaseRecorded | RescueRecorded, {**again, "revision": 0})
                self._accept(Exported(event, record_id, record, ()))
            self._database.execute("UPDATE about SET restored = 1")

    def unsent(self, limit: int) -> list[Event]:
        """The oldest events that the broker has not acknowledged."""
        rows = self._database.execute(
            "SELECT sequence, kind, record_id, revision, digest, value FROM event"
            " WHERE NOT sent ORDER BY sequence LIMIT ?",
            [limit],
        )
        by_kind = {
            "case": ("CaseRecorded", topics.CASES.name(self.unit)),
            "rescue": ("RescueRecorded", topics.RESCUES.name(self.unit)),
        }
        return [
            Event(
                sequence,
                by_kind[kind][1],
                by_kind[kind][0],
                record_id,
                records.event_id(self.unit, record_id, revision, digest),
                value,
            )
            for sequence, kind, record_id, revision, digest, value in rows
        ]

    def mark_sent(self, sequences: Iterable[int]) -> None:
        """Note the broker's acknowledgement; the bytes are no longer needed here."""
        with self._transaction():
            self._database.executemany(
                "UPDATE event SET sent = 1, value = NULL WHERE sequence = ?",
                [(sequence,) for sequence in sequences],
            )

    def counts(self, kind: str) -> Counts:
        """Counts of one kind, ``case`` or ``rescue``."""
        accepted, sent = self._database.execute(
            "SELECT count(*), coalesce(sum(sent), 0) FROM event WHERE kind = ?", [kind]
        ).fetchone()
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


def _encoded(event: str, record: CaseRecorded | RescueRecorded, revision: int) -> bytes:
    numbered = {**record, "revision": revision}
    codec.validate(event, numbered)
    value = codec.encode(event, numbered)
    if len(value) > codec.MAX_EVENT_BYTES:
        raise InvalidRecord(f"{event} is larger than {codec.MAX_EVENT_BYTES} bytes")
    return value
