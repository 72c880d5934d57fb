"""The topics, each named once: read from `schemas/topics/*.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any

from aiokafka.partitioner import murmur2

from schemas.units import NOTIFIED, UNITS

_UNITS_OF = {
    "one": (None,),
    "per-publishing-unit": UNITS,
    "per-notified-unit": NOTIFIED,
}


@dataclass(frozen=True)
class Topic:
    """One contract: who writes what where, and how the topic is created."""

    meaning: str
    pattern: str
    per: str
    key: str
    schemas: tuple[str, ...]
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    partitions: int
    config: dict[str, str]

    def name(self, unit: str | None = None) -> str:
        return self.pattern if unit is None else self.pattern.format(unit=unit)

    def names(self) -> tuple[str, ...]:
        """The topics of all units, or the one topic."""
        return tuple(self.name(unit) for unit in _UNITS_OF[self.per])


def _load(file_name: str) -> Topic:
    text = (resources.files("schemas") / "topics" / f"{file_name}.toml").read_text("utf-8")
    data: dict[str, Any] = tomllib.loads(text)
    return Topic(
        meaning=data["meaning"],
        pattern=data["name"],
        per=data["per"],
        key=data["key"],
        schemas=tuple(data["schemas"]),
        written_by=tuple(data["written_by"]),
        read_by=tuple(data["read_by"]),
        partitions=data["partitions"],
        config=data["config"],
    )


CASES = _load("cases")
RESCUES = _load("rescues")
FILES = _load("files")
TIPS = _load("tips")
TRIAGE = _load("triage")
DAYS = _load("days")
BOUNDARY_FLAGS = _load("boundary-flags")
RECORD_REMARKS = _load("record-remarks")
FILE_NOTES = _load("file-notes")
LINKAGE_RECORDS = _load("linkage-records")
PAIR_WEIGHTS = _load("pair-weights")
MATCH_PROPOSALS = _load("match-proposals")
DECISIONS = _load("decisions")
AGREEMENTS = _load("agreements")
NOTICES = _load("notices")
ACKNOWLEDGEMENTS = _load("acknowledgements")
REASSIGNMENTS = _load("reassignments")
HANDOVERS = _load("handovers")
DEAD_LETTERS = _load("dead-letters")
REPLAYS = _load("replays")
AUDIT_HEADS = _load("audit-heads")

TOPICS = (
    CASES,
    RESCUES,
    FILES,
    TIPS,
    TRIAGE,
    DAYS,
    BOUNDARY_FLAGS,
    RECORD_REMARKS,
    FILE_NOTES,
    LINKAGE_RECORDS,
    PAIR_WEIGHTS,
    MATCH_PROPOSALS,
    DECISIONS,
    AGREEMENTS,
    NOTICES,
    ACKNOWLEDGEMENTS,
    REASSIGNMENTS,
    HANDOVERS,
    DEAD_LETTERS,
    REPLAYS,
    AUDIT_HEADS,
)

INTAKE = (CASES, RESCUES, TIPS, FILES)
"""What the units publish and intake judges."""


def intake_names() -> frozenset[str]:
    """The intake topics of all units."""
    return frozenset(name for topic in INTAKE for name in topic.names())


def partition_of(key: str, topic: Topic) -> int:
    """The partition Kafka's default partitioner gives a key."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % topic.partitions)


def unit_of_topic(topic: str) -> str:
    """The unit in an intake topic's name: ``cases.220200`` is 220200's."""
    return topic.partition(".")[2]
