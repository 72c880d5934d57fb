"""What the registry stores of some records of its topics, as rows; pure, but for storing them.

Everything is keyed so that a second time changes nothing.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, cast

import structlog

from consumers.registry.projections import decisions as decisions_projection
from consumers.registry.projections import files, handovers, tips
from consumers.registry.projections import notices as notices_projection
from crossregion import event_validation, logs
from crossregion.domain import acknowledgements, agreements, identifiers, validation
from crossregion.domain.dates import day_of
from crossregion.domain.events import (
    AgreementRecorded,
    DeadLettered,
    FileNoted,
    NoticeAcknowledged,
    NoticeReassigned,
    PersonSummary,
)
from crossregion.domain.reports import facts
from crossregion.domain.tips import anonymised
from crossregion.domain.validation import Rejected, ValidatedEvent
from crossregion.errors import UnhandledEvent
from crossregion.failpoints import failpoint
from crossregion.kafka import invalid_records
from crossregion.postgres import queries
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row
from schemas import codec, envelope, topics
from schemas.codec import Undecodable

INTAKE = topics.intake_names()
HOUR_MS = 3_600_000
DISCARDED, REPLAYED = "discarded", "replayed"
OTHERS = tuple(
    topic
    for topic in topics.read_by("registry")
    if topic not in topics.INTAKE and topic is not topics.REPLAYS
)
"""The topics whose events have handlers; those of the units' records are validated like intake."""
ALLOWED = {name: topic.schemas for topic in OTHERS for name in topic.names()}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Consumed:
    """Where a decoded event stood, its bytes and headers, and the broker's time in milliseconds."""

    event: str
    partition: int
    offset: int
    value: bytes | None
    headers: Mapping[str, bytes]
    received: int | None

    @property
    def position(self) -> Row:
        """What orders events of one topic."""
        return {"milliseconds": self.received or 0, "offset": self.offset}


