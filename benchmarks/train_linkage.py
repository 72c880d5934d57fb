"""Estimate the weights of `crossregion/domain/linkage/model.toml` from labelled pairs.

    python -m benchmarks.train_linkage DIR [--name fs-1] > model.toml

DIR holds `cases.jsonl.gz`, `rescues.jsonl.gz` and `truth.jsonl.gz`. Two steps:

1. Fellegi and Sunter: m is counted over true pairs, u over random ones, each age class leaning on
   all classes together by a prior of pseudo-counts.
2. Fields are not independent, so the weights are moved to where the decision itself, a softmax
   over a rescue's candidates and "none of them", makes the truth most likely; a Gaussian prior
   holds each weight near its first estimate, more so the fewer pairs speak for moving it.

Only the half of the rescues whose hash is even is learned from; the other half is for
`benchmarks/linkage.py` to measure on.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from crossregion.domain.linkage.compare import AGE_CLASSES, LEVELS, age_class, compare
from crossregion.domain.linkage.decide import probabilities
from crossregion.domain.linkage.files import read_listed
from crossregion.domain.linkage.index import Index
from crossregion.domain.linkage.model import Model
from crossregion.domain.linkage.normalise import Person, normalise

RANDOM_PAIRS = 400_000
PSEUDO = 30.0
FLOOR = 2e-6
LIMITS = {
    "name": (-5.0, 14.0),
    "birth": (-8.0, 14.0),
    "sex": (-6.0, 2.0),
    "home": (-6.0, 10.0),
    "height": (-5.0, 5.0),
    "marks": (-4.0, 12.0),
    "id_number": (-3.0, 16.0),
    "dna": (14.0, 20.0),
    "time": (-5.0, 3.0),
}
"""No one field decides alone, except a laboratory's hit: what is rare here may be common there."""
PRIOR_BITS = 1.5
ROUNDS = 120
STEP_BITS = 0.1
CHOICE_BITS = 2.0
NEGLIGIBLE = 1e-5
SEEN_OFTEN = 5
OTHER_SAMPLE = "other"
"""Means nothing, and so has no weight; it is counted so that equal samples are known as rare."""
KEEP_BITS = 6.0

Counts = dict[str, dict[str, Counter[str]]]
Bits = dict[str, dict[str, dict[str, float]]]
Weight = tuple[str, str, str]
"""Age class, field and level."""


@dataclass(frozen=True)
class Labelled:
    """The records of a directory and the true pairs among them."""

    cases: dict[str, Person]
    rescues: dict[str, Person]
    truth: dict[str, frozenset[str]]


def learned_from(rescue_id: str) -> bool:
    """Whether a rescue belongs to the half that weights are estimated on."""
    return hashlib.sha256(rescue_id.encode()).digest()[0] % 2 == 0


def labelled(directory: Path) -> Labelled:
    """Read a directory of labelled data."""
    return Labelled(
        _persons(directory / "cases.jsonl.gz", "case"),
        _persons(directory / "rescues.jsonl.gz", "rescue"),
        true_cases(directory),
    )


