"""The registry: what has been reported, found, flagged and proposed, in PostgreSQL.

    cases.*, rescues.*, files.*, tips.*, replays, boundary-flags, match-proposals, decisions,
    agreements, dead-letters, notices.*, acknowledgements.*, reassignments, handovers.*,
    triage.*  ->  registry

A batch's rows and the marks that its events have been seen are one transaction; the offsets are
committed after it. Everything is keyed so that a second time changes nothing.
"""

from __future__ import annotations

import hashlib
import signal
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, cast

import structlog
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import CommitFailedError, RebalanceInProgressError

from consumers import answers, audit, database, filing, follow, handovers, links, said, tips
from consumers.database import Connection, Database
from crossregion import alarm, clients, logs, metrics
from crossregion.clients import Kafka
from crossregion.domain import acknowledgements, agreements, facts, judgement, records
from crossregion.domain.acknowledgements import EARLY_SECONDS
from crossregion.domain.dates import day_of
from crossregion.domain.judgement import Judgement, Refused
from crossregion.domain.records import (
    AgreementRecorded,
    DeadLettered,
    FileNoted,
    NoticeAcknowledged,
    NoticeReassigned,
)
from crossregion.runtime import RuntimeFault, crash_point, run_process
from crossregion.settings import settings
from schemas import codec, envelope, topics
from schemas.codec import Undecodable

PRINCIPAL = "registry"
GROUP = "crossregion-registry"
INTAKE = topics.intake_names()
TOPICS = (
    *sorted(INTAKE),
    topics.REPLAYS.name(),
    topics.BOUNDARY_FLAGS.name(),
    topics.MATCH_PROPOSALS.name(),
    topics.DECISIONS.name(),
    topics.AGREEMENTS.name(),
    topics.DEAD_LETTERS.name(),
    *topics.NOTICES.names(),
    *topics.ACKNOWLEDGEMENTS.names(),
    topics.REASSIGNMENTS.name(),
    *topics.HANDOVERS.names(),
    *topics.TRIAGE.names(),
)
BATCH_RECORDS = 2_000
POLL_MS = 200
HOUR_MS = 3_600_000
COUNT_SECONDS = 30.0
SESSION_MS = 10_000
DISCARDED, REPLAYED = "discarded", "replayed"
OURS = {
    name: topic.schemas
    for topic in (
        topics.BOUNDARY_FLAGS,
        topics.MATCH_PROPOSALS,
        topics.DECISIONS,
        topics.AGREEMENTS,
        topics.DEAD_LETTERS,
        topics.NOTICES,
        topics.ACKNOWLEDGEMENTS,
        topics.REASSIGNMENTS,
        topics.HANDOVERS,
        topics.TRIAGE,
    )
    for name in topic.names()
}
KINDS = {"cases": "case", "rescues": "rescue", "files": "file", "tips": "tip"}

Row = dict[str, Any]

