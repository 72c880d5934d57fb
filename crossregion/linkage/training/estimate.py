"""Weights from labelled records, in two steps.

1. Fellegi and Sunter: m is counted over true pairs, u over random ones, each age class leaning on
   all classes together.
2. Fields are not independent, so the weights, and those of chosen pairs of fields, are moved to
   where the decision itself, a choice among a rescue's candidates and "none of them", makes the
   truth most likely. A Gaussian prior holds each weight near its first estimate: what is rare
   here moves little.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from crossregion.linkage.index import Index
from crossregion.linkage.model import Model, Rarity, Term
from crossregion.linkage.training.labelled import Labelled
from crossregion.linkage.weights import LEAST_RARITY, MOST_RARITY, THOUSANDTHS, Compared

Floats = npt.NDArray[np.float64]
RANDOM_PAIRS = 400_000
LEANING_M, LEANING_U = 30.0, 300.0
LEAST_SHARE = 2e-6
OFFSET_BITS, PRIOR_BITS, TOGETHER_BITS, PRIOR_SLOPE = 4.0, 1.5, 0.8, 0.3
PLAUSIBLE_BITS = 0.0
"""Candidates below are left out of step 2: nothing could make them likely."""
ROUNDS, STEP_BITS = 400, 0.1


@dataclass(frozen=True)
class Group:
    """Levels of one field whose rarity counts alike."""

    field: str
    levels: tuple[str, ...]
    slope: float
    mean: float


@dataclass(frozen=True)
class Design:
    """What a model is to be made of, and how far its weights may go.

    `offsets` are fields that by themselves only say how much all the rest has to be corrected;
    `silence` those where it tells something if one side does not tell them.
    """

    offsets: tuple[tuple[str], ...]
    terms: tuple[tuple[str, ...], ...]
    together: tuple[tuple[str, str], ...]
    groups: tuple[Group, ...]
    limits: dict[str, tuple[float, float]]
    silence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pairs:
    """Compared pairs; `start` is where each rescue's candidates begin."""

    compared: Compared
    true: npt.NDArray[np.bool_]
    start: npt.NDArray[np.int64]


def estimated(model: Model, design: Design, data: Labelled) -> Model:
    """The model with weights learned from all rescues of the data."""
    made_of = (*design.offsets, *design.terms, *design.together)
    terms = [Term(fields, _zeros(model, fields)) for fields in made_of]
    first = replace(model, terms=tuple(terms))
    index = Index(first)
    for case in data.cases:
        index.restore(case)
    pairs = candidate_pairs(index, data)
    start = _first_weights(first, design, data, index, pairs)
    return _refined(first, design, pairs, start)


def candidate_pairs(index: Index, data: Labelled) -> Pairs:
    """Every rescue against all its candidates."""
    found, true, start, at = [], [], [], 0
    for rescue in data.rescues:
        for ids, compared in index.candidates(rescue):
            if not ids:
                continue
            start.append(at)
            at += len(ids)
            found.append(compared)
            links = data.truth.get(rescue["record_id"], {})
            true.append(np.array([one in links for one in ids]))
    return Pairs(_joined(found), np.concatenate(true), np.array(start))


def _joined(found: list[Compared]) -> Compared:
    return Compared(
        np.concatenate([one.levels for one in found], axis=1),
        {field: np.concatenate([one.shared[field] for one in found]) for field in found[0].shared},
    )


def _zeros(model: Model, fields: tuple[str, ...]) -> npt.NDArray[np.int32]:
    return np.zeros([len(model.fields[field]) + 1 for field in fields], dtype=np.int32)


