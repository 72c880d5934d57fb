"""The persons of one kind, a row of numbers each, found by their blocking keys."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from crossregion.linkage.blocking import Key
from crossregion.linkage.model import Whole

Slot = int
_FIRST_ROWS = 1_024
_NONE: npt.NDArray[np.int32] = np.zeros(0, dtype=np.int32)


class Store:
    """Rows in slots; a slot that is left is taken again."""

    def __init__(self, width: int) -> None:
        self._rows = np.zeros((_FIRST_ROWS, width), dtype=np.int32)
        self._used = 0
        self._free: list[Slot] = []
        self._posted: dict[Key, Slot | array[int]] = {}

    def add(self, row: list[int], keys: Iterable[Key]) -> Slot:
        """Keep a row and post it under its keys."""
        if self._free:
            slot = self._free.pop()
        else:
            slot = self._used
            self._used += 1
            if slot == len(self._rows):
                more = np.zeros_like(self._rows[: slot // 2])
                self._rows = np.concatenate([self._rows, more])
        self._rows[slot] = row
        posted = self._posted
        for key in keys:
            known = posted.setdefault(key, slot)
            if known is slot:
                continue
            if isinstance(known, int):
                posted[key] = array("i", (known, slot))
            else:
                known.append(slot)
        return slot

    def remove(self, slot: Slot, keys: Iterable[Key]) -> None:
        """Leave a slot; the keys are those that it was posted under."""
        for key in keys:
            known = self._posted[key]
            if not isinstance(known, int):
                known.remove(slot)
                if known:
                    continue
            del self._posted[key]
        self._free.append(slot)

    def found(self, keys: Iterable[Key]) -> Whole:
        """Every slot posted under one of the keys, each once."""
        single: list[Slot] = []
        many = []
        for key in keys:
            known = self._posted.get(key)
            if known is None:
                continue
            if isinstance(known, int):
                single.append(known)
            else:
                many.append(np.frombuffer(known, dtype=np.int32))
        if single:
            many.append(np.array(single, dtype=np.int32))
        return np.unique(np.concatenate(many)) if many else _NONE

    def columns(self, slots: Whole) -> Whole:
        """The rows of slots, turned so that a column of theirs is in one piece."""
        return np.ascontiguousarray(self._rows[slots].T)
