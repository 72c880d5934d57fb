"""How well and how fast persons are linked, beside splink and recordlinkage in the same run.

    python -m benchmarks.linkage LABELLED [SAMPLES]

LABELLED holds `cases`, `rescues` and `truth` as `.jsonl` or `.jsonl.gz`: measured on the part of
its rescues that the weights were not estimated on. SAMPLES holds `feed/` and `truth/pairs.csv`.
"""

from __future__ import annotations

import argparse
import csv
import gc
import gzip
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import psutil

from benchmarks.linkage_variants import noisy, sparse
from crossregion.domain.events import PairWeighed, PersonsListed
from crossregion.domain.validation import validate_event
from crossregion.linkage.file_linkage import linked
from crossregion.linkage.index import Index
from crossregion.linkage.model import load
from crossregion.linkage.posterior import posterior_probabilities
from crossregion.linkage.training import labelled
from crossregion.linkage.training.evaluate import Figures, evaluate
from crossregion.linkage.training.labelled import Labelled
from producers.exports.reader import read_export

Pair = tuple[str, str]
"""Two ids: of a case and a rescue, or of a unit and its record."""
LIKELY = 0.5
MEGABYTE = 1_000_000


def row(what: str, ours: str, peers: str = "") -> None:
    """One line of the table, as soon as it is known."""
    print(f"| {what:58} | {ours:26} | {peers:44} |", flush=True)


def samples(directory: Path) -> tuple[list[PersonsListed], list[PersonsListed]]:
    """The cases and the rescues of a feed, as the processors list them."""
    found: dict[str, list[PersonsListed]] = {"case": [], "rescue": []}
    for path in sorted((directory / "feed").glob("*/*.csv")):
        unit = path.parent.name
        for exported in read_export(path, unit).records:
            record = exported.record
            listed = validate_event(exported.event, record, unit, None).listed
            found[listed["kind"]].append(listed)
    return found["case"], found["rescue"]


def streamed(cases: Iterable[PersonsListed], rescues: Iterable[PersonsListed]) -> set[Pair]:
    """Likely pairs by the frozen prior, as the processors find them."""
    model = load()
    index = Index(model)
    for case in cases:
        index.restore(case)
    latest: dict[Pair, list[PairWeighed]] = {}
    for rescue in rescues:
        pairs = index.put(rescue)
        if pairs:
            latest[rescue["unit"], rescue["record_id"]] = pairs
    return {
        (proposed["case_id"], proposed["rescue_id"])
        for pairs in latest.values()
        for proposed in posterior_probabilities(pairs, model)
        if proposed["probability"] > LIKELY
    }


def on_febrl4() -> None:
    from benchmarks import linkage_febrl4, linkage_peers

    data = linkage_febrl4.records()
    for with_number, what in (
        (True, "FEBRL4, F1 at p > 0.5"),
        (False, "the same without the number"),
    ):
        ours, _ = linkage_febrl4.run(with_number, data)
        splink = linkage_peers.splink_febrl4(with_number)
        ecm = linkage_peers.recordlinkage_febrl4(with_number)
        row(what, f"{ours:.4f}", f"splink {splink:.4f}, recordlinkage ECM {ecm:.4f}")


def on_persons(data: Labelled, last_look: Labelled) -> None:
    from benchmarks import linkage_peers

    figures = evaluate(load(), last_look)
    true = {(case, rescue) for rescue, cases in data.truth.items() for case in cases}
    wanted = {one["record_id"] for one in last_look.rescues}
    true = {pair for pair in true if pair[1] in wanted}
    plain, best, speed = linkage_peers.splink_persons(last_look.cases, last_look.rescues, true)
    row(
        f"{len(last_look.cases):,} x {len(last_look.rescues):,}, F1 at p > 0.5",
        f"{figures.f1:.4f}",
        f"splink {plain:.4f}; normalised, at best {best:.4f}",
    )
    quality(figures)
    row("splink's own prediction in one batch, records/s", "", f"splink {speed:,.0f}")


def quality(figures: Figures) -> None:
    row(
        "  recall at p >= 0.9, and the precision there",
        f"{figures.sure_recall:.4f}, {figures.sure_precision:.4f}",
    )
    row("  true case among the first five", f"{figures.first_five:.4f}")
    row("  expected calibration error", f"{figures.calibration_error:.4f}")


