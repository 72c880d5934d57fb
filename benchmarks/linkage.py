"""How well and how fast persons are linked.

    python -m benchmarks.linkage LABELLED [SAMPLES]

LABELLED holds `cases.jsonl.gz`, `rescues.jsonl.gz` and `truth.jsonl.gz`: measured on the part of
its rescues that the weights were not estimated on. SAMPLES holds `feed/` and `truth/pairs.csv`.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Iterable
from pathlib import Path

from crossregion.domain.judgement import judge_event
from crossregion.domain.linkage.decide import decide
from crossregion.domain.linkage.files import linked
from crossregion.domain.linkage.index import Index
from crossregion.domain.linkage.model import load
from crossregion.domain.records import PairWeighed, PersonsListed
from crossregion.training import labelled
from crossregion.training.evaluate import evaluate
from producers.export import read_export

Pair = tuple[str, str]
"""Two ids: of a case and a rescue, or of a unit and its record."""
LIKELY = 0.5


def quality(said: set[Pair], true: set[Pair]) -> str:
    """Precision, recall and F1 of the pairs said."""
    right = len(said & true)
    precision, recall = right / max(len(said), 1), right / max(len(true), 1)
    f1 = 2 * right / max(len(said) + len(true), 1)
    return f"precision {precision:.4f}  recall {recall:.4f}  F1 {f1:.4f}  pairs {len(said)}"


def samples(directory: Path) -> tuple[list[PersonsListed], list[PersonsListed]]:
    """The cases and the rescues of a feed, as the processors list them."""
    found: dict[str, list[PersonsListed]] = {"case": [], "rescue": []}
    for path in sorted((directory / "feed").glob("*/*.csv")):
        unit = path.parent.name
        for exported in read_export(path, unit).records:
            record = exported.record
            listed = judge_event(exported.event, record, unit, None).listed
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
        for proposed in decide(pairs, model)
        if proposed["probability"] > LIKELY
    }


def held_out(directory: Path) -> None:
    """Quality on the last look, records a second, and the time of one put."""
    data = labelled.read(directory)
    figures = evaluate(load(), data.only(lambda part: part == labelled.LAST_LOOK))
    print("\n".join(figures.lines()))
    started = time.perf_counter()
    linked(data.cases, iter(data.rescues))
    seconds = time.perf_counter() - started
    print(f"one core          {(len(data.cases) + len(data.rescues)) / seconds:,.0f} records/s")
    index = Index(load())
    for case in data.cases:
        index.restore(case)
    taken: list[float] = []
    for rescue in data.rescues:
        began = time.perf_counter()
        index.put(rescue)
        taken.append(1000 * (time.perf_counter() - began))
    taken.sort()
    print(
        f"one put against {len(data.cases):,} stored: median {statistics.median(taken):.2f} ms, "
        f"p99 {taken[int(len(taken) * 0.99)]:.2f} ms"
    )


def on_samples(directory: Path) -> None:
    """Quality on the sample feed, with the frozen prior."""
    with (directory / "truth" / "pairs.csv").open(encoding="utf-8") as lines:
        true = {(row["case_id"], row["rescue_id"]) for row in csv.DictReader(lines)}
    cases, rescues = samples(directory)
    print(f"samples           {quality(streamed(cases, rescues), true)}")


def main() -> None:
    parser = argparse.ArgumentParser(description="How well and how fast persons are linked.")
    parser.add_argument("labelled", type=Path)
    parser.add_argument("samples", type=Path, nargs="?")
    given = parser.parse_args()
    held_out(given.labelled)
    if given.samples:
        on_samples(given.samples)


if __name__ == "__main__":
    main()