def _first_weights(
    model: Model, design: Design, data: Labelled, index: Index, pairs: Pairs
) -> Floats:
    """log2(m/u) of each level in each class; 0 for two fields together."""
    chance = np.random.default_rng(1)
    n = max(RANDOM_PAIRS // max(len(data.rescues), 1), 1)
    sampled = [
        compared
        for rescue in data.rescues
        for _, compared in index.sample(
            rescue, lambda count: chance.integers(0, count, n).astype(np.int32)
        )
    ]
    matched, random = pairs.compared.levels[:, pairs.true], _joined(sampled).levels
    number = {field: n for n, field in enumerate(model.fields)}
    weights = []
    for term in model.terms:
        bits = np.zeros(term.bits.shape)
        if term.fields in design.terms:
            field = term.fields[-1]
            low, high = design.limits[field]
            classes = number[term.fields[0]] if len(term.fields) == 2 else None
            m = _shares(matched, number[field], classes, bits.shape, LEANING_M)
            u = _shares(random, number[field], classes, bits.shape, LEANING_U)
            bits[..., 1:] = np.clip(np.log2(m / np.maximum(u, LEAST_SHARE)), low, high)
        weights.append(bits.ravel())
    return np.concatenate(weights)


def _shares(
    levels: npt.NDArray[np.int32],
    field: int,
    classes: int | None,
    shape: tuple[int, ...],
    leaning: float,
) -> Floats:
    width = shape[-1]
    whole = np.bincount(levels[field], minlength=width)[1:] + 0.5
    whole = whole / whole.sum()
    if classes is None:
        return np.asarray(whole, dtype=np.float64)
    counts = np.bincount(levels[classes] * width + levels[field], minlength=shape[0] * width)
    counts = counts.reshape(shape)[:, 1:]
    shares: Floats = (counts + leaning * whole) / (counts.sum(axis=1, keepdims=True) + leaning)
    return shares


def _refined(model: Model, design: Design, pairs: Pairs, start: Floats) -> Model:
    """Step 2, by Adam; the likelihood is convex, so where it begins makes no difference."""
    slopes = np.array([group.slope for group in design.groups])
    where, rarity = _where(model, pairs.compared), _rarity(model, design, pairs.compared)
    plausible = start[where].sum(axis=0) + slopes @ rarity > PLAUSIBLE_BITS
    sizes = np.add.reduceat(plausible, pairs.start)
    where, rarity = where[:, plausible], rarity[:, plausible]
    true, sizes = pairs.true[plausible].astype(float), sizes[sizes > 0]
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    spread = [np.full(term.bits.size, _spread(term, design)) for term in model.terms]
    told = np.concatenate([_told(term, design) for term in model.terms])
    prior = np.concatenate([start, slopes])
    width = np.concatenate([*spread, np.full(len(slopes), PRIOR_SLOPE)])
    value, mean, square = prior.copy(), np.zeros_like(prior), np.zeros_like(prior)
    for turn in range(1, ROUNDS + 1):
        weights = value[where].sum(axis=0) + value[start.size :] @ rarity
        wrong = true - _chances(weights, first, sizes, model)
        slope = np.concatenate([_summed(where, wrong, start.size), rarity @ wrong])
        slope = slope * np.log(2) - (value - prior) / width**2
        slope[: told.size] *= told
        mean += 0.1 * (slope - mean)
        square += 0.01 * (slope * slope - square)
        step = STEP_BITS * (1 - turn / (ROUNDS + 1))
        value += step * (mean / (1 - 0.9**turn)) / (np.sqrt(square / (1 - 0.99**turn)) + 1e-9)
    return _with(model, design, value)


def _spread(term: Term, design: Design) -> float:
    if term.fields in design.offsets:
        return OFFSET_BITS
    return PRIOR_BITS if term.fields in design.terms else TOGETHER_BITS


def _told(term: Term, design: Design) -> npt.NDArray[np.bool_]:
    """Which weights may move: what is not known is no evidence, unless the design says so."""
    told = np.ones(term.bits.shape, dtype=np.bool_)
    if term.fields not in design.terms or term.fields[-1] not in design.silence:
        told[..., 0] = False
    return told.ravel()


def _where(model: Model, compared: Compared) -> npt.NDArray[np.int64]:
    """The place of each term's weight in one long list, for every pair."""
    number = {field: n for n, field in enumerate(model.fields)}
    rows, at = [], 0
    for term in model.terms:
        row = compared.levels[number[term.fields[-1]]].astype(np.int64) + at
        if len(term.fields) == 2:
            row += compared.levels[number[term.fields[0]]] * term.bits.shape[1]
        rows.append(row)
        at += term.bits.size
    return np.array(rows)


def _rarity(model: Model, design: Design, compared: Compared) -> Floats:
    number = {field: n for n, field in enumerate(model.fields)}
    rows = []
    for group in design.groups:
        names = model.fields[group.field]
        wanted = np.array([False, *(level in group.levels for level in names)])
        beyond = compared.shared[group.field] - group.mean * THOUSANDTHS
        bits = np.clip(beyond, LEAST_RARITY, MOST_RARITY) / THOUSANDTHS
        rows.append(np.where(wanted[compared.levels[number[group.field]]], bits, 0.0))
    return np.array(rows)


def _summed(where: npt.NDArray[np.int64], wrong: Floats, size: int) -> Floats:
    found = np.zeros(size)
    for row in where:
        found += np.bincount(row, weights=wrong, minlength=size)
    return found


def _chances(
    weights: Floats, first: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], model: Model
) -> Floats:
    """Like `decide.probabilities`, for all rescues at once."""
    odds = model.reported_twice / model.open_cases * np.exp2(np.minimum(weights, 200.0))
    nothing_right = np.exp(-np.add.reduceat(np.log1p(odds), first))
    none = model.reported_twice * (1 - model.share) / model.share
    some_right = 1 / (1 - nothing_right + none * nothing_right)
    chances: Floats = odds / (1 + odds) * np.repeat(some_right, sizes)
    return chances


def _with(model: Model, design: Design, value: Floats) -> Model:
    terms, at = [], 0
    for term in model.terms:
        bits = value[at : at + term.bits.size].reshape(term.bits.shape)
        low, high = design.limits[term.fields[-1]]
        whole = np.rint(np.clip(bits, low, high) * THOUSANDTHS).astype(np.int32)
        terms.append(replace(term, bits=whole))
        at += term.bits.size
    rarity: dict[str, dict[str, Rarity]] = {}
    for group, slope in zip(design.groups, value[at:].tolist(), strict=True):
        kept = Rarity(round(min(max(slope, 0.0), 1.0), 3), group.mean)
        rarity.setdefault(group.field, {}).update(dict.fromkeys(group.levels, kept))
    return replace(model, terms=tuple(terms), rarity=rarity)
