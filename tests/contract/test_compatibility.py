"""A changed schema must be readable by the readers of before, and read what was written before."""

import copy
import io
import json
from collections.abc import Callable
from importlib import resources
from itertools import pairwise
from typing import Any

import fastavro
import pytest

import schemas

Avsc = dict[str, Any]


def incompatible(writer: Avsc, reader: Avsc, record: dict[str, Any]) -> str | None:
    """Why a reader cannot read what a writer wrote; None when it can."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(writer, named_schemas={}), record)
    out.seek(0)
    try:
        fastavro.schemaless_reader(
            out,
            fastavro.parse_schema(writer, named_schemas={}),
            fastavro.parse_schema(reader, named_schemas={}),
        )
    except fastavro.read.SchemaResolutionError as error:
        return str(error)
    return None


def example(event: str, version: int) -> dict[str, Any]:
    file = resources.files("schemas") / "examples" / event / str(version) / "example.json"
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if event == "DeadLettered":
        for field in ("key", "value"):
            record[field] = record[field].encode("latin-1")
        record["headers"] = {k: v.encode("latin-1") for k, v in record["headers"].items()}
    return record


@pytest.mark.parametrize("event", sorted(schemas.versions()))
def test_neighbouring_versions_read_each_other(event: str) -> None:
    known = schemas.versions()[event]
    assert sorted(known) == list(range(1, max(known) + 1))
    for old, new in pairwise(sorted(known)):
        assert incompatible(known[old], known[new], example(event, old)) is None
        assert incompatible(known[new], known[old], example(event, new)) is None


@pytest.mark.parametrize("event", sorted(schemas.versions()))
def test_a_published_schema_is_never_edited(event: str) -> None:
    """What stands in the bytes for ever is the fingerprint: a new one needs a new version."""
    published = json.loads((resources.files("schemas") / "published.json").read_text("utf-8"))
    for version, avsc in schemas.versions()[event].items():
        assert published[f"{event}/{version}"] == schemas.fingerprint(avsc).hex()


def _remove(avsc: Avsc) -> None:
    avsc["fields"] = [field for field in avsc["fields"] if field["name"] != "revision"]


def _add_without_default(avsc: Avsc) -> None:
    avsc["fields"].append({"name": "fresh", "type": "string"})


def _change_type(avsc: Avsc) -> None:
    next(f for f in avsc["fields"] if f["name"] == "revision")["type"] = "string"


@pytest.mark.parametrize("change", [_remove, _add_without_default, _change_type])
def test_a_breaking_change_is_found(change: Callable[[Avsc], None]) -> None:
    old = schemas.versions()["BoundaryFlagged"][1]
    new = copy.deepcopy(old)
    change(new)
    record = example("BoundaryFlagged", 1)
    changed = {**record, "fresh": "x"}
    if change is _change_type:
        changed["revision"] = "1"
    assert incompatible(old, new, record) or incompatible(new, old, changed)


def test_a_field_added_with_a_default_is_no_break() -> None:
    old = schemas.versions()["BoundaryFlagged"][1]
    new = copy.deepcopy(old)
    new["fields"].append({"name": "fresh", "type": ["null", "string"], "default": None})
    record = example("BoundaryFlagged", 1)
    assert incompatible(old, new, record) is None
    assert incompatible(new, old, {**record, "fresh": "x"}) is None
