"""Contracts: examples are valid, both Avro libraries agree, bad bytes are refused with a reason."""

import datetime
import io
import json
import typing
from typing import Any

import avro.io
import avro.schema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemas
from crossregion.domain import events
from schemas import topics
from tests.support.builders import newest_example as example

EVENTS = sorted(schemas.versions())


@pytest.mark.parametrize("event", EVENTS)
def test_an_example_is_valid_and_comes_back(event: str) -> None:
    schemas.validate(event, example(event))
    assert schemas.decode(schemas.encode(event, example(event))) == (event, example(event))


@pytest.mark.parametrize("event", EVENTS)
def test_fastavro_and_the_reference_read_each_other(event: str) -> None:
    known = schemas.versions()[event]
    reference = avro.schema.parse(json.dumps(known[max(known)]))
    value = schemas.encode(event, example(event))
    body = avro.io.BinaryDecoder(io.BytesIO(value[10:]))
    assert avro.io.DatumReader(reference, reference).read(body) == example(event)
    out = io.BytesIO()
    avro.io.DatumWriter(reference).write(example(event), avro.io.BinaryEncoder(out))
    assert value[10:] == out.getvalue()
    assert schemas.decode(value[:10] + out.getvalue()) == (event, example(event))


@pytest.mark.parametrize("event", EVENTS)
def test_the_typed_dictionary_has_the_fields_of_the_schema(event: str) -> None:
    fields = {field["name"] for field in schemas.schema(event)["fields"]}
    assert set(typing.get_type_hints(getattr(events, event))) == fields


@pytest.mark.parametrize("event", EVENTS)
def test_every_truncation_is_refused(event: str) -> None:
    value = schemas.encode(event, example(event))
    for length in range(len(value)):
        with pytest.raises(schemas.Undecodable):
            schemas.decode(value[:length])


def test_trailing_bytes_are_refused() -> None:
    value = schemas.encode("CaseRecorded", example("CaseRecorded"))
    with pytest.raises(schemas.Undecodable) as caught:
        schemas.decode(value + b"\0")
    assert caught.value.reason == "trailing-bytes"


def test_an_unknown_fingerprint_is_not_guessed() -> None:
    value = schemas.encode("CaseRecorded", example("CaseRecorded"))
    with pytest.raises(schemas.Undecodable) as caught:
        schemas.decode(value[:2] + b"\1" * 8 + value[10:])
    assert caught.value.reason == "unknown-schema"


@given(body=st.binary(max_size=400), event=st.sampled_from(EVENTS), framed=st.booleans())
def test_random_bytes_are_refused_or_read_whole(body: bytes, event: str, framed: bool) -> None:
    prefix = schemas.encode(event, example(event))[:10]
    try:
        found, record = schemas.decode(prefix + body if framed else body)
    except schemas.Undecodable as refused:
        assert refused.reason
    else:
        schemas.validate(found, record)


def test_a_wrong_type_is_named_without_its_value() -> None:
    record = {**example("CaseRecorded"), "revision": "geheim"}
    with pytest.raises(schemas.InvalidRecord) as caught:
        schemas.validate("CaseRecorded", record)
    assert "revision" in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"revision": True}, {"revision": 2**63}, {"legs": None}, {"unit": None}]
)
def test_validation_is_strict(change: dict[str, Any]) -> None:
    schemas.validate("CaseRecorded", example("CaseRecorded"))
    with pytest.raises(schemas.InvalidRecord):
        schemas.validate("CaseRecorded", {**example("CaseRecorded"), **change})


def _arrays(node: Any) -> typing.Iterator[Any]:
    if isinstance(node, dict):
        if node.get("type") == "array":
            yield node["items"]
        for value in node.values():
            yield from _arrays(value)
    elif isinstance(node, list):
        for value in node:
            yield from _arrays(value)


@pytest.mark.parametrize("event", EVENTS)
def test_no_array_has_items_without_bytes(event: str) -> None:
    """An array of null is a bomb: five bytes become millions of items."""
    for version in schemas.versions()[event].values():
        assert all(items != "null" for items in _arrays(version))


def test_every_topic_carries_known_schemas_and_every_schema_a_topic() -> None:
    carried = {event for topic in topics.TOPICS for event in topic.schemas}
    assert carried == set(EVENTS)


def test_headers_carry_no_record_content() -> None:
    found = dict(schemas.headers("id-1", "CaseRecorded", "220200", "220200-C1"))
    assert found["ce_id"] == b"id-1"
    assert found["ce_source"] == b"/units/220200"
    assert datetime.datetime.fromisoformat(found["ce_time"].decode()).tzinfo is not None
