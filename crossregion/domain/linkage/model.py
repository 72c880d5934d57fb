"""The frozen, versioned model of a linkage: a file of data, never the stream.

From it the engine takes the fields and their levels, the weights, how much the rarity of what two
records share counts, the frequency tables, the blocking keys and the prior. Weights are whole
thousandths of a bit, so that a sum is the same in whatever order it is added up.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FORMAT = 2
UNKNOWN = "unknown"
"""The level of a field that one of the two records lacks; number 0 of every field."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""A consumer group is named after a model."""

Whole = npt.NDArray[np.int32]


class BadModel(ValueError):
    """A file that is no model that this version can use; the message says why."""


@dataclass(frozen=True, slots=True)
class Term:
    """Weights by the levels of one field, or of two together; they are said of the last."""

    fields: tuple[str, ...]
    bits: Whole


@dataclass(frozen=True, slots=True)
class Rarity:
    """How an agreement's rarity counts: (bits of what is shared - mean) * slope, bounded."""

    slope: float
    mean: float


@dataclass(frozen=True, slots=True)
class KeyRule:
    """A blocking key: what it is made of, and within how many years of birth and which sex."""

    of: str
    years: int | None = None
    sex: bool = False


@dataclass(frozen=True)
class Model:
    """One version; to change a part is to have another.

    `share` is the expected share of rescued persons who have been reported, `reported_twice` that
    of those reported a second time, `open_cases` the expected number of victims among whom they
    are sought. A pair below `keep_bits` is not worth saying.
    """

    name: str
    kind: str
    share: float
    reported_twice: float
    open_cases: int
    keep_bits: float
    fields: dict[str, tuple[str, ...]]
    terms: tuple[Term, ...]
    rarity: dict[str, dict[str, Rarity]]
    frequencies: dict[str, dict[str, float]]
    keys: tuple[KeyRule, ...]
    trained: dict[str, Any]

    @functools.cached_property
    def version(self) -> str:
        """The name, and what tells apart two contents under one name."""
        return f"{self.name}-{digest(_content(self))[:8]}"


def parse(text: str) -> Model:
    """A model from its JSON. Raises: BadModel."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BadModel("The linkage model is damaged: it is not JSON.") from error
    if not isinstance(data, dict) or not isinstance(data.get("format"), int):
        raise BadModel("This is no linkage model: it has no format number.")
    if data["format"] != FORMAT:
        raise BadModel(
            f"The linkage model has format {data['format']}, this version reads {FORMAT}: "
            "train it again, or install the version it was made by."
        )
    if data.pop("digest", None) != digest(data):
        raise BadModel("The linkage model is damaged: its content does not have its digest.")
    try:
        return _model(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadModel(f"The linkage model lacks a part or has a wrong one: {error}.") from error


def digest(data: dict[str, Any]) -> str:
    """Hexadecimal SHA-256 of a model's content, the digest itself left out."""
    text = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def written(model: Model) -> str:
    """A model as the JSON that `parse` reads."""
    data = _content(model)
    data["digest"] = digest(data)
    parts = ",\n".join(
        f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in data.items()
    )
    return "{\n" + parts + "\n}\n"


def _content(model: Model) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": model.name,
        "kind": model.kind,
        "trained": model.trained,
        "share": model.share,
        "reported_twice": model.reported_twice,
        "open_cases": model.open_cases,
        "keep_bits": model.keep_bits,
        "keys": [{"of": rule.of, "years": rule.years, "sex": rule.sex} for rule in model.keys],
        "fields": {field: list(levels) for field, levels in model.fields.items()},
        "rarity": {
            field: {level: [one.slope, one.mean] for level, one in levels.items()}
            for field, levels in model.rarity.items()
        },
        "terms": [
            {"fields": list(term.fields), "bits": term.bits.ravel().tolist()}
            for term in model.terms
        ],
        "frequencies": model.frequencies,
    }


def _model(data: dict[str, Any]) -> Model:
    if not NAME.fullmatch(data["name"]):
        raise ValueError("a name is of up to 64 letters, digits, dots, - and _")
    fields = {field: tuple(levels) for field, levels in data["fields"].items()}
    terms = []
    for term in data["terms"]:
        shape = [len(fields[field]) + 1 for field in term["fields"]]
        if not 1 <= len(shape) <= 2:
            raise ValueError("a term is of one field or two")
        bits = np.array(term["bits"], dtype=np.int32).reshape(shape)
        terms.append(Term(tuple(term["fields"]), bits))
    return Model(
        name=data["name"],
        kind=data["kind"],
        share=data["share"],
        reported_twice=data["reported_twice"],
        open_cases=data["open_cases"],
        keep_bits=data["keep_bits"],
        fields=fields,
        terms=tuple(terms),
        rarity={
            field: {level: Rarity(*one) for level, one in levels.items()}
            for field, levels in data["rarity"].items()
        },
        frequencies=data["frequencies"],
        keys=tuple(KeyRule(**rule) for rule in data["keys"]),
        trained=data["trained"],
    )


def read(path: Path) -> Model:
    """A model from its file. Raises: BadModel, OSError."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise BadModel("The linkage model is damaged: it is not UTF-8.") from error


@functools.cache
def load() -> Model:
    """The model that this version ships."""
    found = resources.files("crossregion.domain.linkage") / "model.json"
    return parse(found.read_text(encoding="utf-8"))