@dataclass
class Batch:
    """The rows that follow from some records of the topics. Pure; `write` stores them."""

    sightings: list[Row] = field(default_factory=list)
    revisions: list[Row] = field(default_factory=list)
    facts: dict[tuple[str, str, str, int, str], Row] = field(default_factory=dict)
    held: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    persons: dict[tuple[str, str, str, int, str], list[Row]] = field(default_factory=dict)
    flags: list[Row] = field(default_factory=list)
    proposals: dict[str, Row] = field(default_factory=dict)
    decisions: dict[str, Row] = field(default_factory=dict)
    agreements: dict[tuple[str, int, str], Row] = field(default_factory=dict)
    notices: dict[str, Row] = field(default_factory=dict)
    notices_said: dict[tuple[str, int], Row] = field(default_factory=dict)
    answers: dict[tuple[str, str, int, str], Row] = field(default_factory=dict)
    reassignments: dict[str, Row] = field(default_factory=dict)
    handovers: list[Row] = field(default_factory=list)
    notes: dict[tuple[str, str, str], FileNoted] = field(default_factory=dict)
    tip_routes: list[Row] = field(default_factory=list)
    triages: list[Row] = field(default_factory=list)
    dead_letters: list[Row] = field(default_factory=list)
    settled: dict[str, str] = field(default_factory=dict)

    def take(
        self,
        topic: str,
        partition: int,
        offset: int,
        value: bytes | None,
        headers: Mapping[str, bytes],
        received: int | None = None,
    ) -> str:
        """Add what follows from one record; returns the outcome for the metrics.

        `received` is the broker's time of it in milliseconds. Raises: UnhandledEvent.
        """
        received_on = None if received is None else day_of(received)
        if topic in INTAKE:
            accepted = _accepted(topic, value, headers, received_on)
            outcome = "refused" if accepted is None else "accepted"
            self.sightings.append(
                {
                    "topic": topic,
                    "partition": partition,
                    "offset": offset,
                    "event_id": accepted[0].event_id if accepted else _event_id(value, headers),
                    "outcome": outcome,
                    "accepted_on": _accepted_on(headers),
                }
            )
            if accepted is not None:
                self._add_record(*accepted, received)
            return outcome
        if topic == topics.REPLAYS.name():
            return self._take_replay(value, received)
        try:
            event, record = codec.decode(value, ALLOWED[topic])
            event_validation.validate_statement(event, record, topic, partition)
        except (Undecodable, Rejected) as error:
            return self._set_aside(topic, partition, offset, value, error)
        if event not in HANDLERS:
            raise UnhandledEvent(event, "registry")
        HANDLERS[event](self, record, Consumed(event, partition, offset, value, headers, received))
        return "stored"

    def _set_aside(
        self,
        topic: str,
        partition: int,
        offset: int,
        value: bytes | None,
        error: Undecodable | Rejected,
    ) -> str:
        """List what stands on a topic of our own and cannot be used; intake never sees it."""
        letter: DeadLettered = {
            "dead_letter_id": identifiers.dead_letter_id(topic, partition, offset),
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "reason": error.reason,
            "detail": error.detail,
            "key": None,
            "value": value,
            "headers": {},
        }
        self._add_dead_letter(letter, codec.encode("DeadLettered", letter))
        return invalid_records.report_invalid_record(topic, partition, offset, error)

    def _take_replay(self, value: bytes | None, received: int | None) -> str:
        try:
            event, letter = codec.decode(value)
        except Undecodable:
            return "refused"
        if event != "DeadLettered":
            return "refused"
        letter_id = identifiers.dead_letter_id(
            *(letter[n] for n in ("topic", "partition", "offset"))
        )
        if letter["reason"] == DISCARDED:
            self.settled.setdefault(letter_id, DISCARDED)
            return DISCARDED
        if letter["topic"] not in INTAKE:
            return "refused"
        received_on = None if received is None else day_of(received)
        accepted = _accepted(letter["topic"], letter["value"], letter["headers"], received_on)
        if accepted is None:
            return "refused"
        self._add_record(*accepted, received)
        self.settled[letter_id] = REPLAYED
        return REPLAYED

    def _add_record(self, judged: ValidatedEvent, record: Row, received: int | None) -> None:
        key = (judged.kind, judged.unit, judged.record_id)
        version = {"revision": judged.revision, "digest": judged.digest}
        if judged.kind == tips.KIND:
            record = anonymised(record)
            self.tip_routes.append(tips.routed(judged))
        named = dict(zip(("kind", "unit", "record_id"), key, strict=True))
        self.revisions.append(
            {
                **named,
                **version,
                "event_id": judged.event_id,
                "record": record,
                "remarks": judged.remarks,
            }
        )
        fact = {**facts.fact_of(judged, record), "received_at": _moment(received)}
        _first(self.facts, (*key, judged.revision, judged.digest), fact, "received_at")
        known = self.held.get(key)
        if known is None or (known["revision"], known["digest"]) < (
            judged.revision,
            judged.digest,
        ):
            self.held[key] = {**named, **version}
        if judged.noted is not None:
            self._add_note(key, judged.noted)
        self.persons[(*key, judged.revision, judged.digest)] = [
            {
                **named,
                "person_id": person.get("victim_id", judged.record_id),
                "age_band": summary["age_band"],
                "sex": person["sex"],
                "identity": person["identity"],
            }
            for person, summary in zip(
                _persons(judged.kind, record), _summaries(judged), strict=True
            )
        ]

    def _add_note(self, key: tuple[str, str, str], note: FileNoted) -> None:
        known = self.notes.get(key)
        if known is None or files.version(known) < files.version(note):
            self.notes[key] = note

    def _add_flag(self, record: Row, _: Consumed) -> None:
        self.flags.append(record)

    def _add_proposal(self, record: Row, where: Consumed) -> None:
        known = self.proposals.get(record["proposal_id"])
        if known is None or known["revision"] < record["revision"]:
            row = {**record, "open": where.event == "MatchProposed"}
            self.proposals[record["proposal_id"]] = row

    def _add_decision(self, record: Row, where: Consumed) -> None:
        row = {
            **record,
            "partition": where.partition,
            "offset": where.offset,
            "received_at": _moment(where.received),
        }
        known = self.decisions.setdefault(record["decision_id"], row)
        if where.offset < known["offset"]:
            self.decisions[record["decision_id"]] = row

    def _add_agreement(self, record: Row, where: Consumed) -> None:
        revision, digest = agreements.version(cast(AgreementRecorded, record))
        row = {**record, "digest": digest, "received_at": _moment(where.received)}
        _first(self.agreements, (row["agreement_id"], revision, digest), row, "received_at")

    def _add_notice(self, record: Row, where: Consumed) -> None:
        record = {**record, "event_id": _event_id(where.value, where.headers)}
        received, issued = where.received, where.event == "NoticeIssued"
        said = {**record, "issued": issued, "said_at": _moment(received)}
        _first(self.notices_said, (record["notice_id"], record["revision"]), said, "said_at")
        known = self.notices.get(record["notice_id"], {"revision": 0, "withdrawn": 0})
        withdrawn = max(known["withdrawn"], 0 if issued else record["revision"])
        told_at = known.get("told_at_milliseconds", received)
        if known["revision"] < record["revision"]:
            until = [known["answer_until"]] if issued and known.get("issued") else []
            if issued and received is not None and record["answer_within_hours"] is not None:
                until.append(_moment(received + record["answer_within_hours"] * HOUR_MS))
            earliest = min((one for one in until if one is not None), default=None)
            known = {**said, "answer_until": earliest}
        first_said = {"withdrawn": withdrawn, "told_at_milliseconds": told_at}
        self.notices[record["notice_id"]] = {**known, **first_said}

    def _add_answer(self, record: Row, where: Consumed) -> None:
        revision, digest = acknowledgements.version(cast(NoticeAcknowledged, record))
        key = (record["notice_id"], record["unit"], revision, digest)
        known = self.answers.get(key)
        if known is None or where.offset < known["offset"]:
            self.answers[key] = {
                **record,
                **where.position,
                "event_id": _event_id(where.value, where.headers),
                "received_at": _moment(where.received),
                "digest": digest,
            }

    def _add_reassignment(self, record: Row, _: Consumed) -> None:
        revision, digest = acknowledgements.reassignment_version(cast(NoticeReassigned, record))
        known = self.reassignments.get(record["notice_id"])
        if known is None or (known["revision"], known["digest"]) < (revision, digest):
            self.reassignments[record["notice_id"]] = {**record, "digest": digest}

    def _add_handover(self, record: Row, where: Consumed) -> None:
        self.handovers.append({**record, **where.position})

    def _add_triage(self, record: Row, where: Consumed) -> None:
        self.triages.append({**record, **where.position})

    def _add_letter(self, record: Row, where: Consumed) -> None:
        self._add_dead_letter(record, where.value or b"")

    def _add_dead_letter(self, letter: Mapping[str, Any], value: bytes) -> None:
        names = ("dead_letter_id", "topic", "partition", "offset", "reason", "detail")
        self.dead_letters.append(
            {
                **{name: letter[name] for name in names},
                "event_id": _event_id(letter["value"], letter["headers"]),
                "event": value,
            }
        )

    def write(self, connection: Connection) -> None:
        """Store everything; a row that is there already, or is outdated, changes nothing."""
        queries.put(connection, "add_sightings", self.sightings)
        queries.put(connection, "add_revisions", self.revisions)
        queries.put(connection, "add_facts", list(self.facts.values()))
        changed = queries.put(connection, "hold", list(self.held.values()))
        now = [self.held[kind, unit, record_id] for kind, unit, record_id in changed]
        queries.put(connection, "remove_persons", now)
        queries.put(connection, "add_persons", [row for held in now for row in self._persons(held)])
        queries.put(connection, "add_flags", self.flags)
        queries.put(connection, "put_proposals", list(self.proposals.values()))
        queries.put(connection, "add_agreements", list(self.agreements.values()))
        if now or self.decisions:
            decisions_projection.write(connection, list(self.decisions.values()), now)
        if self.notices or self.answers:
            notices_projection.write(
                connection, list(self.notices.values()), list(self.answers.values())
            )
            queries.put(connection, "add_notices_said", list(self.notices_said.values()))
        queries.put(connection, "put_reassignments", list(self.reassignments.values()))
        if self.handovers:
            handovers.write(connection, self.handovers)
        if self.notes or self.handovers:
            files.write(connection, list(self.notes.values()), self.handovers)
        if self.tip_routes or self.triages:
            tips.write(connection, self.tip_routes, self.triages)
        for letter in self.dead_letters:
            connection.execute(queries.query("put_dead_letter"), letter)
        for dead_letter_id, outcome in self.settled.items():
            connection.execute(
                queries.query("settle_dead_letter"),
                {"dead_letter_id": dead_letter_id, "outcome": outcome},
            )
        failpoint("in-transaction")

    def _persons(self, held: Row) -> list[Row]:
        key = (held["kind"], held["unit"], held["record_id"], held["revision"], held["digest"])
        return self.persons[key]


