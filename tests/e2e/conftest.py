"""What several of these tests look at and only one has to start: the demonstration, and `make up`.

Those that share one belong to one group, which one test process takes as a whole.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.running import FEED, ROOT, Up
from tests.support.command import ENVIRONMENT, run_process


@dataclass(frozen=True)
class Demo:
    """What a demonstration printed, where its results lie, and its data."""

    printed: str
    out: Path
    data: Path


@pytest.fixture(scope="package")
def demo(service_data: Path) -> Demo:
    """`make demo`, its data kept."""
    data = service_data / "demo"
    answer = subprocess.run(
        ["make", "-s", "demo", f"DEMO=--data {data}"],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return Demo(answer.stdout, ROOT / "demo-out", data)


@pytest.fixture(scope="package")
def bad_demo(service_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demonstration of four units, one of which sends three rows that cannot be used."""
    place = tmp_path_factory.mktemp("bad")
    feed, out, data = place / "feed", place / "out", service_data / "bad-demo"
    for unit in ("22CBS0", "220300", "220400"):
        shutil.copytree(FEED / unit, feed / unit)
    (feed / "220600").mkdir()
    text = (FEED / "220600/cases.csv").read_bytes().decode("gb18030")
    head, *rows = text.splitlines()
    rows[0] = "," + rows[0].split(",", 1)[1]
    rows[1] = rows[1].rsplit(",", 1)[0] + ",220200"
    rows[2] = rows[2][: len(rows[2]) // 2]
    (feed / "220600/cases.csv").write_text("\n".join([head, *rows]), encoding="utf-8-sig")
    answer = run_process("demo", "--feed", feed, "--data", data, "--out", out)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return Demo(answer.stdout, out, data)


@pytest.fixture(scope="package")
def make_up(service_data: Path) -> Iterator[Up]:
    """`make up`, until a test stops it."""
    running = Up(["make", "-s", "up"], service_data / "up")
    try:
        running.wait()
        yield running
        running.stop()
    finally:
        running.kill()