log = structlog.get_logger()


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

        `received` is the broker's time of it in milliseconds.
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
            event, record = codec.decode(value, OURS[topic])
            said.check(event, record, topic, partition)
        except (Undecodable, Refused) as error:
            return self._set_aside(topic, partition, offset, value, error)
        at = _moment(received)
        match event:
            case "BoundaryFlagged":
                self.flags.append(record)
            case "MatchProposed" | "MatchWithdrawn":
                self._add_proposal(event, record)
            case "MatchDecided":
                row = {**record, "partition": partition, "offset": offset, "received_at": at}
                known = self.decisions.setdefault(record["decision_id"], row)
                if offset < known["offset"]:
                    self.decisions[record["decision_id"]] = row
            case "AgreementRecorded":
                revision, digest = agreements.version(cast(AgreementRecorded, record))
                row = {**record, "digest": digest, "received_at": at}
                _first(self.agreements, (row["agreement_id"], revision, digest), row, "received_at")
            case "NoticeIssued" | "NoticeWithdrawn":
                self._add_notice(event, {**record, "event_id": _event_id(value, headers)}, received)
            case "NoticeAcknowledged":
                placed = {
                    "event_id": _event_id(value, headers),
                    "offset": offset,
                    "milliseconds": received or 0,
                    "received_at": at,
                }
                self._add_answer(cast(NoticeAcknowledged, record), placed)
            case "NoticeReassigned":
                self._add_reassignment(cast(NoticeReassigned, record))
            case "HandoverRecorded":
                self.handovers.append({**record, "milliseconds": received or 0, "offset": offset})
            case "TipTriaged":
                self.triages.append({**record, "milliseconds": received or 0, "offset": offset})
            case "DeadLettered":
                self._add_dead_letter(record, value or b"")
        return "stored"

    def _set_aside(
        self,
        topic: str,
        partition: int,
        offset: int,
        value: bytes | None,
        error: Undecodable | Refused,
    ) -> str:
        """List what stands on a topic of our own and cannot be used; intake never sees it."""
        letter: DeadLettered = {
            "dead_letter_id": records.dead_letter_id(topic, partition, offset),
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
        return alarm.unusable(topic, partition, offset, error)

    def _take_replay(self, value: bytes | None, received: int | None) -> str:
        try:
            event, letter = codec.decode(value)
        except Undecodable:
            return "refused"
        if event != "DeadLettered":
            return "refused"
        letter_id = records.dead_letter_id(*(letter[n] for n in ("topic", "partition", "offset")))
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

    def _add_record(self, judged: Judgement, record: Row, received: int | None) -> None:
        key = (judged.kind, judged.unit, judged.record_id)
        version = {"revision": judged.revision, "digest": judged.digest}
        if judged.kind == tips.KIND:
            record = tips.kept(record)
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
                "age_band": person["age_band"],
                "sex": person["sex"],
                "identity": person["identity"],
            }
            for person in _persons(judged.kind, record)
        ]

    def _add_note(self, key: tuple[str, str, str], note: FileNoted) -> None:
        known = self.notes.get(key)
        if known is None or filing.version(known) < filing.version(note):
            self.notes[key] = note

    def _add_proposal(self, event: str, record: Row) -> None:
        known = self.proposals.get(record["proposal_id"])
        if known is None or known["revision"] < record["revision"]:
            self.proposals[record["proposal_id"]] = {**record, "open": event == "MatchProposed"}

    def _add_notice(self, event: str, record: Row, received: int | None) -> None:
        issued = event == "NoticeIssued"
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

    def _add_answer(self, answer: NoticeAcknowledged, placed: Row) -> None:
        revision, digest = acknowledgements.version(answer)
        key = (answer["notice_id"], answer["unit"], revision, digest)
        known = self.answers.get(key)
        if known is None or placed["offset"] < known["offset"]:
            self.answers[key] = {**answer, **placed, "digest": digest}

    def _add_reassignment(self, given: NoticeReassigned) -> None:
        revision, digest = acknowledgements.reassignment_version(given)
        known = self.reassignments.get(given["notice_id"])
        if known is None or (known["revision"], known["digest"]) < (revision, digest):
            self.reassignments[given["notice_id"]] = {**given, "digest": digest}

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
        database.put(connection, "add_sightings", self.sightings)
        database.put(connection, "add_revisions", self.revisions)
        database.put(connection, "add_facts", list(self.facts.values()))
        changed = database.put(connection, "hold", list(self.held.values()))
        now = [self.held[kind, unit, record_id] for kind, unit, record_id in changed]
        database.put(connection, "remove_persons", now)
        database.put(
            connection, "add_persons", [row for held in now for row in self._persons(held)]
        )
        database.put(connection, "add_flags", self.flags)
        database.put(connection, "put_proposals", list(self.proposals.values()))
        database.put(connection, "add_agreements", list(self.agreements.values()))
        if now or self.decisions:
            links.write(connection, list(self.decisions.values()), now)
        if self.notices or self.answers:
            answers.write(connection, list(self.notices.values()), list(self.answers.values()))
            database.put(connection, "add_notices_said", list(self.notices_said.values()))
        database.put(connection, "put_reassignments", list(self.reassignments.values()))
        if self.handovers:
            handovers.write(connection, self.handovers)
        if self.notes or self.handovers:
            filing.write(connection, list(self.notes.values()), self.handovers)
        if self.tip_routes or self.triages:
            tips.write(connection, self.tip_routes, self.triages)
        for letter in self.dead_letters:
            connection.execute(database.query("put_dead_letter"), letter)
        for dead_letter_id, outcome in self.settled.items():
            connection.execute(
                database.query("settle_dead_letter"),
                {"dead_letter_id": dead_letter_id, "outcome": outcome},
            )
        crash_point("in-transaction")

    def _persons(self, held: Row) -> list[Row]:
        key = (held["kind"], held["unit"], held["record_id"], held["revision"], held["digest"])
        return self.persons[key]


def _persons(kind: str, record: Row) -> list[Row]:
    """A case's victims, a rescue's person; an entry of a file has nobody of its own."""
    if kind == "case":
        return list(record["victims"])
    return [record["person"]] if kind == "rescue" else []


