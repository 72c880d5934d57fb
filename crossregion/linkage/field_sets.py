"""Which set of fields a model is of."""

from __future__ import annotations

from collections.abc import Callable

from crossregion.linkage.field_set import Fields
from crossregion.linkage.model import BadModel, Model
from crossregion.linkage.person_fields import Persons
from crossregion.linkage.text_fields import PlainTexts

KINDS: dict[str, Callable[[Model], Fields]] = {"persons": Persons, "texts": PlainTexts}


def fields_of(model: Model) -> Fields:
    """The fields that the model weighs. Raises: BadModel if this version has no such set."""
    if model.kind not in KINDS:
        raise BadModel(f"The linkage model is of {model.kind!r}, which this version does not know.")
    return KINDS[model.kind](model)
