"""The sender: a process that sends what stands in the spools of a directory, for ever.

<unit>.sqlite  ->  cases.<unit>, rescues.<unit>
"""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError

from crossregion import logs, metrics
from crossregion.runtime import kafka_at, run_process
from crossregion.settings import settings
from producers import publisher
from producers.spool import Spool
from schemas import topics

SCAN_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0

log = structlog.get_logger()


class Sender:
    """Sends from every spool of a directory, new ones too."""

    def __init__(self, directory: Path, bootstrap: str) -> None:
        self._directory = directory
        self._bootstrap = bootstrap
        self._spools: dict[str, Spool] = {}
        self._producers: dict[str, KafkaProducer] = {}

    def run(self, stop: threading.Event, health: metrics.Health) -> None:
        """Send until told to stop; while Kafka is away, try again ever more slowly."""
        pause = SCAN_SECONDS
        while not stop.wait(pause):
            try:
                sent, left = self.step()
            except KafkaError as error:
                log.warning("Kafka is away", error=type(error).__name__)
                sent, left = 0, True
            if sent:
                pause = 0.0
            else:
                pause = min(pause * 2 + 0.1, LONGEST_PAUSE_SECONDS) if left else SCAN_SECONDS
            health.beat()
        for producer in self._producers.values():
            producer.close()
        for spool in self._spools.values():
            spool.close()

    def step(self) -> tuple[int, bool]:
        """Send one window of each spool; returns how many went, and whether any are left."""
        sent, left = 0, False
        for path in sorted(self._directory.glob("*.sqlite")):
            if path.stem not in topics.UNITS:
                continue
            if path.stem not in self._spools:
                self._spools[path.stem] = Spool(path, path.stem)
            went, waiting = self._send(self._spools[path.stem])
            sent += went
            left = left or waiting > 0
        return sent, left

    def _send(self, spool: Spool) -> tuple[int, int]:
        sent = 0
        if spool.unsent(1):
            if not spool.restored:
                publisher.restore(spool, self._bootstrap)
            if spool.unit not in self._producers:
                self._producers[spool.unit] = publisher.connect(self._bootstrap, spool.unit)
            try:
                sent = publisher.send_unsent(spool, self._producers[spool.unit])
            except KafkaError:
                self._producers.pop(spool.unit).close(timeout=0)
                raise
            metrics.EVENTS.labels("sender", "record", "sent").inc(sent)
        waiting = publisher.waiting(spool)
        metrics.SPOOL_DEPTH.labels(spool.unit).set(waiting)
        return sent, waiting


def main() -> None:
    """Run the sender of one directory of spools."""
    logs.configure()
    chosen = settings()
    parser = argparse.ArgumentParser(prog="sender", description=main.__doc__)
    parser.add_argument("--spools", type=Path, default=chosen.data / "spool")
    directory: Path = parser.parse_args().spools
    kafka = kafka_at(chosen.kafka)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    health = metrics.Health()
    port, _ = metrics.serve(health, chosen.metrics_host, chosen.metrics_port)
    log.info("Metrics", process="sender", port=port)
    Sender(directory, kafka).run(stop, health)


if __name__ == "__main__":
    run_process(main)
