"""How well a model links labelled records, and how fast."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from crossregion.linkage.file_linkage import LinkedPair, linked
from crossregion.linkage.index import Index
from crossregion.linkage.model import Model
from crossregion.linkage.posterior import posterior_probabilities
from crossregion.linkage.training.labelled import Labelled

LIKELY, VERY_LIKELY, LISTED = 0.5, 0.9, 0.05
SHORT_LIST = 5
BANDS = 10


@dataclass(frozen=True)
class Figures:
    """What was found, measured against the truth."""

    rescues: int
    links: int
    precision: float
    recall: float
    f1: float
    sure_precision: float
    """Of the pairs said with 0.9 or more, the share that is true."""
    sure_recall: float
    first_five: float
    """The share of links whose case is among the rescue's first five."""
    calibration_error: float
    """Expected calibration error of all pairs listed."""
    expected_links: float
    """The sum of all probabilities, which should be the number of links found possible."""
    by_error: dict[str, tuple[int, float, float]] = field(default_factory=dict)
    """Links by kind of name error: how many, the share said likely, the share listed."""

    def lines(self) -> Iterable[str]:
        """For people to read."""
        yield f"rescues {self.rescues:,}, true links {self.links:,}"
        yield (
            f"p > 0.5           precision {self.precision:.4f}  recall {self.recall:.4f}  "
            f"F1 {self.f1:.4f}"
        )
        yield (
            f"p >= 0.9          precision {self.sure_precision:.4f}  recall {self.sure_recall:.4f}"
        )
        yield f"first five        {self.first_five:.4f}"
        yield f"calibration error {self.calibration_error:.4f}, sum {self.expected_links:.0f}"
        for kind, (n, likely, listed) in sorted(self.by_error.items(), key=lambda one: -one[1][1]):
            yield f"  {kind:10} {n:5}  likely {likely:.3f}  listed {listed:.3f}"


@dataclass(frozen=True)
class Effort:
    """What is compared, and how long it takes."""

    blocking_recall: float
    """The share of true pairs that the blocking keys have compared."""
    candidates: float
    """How many a rescued person is compared with, on average."""
    most_candidates: int
    speed: float
    """Records a second of one core, from the cases' normalisation to the last decision."""
    median: float
    slow: float
    """Milliseconds of one core that a rescue takes, and the slowest hundredth at least."""

    def lines(self) -> Iterable[str]:
        """For people to read."""
        yield f"blocking          recall {self.blocking_recall:.4f}"
        yield f"candidates        {self.candidates:,.0f} a rescue, {self.most_candidates:,} at most"
        yield (
            f"speed             {self.speed:,.0f} records/s of one core; "
            f"one rescue p50 {self.median:.2f} ms, p99 {self.slow:.2f} ms"
        )


def effort(model: Model, data: Labelled) -> Effort:
    """Link the data one record at a time, as the linkage worker and proposals do; then count."""
    index, taken = Index(model), []
    began = time.process_time()
    for case in data.cases:
        index.restore(case)
    for rescue in data.rescues:
        started = time.process_time()
        posterior_probabilities(index.put(rescue), model)
        taken.append(1000 * (time.process_time() - started))
    whole = time.process_time() - began
    links, compared, counts = 0, 0, [0]
    for rescue in data.rescues:
        true = data.truth.get(rescue["record_id"], {}).keys()
        for ids, _ in index.candidates(rescue):
            counts.append(len(ids))
            compared += len(true & set(ids))
        links += len(true)
    return Effort(
        blocking_recall=compared / max(links, 1),
        candidates=sum(counts) / max(len(counts) - 1, 1),
        most_candidates=max(counts),
        speed=(len(data.cases) + len(data.rescues)) / max(whole, 1e-9),
        median=statistics.median(taken or [0.0]),
        slow=sorted(taken or [0.0])[int(len(taken) * 0.99)],
    )


def evaluate(model: Model, data: Labelled) -> Figures:
    """Link the data with the model, as `crossregion link` does, and count."""
    return measured(linked(data.cases, iter(data.rescues), model), data)


def measured(pairs: Iterable[LinkedPair], data: Labelled) -> Figures:
    """Pairs of the data's rescues against the truth."""
    wanted = {one["record_id"] for one in data.rescues}
    truth = {
        (case, rescue): kind
        for rescue, cases in data.truth.items()
        if rescue in wanted
        for case, kind in cases.items()
    }
    found = {(one["case_id"], one["rescue_id"]): one for one in pairs if one["rescue_id"] in wanted}
    likely = {key for key, one in found.items() if one["probability"] > LIKELY}
    sure = {key for key, one in found.items() if one["probability"] >= VERY_LIKELY}
    first = {key for key, one in found.items() if one["rank"] <= SHORT_LIST}
    right, sure_right = len(likely & truth.keys()), len(sure & truth.keys())
    errors = defaultdict[str, list[tuple[int, int]]](list)
    for key, kind in truth.items():
        errors[kind].append((key in likely, key in found))
    links = max(len(truth), 1)
    return Figures(
        rescues=len(wanted),
        links=len(truth),
        precision=right / max(len(likely), 1),
        recall=right / links,
        f1=2 * right / max(len(likely) + len(truth), 1),
        sure_precision=sure_right / max(len(sure), 1),
        sure_recall=sure_right / links,
        first_five=len(first & truth.keys()) / links,
        calibration_error=_calibration_error(
            [(one["probability"], key in truth) for key, one in found.items()]
        ),
        expected_links=sum(one["probability"] for one in found.values()),
        by_error={
            kind: (len(seen), *(sum(flags) / len(seen) for flags in zip(*seen, strict=True)))
            for kind, seen in errors.items()
        },
    )


def _calibration_error(said: list[tuple[float, bool]]) -> float:
    """How far, on average, what was said is from what was true, in ten bands of probability."""
    bands = defaultdict[int, list[tuple[float, bool]]](list)
    for probability, true in said:
        bands[min(int(probability * BANDS), BANDS - 1)].append((probability, true))
    apart = (
        abs(sum(probability for probability, _ in band) - sum(true for _, true in band))
        for band in bands.values()
    )
    return sum(apart) / max(len(said), 1)
