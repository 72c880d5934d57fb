"""Records of the units in the registry: each revision, the newest of each, and their persons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from consumers.registry.projection import Accepted, Consumed, first, moment
from consumers.registry.projections import tips
from crossregion.domain import identifiers
from crossregion.domain.events import PersonSummary
from crossregion.domain.reports import facts
from crossregion.domain.validation import ValidatedEvent
from crossregion.postgres import queries
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row
from schemas import envelope

Key = tuple[str, str, str]
"""Kind, unit and id of a record."""


@dataclass
class Records:
    """Where records were seen, their revisions, facts, heads and persons."""

    sightings: list[Row] = field(default_factory=list)
    revisions: list[Row] = field(default_factory=list)
    facts: dict[tuple[Key, int, str], Row] = field(default_factory=dict)
    heads: dict[Key, Row] = field(default_factory=dict)
    persons: dict[tuple[Key, int, str], list[Row]] = field(default_factory=dict)

    def see(self, consumed: Consumed, accepted: Accepted | None) -> None:
        """An event on a unit's topic, accepted or not."""
        self.sightings.append(
            {
                "topic": consumed.topic,
                "partition": consumed.partition,
                "offset": consumed.offset,
                "event_id": accepted.validated.event_id if accepted else consumed.event_id,
                "outcome": "accepted" if accepted else "refused",
                "accepted_on": _accepted_on(consumed.headers),
            }
        )

    def add_record(self, accepted: Accepted) -> None:
        key, version, validated = accepted.key, accepted.version, accepted.validated
        named = dict(zip(("kind", "unit", "record_id"), key, strict=True))
        head = {**named, "revision": validated.revision, "digest": validated.digest}
        self.revisions.append(
            {
                **head,
                "event_id": validated.event_id,
                "record": accepted.record,
                "remarks": validated.remarks,
            }
        )
        fact = facts.fact_of(validated, accepted.record)
        first(self.facts, (key, *version), {**fact, "received_at": moment(accepted.received)})
        known = self.heads.get(key)
        if known is None or (known["revision"], known["digest"]) < version:
            self.heads[key] = head
        self.persons[(key, *version)] = [
            {
                **named,
                "person_id": person.get("victim_id", validated.record_id),
                "age_band": summary["age_band"],
                "sex": person["sex"],
                "identity": person["identity"],
            }
            for person, summary in zip(
                _persons(validated.kind, accepted.record), _summaries(validated), strict=True
            )
        ]

    def write(self, connection: Connection) -> list[Row]:
        """Store the rows; returns the heads of the records that are newer than what was there."""
        queries.put(connection, "add_sightings", self.sightings)
        queries.put(connection, "add_revisions", self.revisions)
        queries.put(connection, "insert_facts", list(self.facts.values()))
        heads = queries.put(connection, "upsert_record_heads", list(self.heads.values()))
        changed = {
            (kind, unit, record_id): self.heads[kind, unit, record_id]
            for kind, unit, record_id in heads
        }
        queries.put(connection, "remove_persons", list(changed.values()))
        persons = [
            row
            for key, head in changed.items()
            for row in self.persons[key, head["revision"], head["digest"]]
        ]
        queries.put(connection, "add_persons", persons)
        return list(changed.values())


def _persons(kind: str, record: Row) -> list[Row]:
    """A case's victims, a rescue's person; an entry of a file has nobody of its own."""
    if kind == "case":
        return list(record["victims"])
    return [record["person"]] if kind == "rescue" else []


def _summaries(validated: ValidatedEvent) -> list[PersonSummary]:
    """Of the persons that `_persons` gives; those of a tip are nobody's row."""
    return [] if validated.kind == tips.KIND else validated.remarked["persons"]


def _accepted_on(headers: Mapping[str, bytes]) -> str | None:
    """The day on which the unit says that it accepted the event."""
    at = envelope.when(headers.get("ce_time"))
    return None if at is None else identifiers.day_of_acceptance(at)
