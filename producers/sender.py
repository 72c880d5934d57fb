"""The sender: a process that sends what stands in the spools of a directory, for ever.

<unit>.sqlite  ->  cases.<unit>, rescues.<unit>, tips.<unit>
"""

from __future__ import annotations

import threading
import time
from collections.abc import Set
from datetime import UTC, date, datetime
from pathlib import Path

from kafka import KafkaProducer

from crossregion import logs, metrics
from crossregion.domain import identifiers
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka.connection import Kafka
from crossregion.process import Work, run_worker
from crossregion.settings import Settings, settings
from producers import publisher
from producers.spool.store import Spool, SpoolBusy, SpoolError
from schemas.units import UNITS

SCAN_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
REFUSED_SECONDS = 10.0
HELD_SECONDS = 5.0
"""Others wait while one spool is held by another process; a commit takes a small part of this."""

log = logs.logger()


class SpoolSender:
    """Sends from every spool of a directory, new ones too."""

    def __init__(self, directory: Path, kafka: Kafka) -> None:
        self._directory = directory
        self._kafka = kafka
        self._spools: dict[str, Spool] = {}
        self._producers: dict[str, KafkaProducer] = {}
        self._last = ""
        self._accounted: dict[str, date] = {}
        self._left_alone_until: dict[str, float] = {}
        self._unknown: set[str] = set()
        self._timeout_factor = settings().timeout_factor

    def run(self, stop: threading.Event, health: metrics.Health) -> None:
        """Send until told to stop; while Kafka is away, try again ever more slowly."""
        pause = SCAN_SECONDS
        while not stop.wait(pause):
            sent, left = self.step()
            if sent:
                pause = 0.0
            else:
                pause = min(pause * 2 + 0.1, LONGEST_PAUSE_SECONDS) if left else SCAN_SECONDS
            health.beat()
        self.close()

    def step(self) -> tuple[int, bool]:
        """Send one window of each spool; returns how many went, and whether any are left.

        A spool that cannot be used delays no other; one that another process holds, and a unit
        that Kafka refuses, are left alone for a while. A broker that does not answer ends the
        step, and the next one begins with the next unit.
        """
        sent, left = 0, False
        units = {path.stem: path for path in self._directory.glob("*.sqlite")}
        self._name_unknown(units.keys() - set(UNITS))
        for unit in sorted(units.keys() & set(UNITS), key=lambda u: (u <= self._last, u)):
            if time.monotonic() < self._left_alone_until.get(unit, 0.0):
                continue
            try:
                went, waiting = self._send(unit, units[unit])
            except SpoolError as error:
                log.error("Spool unusable", unit=unit, error=str(error))
                self._forget(unit)
                if isinstance(error, SpoolBusy):
                    self._leave_alone(unit)
                left = True
            except publisher.NOT_REACHED as error:
                publisher.say_that_kafka_is_away(self._kafka, unit, error)
                self._forget(unit)
                if not kafka_connection.is_away(error):
                    self._leave_alone(unit)
                    continue
                self._last = unit
                return sent, True
            else:
                sent += went
                left = left or waiting > 0
        return sent, left

    def _leave_alone(self, unit: str) -> None:
        self._left_alone_until[unit] = time.monotonic() + REFUSED_SECONDS * self._timeout_factor

    def _name_unknown(self, spools: Set[str]) -> None:
        """Spools that stay as they are, named once each."""
        for unit in sorted(spools - self._unknown):
            log.error("Spool of an unknown unit: see CROSSREGION_UNITS", unit=unit)
        self._unknown |= spools

    def _send(self, unit: str, path: Path) -> tuple[int, int]:
        if unit not in self._spools:
            self._spools[unit] = Spool(path, unit, HELD_SECONDS * self._timeout_factor)
        spool = self._spools[unit]
        waiting = spool.waiting()
        metrics.SPOOL_DEPTH.labels(unit).set(waiting)
        metrics.SPOOL_OVERDUE.labels(unit).set(spool.overdue())
        if not waiting:
            self._tell_days(unit, spool)
            return 0, 0
        self._connect(unit, spool)
        sent = publisher.send_unsent(spool, self._producers[unit])
        metrics.EVENTS.labels("sender", "record", "sent").inc(sent)
        waiting = spool.waiting()
        metrics.SPOOL_DEPTH.labels(unit).set(waiting)
        return sent, waiting

    def _connect(self, unit: str, spool: Spool) -> KafkaProducer:
        if unit not in self._producers:
            publisher.catch_up(spool, self._kafka)
            self._producers[unit] = publisher.connect(self._kafka, unit)
        return self._producers[unit]

    def _tell_days(self, unit: str, spool: Spool) -> None:
        """Once a day, and once after a start."""
        today = date.fromisoformat(identifiers.day_of_acceptance(datetime.now(UTC)))
        if self._accounted.get(unit) != today:
            if spool.days_to_tell(today):
                publisher.tell_days(spool, self._connect(unit, spool), today)
            self._accounted[unit] = today

    def _forget(self, unit: str) -> None:
        """Begin anew with a unit: what may have been sent is then read from its topics."""
        if unit in self._producers:
            publisher.abandon(self._producers.pop(unit))
        if unit in self._spools:
            self._spools.pop(unit).close()

    def close(self) -> None:
        for unit in list(self._spools):
            self._forget(unit)


def make(chosen: Settings) -> Work:
    """The sender of the spools in CROSSREGION_DATA. Raises: CrossregionError without Kafka."""
    kafka = kafka_connection.reachable(chosen)
    return SpoolSender(chosen.data / "spool", kafka).run


def main() -> None:
    run_worker("sender", make)


if __name__ == "__main__":
    main()
