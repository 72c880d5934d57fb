from __future__ import annotations

import math
import tomllib

import pytest

from crossregion.domain.linkage.model import RARITY_BITS, load, parse


def test_the_shipped_model_is_plausible() -> None:
    model = load()
    assert model.name == "fs-1"
    assert 0 < model.share < 1
    assert 0 < model.reported_twice < 1
    assert model.open_cases > 0
    for fields in model.bits.values():
        assert all(math.isfinite(bits) for levels in fields.values() for bits in levels.values())
        for field in ("sex", "home", "id_number", "birth", "name"):
            levels = list(fields[field].values())
            assert levels[0] > levels[-1]


def test_a_pair_that_is_not_said_could_not_have_been_proposed() -> None:
    model = load()
    odds = model.share / (1 - model.share) / model.open_cases * 2.0**model.keep_bits
    assert odds < 0.01


def test_the_strongest_agreement_outweighs_the_prior() -> None:
    model = load()
    prior = math.log2(model.open_cases)
    for fields in model.bits.values():
        assert fields["name"]["equal"] + fields["birth"]["equal"] > prior + 7
        assert fields["name"]["equal"] + fields["sex"]["equal"] < prior + 7


def test_rarity_is_bounded_both_ways() -> None:
    model = load()
    assert model.rarity("龘", "龘龘") == RARITY_BITS
    common = max(model.surnames, key=lambda name: model.surnames[name])
    assert -RARITY_BITS <= model.rarity(common, "") < 0


@pytest.mark.parametrize("text", ["", 'name = "fs-1"', "unknown = 1"])
def test_what_is_no_model_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(TypeError):
        parse(text)


def test_torn_toml_is_an_error() -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        parse('name = "fs')
