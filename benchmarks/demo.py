"""One `crossregion demo` over the samples: its quality, its time, and the memory it takes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks import harness
from benchmarks.harness import Stuck

TARGET_PRECISION, TARGET_RECALL = 0.90, 0.60
TARGET_SECONDS = 45
TARGET_BYTES = 1_200_000_000
LIKELY = 0.5
STEP_SECONDS = 0.2
FLAG_COLUMNS = ("case_id", "revision", "source", "destination", "boundary")


@dataclass(frozen=True)
class Demo:
    """What one demo took."""

    seconds: float
    peak_bytes: int
    processes: int


def demo(feed: Path, out: Path) -> Demo:
    """Run the demo in a process of its own and weigh it with all its children.

    Raises: Stuck when it does not end well.
    """
    command = Path(sys.executable).with_name("crossregion")
    argv = [str(command), "demo", "--feed", str(feed), "--out", str(out)]
    began = time.monotonic()
    peak, most = 0, 0
    with (out / "demo.log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
        while process.poll() is None:
            weight, count = _weight(process.pid)
            peak, most = max(peak, weight), max(most, count)
            time.sleep(STEP_SECONDS)
    if process.returncode != 0:
        raise Stuck(f"The demo ended with {process.returncode}: {(out / 'demo.log').read_text()}")
    return Demo(time.monotonic() - began, peak, most)


def _weight(pid: int) -> tuple[int, int]:
    """Memory of a process and all below it, what they share counted once; and their number."""
    total, count = 0, 0
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0, 0
    for process in family:
        try:
            total += process.memory_full_info().pss
            count += 1
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return total, count


def flags(samples: Path, out: Path) -> tuple[int, int]:
    """How many true flags there are, and how many of them were said, equal in all columns."""
    with (samples / "truth" / "flags.csv").open(encoding="utf-8", newline="") as file:
        true = [_flag(row) for row in csv.DictReader(file)]
    said = {_flag(row) for row in _lines(out / "flags.jsonl")}
    return len(true), sum(row in said for row in true)


def _flag(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[name] or "") for name in FLAG_COLUMNS)


def proposals(samples: Path, out: Path) -> tuple[float, float]:
    """Precision and recall of the likely proposals."""
    with (samples / "truth" / "pairs.csv").open(encoding="utf-8", newline="") as file:
        true = {(row["case_id"], row["rescue_id"]) for row in csv.DictReader(file)}
    said = {
        (row["case_id"], row["rescue_id"])
        for row in _lines(out / "proposals.jsonl")
        if row["probability"] > LIKELY
    }
    right = len(said & true)
    return right / max(len(said), 1), right / max(len(true), 1)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def run(samples: Path) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory(prefix="crossregion-bench-") as directory:
        out = Path(directory)
        took = demo(samples / "feed", out)
        true, equal = flags(samples, out)
        precision, recall = proposals(samples, out)
    harness.line("samples, flags", "all", equal == true, f"{equal:,} of {true:,} equal the truth")
    harness.line(
        f"samples, proposals above {LIKELY}",
        f"{TARGET_PRECISION:.2f} and {TARGET_RECALL:.2f}",
        precision >= TARGET_PRECISION and recall >= TARGET_RECALL,
        f"precision {precision:.3f}  recall {recall:.3f}",
    )
    harness.line(
        "demo",
        f"<= {TARGET_SECONDS} s",
        took.seconds <= TARGET_SECONDS,
        f"{took.seconds:.1f} s from start to end",
    )
    harness.line(
        "memory of the whole stack",
        f"<= {TARGET_BYTES / 1e9:.1f} GB",
        took.peak_bytes <= TARGET_BYTES,
        f"{took.peak_bytes / 1e9:.2f} GB at most, {took.processes} processes (sum of PSS)",
    )
