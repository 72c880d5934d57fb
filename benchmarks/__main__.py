"""Every figure of the main job, one after the other, on a broker and a database of its own.

python -m benchmarks [--samples DIR] [--events N] [--baseline DIR] [FIGURE …]
"""

from __future__ import annotations

import argparse
import logging
import platform
import sys
from pathlib import Path

import psutil

from benchmarks import (
    commands,
    delivery,
    demo,
    doors,
    feed,
    harness,
    http_intake,
    intake,
    latency,
    registry,
    supervision,
)

FIGURES = ("throughput", "latency", "doors", "delivery", "report", "http", "commands", "demo")
SAMPLES = Path(__file__).parents[2] / "shared" / "samples"
REVISIONS = 200_000
LATENCY_SHARE = 20
"""One event in so many is enough to know the latency by."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("figures", nargs="*", help=f"of {', '.join(FIGURES)}; all by default")
    parser.add_argument("--samples", type=Path, default=SAMPLES, help="holds feed/ and truth/")
    parser.add_argument("--events", type=int, default=60_000, help="to preload")
    parser.add_argument("--baseline", type=Path, help="of commands: another build's directory")
    given = parser.parse_args()
    chosen = given.figures or FIGURES
    if unknown := set(chosen) - set(FIGURES):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    print(
        f"{psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB, "
        f"Python {platform.python_version()}, load {psutil.getloadavg()[0]:.1f} at the beginning"
    )
    if "throughput" in chosen:
        with harness.services() as services:
            harness.preload(services.kafka, feed.events(given.events))
            intake.run(services, given.events)
            registry.run(services)
    if "latency" in chosen:
        latency.run(max(1, given.events // LATENCY_SHARE))
    if "doors" in chosen:
        doors.run(given.events, max(1, given.events // LATENCY_SHARE))
    if "delivery" in chosen:
        delivery.run(max(1, given.events // LATENCY_SHARE))
    if "http" in chosen:
        http_intake.run()
    if "commands" in chosen:
        with harness.services() as services:
            commands.run(services, given.baseline)
    if "report" in chosen:
        with harness.services() as services:
            supervision.run(services, REVISIONS)
    if "demo" in chosen:
        if not given.samples.is_dir():
            sys.exit(f"{given.samples} is not there: name the samples by --samples DIR.")
        demo.run(given.samples)
    print(f"load {psutil.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
