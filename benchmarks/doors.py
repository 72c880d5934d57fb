"""What TLS, passwords and grants cost: intake and the whole way, with them and without."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import feed, harness, latency, plain
from benchmarks.harness import Ends, Speed
from crossregion.embedded.kafka import EmbeddedKafka
from crossregion.embedded.stack import Stack
from crossregion.kafka import admin as kafka_admin
from schemas import topics as contracts

TARGET = 1.25
"""How much longer something may take with the doors closed."""


@dataclass(frozen=True)
class Throughput:
    """Intake's speed and the processor time of the broker beside it."""

    intake: Speed
    broker_micros: float


def throughput(broker: EmbeddedKafka, argv: list[str], count: int) -> Throughput:
    """One intake worker over `count` preloaded events."""
    with broker:
        kafka = broker.connection
        kafka_admin.apply(kafka)
        harness.preload(kafka, feed.events(count))
        server = psutil.Process(broker.pid)
        before = harness.cpu_seconds(server)
        ends = Ends(kafka, [contracts.RECORD_REMARKS.name()])
        log = broker.directory.path / "intake.log"
        with harness.running(argv, log, **kafka.environment()) as one:
            speed = harness.measured(one, ends, count)
        return Throughput(speed, 1_000_000 * (harness.cpu_seconds(server) - before) / count)


def run(events: int, delays: int) -> None:
    """Print the figures; the open doors are measured first."""
    with tempfile.TemporaryDirectory(prefix="crossregion-bench-") as directory:
        home = Path(directory)
        argv = ["-m", "benchmarks.plain", "processors.intake"]
        opened = throughput(plain.PlainBroker(home / "open"), argv, events)
        closed = throughput(EmbeddedKafka(home / "closed"), ["-m", "processors.intake"], events)
        with plain.PlainStack(home / "open-stack") as stack:
            open_p50, open_p99 = latency.percentiles(latency.measure(stack, delays))
        with Stack(home / "closed-stack") as stack:
            p50, p99 = latency.percentiles(latency.measure(stack, delays))
    ratio = opened.intake.per_second / closed.intake.per_second
    harness.line(
        "intake, TLS, SCRAM and ACLs",
        f"<= {TARGET:.2f} of plain time",
        ratio <= TARGET,
        f"{closed.intake}  broker {closed.broker_micros:,.0f} µs",
    )
    print(
        f"  beside {'plain':<25} {opened.intake}  broker {opened.broker_micros:,.0f} µs; "
        f"closed takes {ratio:.2f} of its time"
    )
    harness.line(
        "publish to registry row, the same",
        f"<= {TARGET:.2f} of plain p50",
        p50 <= TARGET * open_p50,
        f"p50 {p50:.3f} s  p99 {p99:.3f} s  plain: p50 {open_p50:.3f} s  p99 {open_p99:.3f} s",
    )
