"""The faults at full scale, and the nemesis for as long as wanted.

    python -m tests.faults                           all, as `make faults` does
    python -m tests.faults --only registry           those whose name holds a word
    python -m tests.faults --seed 7 --seconds 3600   the nemesis alone

The table goes to standard output. The exit status is 1 if anything was lost, done twice or wrong;
what was wrong and the seed to run it again are printed, and the data directory is kept.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults.checks import Verdict, check
from tests.faults.nemesis import Nemesis
from tests.faults.rig import Rig, Scale
from tests.faults.scenarios import FULL, SCENARIOS, SMALL

NEMESIS_SECONDS = 600.0

console = Console(soft_wrap=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, help="the nemesis alone, for so long")
    parser.add_argument("--only", default="", help="scenarios whose name holds this word")
    parser.add_argument("--small", action="store_true", help="at the scale of `make test`")
    asked = parser.parse_args()
    table = Table("rows", "fault", "times", "events", "lost", "twice", "verdict", "s")
    data = Path(tempfile.mkdtemp(prefix="crossregion-faults-"))
    good = True
    with Rig(data, asked.seed) as rig:
        if asked.seconds is None:
            scale = SMALL if asked.small else FULL
            for scenario in SCENARIOS:
                if asked.only in scenario.name:
                    good &= _tried(rig, scale, scenario.rows, scenario.name, table)
        if asked.seconds is not None or not asked.only:
            good &= _nemesis(rig, asked.seed, asked.seconds or NEMESIS_SECONDS, table)
    console.print(table)
    if good:
        shutil.rmtree(data)
    else:
        console.print(f"Seed {asked.seed}; the data and logs are in {data}.")
    return 0 if good else 1


def _tried(rig: Rig, scale: Scale, rows: str, name: str, table: Table) -> bool:
    scenario = next(one for one in SCENARIOS if one.name == name)
    before, began = len(rig.ledger), time.monotonic()
    try:
        scenario.harm(rig, scale)
        rig.quiet()
        verdict = check(rig)
    except Exception as error:  # noqa: BLE001 (it is told, and the others go on)
        verdict = Verdict(wrong=[f"{type(error).__name__}: {error}"])
        traceback.print_exc()
        rig.heal()
    return _add(
        table, rows, name, scale.times, len(rig.ledger) - before, verdict, time.monotonic() - began
    )


def _nemesis(rig: Rig, seed: int, seconds: float, table: Table) -> bool:
    before, began = len(rig.ledger), time.monotonic()
    nemesis = Nemesis(rig, seed)
    try:
        verdict = nemesis.run(seconds)
    except Exception as error:  # noqa: BLE001 (it is told with the history)
        verdict = Verdict(wrong=[f"{type(error).__name__}: {error}"])
        traceback.print_exc()
    if not verdict.good:
        console.print("\n".join(nemesis.history), markup=False)
    harms = sum(nemesis.done.values())
    return _add(
        table, "44", "nemesis", harms, len(rig.ledger) - before, verdict, time.monotonic() - began
    )


def _add(
    table: Table, rows: str, name: str, times: int, events: int, verdict: Verdict, seconds: float
) -> bool:
    said = "held" if verdict.good else "NOT HELD"
    table.add_row(
        rows, name, str(times), str(events), str(verdict.lost), str(verdict.twice), said,
        f"{seconds:.1f}",
    )  # fmt: skip
    console.print(f"{said}: {name} ({events} events, {seconds:.1f} s)", highlight=False)
    for wrong in verdict.wrong:
        console.print(f"    {wrong}", markup=False, highlight=False)
    return verdict.good


if __name__ == "__main__":
    sys.exit(main())