def _accepted(
    topic: str, value: bytes | None, headers: Mapping[str, bytes], received_on: date | None
) -> tuple[Judgement, Row] | None:
    """The same verdict as intake's, which alone writes the dead letter; and the record."""
    ce_id = headers.get("ce_id")
    try:
        event, record = codec.decode(value)
        judged = judgement.judge_event(
            event,
            record,
            topics.unit_of_topic(topic),
            None if ce_id is None else ce_id.decode("ascii", "replace"),
            received_on,
        )
        return judged, record
    except (Undecodable, Refused):
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
    return None if at is None else records.day_of_acceptance(at)


def _event_id(value: bytes | None, headers: Mapping[str, bytes]) -> str:
    """The id that an event which was refused claims, or one made from its bytes."""
    claimed = headers.get("ce_id", b"").decode("ascii", "replace")
    try:
        return str(uuid.UUID(claimed))
    except ValueError:
        return hashlib.sha256(value or b"").hexdigest()


class Registry:
    """Follows the topics and writes what follows from them."""

    def __init__(
        self,
        kafka: Kafka,
        dsn: str | None,
        worker: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = Database(dsn)
        self._heads = audit.HeadWriter(kafka, self._database)
        self._clock = clock
        self._count_at = time.monotonic()
        self._consumer = KafkaConsumer(
            **kafka.options(PRINCIPAL),
            group_id=GROUP,
            group_instance_id=f"registry-{worker}",
            client_id=f"registry-{worker}",
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            auto_offset_reset="none",
            max_poll_records=BATCH_RECORDS,
            max_poll_interval_ms=3_600_000,
            session_timeout_ms=SESSION_MS,
        )

    def run(self, stop: threading.Event, health: metrics.Health) -> None:
        """Write until told to stop.

        Raises: RuntimeFault when a topic is not the one that has been read before.
        """
        follow.subscribe(self._consumer, TOPICS)
        watch = follow.Watch(self._consumer)
        known = self._database.transact(self._know_topics)
        forgetting = time.monotonic() + EARLY_SECONDS
        while not stop.is_set():
            fetched = follow.poll(self._consumer, POLL_MS)
            watch.look(bool(fetched))
            for name, topic_id in self._topic_ids().items():
                if known[name] != topic_id:
                    raise RuntimeFault(
                        f"{name} was deleted and made anew since the registry has read it: "
                        "docs/runbooks.md says, under A topic made anew, how to go on."
                    )
            if fetched:
                self._handle(fetched)
            self._database.transact(audit.chain)
            if time.monotonic() >= forgetting:
                self.forget()
                forgetting = time.monotonic() + EARLY_SECONDS
            self._heads.step()
            self._count_what_is_due()
            health.beat()
        self._consumer.close()
        self._heads.close()
        self._database.close()

    def forget(self) -> None:
        """Let go of old answers to what nobody was told, once all notices of now are stored."""
        now = self._clock()
        places = [
            TopicPartition(name, partition)
            for name in topics.NOTICES.names()
            for partition in self._consumer.partitions_for_topic(name) or ()
        ]
        ends = self._consumer.end_offsets(places)
        if all((self._consumer.committed(place) or 0) >= end for place, end in ends.items()):
            self._database.transact(lambda connection: answers.forget(connection, now))

    def _topic_ids(self) -> dict[str, uuid.UUID]:
        cluster = self._consumer._client.cluster
        found = {name: cluster.topic_id(name) for name in TOPICS}
        return {name: topic_id for name, topic_id in found.items() if topic_id is not None}

    def _know_topics(self, connection: Connection) -> dict[str, uuid.UUID]:
        """Kafka's id of each topic when the registry read it first."""
        now = [{"name": name, "topic_id": str(one)} for name, one in self._topic_ids().items()]
        database.put(connection, "add_topics", now)
        return dict(connection.execute(database.query("topics")).fetchall())

    def _handle(self, fetched: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        handled = [record for found in fetched.values() for record in found]
        oldest = metrics.OLDEST_UNHANDLED.labels("registry")
        oldest.set(min(record.timestamp for record in handled) / 1000)
        batch = Batch()
        for record in handled:
            headers = {key: value or b"" for key, value in record.headers}
            outcome = batch.take(
                record.topic,
                record.partition,
                record.offset,
                record.value,
                headers,
                record.timestamp,
            )
            kind = record.topic.partition(".")[0]
            metrics.EVENTS.labels("registry", kind, outcome).inc()
        crash_point("before-transaction")
        self._database.transact(batch.write)
        crash_point("before-commit")
        try:
            self._consumer.commit(
                {
                    where: OffsetAndMetadata(found[-1].offset + 1, "", -1)
                    for where, found in fetched.items()
                }
            )
        except (CommitFailedError, RebalanceInProgressError):
            log.warning("The partitions are another worker's now, which stores them again")
        now = time.time()
        for record in handled:
            if record.topic in INTAKE:
                unit = topics.unit_of_topic(record.topic)
                seconds = max(0.0, now - record.timestamp / 1000)
                metrics.RECORD_TO_REGISTRY.labels(unit).observe(seconds)
        if batch.proposals:
            self._count_proposals()
        oldest.set(0)

    def _count_what_is_due(self) -> None:
        """By the day, so also while nothing is read."""
        if time.monotonic() >= self._count_at:
            self._count_at = time.monotonic() + COUNT_SECONDS
            self._database.transact(filing.measure)
            self._count_tips()

    def _count_tips(self) -> None:
        waiting = self._database.transact(
            lambda connection: connection.execute(database.query("tips_to_triage")).fetchall()
        )
        found = {unit: (count, overdue) for unit, count, overdue in waiting}
        for unit in topics.UNITS:
            count, overdue = found.get(unit, (0, 0))
            metrics.TIPS_WAITING.labels(unit).set(count)
            metrics.TIPS_OVERDUE.labels(unit).set(overdue)

    def _count_proposals(self) -> None:
        rows = self._database.transact(
            lambda connection: connection.execute(database.query("proposals_by_band")).fetchall()
        )
        for band, count in rows:
            metrics.PROPOSALS.labels(band).set(count)


def _by_unit_and_kind(rows: Iterable[tuple[str, int]]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for topic, count in rows:
        name, _, unit = topic.partition(".")
        if name in KINDS:
            counts[unit, KINDS[name]] += count
    return dict(counts)


def revisions(connection: Connection) -> dict[tuple[str, str], int]:
    """Accepted revisions by (unit, kind)."""
    rows = connection.execute(database.query("count_revisions")).fetchall()
    return {(unit, kind): count for unit, kind, count in rows}


def duplicates(connection: Connection) -> dict[tuple[str, str], int]:
    """Records on the unit's topics whose event stands there before, by (unit, kind)."""
    return _by_unit_and_kind(connection.execute(database.query("count_duplicates")).fetchall())


def dead_letters(connection: Connection) -> dict[tuple[str, str], int]:
    """Events that cannot be used, each counted once, by (unit of the topic, kind)."""
    return _by_unit_and_kind(connection.execute(database.query("count_dead_letters")).fetchall())


def flags(connection: Connection) -> Iterator[Row]:
    """One row for each accepted revision of a case."""
    return database.rows(connection, "flags")


def open_proposals(connection: Connection) -> Iterator[Row]:
    """Proposals in force: stated ones first, then by probability."""
    return database.rows(connection, "open_proposals")


def dead_letter_rows(connection: Connection) -> Iterator[Row]:
    """Dead letters without their bytes, which may hold names."""
    return database.rows(connection, "dead_letters")


def dead_letter_event(connection: Connection, dead_letter_id: str) -> bytes | None:
    """The whole dead letter as it stands on its topic."""
    row = connection.execute(
        database.query("dead_letter_event"), {"dead_letter_id": dead_letter_id}
    ).fetchone()
    return None if row is None else bytes(row[0])


def content(connection: Connection) -> str:
    """A hash of all that the registry says, to compare a rebuilt one with."""
    row = connection.execute(database.query("content")).fetchone()
    return str(row[0]) if row else ""


def rebuild(kafka: Kafka, dsn: str | None, purpose: str = "") -> None:
    """Empty the registry and have the topics read again from their beginning.

    A worker that has been stopped stays a member until its session ends, and is waited for.
    Raises: RuntimeFault while a registry worker runs.
    """
    admin = KafkaAdminClient(**kafka.options(clients.OPERATOR))
    try:
        deadline = time.monotonic() + 2 * SESSION_MS / 1000
        while admin.describe_groups([GROUP])[GROUP]["members"]:
            if time.monotonic() > deadline:
                raise RuntimeFault("A registry worker runs: stop it, then rebuild.")
            time.sleep(POLL_MS / 1000)
        database.drop_registry(dsn, purpose)
        if admin.list_group_offsets(GROUP)[GROUP]:
            admin.delete_groups([GROUP])
    finally:
        admin.close()


def main() -> None:
    """Run one registry worker."""
    chosen = settings()
    logs.configure(chosen.log_level)
    kafka = clients.reachable(chosen)
    database.require_current(chosen.database)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    health = metrics.Health()
    port, _ = metrics.serve(health, chosen.metrics_host, chosen.metrics_port)
    log.info("Metrics", process="registry", port=port)
    with clients.explained(kafka, PRINCIPAL):
        Registry(kafka, chosen.database, chosen.worker).run(stop, health)


if __name__ == "__main__":
    run_process(main)
