"""The topics, each named once: read from `schemas/topics/*.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter
from importlib import resources
from typing import Any

from schemas.topics.murmur2 import murmur2
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


_loaded: list[Topic] = []


def _load(file_name: str) -> Topic:
    text = (resources.files("schemas") / "topics" / f"{file_name}.toml").read_text("utf-8")
    data: dict[str, Any] = tomllib.loads(text)
    topic = Topic(
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
    _loaded.append(topic)
    return topic


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

TOPICS = tuple(_loaded)

UNIT = "unit"
"""The role of whichever unit a topic belongs to."""
PERSONS = frozenset({UNIT, "office", "operator"})
"""Roles of `written_by` and `read_by` that are persons with their commands; others are workers."""


def workers() -> tuple[str, ...]:
    """The processes of the contracts, each after those whose topics it reads."""
    readers = sorted({name for topic in TOPICS for name in topic.read_by} - PERSONS)
    sources = {
        reader: sorted(
            {name for topic in TOPICS if reader in topic.read_by for name in topic.written_by}
            - PERSONS
            - {reader}
        )
        for reader in readers
    }
    return tuple(TopologicalSorter(sources).static_order())


def read_by(worker: str) -> tuple[Topic, ...]:
    """The topics that a worker reads.

    Raises: ValueError for a worker that no contract names.
    """
    found = tuple(topic for topic in TOPICS if worker in topic.read_by)
    if not found:
        raise ValueError(f"{worker} reads no topic of schemas/topics")
    return found


def names_of(found: Iterable[Topic]) -> tuple[str, ...]:
    """The names of topics, those of all units one by one."""
    return tuple(name for topic in found for name in topic.names())


def events_of(found: Iterable[Topic]) -> frozenset[str]:
    """The events that topics may carry."""
    return frozenset(event for topic in found for event in topic.schemas)


INTAKE = tuple(topic for topic in read_by("intake") if UNIT in topic.written_by)
"""What the units publish and intake validates."""

STATEMENTS = tuple(
    topic
    for topic in TOPICS
    if {*topic.written_by} <= {UNIT, "office"}
    and topic not in INTAKE
    and not PERSONS.issuperset(topic.read_by)
)
"""What units and the office state on topics that workers read: each reader validates it."""


def intake_names() -> frozenset[str]:
    """The intake topics of all units."""
    return frozenset(names_of(INTAKE))


def of_other_units(names: Iterable[str]) -> list[str]:
    """Names of topics that a contract has for each unit, of units that are none here; sorted."""
    stems = {topic.pattern.partition(".")[0] for topic in TOPICS if topic.per != "one"}
    known = frozenset(names_of(TOPICS))
    return sorted(
        name
        for name in names
        if name.count(".") == 1 and name.partition(".")[0] in stems and name not in known
    )


def partition_of(key: str, topic: Topic) -> int:
    """The partition Kafka's default partitioner gives a key."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % topic.partitions)


def unit_of_topic(topic: str) -> str:
    """The unit in an intake topic's name: ``cases.220200`` is 220200's."""
    return topic.partition(".")[2]