HANDLERS: dict[str, Callable[[Batch, Row, Consumed], None]] = {
    "BoundaryFlagged": Batch._add_flag,
    "MatchProposed": Batch._add_proposal,
    "MatchWithdrawn": Batch._add_proposal,
    "MatchDecided": Batch._add_decision,
    "AgreementRecorded": Batch._add_agreement,
    "NoticeIssued": Batch._add_notice,
    "NoticeWithdrawn": Batch._add_notice,
    "NoticeAcknowledged": Batch._add_answer,
    "NoticeReassigned": Batch._add_reassignment,
    "HandoverRecorded": Batch._add_handover,
    "TipTriaged": Batch._add_triage,
    "DeadLettered": Batch._add_letter,
}
"""By event: what a batch keeps of it."""


def _persons(kind: str, record: Row) -> list[Row]:
    """A case's victims, a rescue's person; an entry of a file has nobody of its own."""
    if kind == "case":
        return list(record["victims"])
    return [record["person"]] if kind == "rescue" else []


def _summaries(judged: ValidatedEvent) -> list[PersonSummary]:
    """Of the persons that `_persons` gives; those of a tip are nobody's row."""
    return [] if judged.kind == tips.KIND else judged.remarked["persons"]


def _accepted(
    topic: str, value: bytes | None, headers: Mapping[str, bytes], received_on: date | None
) -> tuple[ValidatedEvent, Row] | None:
    """The same verdict as intake's, which alone writes the dead letter; and the record."""
    ce_id = headers.get("ce_id")
    try:
        event, record = codec.decode(value)
        judged = validation.validate_event(
            event,
            record,
            topics.unit_of_topic(topic),
            None if ce_id is None else ce_id.decode("ascii", "replace"),
            received_on,
        )
        return judged, record
    except (Undecodable, Rejected):
        return None
    except Exception as error:  # noqa: BLE001 (a defect of ours: intake sets the event aside)
        log.error("A decision raised", error=type(error).__name__, where=logs.where(error))
        return None


def _first(known: dict[Any, Row], key: object, row: Row, time: str) -> None:
    """Keep of several the one that the broker had first."""
    there = known.get(key)
    if there is None or (row[time] is not None and row[time] < (there[time] or "~")):
        known[key] = row


def _moment(received: int | None) -> str | None:
    """The broker's time, as PostgreSQL takes it."""
    if received is None:
        return None
    return datetime.fromtimestamp(received / 1000, UTC).isoformat(timespec="milliseconds")


def _accepted_on(headers: Mapping[str, bytes]) -> str | None:
    """The day on which the unit says that it accepted the event."""
    at = envelope.when(headers.get("ce_time"))
    return None if at is None else identifiers.day_of_acceptance(at)


def _event_id(value: bytes | None, headers: Mapping[str, bytes]) -> str:
    """The id that an event which was refused claims, or one made from its bytes."""
    claimed = headers.get("ce_id", b"").decode("ascii", "replace")
    try:
        return str(uuid.UUID(claimed))
    except ValueError:
        return hashlib.sha256(value or b"").hexdigest()
