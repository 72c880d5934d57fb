"""How rare a name, a home or a year of birth is, in thousandths of a bit, by a model's tables."""

from __future__ import annotations

import functools
import math
from collections import defaultdict

from crossregion.linkage.normalisation import SURNAME_READINGS, Name, fold, pinyin

THOUSANDTHS = 1_000
RARE_SURNAME = RARE_CHARACTER = 2e-5
RARE_HOME = 2e-4
RARE_YEAR = 1e-3
"""Shares of what the tables don't have."""

Bits = dict[str, int]


class Frequencies:
    """A model's tables, by character, by sound and by folded sound."""

    def __init__(self, tables: dict[str, dict[str, float]]) -> None:
        surnames, characters = tables.get("surnames", {}), tables.get("characters", {})
        sounds, folded = defaultdict[str, float](float), defaultdict[str, float](float)
        for surname, share in surnames.items():
            read = SURNAME_READINGS.get(surname)
            syllables = [read] if read else pinyin()(surname)
            sounds["".join(syllables)] += share
            folded["".join(map(fold, syllables))] += share
        self._surnames = tuple(map(_bits, (surnames, sounds, folded)))
        sounds, folded = defaultdict(float), defaultdict(float)
        for character, share in characters.items():
            (syllable,) = pinyin()(character)
            sounds[syllable] += share
            folded[fold(syllable)] += share
        self._given = tuple(map(_bits, (characters, sounds, folded)))
        self._homes, self._years = _bits(tables.get("homes", {})), _bits(tables.get("years", {}))
        self.of_name = functools.lru_cache(maxsize=4_096)(self._of_name)

    def of_home(self, code: str | None) -> int:
        """A prefecture's or county's; 0 if it is not known."""
        return self._homes.get(code, _rare(RARE_HOME)) if code else 0

    def of_year(self, year: int) -> int:
        return self._years.get(str(year), _rare(RARE_YEAR))

    def _of_name(self, name: Name) -> tuple[int, ...]:
        """As characters, as sounds, as folded sounds; of the last also the surname alone, with
        the first syllable, with the last syllable, and the given name alone."""
        rare = _rare(RARE_CHARACTER)
        _, by_sound, by_folded = self._given
        sounds = sum(by_sound.get(syllable, rare) for syllable in name.given)
        syllables = [by_folded.get(syllable, rare) for syllable in name.folded_given]
        folded = sum(syllables)
        if not name.surname:
            return 0, sounds, folded, 0, 0, 0, folded
        written, spoken, merged = self._surnames
        han = 0
        if name.han:
            cut = len(name.han) - len(name.given)
            han = written.get(name.han[:cut], _rare(RARE_SURNAME))
            han += sum(self._given[0].get(one, rare) for one in name.han[cut:])
        surname = merged.get(name.folded_surname, _rare(RARE_SURNAME))
        first, last = (syllables[0], syllables[-1]) if syllables else (0, 0)
        return (
            han,
            spoken.get(name.surname, _rare(RARE_SURNAME)) + sounds,
            surname + folded,
            surname,
            surname + first,
            surname + last,
            folded,
        )


def _bits(shares: dict[str, float]) -> Bits:
    return {text: _rare(share) for text, share in shares.items()}


@functools.cache
def _rare(share: float) -> int:
    return round(-THOUSANDTHS * math.log2(share))
