"""The faults at full scale, and the nemesis for as long as wanted.

    python -m tests.faults                           all, as `make faults` does
    python -m tests.faults --only registry           those whose name holds a word
    python -m tests.faults --seed 7 --seconds 3600   the nemesis alone

A Markdown table goes to standard output. The exit status is 1 if anything was lost, done twice or
wrong; what was wrong is printed with the seed to run it again, and the data directory is kept.
"""

from __future__ import annotations

import argparse
import functools
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tests.faults.checks import Verdict, check
from tests.faults.nemesis import Nemesis
from tests.faults.rig import Rig, Scale
from tests.faults.scenarios import FULL, SCENARIOS, SMALL, Scenario

NEMESIS_SECONDS = 600.0
HEAD = ("row", "fault", "tried", "events", "lost", "twice", "verdict", "seconds")

console = Console(soft_wrap=True, markup=False, highlight=False)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="tests.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, help="the nemesis alone, for so long")
    parser.add_argument("--only", default="", help="scenarios whose name holds this word")
    parser.add_argument("--small", action="store_true", help="at the scale of `make faults-once`")
    asked = parser.parse_args()
    scale = SMALL if asked.small else FULL
    data = Path(tempfile.mkdtemp(prefix="crossregion-faults-"))
    verdicts = []
    console.print(_row(*HEAD))
    console.print(_row(*("---" for _ in HEAD)))
    with Rig(data, asked.seed) as rig:
        if asked.seconds is None:
            for one in SCENARIOS:
                if asked.only in one.name:
                    harm = functools.partial(_harm, one, rig, scale)
                    verdicts.append(_tried(rig, one.rows, one.name, harm))
        if asked.seconds is not None or not asked.only:
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
    figures = (times, len(rig.ledger) - before, verdict.lost, verdict.twice)
    said = "held" if verdict.good else "NOT HELD"
    console.print(_row(rows, name, *figures, said, f"{time.monotonic() - began:.0f}"))
    for wrong in verdict.wrong:
        console.print(f"    {wrong}")
    return verdict


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    sys.exit(main())
