"""Notices: publishes to each unit what concerns it, and withdraws what no longer holds.

It reads the topics whose `read_by` in `schemas/topics/` names it, and writes `notices.<unit>`.

The log is the state: everything is read from the beginning, the published notices too, and only the
difference is published, once the inputs have settled. What is overdue follows from the broker's
times and the clock, once all has been read that stood there at the deadline; what a rescued
person's file owes follows from its notes and the day. One worker publishes at a time, the leader: a
consumer group elects it by assigning it partition 0 of `boundary-flags`; the others are ready to
take over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import date

from kafka import (
    ConsumerRebalanceListener,
    KafkaConsumer,
    KafkaProducer,
    OffsetAndMetadata,
    TopicPartition,
)
from kafka.errors import KafkaError

from crossregion import clock as calendar
from crossregion import event_validation, logs, metrics
from crossregion.domain.acknowledgements import EARLY_SECONDS
from crossregion.domain.notices.board import HANDLERS, NoticePlanner
from crossregion.errors import CrossregionError, UnhandledEvent
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
LEASE_SECONDS = 3.0
"""What is sent so soon after Kafka has confirmed the leader is acknowledged or given up before
another can be elected."""
LEADER_PARTITION = TopicPartition(topics.BOUNDARY_FLAGS.name(), 0)

log = logs.logger()


class Leadership(ConsumerRebalanceListener):  # type: ignore[misc, unused-ignore]
    """Leader election by a consumer group: the member that is assigned one partition leads.

    `leads` is None during a rebalance; the consumer's own assignment still names what it had until
    the others have it.
    """

    def __init__(self) -> None:
        self.leads: bool | None = None
        self.term = 0
        """How often this worker was elected; another may have led between, within one poll."""

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self.leads = None

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self.leads = LEADER_PARTITION in set(assigned)
        self.term += self.leads


class NoticePublisher:
    """Plans notices from the log, and publishes what is pending while it is the leader.

    Raises: UnhandledEvent if the contracts let it read an event that the planner does not handle:
    looked at before it reads, for an error while reading is that record's and does not end it.
    """

    def __init__(
        self,
        kafka: Kafka,
        worker: str,
        hour_seconds: float = 3600.0,
        clock: Callable[[], float] = time.time,
        today: Callable[[], date] = calendar.today,
    ) -> None:
        for event in sorted(EVENTS - HANDLERS.keys()):
            raise UnhandledEvent(event, PRINCIPAL)
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
        self._group = KafkaConsumer(
            **common,
            # The name in former versions: one leader also while a release is rolled out.
            group_id=f"{GROUP}-teller",
            group_instance_id=f"notices-{worker}",
            client_id=f"notices-leader-{worker}",
            session_timeout_ms=SESSION_MS,
        )
        self._leadership = Leadership()
        self._producer = KafkaProducer(
            **kafka.options(PRINCIPAL),
            client_id=f"notices-{worker}",
            acks="all",
            enable_idempotence=True,
            allow_auto_create_topics=False,
            delivery_timeout_ms=DELIVERY_MS,
            request_timeout_ms=DELIVERY_MS // 2,
        )
        self._planner = NoticePlanner(hour_seconds)
        self._clock = clock
        self._today = today
        self._term = 0
        self._forgetting = time.monotonic() + EARLY_SECONDS
        self._confirmed_at = 0.0
        self._done: dict[TopicPartition, int] = {}
        self._moved = True
        self._changed = self._first_change = time.monotonic()

    def run(self, stop: threading.Event, health: metrics.Health) -> None:
        """Follow the log until told to stop."""
        self._log.assign([place for topic in TOPICS for place in self._places(topic)])
        self._log.seek_to_beginning()
        subscription.subscribe(self._group, [LEADER_PARTITION.topic], self._leadership)
        while not stop.is_set():
            self._read()
            self._forget()
            if self._is_leader():
                self._look_at_the_clock()
                if self._settled() and (not self._planner.unsettled or self._confirm()):
                    self._publish()
            health.beat()
        self._log.close()
        self._group.close()
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
        before = self._planner.unsettled
        for records in fetched.values():
            for record in records:
                try:
                    event, content = codec.decode(record.value, EVENTS)
                    event_validation.validate_statement(
                        event, content, record.topic, record.partition
                    )
                    seconds = record.timestamp / 1000
                    self._planner.take(event, content, seconds, record.offset)
                except Exception as error:  # noqa: BLE001 (this record's fault: an alarm)
                    invalid_records.report_invalid_record(
                        record.topic, record.partition, record.offset, error
                    )
        if self._planner.unsettled and fetched:
            self._changed = time.monotonic()
            if not before:
                self._first_change = self._changed

    def _poll_ms(self) -> int:
        """How long to wait for records, which end the wait: short while something settles."""
        return POLL_MS if self._planner.unsettled else IDLE_POLL_MS

    def _is_leader(self) -> bool:
        """Whether this worker leads; a new leader first reads the log to its end."""
        joining = self._leadership.leads is None
        for mine in self._group.poll(timeout_ms=JOINING_POLL_MS if joining else POLL_MS):
            self._group.pause(mine)
        leads = bool(self._leadership.leads)
        if leads and self._term != self._leadership.term:
            self._term = self._leadership.term
            self._read_to_the_ends()
            log.info("Elected leader: publishes notices", unsettled=self._planner.unsettled)
        return leads

    def _read_to_the_ends(self) -> None:
        ends = self._log.end_offsets(list(self._log.assignment()))
        while any(self._log.position(where) < end for where, end in ends.items()):
            self._read()

    def _look_at_the_clock(self) -> None:
        """Apply passed deadlines; an answer that the broker had in time is read first."""
        now, today = self._clock(), self._today()
        if self._planner.due(now, today):
            self._read_to_the_ends()
            self._planner.tick(now, today)

    def _forget(self) -> None:
        if time.monotonic() >= self._forgetting:
            now = self._clock()
            self._read_to_the_ends()
            self._planner.forget(now)
            self._forgetting = time.monotonic() + EARLY_SECONDS

    def _confirm(self) -> bool:
        """Whether the broker confirms that this worker leads: it may have been frozen for a while.

        The broker accepts a commit only from a member of the group's present generation.
        """
        asked = time.monotonic()
        try:
            self._group.commit({LEADER_PARTITION: OffsetAndMetadata(0, "", -1)})
        except KafkaError as error:
            log.warning(
                "Leadership not confirmed: nothing is published", error=type(error).__name__
            )
            return False
        self._confirmed_at = asked
        return True

    def _settled(self) -> bool:
        now = time.monotonic()
        return (
            now - self._changed >= SETTLING_SECONDS
            or now - self._first_change >= LONGEST_SETTLING_SECONDS
        )

    def _publish(self) -> None:
        done = self._done
        if self._moved:
            done = {where: self._log.position(where) for where in self._log.assignment()}
        due = self._planner.pending()
        waiting = []
        if due:
            failpoint("before-send")
        for notice, seconds in due:
            if time.monotonic() - self._confirmed_at > LEASE_SECONDS and not self._confirm():
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
    """One notices worker. Raises: CrossregionError without Kafka."""
    kafka = kafka_connection.reachable(chosen)

    def work(stop: threading.Event, health: metrics.Health) -> None:
        with kafka_connection.explained(kafka, PRINCIPAL):
            NoticePublisher(kafka, chosen.worker, chosen.hour_seconds).run(stop, health)

    return work


def main() -> None:
    run_worker(PRINCIPAL, make)


if __name__ == "__main__":
    main()
