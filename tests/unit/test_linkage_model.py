from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossregion import installed_model
from crossregion.errors import CrossregionError
from crossregion.linkage.comparison import LEVELS
from crossregion.linkage.index import Index
from crossregion.linkage.model import (
    FORMAT,
    BadModel,
    KeyRule,
    Term,
    digest,
    load,
    parse,
    read,
    written,
)
from crossregion.linkage.text_fields import LEVELS as TEXT_LEVELS
from tests.support.linkage_records import identity, weight


def test_the_shipped_model_says_where_it_comes_from_and_how_good_it_is() -> None:
    model = load()
    assert set(model.trained) == {"on", "when", "command", "figures"}
    assert model.trained["figures"]["f1"] > 0.87
    assert 0 < model.reported_twice < model.share < 1
    assert model.open_cases > 0
    assert tuple(model.fields) == tuple(LEVELS)


def test_a_pair_that_is_not_said_could_not_have_been_proposed() -> None:
    model = load()
    odds = model.share / (1 - model.share) / model.open_cases * 2.0**model.keep_bits
    assert odds < 0.01


def test_agreement_on_everything_outweighs_the_prior_and_on_sex_alone_does_not() -> None:
    prior = np.log2(load().open_cases)
    who = {"name": "王红英", "sex": "F", "birth_date": "1990-03-15"}
    assert weight(identity(**who), identity(**who)) > prior + 7
    assert weight(identity(sex="F"), identity(sex="F")) < prior


def test_a_model_written_is_the_model_read(tmp_path: Path) -> None:
    model = load()
    path = tmp_path / "model.json"
    path.write_text(written(model), encoding="utf-8")
    assert written(read(path)) == written(model)


def changed(**parts: Any) -> str:
    data = json.loads(written(load())) | parts
    data.pop("digest")
    return json.dumps(data | {"digest": digest(data)})


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(number: str) -> None:
    """With a share of NaN nothing would ever be proposed, in silence."""
    with pytest.raises(BadModel, match="not JSON"):
        parse(changed(share=float(number.removesuffix("inity"))))


WRONG: tuple[dict[str, Any], ...] = (
    {"kind": []},
    {"share": 0},
    {"share": 1},
    {"share": "0.5"},
    {"share": True},
    {"reported_twice": 0.0},
    {"reported_twice": -0.5},
    {"open_cases": 0},
    {"open_cases": 1.5},
    {"keep_bits": None},
    {"keep_bits": "6"},
    {"keys": []},
    {"keys": [{"of": "name", "years": -1}]},
    {"keys": [{"of": "name", "years": 1.5}]},
    {"keys": [{"of": ["name"]}]},
    {"keys": [{"of": "name", "sex": 1}]},
    {"terms": []},
    {"terms": [{"fields": ["sex"], "bits": [0, 2**40, 0]}]},
    {"terms": [{"fields": ["sex"], "bits": [0, 1.5, 0]}]},
    {"terms": [{"fields": ["sex"], "bits": [0, 1]}]},
    {"rarity": {"nobody": {"equal": [1, 1]}}},
    {"rarity": {"name": {"nobody": [1, 1]}}},
    {"rarity": {"name": {"equal": ["1", "1"]}}},
    {"rarity": {"name": {"equal": [1e300, 1]}}},
    {"frequencies": None},
    {"frequencies": {"surnames": {"王": 0}}},
    {"frequencies": {"surnames": {"王": "1"}}},
    {"frequencies": {"characters": [1]}},
    {"trained": 7},
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        (written(load())[:5_000], "not JSON"),
        ("[]", "no format number"),
        ('{"format": "2"}', "no format number"),
        (changed(format=FORMAT + 1), "format 3, this version reads 2"),
        (written(load()).replace("0.7", "0.8", 1), "does not have its digest"),
        (changed(terms=[{"fields": ["name"], "bits": [1, 2]}]), "lacks a part or has a wrong one"),
        (changed(keys=[{"made_of": "name"}]), "lacks a part or has a wrong one"),
        ("[" * 100_000, "not JSON"),
        ('{"format": 2, "name": "\\ud800"}', "lacks a part or has a wrong one"),
        *((changed(**part), "lacks a part or has a wrong one") for part in WRONG),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(BadModel, match=why):
        parse(text)


def test_a_model_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadModel, match="not UTF-8"):
        read(path)


def test_a_model_of_other_fields_is_refused_and_the_index_that_runs_goes_on() -> None:
    running = Index(load())
    others = (
        (replace(load(), kind="horses"), "does not know"),
        (replace(load(), fields={"name": ("equal",)}), "another set of fields"),
        (replace(load(), keys=(KeyRule("colour"),)), "unknown blocking keys"),
        (replace(load(), rarity={"sex": {}}), "rarity of other fields"),
        (replace(load(), frequencies={"characters": {"王英": 0.1}}), "characters that are not one"),
    )
    for model, why in others:
        with pytest.raises(BadModel, match=why):
            Index(model)
    assert len(running) == 0


PLAIN = replace(
    load(),
    kind="texts",
    fields={"name": TEXT_LEVELS},
    terms=(Term(("name",), np.zeros(len(TEXT_LEVELS) + 1, dtype=np.int32)),),
    rarity={},
    keys=(KeyRule("name"),),
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (changed(format=FORMAT + 1), "has format 3, this version reads 2"),
        (changed(name="a/b"), "a name is of up to 64"),
        (written(replace(PLAIN, kind="persons")), "another set of fields"),
        (written(PLAIN), "of texts, not of persons"),
        (None, "cannot be read: No such file"),
    ],
)
def test_an_installation_takes_the_model_of_its_settings_or_says_why_not(
    text: str | None, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.json"
    monkeypatch.setenv("CROSSREGION_LINKAGE_MODEL", str(path))
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(CrossregionError, match=f"^{path}.*{why}"):
        installed_model.chosen()
    path.write_text(written(replace(load(), name="another")), encoding="utf-8")
    assert installed_model.chosen().name == "another"
    monkeypatch.delenv("CROSSREGION_LINKAGE_MODEL")
    assert installed_model.chosen() is load()
