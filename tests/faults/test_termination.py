"""The rig told to end, or killed, in the midst of its work: nothing that it started is left."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIG_IGN, SIGHUP, SIGKILL, SIGTERM, Signals, signal

import psutil
import pytest

from crossregion.process import WORKERS

ROOT = Path(__file__).parents[2]
STARTED = {*WORKERS.values(), "kafka.Kafka", "postgres"}
START_SECONDS, END_SECONDS = 300.0, 90.0
RIG = """
import subprocess, sys, time
from pathlib import Path
from crossregion.embedded.processes import process_guard, spawn
from tests.faults.termination import ending_on_signals

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
with ending_on_signals():
    try:
        spawn([sys.executable, "-c", DEAF], log=Path("log"), env={}, guard=process_guard)
        subprocess.Popen([sys.executable, "-c", DEAF])
        print("up", flush=True)
        time.sleep(600)
    finally:
        Path("finally").touch()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that each process of a rig runs in, or stands in the environment of."""
    with tempfile.TemporaryDirectory(prefix="crossregion-ended-") as directory:
        yield Path(directory)


def of_the_rig(home: Path) -> dict[int, str]:
    """The processes that have to do with a directory, by number: what each of them runs."""
    found = {}
    for process in psutil.process_iter():
        try:
            near = process.cwd().startswith(str(home)) or str(home) in str(process.environ())
            if near and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = " ".join(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def wait_until(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


@pytest.mark.parametrize("number", [SIGTERM, pytest.param(SIGKILL, marks=pytest.mark.every_fault)])
def test_nothing_outlives_the_process_that_runs_the_parts(home: Path, number: Signals) -> None:
    argv = [sys.executable, "-m", "tests.faults", "--small", "--parts", "contents"]
    environment = {**os.environ, "TMPDIR": str(home)}
    with (home / "out").open("wb") as out:
        runner = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=out, stderr=out)
    try:
        wait_until(lambda: whole(home, runner), START_SECONDS)
        runner.send_signal(number)
        assert runner.wait(END_SECONDS) == (-SIGKILL if number == SIGKILL else 128 + number)
        wait_until(lambda: not of_the_rig(home), END_SECONDS)
    finally:
        for pid in of_the_rig(home):
            os.kill(pid, SIGKILL)


def whole(home: Path, runner: subprocess.Popen[bytes]) -> bool:
    """Whether every worker and service runs."""
    assert runner.poll() is None, (home / "out").read_text()
    running = "\n".join(of_the_rig(home).values())
    return all(name in running for name in STARTED)


@pytest.mark.parametrize("number", [SIGTERM, SIGHUP])
def test_a_signal_ends_what_does_not_listen_and_what_the_guard_does_not_know(
    home: Path, number: Signals
) -> None:
    rig = _rig(home)
    rig.send_signal(number)
    assert rig.wait(END_SECONDS) == 128 + number
    assert of_the_rig(home) == {}
    assert (home / "finally").exists()


def test_a_rig_that_was_started_to_outlive_its_terminal_does(home: Path) -> None:
    before = signal(SIGHUP, SIG_IGN)
    try:
        rig = _rig(home)
    finally:
        signal(SIGHUP, before)
    rig.send_signal(SIGHUP)
    time.sleep(0.5)
    assert rig.poll() is None
    rig.terminate()
    assert rig.wait(END_SECONDS) == 128 + SIGTERM
    assert of_the_rig(home) == {}


def _rig(home: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    rig = subprocess.Popen(
        [sys.executable, "-c", RIG], cwd=home, env=environment, stdout=subprocess.PIPE
    )
    assert rig.stdout is not None
    with rig.stdout:
        assert rig.stdout.readline() == b"up\n"
    return rig
