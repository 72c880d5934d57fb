"""How long from a unit's publishing to the registry row, through the whole stack.

From before the spool takes a record until its row is committed: spool, sender, Kafka, registry,
with every other process at work beside it.
"""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from benchmarks import harness
from benchmarks.feed import exports
from benchmarks.harness import Stuck
from crossregion.domain import identifiers
from crossregion.embedded.stack import Stack
from producers.records import LocalRecord
from producers.spool.store import Spool
from schemas.units import UNITS

TARGET_SECONDS = 1.0
RATE = 100
WARM_UP = 1_000
"""Ten seconds, in which workers join their groups and the sender connects for each unit."""
TIMEOUT_SECONDS = 60.0
STEP_SECONDS = 0.01
SEEN = "SELECT event_id FROM registry.sighting WHERE event_id = ANY(%s)"


class Watch:
    """Notes when each published event has its row; asks every 10 ms, which adds to the figure."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._lock = threading.Lock()
        self._waiting: dict[str, float] = {}
        self.taken: list[float] = []

    def expect(self, event_id: str, since: float) -> None:
        with self._lock:
            self._waiting[event_id] = since

    def run(self, stop: threading.Event) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            while not stop.wait(STEP_SECONDS):
                self.look(connection)

    def look(self, connection: psycopg.Connection) -> None:
        with self._lock:
            waiting = list(self._waiting)
        found = connection.execute(SEEN, [waiting]).fetchall() if waiting else []
        now = time.monotonic()
        with self._lock:
            self.taken += [now - self._waiting.pop(event_id) for (event_id,) in found]

    @property
    def open(self) -> int:
        with self._lock:
            return len(self._waiting)


def measure(stack: Stack, count: int) -> list[float]:
    """Publish records at an even rate; the sorted seconds of all but the first `WARM_UP`.

    Counted from when a record was due, so that one that had to wait its turn counts as late.
    """
    watch = Watch(stack.database)
    stop = threading.Event()
    thread = threading.Thread(target=watch.run, args=(stop,))
    thread.start()
    spools = {unit: Spool(stack.spools / f"{unit}.sqlite", unit) for unit in UNITS}
    made = list(exports(WARM_UP + count))
    try:
        start = time.monotonic()
        for number, (unit, exported) in enumerate(made):
            due = start + number / RATE
            time.sleep(max(0.0, due - time.monotonic()))
            if number >= WARM_UP:
                watch.expect(_event_id(unit, exported), due)
            spools[unit].accept_all([exported])
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while watch.open and time.monotonic() < deadline:
            time.sleep(STEP_SECONDS)
    finally:
        stop.set()
        thread.join()
        for spool in spools.values():
            spool.close()
    if watch.open:
        raise Stuck(f"{watch.open} events have no row after {TIMEOUT_SECONDS:g} seconds")
    return sorted(watch.taken)


def _event_id(unit: str, exported: LocalRecord) -> str:
    digest = identifiers.content_digest(exported.record)
    return identifiers.event_id(unit, exported.record_id, exported.record["revision"], digest)


def percentiles(taken: list[float]) -> tuple[float, float]:
    """The median and the 99th percentile of sorted seconds."""
    return statistics.median(taken), taken[int(len(taken) * 0.99)]


def run(count: int) -> None:
    """Print the figure."""
    with TemporaryDirectory(prefix="crossregion-bench-") as data, Stack(Path(data)) as stack:
        taken = measure(stack, count)
    p50, p99 = percentiles(taken)
    harness.line(
        "publish to registry row",
        f"p99 <= {TARGET_SECONDS:g} s",
        p99 <= TARGET_SECONDS,
        f"p50 {p50:.3f} s  p99 {p99:.3f} s  longest {taken[-1]:.3f} s  "
        f"of {len(taken):,} events, one each {1000 / RATE:g} ms",
    )