def across_regions(directory: Path, last_look: Labelled) -> None:
    """Recall where loss and rescue lie in two prefectures, and where they lie in one."""
    where: dict[str, str] = {}
    for name, key, field in (
        ("cases", "case_id", "source_region"),
        ("rescues", "rescue_id", "dest_region"),
    ):
        with gzip.open(directory / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            for line in lines:
                told = json.loads(line)
                where[told[key]] = (told.get(field) or "")[:4]
    found = {
        (pair["case_id"], pair["rescue_id"])
        for pair in linked(last_look.cases, iter(last_look.rescues))
        if pair["probability"] > LIKELY
    }
    shares, spread = [], 0.0
    for across in (True, False):
        links = [
            (case, rescue["record_id"])
            for rescue in last_look.rescues
            for case in last_look.truth.get(rescue["record_id"], ())
            if (where[case] != where[rescue["record_id"]]) == across
        ]
        share = sum(link in found for link in links) / max(len(links), 1)
        shares.append(share)
        spread += share * (1 - share) / max(len(links), 1)
    told = f"{shares[0]:.4f}, {shares[1]:.4f}; +-{math.sqrt(spread):.4f}"
    row("recall across prefectures, within one; error of the difference", told)


def latency(data: Labelled, stored: int, rescues: int, peer: Callable[[int], float]) -> None:
    """One record at a time against so many stored, by the time that a core works on it."""
    cases = data.cases[:stored] if stored <= len(data.cases) else sparse(data, stored).cases
    index = Index(load())
    for case in cases:
        index.restore(case)
    taken = []
    for rescue in data.rescues[:rescues]:
        began = time.process_time()
        index.put(rescue)
        taken.append(1000 * (time.process_time() - began))
    taken.sort()
    row(
        f"one record against {stored:,} stored, p50 / p99",
        f"{statistics.median(taken):.2f} / {taken[int(len(taken) * 0.99)]:.2f} ms",
        f"splink predict_between {peer(stored):.0f} ms",
    )


def memory(directory: Path, stored: int) -> None:
    """What so many stored take, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.linkage", str(directory), "--stored", str(stored)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    row(f"memory that {stored:,} stored take", f"{said.strip()} MB")


def stored_here(data: Labelled, stored: int) -> None:
    cases = sparse(data, stored).cases
    gc.collect()
    before = psutil.Process().memory_info().rss
    index = Index(load())
    for case in cases:
        index.restore(case)
    gc.collect()
    print(f"{(psutil.Process().memory_info().rss - before) / MEGABYTE:.0f}")


def throughput(data: Labelled) -> None:
    started = time.process_time()
    linked(data.cases, iter(data.rescues))
    speed = (len(data.cases) + len(data.rescues)) / (time.process_time() - started)
    row("whole matcher, normalise to decide, one core", f"{speed:,.0f} records/s")


def main() -> None:
    parser = argparse.ArgumentParser(description="How well and how fast persons are linked.")
    parser.add_argument("labelled", type=Path)
    parser.add_argument("samples", type=Path, nargs="?")
    parser.add_argument("--stored", type=int, help="only the memory that so many take")
    given = parser.parse_args()
    if given.stored:
        stored_here(labelled.read(given.labelled), given.stored)
        return
    try:
        from benchmarks.linkage_peers import splink_latency
    except ImportError:
        sys.exit("The peers are not installed: run make bench-linkage.")
    data = labelled.read(given.labelled)
    last_look = data.only(lambda part: part == labelled.LAST_LOOK)
    row("what", "crossregion", "peers")
    row("---", "---", "---")
    on_febrl4()
    on_persons(data, last_look)
    across_regions(given.labelled, last_look)
    few = replace(last_look, rescues=last_look.rescues[:2_000])
    for name, harder in (("sparse", sparse(few, 100_000)), ("noisy", noisy(last_look))):
        figures = evaluate(load(), harder)
        what = f"{name}, {len(harder.cases):,} x {len(harder.rescues):,}, F1 at p > 0.5"
        row(what, f"{figures.f1:.4f}")
        quality(figures)
    throughput(data)
    for stored in (5_000, 100_000):
        latency(data, stored, 2_000, splink_latency)
    memory(given.labelled, 100_000)
    if given.samples:
        with (given.samples / "truth" / "pairs.csv").open(encoding="utf-8") as lines:
            true = {(one["case_id"], one["rescue_id"]) for one in csv.DictReader(lines)}
        said = streamed(*samples(given.samples))
        f1 = 2 * len(said & true) / max(len(said) + len(true), 1)
        row("sample feed, F1 at p > 0.5", f"{f1:.4f}")


if __name__ == "__main__":
    main()
