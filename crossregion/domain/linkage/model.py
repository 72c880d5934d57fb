"""The frozen, versioned weights of the linkage: read from `model.toml`, never from the stream."""

from __future__ import annotations

import functools
import math
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any

RARITY_BITS = 4.0
"""How far a name's rarity may move the weight of an agreement on it, either way."""


@dataclass(frozen=True, slots=True)
class Model:
    """Weights in bits, by age class, field and level.

    `share` is the expected share of rescued persons who have been reported, `reported_twice` that
    of those reported a second time, `open_cases` the expected number of victims among whom they
    are sought. A pair below `keep_bits` is not worth
    saying. A name's share of the population is the product of its parts' shares (`surnames`,
    `characters`, else `rare_surname`, `rare_character`); `common_name_bits` is the information
    of the names that the weights were estimated from, on average.
    """

    name: str
    share: float
    reported_twice: float
    open_cases: int
    keep_bits: float
    rare_surname: float
    rare_character: float
    common_name_bits: float
    surnames: dict[str, float]
    characters: dict[str, float]
    bits: dict[str, dict[str, dict[str, float]]]

    def rarity(self, surname: str, given: str) -> float:
        """How many more bits agreement on this name says than agreement on names in general."""
        share = self.surnames.get(surname, self.rare_surname)
        for character in given:
            share *= self.characters.get(character, self.rare_character)
        return max(-RARITY_BITS, min(RARITY_BITS, -math.log2(share) - self.common_name_bits))


def parse(text: str) -> Model:
    """A model from its TOML. Raises tomllib.TOMLDecodeError or TypeError if it is none."""
    data: dict[str, Any] = tomllib.loads(text)
    return Model(**data)


@functools.cache
def load() -> Model:
    """The model that this version ships."""
    found = resources.files("crossregion.domain.linkage") / "model.toml"
    return parse(found.read_text(encoding="utf-8"))
