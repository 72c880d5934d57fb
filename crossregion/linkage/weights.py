"""From levels to a weight in bits, and to the evidence it is the sum of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossregion.domain.events import Evidence
from crossregion.linkage.model import UNKNOWN, Model, Whole

THOUSANDTHS = 1_000
MANKIND_BITS = 33 * THOUSANDTHS
RARITY = "_rarity"
"""Said after a field's name where it is told how rare is what the two share."""
MOST_RARITY = 6 * THOUSANDTHS
LEAST_RARITY = -8 * THOUSANDTHS
"""How far rarity may move a weight, either way."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One record against n others: each field's level, and the bits of what they share."""

    levels: Whole
    shared: dict[str, Whole]


class Scale:
    """A model's weights, laid out for many pairs at once."""

    def __init__(self, model: Model) -> None:
        self._fields = list(model.fields)
        self._names = [(UNKNOWN, *levels) for levels in model.fields.values()]
        number = {field: n for n, field in enumerate(self._fields)}
        first, second, width, offset, at = [], [], [], [], 0
        for term in model.terms:
            first.append(number[term.fields[0]] if len(term.fields) == 2 else -1)
            second.append(number[term.fields[-1]])
            width.append(term.bits.shape[-1])
            offset.append(at)
            at += term.bits.size
        self._second = np.array(second)
        self._said = sorted(set(second))
        self._pairs = np.flatnonzero(np.array(first) >= 0)
        self._first = np.array(first)[self._pairs]
        self._width = np.array(width, dtype=np.int32)[self._pairs, None]
        self._offset = np.array(offset, dtype=np.int32)[:, None]
        self._bits = np.concatenate([term.bits.ravel() for term in model.terms])
        self._rarity: dict[str, tuple[int, Whole, Whole]] = {}
        for field, levels in model.rarity.items():
            slope = np.zeros(len(model.fields[field]) + 1, dtype=np.int32)
            mean = np.zeros_like(slope)
            for level, one in levels.items():
                at = model.fields[field].index(level) + 1
                slope[at], mean[at] = round(one.slope * THOUSANDTHS), round(one.mean * THOUSANDTHS)
            self._rarity[field] = number[field], slope, mean

    def parts(self, compared: Compared) -> tuple[Whole, dict[str, Whole]]:
        """The terms' weights of each pair, and the parts that rarity has in them."""
        levels = compared.levels
        where = levels[self._second] + self._offset
        where[self._pairs] += levels[self._first] * self._width
        rarity = {}
        for field, (number, slope, mean) in self._rarity.items():
            level = levels[number]
            beyond = compared.shared[field] - mean[level]
            beyond = np.minimum(np.maximum(beyond, LEAST_RARITY), MOST_RARITY)
            rarity[field] = slope[level] * beyond // THOUSANDTHS
        return self._bits[where], rarity

    def evidence(
        self, compared: Compared, bits: Whole, rarity: dict[str, Whole], pair: int
    ) -> list[Evidence]:
        """Field by field, what speaks for or against a pair; never a value."""
        sums = dict.fromkeys(self._said, 0)
        for field, part in zip(self._second.tolist(), bits[:, pair].tolist(), strict=True):
            sums[field] += part
        levels = compared.levels[:, pair].tolist()
        said: list[Evidence] = []
        for number, part in sums.items():
            field = self._fields[number]
            if part or levels[number]:
                level = self._names[number][levels[number]]
                said.append({"field": field, "level": level, "bits": part / THOUSANDTHS})
            if field in rarity and (part := int(rarity[field][pair])):
                level = _one_in(int(compared.shared[field][pair]))
                said.append({"field": field + RARITY, "level": level, "bits": part / THOUSANDTHS})
        return said


def _one_in(bits: int) -> str:
    """How many share it, to one figure, so that it does not tell what it is."""
    people = 2.0 ** (min(bits, MANKIND_BITS) / THOUSANDTHS)
    return f"1-in-{float(f'{people:.0e}'):.0f}"


def total(bits: Whole, rarity: dict[str, Whole]) -> npt.NDArray[np.int64]:
    """The weights in thousandths of a bit."""
    whole: npt.NDArray[np.int64] = bits.sum(axis=0, dtype=np.int64)
    for part in rarity.values():
        whole += part
    return whole
