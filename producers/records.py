"""A record as a unit's local system gives it."""

from __future__ import annotations

from dataclasses import dataclass

from crossregion.domain import events


@dataclass(frozen=True, slots=True)
class LocalRecord:
    """One record of an export; without a revision of its own it has 0, and the spool counts."""

    event: str
    record_id: str
    record: events.Record
    lines: tuple[int, ...]

    @property
    def has_revision(self) -> bool:
        return self.record["revision"] > 0
