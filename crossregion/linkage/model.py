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
COMPARISON = 2
"""How records are read and compared; counted up by each release that does it otherwise.

It stands in the version of every model, so that after an upgrade all pairs are weighed anew.
"""
UNKNOWN = "unknown"
"""The level of a field that one of the two records lacks; number 0 of every field."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""A consumer group is named after a model."""
LEAST = 1e-6
"""A share is no less, and no more than what this leaves of one: nothing is sure."""
MOST_BITS = 1_000_000
"""Of a weight in thousandths: many can be added up."""

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
        """The name, what tells apart two contents under one name, and how records are compared."""
        return f"{self.name}-{digest(_content(self))[:8]}-{COMPARISON}"


def parse(text: str) -> Model:
    """A model from its JSON. Raises: BadModel."""
    try:
        data = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise BadModel("The linkage model is damaged: it is not JSON.") from error
    if not isinstance(data, dict) or not isinstance(data.get("format"), int):
        raise BadModel("This is no linkage model: it has no format number.")
    if data["format"] != FORMAT:
        raise BadModel(
            f"The linkage model has format {data['format']}, this version reads {FORMAT}: "
            "train it again, or install the version it was made by."
        )
    try:
        if data.pop("digest", None) != digest(data):
            raise BadModel("The linkage model is damaged: its content does not have its digest.")
        return _model(data)
    except BadModel:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadModel(f"The linkage model lacks a part or has a wrong one: {error}.") from error


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


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
    fields = {field: tuple(map(_text, levels)) for field, levels in data["fields"].items()}
    rarity = {
        field: {
            level: Rarity(*(_number(one, "rarity", -100, 100) for one in both))
            for level, both in levels.items()
        }
        for field, levels in data["rarity"].items()
    }
    for field, levels in rarity.items():
        if levels.keys() - set(fields[field]):
            raise ValueError("rarity is of levels that there are not")
    if not data["terms"] or not data["keys"]:
        raise ValueError("it has no terms or no keys")
    return Model(
        name=data["name"],
        kind=_text(data["kind"]),
        share=_number(data["share"], "share", LEAST, 1 - LEAST),
        reported_twice=_number(data["reported_twice"], "reported_twice", LEAST, 1 - LEAST),
        open_cases=_whole(data["open_cases"], "open_cases", 1, 2**40),
        keep_bits=_number(data["keep_bits"], "keep_bits", -1_000, 1_000),
        fields=fields,
        terms=tuple(_term(term, fields) for term in data["terms"]),
        rarity=rarity,
        frequencies={
            table: {text: _number(one, table, 1e-12, 1e12) for text, one in shares.items()}
            for table, shares in data["frequencies"].items()
        },
        keys=tuple(_key(**rule) for rule in data["keys"]),
        trained=dict(data["trained"]),
    )


def _term(term: dict[str, Any], fields: dict[str, tuple[str, ...]]) -> Term:
    shape = [len(fields[field]) + 1 for field in term["fields"]]
    if not 1 <= len(shape) <= 2:
        raise ValueError("a term is of one field or two")
    bits = [_whole(one, "bits", -MOST_BITS, MOST_BITS) for one in term["bits"]]
    return Term(tuple(term["fields"]), np.array(bits, dtype=np.int32).reshape(shape))


def _key(of: str, years: int | None = None, sex: bool = False) -> KeyRule:
    if not isinstance(sex, bool):
        raise ValueError("a key is by sex or not")
    return KeyRule(_text(of), None if years is None else _whole(years, "years", 0, 200), sex)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value} is not text")
    return value


def _number(value: Any, name: str, low: float, high: float) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} is not between {low} and {high}")
    return value


def _whole(value: Any, name: str, low: int, high: int) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{name} is not whole")
    return int(_number(value, name, low, high))


def read(path: Path) -> Model:
    """A model from its file. Raises: BadModel, OSError."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise BadModel("The linkage model is damaged: it is not UTF-8.") from error


@functools.cache
def load() -> Model:
    """The model that this version ships."""
    found = resources.files("crossregion.linkage") / "model.json"
    return parse(found.read_text(encoding="utf-8"))
