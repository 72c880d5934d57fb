"""A rescued person's candidates weighed against each other and against "none of them".

A person may have been reported more than once, so the candidates that are right are a set: none,
one, or several reports of one person. With the share s of rescued persons who have been reported,
n victims to seek among, the share d of them with a second report, and a candidate's weight w,

    weight of a set S  =  s/d  *  product over S of a,   a = d/n * 2^w
    weight of none     =  1 - s

so that two candidates that both agree far beyond chance are one person reported twice and share
one place, and of two weak ones at most one is right. No identity is compared for it. The sums over
all sets have a closed form:

    P(candidate)  =  a/(1 + a) * A / (A - 1 + d (1 - s)/s),   A = product over all of (1 + a)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from crossregion.domain.events import MatchProposed, PairWeighed
from crossregion.domain.identifiers import proposal_id

if TYPE_CHECKING:
    from crossregion.linkage.model import Model

Proposal = MatchProposed
"""A proposal as it is said, its revision still 0."""

VERY_LIKELY, REVIEW, LISTED = 0.99, 0.5, 0.05
BANDS = ("very-likely", "review", "listed", "unlikely")
SHORT_LIST, WORTH_A_SAMPLE = 5, 0.01
"""So many candidates of a rescue are listed from a lower probability: whose DNA to compare."""
MOST_BITS = 200.0


def posterior_probabilities(
    pairs: Sequence[PairWeighed], model: Model, open_cases: int | None = None
) -> list[Proposal]:
    """The proposals for one rescue: stated ones first, then by probability; ranks from 1.

    A stated pair is proposed whatever its probability, any other from `LISTED` up, and the first
    few from `WORTH_A_SAMPLE` up. Pairs without weight are no candidates. `open_cases` is the number
    of victims to seek among, the model's if None.
    """
    weighed = [(pair, pair["weight"]) for pair in pairs if pair["weight"] is not None]
    chances = probabilities([weight for _, weight in weighed], model, open_cases)
    found = [
        _proposed(pair, round(chance, 6))
        for (pair, _), chance in zip(weighed, chances, strict=True)
        if chance >= WORTH_A_SAMPLE or pair["stated"]
    ]
    found.sort(key=_order)
    found = [
        proposal
        for rank, proposal in enumerate(found, 1)
        if rank <= SHORT_LIST or proposal["probability"] >= LISTED or proposal["kind"] == "stated"
    ]
    for rank, proposal in enumerate(found, 1):
        proposal["rank"] = rank
    return found


def probabilities(
    weights: Sequence[float], model: Model, open_cases: int | None = None
) -> list[float]:
    """The probability of each of a rescue's candidates, by their weights in bits.

    Each is in [0, 1]: rounding can take the quotients of a sure candidate beyond 1.
    """
    twice = model.reported_twice
    per_victim = twice / max(open_cases or model.open_cases, 1)
    odds = [per_victim * 2.0 ** min(weight, MOST_BITS) for weight in weights]
    whole = math.fsum(sorted(map(math.log1p, odds)))
    none = twice * (1.0 - model.share) / model.share
    nothing_right = math.exp(-whole)
    some_right = 1.0 / (1.0 - nothing_right + none * nothing_right) if odds else 0.0
    return [min(1.0, odd / (1.0 + odd) * some_right) for odd in odds]


def band(probability: float) -> str:
    """very-likely, review or listed; below that unlikely: stated, or on the short list."""
    if probability >= VERY_LIKELY:
        return "very-likely"
    if probability >= REVIEW:
        return "review"
    return "listed" if probability >= LISTED else "unlikely"


def _order(proposal: Proposal) -> tuple[bool, float, str, str, str]:
    return (
        proposal["kind"] != "stated",
        -proposal["probability"],
        proposal["case_unit"],
        proposal["case_id"],
        proposal["victim_id"],
    )


def _proposed(pair: PairWeighed, probability: float) -> Proposal:
    return {
        "proposal_id": proposal_id(
            pair["case_unit"], pair["victim_id"], pair["rescue_unit"], pair["rescue_id"]
        ),
        "revision": 0,
        "case_id": pair["case_id"],
        "victim_id": pair["victim_id"],
        "rescue_id": pair["rescue_id"],
        "case_unit": pair["case_unit"],
        "rescue_unit": pair["rescue_unit"],
        "kind": "stated" if pair["stated"] else "weighed",
        "model": pair["model"],
        "probability": probability,
        "rank": 0,
        "band": band(probability),
        "evidence": pair["evidence"],
        "new_evidence": [],
    }
