"""What the registry stores of some records of its topics: each projection collects its rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import structlog

from consumers.registry.projection import Accepted, Consumed, Handler, Projection
from consumers.registry.projections import tips as tips_projection
from consumers.registry.projections.agreements import Agreements
from consumers.registry.projections.dead_letters import DISCARDED, REPLAYED, DeadLetters
from consumers.registry.projections.decisions import Decisions
from consumers.registry.projections.files import Files
from consumers.registry.projections.flags import Flags
from consumers.registry.projections.handovers import Handovers
from consumers.registry.projections.notices import Notices
from consumers.registry.projections.proposals import Proposals
from consumers.registry.projections.records import Records
from consumers.registry.projections.tips import Tips
from crossregion import event_validation, logs
from crossregion.domain import identifiers, validation
from crossregion.domain.dates import day_of
from crossregion.domain.tips import anonymised
from crossregion.domain.validation import Rejected
from crossregion.errors import UnhandledEvent
from crossregion.failpoints import failpoint
from crossregion.kafka import invalid_records
from crossregion.postgres.connection import Connection
from schemas import codec, topics
from schemas.codec import Undecodable

INTAKE = topics.intake_names()
OTHERS = tuple(
    topic
    for topic in topics.read_by("registry")
    if topic not in topics.INTAKE and topic is not topics.REPLAYS
)
"""The topics whose events have handlers; those of the units' records are validated like intake."""
ALLOWED = {name: topic.schemas for topic in OTHERS for name in topic.names()}

log = structlog.get_logger()


@dataclass
class Batch:
    """Gives events to the projections that handle them. Pure; `write` stores what they made."""

    records: Records = field(default_factory=Records)
    flags: Flags = field(default_factory=Flags)
    proposals: Proposals = field(default_factory=Proposals)
    agreements: Agreements = field(default_factory=Agreements)
    decisions: Decisions = field(default_factory=Decisions)
    notices: Notices = field(default_factory=Notices)
    handovers: Handovers = field(default_factory=Handovers)
    files: Files = field(default_factory=Files)
    tips: Tips = field(default_factory=Tips)
    dead_letters: DeadLetters = field(default_factory=DeadLetters)

    def __post_init__(self) -> None:
        self.projections: tuple[Projection, ...] = (
            self.flags,
            self.proposals,
            self.agreements,
            self.decisions,
            self.notices,
            self.handovers,
            self.files,
            self.tips,
            self.dead_letters,
        )
        self.handlers: dict[str, list[Handler]] = defaultdict(list)
        for projection in self.projections:
            for event, handler in projection.handlers().items():
                self.handlers[event].append(handler)

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
        consumed = Consumed(topic, partition, offset, value, headers, received)
        if topic in INTAKE:
            return self._take_record(consumed)
        if topic == topics.REPLAYS.name():
            return self._take_replay(consumed)
        try:
            event, record = codec.decode(value, ALLOWED[topic])
            event_validation.validate_statement(event, record, topic, partition)
        except (Undecodable, Rejected) as error:
            self.dead_letters.set_aside(consumed, error)
            return invalid_records.report_invalid_record(topic, partition, offset, error)
        if event not in self.handlers:
            raise UnhandledEvent(event, "registry")
        for handler in self.handlers[event]:
            handler(record, consumed)
        return "stored"

    def _take_record(self, consumed: Consumed) -> str:
        accepted = _accepted(consumed.topic, consumed.value, consumed.headers, consumed.received)
        self.records.see(consumed, accepted)
        if accepted is None:
            return "refused"
        self._add_record(accepted)
        return "accepted"

    def _take_replay(self, consumed: Consumed) -> str:
        try:
            event, dead_letter = codec.decode(consumed.value)
        except Undecodable:
            return "refused"
        if event != "DeadLettered":
            return "refused"
        letter_id = identifiers.dead_letter_id(
            *(dead_letter[n] for n in ("topic", "partition", "offset"))
        )
        if dead_letter["reason"] == DISCARDED:
            self.dead_letters.discard(letter_id)
            return DISCARDED
        if dead_letter["topic"] not in INTAKE:
            return "refused"
        accepted = _accepted(
            dead_letter["topic"], dead_letter["value"], dead_letter["headers"], consumed.received
        )
        if accepted is None:
            return "refused"
        self._add_record(accepted)
        self.dead_letters.replay(letter_id)
        return REPLAYED

    def _add_record(self, accepted: Accepted) -> None:
        for projection in (self.records, self.files, self.tips):
            projection.add_record(accepted)

    def write(self, connection: Connection) -> None:
        """Store everything; a row that is there already, or is outdated, changes nothing.

        The order is that of the locks, so that two workers never wait for each other.
        """
        changed = self.records.write(connection)
        for projection in self.projections:
            projection.write(connection, changed)
        failpoint("in-transaction")


def _accepted(
    topic: str, value: bytes | None, headers: Mapping[str, bytes], received: int | None
) -> Accepted | None:
    """The event if intake accepts it, too, with the record to store; intake writes dead letters."""
    ce_id = headers.get("ce_id")
    received_on: date | None = None if received is None else day_of(received)
    try:
        event, record = codec.decode(value)
        validated = validation.validate_event(
            event,
            record,
            topics.unit_of_topic(topic),
            None if ce_id is None else ce_id.decode("ascii", "replace"),
            received_on,
        )
    except (Undecodable, Rejected):
        return None
    except Exception as error:  # noqa: BLE001 (a defect of ours: intake sets the event aside)
        log.error(
            "Unhandled error while validating an event",
            error=type(error).__name__,
            where=logs.where(error),
        )
        return None
    stored = anonymised(record) if validated.kind == tips_projection.KIND else record
    return Accepted(validated, stored, received)
