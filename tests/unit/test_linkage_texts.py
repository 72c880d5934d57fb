from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from crossregion.domain.events import Identity, PersonsListed
from crossregion.linkage.index import Index
from crossregion.linkage.model import BadModel, KeyRule, Model, Rarity, Term, parse, written
from crossregion.linkage.text_fields import LEVELS
from tests.support.linkage_records import listed

BITS = np.array([0, 8_000, 4_000, 5_000, 2_000, 1_000, -4_000], dtype=np.int32)
MODEL = Model(
    name="register-1",
    kind="texts",
    share=0.5,
    reported_twice=0.01,
    open_cases=1_000,
    keep_bits=0.0,
    fields={"given": LEVELS, "family": LEVELS},
    terms=(Term(("given",), BITS), Term(("family",), BITS)),
    rarity={"family": {"equal": Rarity(1.0, 8.0)}},
    frequencies={"family": {"smith": 0.01}},
    keys=(KeyRule("given"), KeyRule("family"), KeyRule("given+family")),
    trained={},
)


def record(kind: str, record_id: str, **texts: Any) -> PersonsListed:
    return listed(kind, record_id, cast(Identity, texts))


def evidence(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[str, float]]:
    """What is said of a pair, which must not depend on which comes first."""
    index, later = Index(MODEL), Index(MODEL)
    index.put(record("case", "C1", **one))
    pairs = index.put(record("rescue", "R1", **other))
    later.put(record("rescue", "R1", **other))
    assert later.put(record("case", "C1", **one)) == pairs
    return {
        item["field"]: (item["level"], item["bits"]) for pair in pairs for item in pair["evidence"]
    }


@pytest.mark.parametrize(
    ("other", "level"),
    [
        ("Michaela", "equal"),
        ("  MICHAELA ", "equal"),
        ("smith", "elsewhere"),
        ("michaella", "one-edit"),
        ("mihcaella", "two-edits"),
        ("michaelangelo", "alike"),
        ("zoe", "different"),
        ("", None),
        (None, None),
    ],
)
def test_levels(other: str | None, level: str | None) -> None:
    said = evidence({"given": "michaela", "family": "smith"}, {"given": other, "family": "smith"})
    assert said.get("given", (None,))[0] == level


def test_a_rare_text_says_more() -> None:
    common, rare = ({"given": "michaela", "family": family} for family in ("smith", "zyx"))
    assert evidence(common, common)["family_rarity"] == ("1-in-100", -1.356)
    assert evidence(rare, rare)["family_rarity"] == ("1-in-10000", 5.288)


def test_the_model_survives_its_file() -> None:
    assert written(parse(written(MODEL))) == written(MODEL)


@pytest.mark.parametrize(
    "model",
    [
        replace(MODEL, fields={"given": ("equal", "different")}),
        replace(MODEL, keys=(KeyRule("given+street"),)),
    ],
)
def test_another_set_of_levels_or_keys_is_refused(model: Model) -> None:
    with pytest.raises(BadModel):
        Index(model)
