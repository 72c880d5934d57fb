"""The linkage model of this installation, and the consumer group that works by it."""

from __future__ import annotations

from pathlib import Path

from crossregion.errors import CrossregionError
from crossregion.kafka.connection import LINKAGE_GROUPS
from crossregion.linkage import model
from crossregion.linkage.field_sets import fields_of
from crossregion.linkage.model import BadModel, Model
from crossregion.settings import settings

PERSONS = "persons"


def chosen() -> Model:
    """The model that CROSSREGION_LINKAGE_MODEL names, or else this version's own.

    Raises: CrossregionError.
    """
    path = settings().linkage_model
    found = model.load() if path is None else read(path)
    if found.kind != PERSONS:
        raise CrossregionError(
            "linkage-model.of-another-kind", path=path, kind=found.kind, persons=PERSONS
        )
    return found


def read(path: Path) -> Model:
    """A model from its file. Raises: CrossregionError if this version cannot use it."""
    try:
        found = model.read(path)
        fields_of(found)
    except BadModel as error:
        raise CrossregionError("linkage-model.unusable", path=path, error=error) from None
    except OSError as error:
        raise CrossregionError(
            "linkage-model.unreadable", path=path, strerror=error.strerror
        ) from None
    return found


def group(used: Model) -> str:
    """The group whose workers weigh all pairs by this model."""
    return LINKAGE_GROUPS + used.version
