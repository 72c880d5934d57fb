"""The faults at full scale, and the nemesis for as long as wanted.

    python -m tests.faults                           all, as `make faults` does, three at a time
    python -m tests.faults --part contents           one part, in this process
    python -m tests.faults --parts contents doors    these, each in a process of its own
    python -m tests.faults --only "disk full"        those whose name holds these words
    python -m tests.faults --seed 7 --seconds 3600   the nemesis alone

A Markdown table goes to standard output. The exit status is 1 if anything was lost, done twice or
wrong; what was wrong is printed with the seed to run it again, and the data directory is kept.

`unblocked` is no fault but a figure of blocking: pairs among all events so far that weigh enough to
be kept and share no blocking key, so that they are never compared.

SIGTERM and SIGHUP end all that was started; the data directory is kept then, too.
"""

from __future__ import annotations

import argparse
import functools
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from crossregion.embedded.processes import process_guard
from tests.faults import scenarios
from tests.faults.checks import Verdict, check
from tests.faults.nemesis import Nemesis
from tests.faults.rig import Rig, Scale
from tests.faults.scenarios import FULL, SCENARIOS, SMALL, Scenario
from tests.faults.termination import ending_on_signals, terminate_children

NEMESIS_SECONDS = 600.0
NEMESIS = "nemesis"
PARTS: dict[str, Sequence[Scenario]] = {
    NEMESIS: (),
    "broker": scenarios.OF_BROKER,
    "processors": scenarios.OF_PROCESSORS,
    "log": scenarios.OF_LOG,
    "producers": scenarios.OF_PRODUCERS,
    "postgres": scenarios.OF_POSTGRES,
    "doors": scenarios.OF_DOORS,
    "contents": scenarios.OF_CONTENTS,
}
"""What is tried together on one stack; the longest first."""
AT_A_TIME = 3
HEAD = ("row", "fault", "tried", "events", "lost", "twice", "unblocked", "verdict", "seconds")

console = Console(soft_wrap=True, markup=False, highlight=False)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="tests.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, help="the nemesis alone, for so long")
    parser.add_argument("--only", help="scenarios whose name holds these words")
    parser.add_argument("--part", choices=PARTS, help="one part, in this process")
    parser.add_argument(
        "--parts", choices=PARTS, nargs="+", help="these, each in a process with a stack of its own"
    )
    parser.add_argument("--small", action="store_true", help="at the scale of `make test`")
    asked = parser.parse_args()
    with ending_on_signals():
        return _asked(asked)


def _asked(asked: argparse.Namespace) -> int:
    console.print(_row(*HEAD))
    console.print(_row(*("---" for _ in HEAD)))
    if asked.seconds is None and asked.only is None and asked.part is None:
        return _in_processes(asked)
    return _here(asked)


def _in_processes(asked: argparse.Namespace) -> int:
    """Each part in a process with a stack of its own; the rows come as they are done."""
    options = [f"--seed={asked.seed}", *(["--small"] if asked.small else [])]

    def run(part: str) -> int:
        argv = [sys.executable, "-m", "tests.faults", "--part", part, *options]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
            process_guard.watch(process.pid)
            for line in process.stdout or ():
                if not line.startswith(("| row", "| ---")):
                    console.print(line, end="")
        process_guard.unwatch(process.pid)
        return process.returncode

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        parts = [pool.submit(run, part) for part in asked.parts or PARTS]
        try:
            return max(part.result() for part in parts)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(part.done() for part in parts):
                terminate_children()
            raise


def _here(asked: argparse.Namespace) -> int:
    scale = SMALL if asked.small else FULL
    data = Path(tempfile.mkdtemp(prefix="crossregion-faults-"))
    verdicts = []
    nemesis_alone = asked.seconds is not None or asked.part == NEMESIS
    with Rig(data, asked.seed) as rig:
        for one in () if nemesis_alone else PARTS.get(asked.part, SCENARIOS):
            if (asked.only or "") in one.name:
                harm = functools.partial(_harm, one, rig, scale)
                verdicts.append(_tried(rig, one.rows, one.name, harm))
        if nemesis_alone:
            nemesis = Nemesis(rig, asked.seed)
            seconds = asked.seconds or NEMESIS_SECONDS
            mixed = functools.partial(_mixed, nemesis, seconds)
            verdicts.append(_tried(rig, "44", "nemesis", mixed))
            if not verdicts[-1].good:
                console.print("\n".join(nemesis.history))
    if all(verdict.good for verdict in verdicts):
        shutil.rmtree(data)
        return 0
    console.print(f"Seed {asked.seed}; the data and the logs are in {data}.")
    return 1


def _harm(scenario: Scenario, rig: Rig, scale: Scale) -> tuple[int, Verdict]:
    scenario.harm(rig, scale)
    rig.quiet()
    return scale.times, check(rig)


def _mixed(nemesis: Nemesis, seconds: float) -> tuple[int, Verdict]:
    verdict = nemesis.run(seconds)
    return sum(nemesis.done.values()), verdict


def _tried(rig: Rig, rows: str, name: str, work: Callable[[], tuple[int, Verdict]]) -> Verdict:
    before, began = len(rig.ledger), time.monotonic()
    try:
        times, verdict = work()
    except Exception as error:  # noqa: BLE001 (it is told, and the others go on)
        traceback.print_exc()
        rig.heal()
        times, verdict = 0, Verdict(wrong=[f"{type(error).__name__}: {error}"])
    events = len(rig.ledger) - before
    figures = (times, events, verdict.lost, verdict.twice, verdict.unblocked)
    said = "held" if verdict.good else "NOT HELD"
    console.print(_row(rows, name, *figures, said, f"{time.monotonic() - began:.0f}"))
    for wrong in verdict.wrong:
        console.print(f"    {wrong}")
    return verdict


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    sys.exit(main())
