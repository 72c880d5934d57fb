"""Kafka headers: ids are those of the standard library, and a trace goes on."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import envelope

TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_named_id_is_that_of_the_standard_library(name: str) -> None:
    assert envelope.named_id(name) == str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def test_what_follows_continues_the_trace_of_its_cause_under_a_parent_of_its_own() -> None:
    cause = envelope.Cause("an-event", "220200", "A1", TRACE)
    told = dict(cause.headers("BoundaryFlagged"))["traceparent"]
    assert told[:36] == TRACE[:36]
    assert told[36:52] != TRACE[36:52]
    assert told == dict(cause.headers("RecordRemarked"))["traceparent"]


@pytest.mark.parametrize("wrong", [None, b"", TRACE[:-1], b"zz" + TRACE[2:], TRACE + b"\n"])
def test_a_wrong_trace_is_replaced_by_a_new_one(wrong: bytes | None) -> None:
    told = dict(envelope.Cause("an-event", "220200", "A1", wrong).headers("BoundaryFlagged"))
    other = dict(envelope.Cause("an-event", "220200", "A1", wrong).headers("BoundaryFlagged"))
    assert len(told["traceparent"]) == len(TRACE)
    assert told["traceparent"] != other["traceparent"]
