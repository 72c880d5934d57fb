"""Notices: tells each unit what concerns it, and withdraws what no longer holds.

It reads the topics whose `read_by` in `schemas/topics/` names it, and writes `notices.<unit>`.

The log is the state: everything is read from the beginning, the sent notices too, and only the
difference is sent, once the inputs have settled. What is overdue follows from the broker's times
and the clock, once all has been read that stood there at the deadline; what a rescued person's file
owes follows from its notes and the day. One worker tells at a time: the one that Kafka has given
partition 0 of `boundary-flags`; the others are ready to take over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import date

import structlog
from kafka import (
    ConsumerRebalanceListener,
    KafkaConsumer,
    KafkaProducer,
    OffsetAndMetadata,
    TopicPartition,
)
from kafka.errors import KafkaError

from crossregion import clock as calendar
from crossregion import event_validation, metrics
from crossregion.domain.acknowledgements import EARLY_SECONDS
from crossregion.domain.notices.board import NoticePlanner
from crossregion.errors import CrossregionError
from crossregion.failpoints import failpoint
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka import invalid_records, subscription
from crossregion.kafka.connection import Kafka
from crossregion.process import Work, run_worker
from crossregion.settings import Settings
from schemas import codec, envelope, topics

PRINCIPAL = "notices"
GROUP = kafka_connection.group(PRINCIPAL)
TOPICS = topics.names_of(topics.read_by(PRINCIPAL))
EVENTS = topics.events_of(topics.read_by(PRINCIPAL))
SETTLING_SECONDS = 0.5
LONGEST_SETTLING_SECONDS = 5.0
POLL_MS, IDLE_POLL_MS = 100, 500
JOINING_POLL_MS = 1_000
SESSION_MS = 10_000
DELIVERY_MS = 5_000
PROOF_SECONDS = 3.0
"""What is sent so soon after Kafka has agreed is taken or given up before another has the post."""
LEADER = TopicPartition(topics.BOUNDARY_FLAGS.name(), 0)

log = structlog.get_logger()


class Leadership(ConsumerRebalanceListener):  # type: ignore[misc, unused-ignore]
    """Whether Kafka has given this worker the post; None while the workers join anew.

    The consumer's own assignment still names what it had until the others have it.
    """

    def __init__(self) -> None:
        self.held: bool | None = None
        self.given = 0
        """How often it was; another may have had it between, within a single poll."""

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self.held = None

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.held = LEADER in set(assigned)
        self.given += self.held


class NoticePublisher:
    """Reads the log, and sends what is due while Kafka says that this worker is the one."""

    def __init__(
        self,
        kafka: Kafka,
        worker: str,
        hour_seconds: float = 3600.0,
        clock: Callable[[], float] = time.time,
        today: Callable[[], date] = calendar.today,
    ) -> None:
        common = {
            **kafka.options(PRINCIPAL),
            "enable_auto_commit": False,
            "allow_auto_create_topics": False,
        }
        self._log = KafkaConsumer(
            **common,
            group_id=GROUP,
            client_id=f"notices-{worker}",
            auto_offset_reset="earliest",
            max_poll_records=5_000,
        )
        self._watch = subscription.ProgressWatchdog(self._log)
        self._post = KafkaConsumer(
            **common,
            group_id=f"{GROUP}-teller",
            group_instance_id=f"notices-{worker}",
            client_id=f"notices-post-{worker}",
            session_timeout_ms=SESSION_MS,
        )
        self._held = Leadership()
        self._producer = KafkaProducer(
            **kafka.options(PRINCIPAL),
            client_id=f"notices-{worker}",
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            delivery_timeout_ms=DELIVERY_MS,
            request_timeout_ms=DELIVERY_MS // 2,
        )
        self._board = NoticePlanner(hour_seconds)
        self._clock = clock
        self._today = today
        self._taken_over = 0
        self._forgetting = time.monotonic() + EARLY_SECONDS
        self._proven_at = 0.0
        self._done: dict[TopicPartition, int] = {}
        self._moved = True
        self._changed = self._first_change = time.monotonic()

    def run(self, stop: threading.Event, health: metrics.Health) -> None:
        """Follow the log until told to stop."""
        self._log.assign([place for topic in TOPICS for place in self._places(topic)])
        self._log.seek_to_beginning()
        subscription.subscribe(self._post, [LEADER.topic], self._held)
        while not stop.is_set():
            self._read()
            self._forget()
            if self._is_the_one():
                self._look_at_the_clock()
                if self._settled() and (not self._board.unsettled or self._proven()):
                    self._tell()
            health.beat()
        self._log.close()
        self._post.close()
        self._producer.close()

    def _places(self, topic: str) -> list[TopicPartition]:
        partitions = self._log.partitions_for_topic(topic)
        if not partitions:
            raise CrossregionError("topics.missing-at-kafka", topic=topic)
        return [TopicPartition(topic, partition) for partition in sorted(partitions)]

    def _read(self) -> None:
        fetched = self._log.poll(timeout_ms=self._poll_ms())
        self._watch.look(bool(fetched))
        self._moved |= bool(fetched)
        before = self._board.unsettled
        for records in fetched.values():
            for record in records:
                try:
                    event, content = codec.decode(record.value, EVENTS)
                    event_validation.validate_statement(
                        event, content, record.topic, record.partition
                    )
                    seconds = record.timestamp / 1000
                    self._board.take(event, content, seconds, record.offset)
                except Exception as error:  # noqa: BLE001 (this record's fault: an alarm)
                    invalid_records.report_invalid_record(
                        record.topic, record.partition, record.offset, error
                    )
        if self._board.unsettled and fetched:
            self._changed = time.monotonic()
            if not before:
                self._first_change = self._changed

    def _poll_ms(self) -> int:
        """How long to wait for records, which end the wait: short while something settles."""
        return POLL_MS if self._board.unsettled else IDLE_POLL_MS

    def _is_the_one(self) -> bool:
        """Whether this worker tells; one that takes over first reads the log to its end."""
        joining = self._held.held is None
        for mine in self._post.poll(timeout_ms=JOINING_POLL_MS if joining else POLL_MS):
            self._post.pause(mine)
        telling = bool(self._held.held)
        if telling and self._taken_over != self._held.given:
            self._taken_over = self._held.given
            self._read_to_the_ends()
            log.info("This worker tells the units", unsettled=self._board.unsettled)
        return telling

    def _read_to_the_ends(self) -> None:
        ends = self._log.end_offsets(list(self._log.assignment()))
        while any(self._log.position(where) < end for where, end in ends.items()):
            self._read()

    def _look_at_the_clock(self) -> None:
        """An answer that the broker had in time is in time, however late it is read here."""
        now, today = self._clock(), self._today()
        if self._board.due(now, today):
            self._read_to_the_ends()
            self._board.tick(now, today)

    def _forget(self) -> None:
        if time.monotonic() >= self._forgetting:
            now = self._clock()
            self._read_to_the_ends()
            self._board.forget(now)
            self._forgetting = time.monotonic() + EARLY_SECONDS

    def _proven(self) -> bool:
        """Whether the broker agrees, which a worker that was frozen for a while cannot know.

        It takes a commit only from a member of the group's present generation.
        """
        asked = time.monotonic()
        try:
            self._post.commit({LEADER: OffsetAndMetadata(0, "", -1)})
        except KafkaError as error:
            log.warning("This worker may not tell the units now", error=type(error).__name__)
            return False
        self._proven_at = asked
        return True

    def _settled(self) -> bool:
        now = time.monotonic()
        return (
            now - self._changed >= SETTLING_SECONDS
            or now - self._first_change >= LONGEST_SETTLING_SECONDS
        )

    def _tell(self) -> None:
        done = self._done
        if self._moved:
            done = {where: self._log.position(where) for where in self._log.assignment()}
        due = self._board.difference()
        waiting = []
        if due:
            failpoint("before-send")
        for notice, seconds in due:
            if time.monotonic() - self._proven_at > PROOF_SECONDS and not self._proven():
                raise CrossregionError("notices.another-worker")
            event = "NoticeIssued" if "units" in notice else "NoticeWithdrawn"
            sent = self._producer.send(
                topics.NOTICES.name(notice["unit"]),
                key=notice["notice_id"].encode(),
                value=codec.encode(event, notice),
                headers=envelope.caused(
                    f"{notice['notice_id']}\n{notice['revision']}",
                    event,
                    notice["unit"],
                    notice["notice_id"],
                ),
            )
            waiting.append((sent, event, notice, seconds))
        for sent, event, notice, seconds in waiting:
            try:
                sent.get()
            except KafkaError as error:
                raise CrossregionError("notices.not-taken", kind=type(error).__name__) from error
            failpoint("some-sent")
            metrics.EVENTS.labels("notices", notice["kind"], event).inc()
            if seconds:
                waited = max(0.0, time.time() - seconds)
                metrics.RECORD_TO_NOTICE.labels(notice["unit"]).observe(waited)
        failpoint("before-commit")
        if any(self._done.get(where) != offset for where, offset in done.items()):
            self._log.commit(
                {where: OffsetAndMetadata(offset, "", -1) for where, offset in done.items()}
            )
            self._done = done
        self._moved = False


def make(chosen: Settings) -> Work:
    """One notices worker. Raises: RuntimeFault without Kafka."""
    kafka = kafka_connection.reachable(chosen)

    def work(stop: threading.Event, health: metrics.Health) -> None:
        with kafka_connection.explained(kafka, PRINCIPAL):
            NoticePublisher(kafka, chosen.worker, chosen.hour_seconds).run(stop, health)

    return work


if __name__ == "__main__":
    run_worker(PRINCIPAL, make)
