"""A record as JSON is held to its contract, and what may be left out is filled in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossregion.domain.validation import validate_event
from producers import json_records
from producers.exports.reader import read_export
from producers.json_records import Fault, Unfit, check, parse
from producers.spool import store
from schemas import codec
from tests.support import exports
from tests.support.exports import UNIT

EXAMPLES = Path(__file__).parents[2] / "schemas/examples"
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


def example(event: str) -> dict[str, Any]:
    file = EXAMPLES / event / str(max(codec.versions()[event])) / "example.json"
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def reasons(event: str, value: object, unit: str = UNIT) -> list[tuple[str, str]]:
    with pytest.raises(Unfit) as unfit:
        check(event, value, unit)
    return [(fault.pointer, fault.reason) for fault in unfit.value.faults]


@pytest.mark.parametrize("event", sorted(store.KINDS))
def test_a_whole_record_is_taken_as_it_is(event: str) -> None:
    record = example(event)
    taken = check(event, record, record["unit"])
    assert dict(taken.exported.record) == record
    assert taken.exported.record_id == dict(record)[json_records.id_field(event)]
    validated = validate_event(event, record, record["unit"], None)
    assert taken.remarks == validated.remarks


def test_what_is_left_out_is_filled_in_as_an_export_does(tmp_path: Path) -> None:
    """The same person by file and by JSON is the same content."""
    file = exports.write(tmp_path / "rescues.csv", exports.rescue(修订号="", 出生日期="2001-02-03"))
    (exported,) = read_export(file, UNIT).records
    whole: Any = exported.record
    identity = {n: v for n, v in whole["person"]["identity"].items() if v not in (None, [])}
    del identity["birth_precision"]
    short = {
        **{n: v for n, v in whole.items() if v is not None and n not in ("unit", "revision")},
        "person": {"identity": identity},
    }
    taken = check("RescueRecorded", short, UNIT)
    assert taken.exported.record == whole
    assert not taken.exported.has_revision


def test_every_place_of_a_fault_is_told() -> None:
    record = example("CaseRecorded")
    victim = record["victims"][0]
    identity = {**victim["identity"], "height_cm": 2**31, "marks": [1], "sex": 5}
    wrong = {
        **record,
        "unit": UNIT,
        "victims": [{**victim, "identity": identity}, {"victim_id": "v"}, 7],
        "legs": {"role": "taken_from"},
        "another": 1,
    }
    assert reasons("CaseRecorded", wrong) == [
        ("", "unknown-field"),
        ("/legs", "wrong-type"),
        ("/victims/0/identity/sex", "wrong-type"),
        ("/victims/0/identity/height_cm", "wrong-type"),
        ("/victims/0/identity/marks/0", "wrong-type"),
        ("/victims/1/age_band", "missing"),
        ("/victims/1/identity", "missing"),
        ("/victims/2", "wrong-type"),
    ]


def test_null_is_as_good_as_left_out() -> None:
    """As many systems write what they do not know; also among the words of a list."""
    identity = {"name": "a", "marks": [None, "scar"], "other_names": None, "birth_precision": None}
    victim = {"victim_id": "1", "age_band": None, "identity": identity}
    nothing = dict.fromkeys(("unit", "revision", "legs"))
    short = {**nothing, "case_id": "C", "victims": [victim, None]}
    record: Any = check("CaseRecorded", short, UNIT).exported.record
    assert (record["unit"], record["revision"], record["legs"]) == (UNIT, 0, [])
    (found,) = record["victims"]
    assert found["age_band"] == "unknown"
    assert (found["identity"]["marks"], found["identity"]["other_names"]) == (["scar"], [])
    assert reasons("CaseRecorded", {**short, "case_id": None}) == [("/case_id", "missing")]


@pytest.mark.parametrize("victim", [{}, 0, {"victim_id": "v", "identity": {}}])
def test_a_list_without_end_is_not_looked_through(victim: object) -> None:
    """A body of 4 MiB held a million of them: 13 seconds and a gigabyte of faults."""
    bomb = {"case_id": "a", "victims": [victim] * 1_000_000}
    assert reasons("CaseRecorded", bomb) == [("/victims", "over-limit")]
    wrong = {**example("CaseRecorded"), "unit": UNIT, "victims": [{}] * json_records.MOST_ITEMS}
    assert len(reasons("CaseRecorded", wrong)) == json_records.MOST_FAULTS


def test_what_the_judgement_refuses_is_told_with_its_place() -> None:
    record = {**example("CaseRecorded"), "unit": UNIT}
    assert reasons("CaseRecorded", {**record, "venue": "a\0"}) == [("/venue", "unstorable-text")]
    long = {**record, "means": ["x", "y" * 2_001]}
    assert reasons("CaseRecorded", long) == [("/means/1", "over-limit")]
    twice = {**record, "victims": record["victims"][:1] * 2}
    assert reasons("CaseRecorded", twice) == [("/victims/victim_id", "ambiguous")]
    assert reasons("CaseRecorded", {**record, "case_id": ""}) == [("/case_id", "no-record-id")]


def test_of_an_anonymous_tip_nobody_is_named_before_it_is_stored() -> None:
    """Neither the spool nor the broker, which keeps for ever, gets to know who it was."""
    tip = {**example("TipRecorded"), "anonymous": True}
    taken = check("TipRecorded", tip, tip["unit"])
    identity = cast(Any, taken.exported.record)["identity"]
    assert identity == {
        **tip["identity"], "reporter_name": None, "reporter_contact": None,
    }  # fmt: skip
    assert tip["identity"]["reporter_name"]
    assert [one["code"] for one in taken.remarks] == ["named-though-anonymous"]
    known = check("TipRecorded", {**tip, "anonymous": False}, tip["unit"]).exported.record
    assert cast(Any, known)["identity"] == tip["identity"]


def test_every_reason_says_what_to_do() -> None:
    for reason in json_records.MESSAGES:
        assert Fault("/case_id", reason).message.startswith("/case_id ")


@pytest.mark.slow
@given(st.sampled_from(sorted(store.KINDS)), st.data())
@settings(max_examples=200)
def test_whatever_comes_is_taken_or_refused_and_no_fault_holds_a_value(
    event: str, data: st.DataObject
) -> None:
    record = example(event)
    name = data.draw(st.sampled_from([*record, "another"]))
    value = data.draw(ANYTHING)
    try:
        taken = check(event, {**record, name: value}, record["unit"])
    except Unfit as unfit:
        parts = {part for fault in unfit.faults for part in fault.pointer.split("/")}
        assert parts <= {"", *_names(codec.versions()[event]), *map(str, range(200))}
    else:
        codec.validate(event, {**taken.exported.record})


def _names(avro: Any) -> set[str]:
    if isinstance(avro, list):
        return {name for one in avro for name in _names(one)}
    if not isinstance(avro, dict):
        return set()
    own = {avro["name"]} if isinstance(avro.get("name"), str) else set()
    return own | {name for one in avro.values() for name in _names(one)}


@given(st.binary(max_size=60))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        parse(data)
    except Unfit as unfit:
        assert unfit.faults[0].reason in ("not-json", "repeated-name")
