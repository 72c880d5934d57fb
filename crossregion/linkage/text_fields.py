"""The fields of records that are a few plain texts each: the general case, for other registers.

A record's `identity` is a dictionary of texts; the model says which of them are fields. Rarity is
that of the text itself, by the model's table for the field.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import OSA, JaroWinkler

from crossregion.domain.events import ListedPerson, PersonsListed
from crossregion.linkage.blocking import Key
from crossregion.linkage.encoding import Texts
from crossregion.linkage.field_set import Known
from crossregion.linkage.model import BadModel, Model, Whole
from crossregion.linkage.weights import THOUSANDTHS, Compared

LEVELS: Final = ("equal", "elsewhere", "one-edit", "two-edits", "alike", "different")
"""Elsewhere: the text stands in another field of the other record."""
ALIKE: Final = 0.85
RARE: Final = 1e-4
_PART_BITS = 32


class PlainTexts:
    """Each field is one text."""

    def __init__(self, model: Model) -> None:
        if any(levels != LEVELS for levels in model.fields.values()):
            raise BadModel("The linkage model has another set of levels.")
        self._fields = tuple(model.fields)
        number = {field: n for n, field in enumerate(self._fields)}
        made_of = [rule.of.split("+") for rule in model.keys]
        if unknown := {field for fields in made_of for field in fields} - set(number):
            raise BadModel(f"The linkage model has unknown blocking keys: {sorted(unknown)}.")
        self._rules = [tuple(number[field] for field in fields) for fields in made_of]
        self._texts = Texts()
        self._tables = [model.frequencies.get(field, {}) for field in self._fields]
        self.width = 2 * len(self._fields)

    def known(self, person: ListedPerson, listed: PersonsListed) -> Known:
        """A row has the number of each text, then the bits of its rarity."""
        told: Mapping[str, Any] = person["identity"]
        texts = [_plain(told.get(field)) for field in self._fields]
        row = [self._texts.number(text) for text in texts]
        row += [
            _bits(table.get(text, RARE)) if text else 0
            for text, table in zip(texts, self._tables, strict=True)
        ]
        keys = set(self._keys(row))
        return Known(person["person_id"], row, row, row, keys, more=False)

    def sought(self, known: Known) -> set[Key]:
        """The same keys as posted."""
        return known.posted

    def _keys(self, row: list[int]) -> list[Key]:
        found = []
        for number, fields in enumerate(self._rules):
            parts = [row[field] for field in fields]
            if all(parts):
                key = number
                for part in parts:
                    key = key << _PART_BITS | part
                found.append(key)
        return found

    def compare(self, one: list[int], is_victim: bool, many: Whole) -> Compared:
        """One record against many of the other kind."""
        n = len(self._fields)
        levels = np.zeros((n, many.shape[1]), dtype=np.int32)
        for field in range(n):
            if one[field]:
                levels[field] = self._level(one, field, many)
        shared = {
            field: many[n + number] if not is_victim else np.full_like(many[0], one[n + number])
            for number, field in enumerate(self._fields)
        }
        return Compared(levels, shared)

    def _level(self, one: list[int], field: int, many: Whole) -> Whole:
        texts, theirs = self._texts.texts, many[field]
        level = np.where(theirs == one[field], 1, 0).astype(np.int32)
        at = np.flatnonzero((level == 0) & (theirs != 0))
        if not at.size:
            return level
        mine, others = texts[one[field]], [texts[number] for number in theirs[at].tolist()]
        edits = process.cdist([mine], others, scorer=OSA.distance, dtype=np.int32)[0]
        alike = process.cdist([mine], others, scorer=JaroWinkler.similarity)[0] >= ALIKE
        found = np.where(edits == 1, 3, np.where(edits == 2, 4, np.where(alike, 5, 6)))
        n = len(self._fields)
        elsewhere = (many[:n, at] == one[field]).any(axis=0)
        elsewhere |= np.isin(theirs[at], [number for number in one[:n] if number])
        level[at] = np.where(elsewhere, 2, found)
        return level


def _plain(text: Any) -> str:
    if not isinstance(text, str):
        return ""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _bits(share: float) -> int:
    return round(-THOUSANDTHS * math.log2(share))