def true_cases(directory: Path) -> dict[str, frozenset[str]]:
    """The true cases of each rescue that has any."""
    truth: dict[str, set[str]] = defaultdict(set)
    with gzip.open(directory / "truth.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            truth[row["rescue_id"]].add(row["case_id"])
    return {rescue: frozenset(cases) for rescue, cases in truth.items()}


def _persons(path: Path, kind: str) -> dict[str, Person]:
    return {
        listed["record_id"]: normalise(listed["persons"][0], listed)
        for listed in read_listed(path, kind)
    }


def fellegi_sunter(data: Labelled) -> Bits:
    """log2(m/u) of each level, smoothed and bounded."""
    matched = (
        (data.cases[case], data.rescues[rescue])
        for rescue, cases in data.truth.items()
        if learned_from(rescue)
        for case in cases
    )
    chance = random.Random(1)
    victims, rescued = list(data.cases.values()), list(data.rescues.values())
    unmatched = ((chance.choice(victims), chance.choice(rescued)) for _ in range(RANDOM_PAIRS))
    m, u = _count(matched), _count(unmatched)
    bits: Bits = {}
    for group in AGE_CLASSES:
        bits[group] = {}
        for field in LEVELS:
            of_m, of_u = _shares(m, group, field), _shares(u, group, field)
            low, high = LIMITS[field]
            bits[group][field] = {
                level: max(low, min(high, math.log2(of_m[level] / max(of_u[level], FLOOR))))
                for level in LEVELS[field]
            }
    return bits


def _count(pairs: Iterable[tuple[Person, Person]]) -> Counts:
    found: Counts = defaultdict(lambda: defaultdict(Counter))
    for victim, rescued in pairs:
        levels = compare(victim, rescued)
        if victim.dna and rescued.dna:
            levels.setdefault("dna", OTHER_SAMPLE)
        for field, level in levels.items():
            for group in (age_class(victim, rescued), "all"):
                found[group][field][level] += 1
    return found


def _shares(counts: Counts, group: str, field: str) -> dict[str, float]:
    levels = (*LEVELS[field], OTHER_SAMPLE) if field == "dna" else LEVELS[field]
    whole = counts["all"][field]
    total = whole.total() + len(levels) * 0.5
    mine = counts[group][field]
    n = mine.total() + PSEUDO
    return {level: (mine[level] + PSEUDO * (whole[level] + 0.5) / total) / n for level in levels}


def names(data: Labelled) -> tuple[dict[str, float], dict[str, float], float]:
    """Shares of surnames and of given names' characters, and the mean bits of a name."""
    surnames, characters = Counter[str](), Counter[str]()
    whole = [_cut(person) for person in data.cases.values()]
    for surname, given in filter(None, whole):
        surnames[surname] += 1
        characters.update(given)
    n, letters = surnames.total(), characters.total()
    bits = [
        -math.log2(surnames[surname] / n) - sum(math.log2(characters[c] / letters) for c in given)
        for surname, given in filter(None, whole)
    ]
    return (
        {name: count / n for name, count in sorted(surnames.items()) if count > SEEN_OFTEN},
        {name: count / letters for name, count in sorted(characters.items()) if count > SEEN_OFTEN},
        sum(bits) / len(bits),
    )


def _cut(person: Person) -> tuple[str, str] | None:
    name = person.name
    if name is None or not name.han or not name.surname:
        return None
    cut = len(name.han) - len(name.given)
    return name.han[:cut], name.han[cut:]


def first_model(data: Labelled, name: str) -> Model:
    """The model of step 1."""
    surnames, characters, mean = names(data)
    learned = [rescue for rescue in data.rescues if learned_from(rescue)]
    reported = [data.truth[rescue] for rescue in learned if rescue in data.truth]
    return Model(
        name=name,
        share=round(len(reported) / len(learned), 3),
        reported_twice=round(sum(len(cases) > 1 for cases in reported) / len(reported), 3),
        open_cases=len(data.cases),
        keep_bits=KEEP_BITS,
        rare_surname=2e-5,
        rare_character=2e-5,
        common_name_bits=round(mean, 2),
        surnames=surnames,
        characters=characters,
        bits=fellegi_sunter(data),
    )


@dataclass(frozen=True, slots=True)
class _Choice:
    """One rescue's candidates: the bits that stay, the weights that sum up, and what is true."""

    fixed: list[float]
    weights: list[tuple[int, ...]]
    true: list[bool]


def refined(model: Model, directory: Path) -> Model:
    """The model of step 2: weights that make the true choices most likely."""
    order = [(g, f, level) for g in AGE_CLASSES for f in LEVELS for level in LEVELS[f]]
    start = [model.bits[group][field][level] for group, field, level in order]
    choices = _choices(model, directory, {key: number for number, key in enumerate(order)})
    bits, first, second = list(start), [0.0] * len(start), [0.0] * len(start)
    for round_ in range(1, ROUNDS + 1):
        slope = [(was - now) / PRIOR_BITS**2 for was, now in zip(start, bits, strict=True)]
        for choice in choices:
            _add_slope(choice, bits, model, slope)
        for number, value in enumerate(slope):
            first[number] += 0.1 * (value - first[number])
            second[number] += 0.01 * (value * value - second[number])
            mean = first[number] / (1 - 0.9**round_)
            spread = math.sqrt(second[number] / (1 - 0.99**round_))
            step = STEP_BITS * (1 - round_ / (ROUNDS + 1))
            bits[number] += step * mean / (spread + 1e-9)
    found: Bits = {group: {field: {} for field in LEVELS} for group in AGE_CLASSES}
    for (group, field, level), value in zip(order, bits, strict=True):
        low, high = LIMITS[field]
        found[group][field][level] = max(low, min(high, value))
    return replace(model, bits=found)


def _choices(model: Model, directory: Path, number: dict[Weight, int]) -> list[_Choice]:
    data = labelled(directory)
    index = Index(replace(model, keep_bits=CHOICE_BITS))
    for case in read_listed(directory / "cases.jsonl.gz", "case"):
        index.restore(case)
    found = []
    for listed in read_listed(directory / "rescues.jsonl.gz", "rescue"):
        rescue = listed["record_id"]
        if not learned_from(rescue):
            continue
        choice = _Choice([], [], [])
        for pair in index.put(listed):
            group = age_class(data.cases[pair["case_id"]], data.rescues[rescue])
            keys = [(group, item["field"], item["level"]) for item in pair["evidence"]]
            bits = sum(model.bits[group][field][level] for _, field, level in keys)
            choice.fixed.append((pair["weight"] or 0.0) - bits)
            choice.weights.append(tuple(number[key] for key in keys))
            choice.true.append(pair["case_id"] in data.truth.get(rescue, ()))
        found.append(choice)
    return found


def _add_slope(choice: _Choice, bits: list[float], model: Model, slope: list[float]) -> None:
    """Add the slope of the log likelihood of one rescue's true set of candidates."""
    weights = [
        fixed + sum(bits[key] for key in keys)
        for fixed, keys in zip(choice.fixed, choice.weights, strict=True)
    ]
    chances = probabilities(weights, model)
    for chance, keys, true in zip(chances, choice.weights, choice.true, strict=True):
        if true or chance > NEGLIGIBLE:
            for key in keys:
                slope[key] += true - chance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--name", default="fs-1")
    given = parser.parse_args()
    data = labelled(given.directory)
    print(toml(refined(first_model(data, given.name), given.directory)), end="")


def toml(model: Model) -> str:
    """The model as `model.parse` reads it."""
    lines = [
        f'name = "{model.name}"',
        f"share = {model.share}",
        f"reported_twice = {model.reported_twice}",
        f"open_cases = {model.open_cases}",
        f"keep_bits = {model.keep_bits}",
        f"rare_surname = {model.rare_surname}",
        f"rare_character = {model.rare_character}",
        f"common_name_bits = {model.common_name_bits}",
    ]
    for title, table in (("surnames", model.surnames), ("characters", model.characters)):
        lines += ["", f"[{title}]"]
        lines += [f'"{key}" = {share:.5f}' for key, share in table.items()]
    for group, fields in model.bits.items():
        for field, levels in fields.items():
            lines += ["", f'[bits."{group}".{field}]']
            lines += [f'"{level}" = {bits:.2f}' for level, bits in levels.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
