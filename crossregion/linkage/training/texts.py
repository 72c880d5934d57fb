"""What a model of plain texts is made of: for registers of other kinds of records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from crossregion.linkage.model import KeyRule, Model
from crossregion.linkage.text_fields import LEVELS
from crossregion.linkage.training.estimate import Design, Group
from crossregion.linkage.training.labelled import Labelled

LEAST_COUNT = 2
KEEP_BITS = 4.0


def design(fields: tuple[str, ...], together: tuple[tuple[str, str], ...] = ()) -> Design:
    """Every field by itself, chosen ones also together; the rarity of an equal text counts."""
    return Design(
        offsets=(),
        terms=tuple((field,) for field in fields),
        together=together,
        groups=tuple(Group(field, ("equal",), slope=0.8, mean=8.0) for field in fields),
        limits=dict.fromkeys(fields, (-8.0, 14.0)),
    )


def untrained(
    name: str, data: Labelled, fields: tuple[str, ...], keys: tuple[str, ...], share: float
) -> Model:
    """A model without weights; a key is a field or several, joined by +."""
    tables: dict[str, Counter[str]] = {field: Counter() for field in fields}
    for case in data.cases:
        for person in case["persons"]:
            told: Mapping[str, Any] = person["identity"]
            for field in fields:
                text = told.get(field)
                if text:
                    tables[field][text] += 1
    return Model(
        name=name,
        kind="texts",
        share=share,
        reported_twice=0.001,
        open_cases=sum(len(case["persons"]) for case in data.cases),
        keep_bits=KEEP_BITS,
        fields=dict.fromkeys(fields, LEVELS),
        terms=(),
        rarity={},
        frequencies={
            field: {
                text: float(f"{count / table.total():.3g}")
                for text, count in sorted(table.items())
                if count >= LEAST_COUNT
            }
            for field, table in tables.items()
        },
        keys=tuple(KeyRule(key) for key in keys),
        trained={},
    )
