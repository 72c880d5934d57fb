"""How tall children are by sex and age: medians of WHO's child growth standards and reference."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

GROWN_MONTHS = 18 * 12
GIRL, BOY = 0, 1
_BIRTHDAYS = (
    (49, 74, 86, 95, 103, 109, 115, 121, 127, 133, 139, 145, 151, 156, 160, 162, 162, 163, 163),
    (50, 76, 88, 96, 103, 110, 116, 122, 127, 133, 138, 143, 149, 156, 163, 169, 173, 175, 176),
)
"""Median height in centimetres at each birthday, of girls and of boys."""


def _by_month(birthdays: tuple[int, ...]) -> list[int]:
    steps = [
        round(10 * (low + (high - low) * month / 12))
        for low, high in pairwise(birthdays)
        for month in range(12)
    ]
    return [*steps, 10 * birthdays[-1]]


MEDIANS: npt.NDArray[np.int64] = np.array([_by_month(one) for one in _BIRTHDAYS])
"""Median height in millimetres by sex and months of age, the last for all who are grown."""
