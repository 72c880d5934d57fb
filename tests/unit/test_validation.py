"""What an event is worth: refused only if it cannot be identified or trusted."""

from __future__ import annotations

import copy
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from crossregion.domain import identifiers
from crossregion.domain.code_lists import code_list
from crossregion.domain.validation import (
    CASE_WORDS,
    MAX_LEGS,
    MAX_VICTIMS,
    Rejected,
    validate_event,
)
from producers.exports.formats import formats
from schemas import codec
from tests.support import generators

EXAMPLES = Path(__file__).parents[2] / "schemas/examples"


def example(event: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXAMPLES / event / "1/example.json").read_text("utf-8"))
    return found


@pytest.fixture
def case() -> dict[str, Any]:
    return example("CaseRecorded")


@pytest.fixture
def rescue() -> dict[str, Any]:
    return example("RescueRecorded")


def codes(event: str, record: dict[str, Any]) -> set[tuple[str, str]]:
    validated = validate_event(event, record, record["unit"], None)
    return {(remark["field"], remark["code"]) for remark in validated.remarks}


def reason(event: str, record: dict[str, Any], **keywords: Any) -> str:
    arguments = {"topic_unit": record["unit"], "ce_id": None, **keywords}
    with pytest.raises(Rejected) as refused:
        validate_event(event, record, **arguments)
    return refused.value.reason


def with_identity(person: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**person, "identity": {**person["identity"], **changes}}


def test_a_good_case_has_no_remarks(case: dict[str, Any]) -> None:
    assert codes("CaseRecorded", case) == set()


@pytest.mark.parametrize(
    ("field", "value", "remark"),
    [
        ("lost_on", "2010-02-30", ("lost_on", "impossible-date")),
        ("lost_on", "1850-01-01", ("lost_on", "implausible-date")),
        ("lost_on", "2024-W05-3", ("lost_on", "impossible-date")),
        ("lost_on", "2099-01-01", ("lost_on", "after-report")),
        ("reported_at", "later", ("reported_at", "impossible-date")),
        ("reported_at", "2012-05-03 25:99:00", ("reported_at", "impossible-date")),
    ],
)
def test_doubtful_dates_are_remarked(
    case: dict[str, Any], field: str, value: str, remark: tuple[str, str]
) -> None:
    case[field] = value
    assert remark in codes("CaseRecorded", case)


@pytest.mark.parametrize(("received", "future"), [("2031-01-01", True), ("2031-01-02", False)])
def test_a_date_after_the_brokers_day_is_future(
    case: dict[str, Any], received: str, future: bool
) -> None:
    case["lost_on"], case["reported_at"] = "2030-12-31", "2031-01-01T20:00:00+00:00"
    validated = validate_event(
        "CaseRecorded", case, case["unit"], None, date.fromisoformat(received)
    )
    assert ({"field": "reported_at", "code": "future-date"} in validated.remarks) is future


@pytest.mark.parametrize(
    ("field", "value"), [("status", "神秘"), ("exploitation", ["FORCED_MARRIAGE", "新奇类型"])]
)
def test_a_word_of_no_code_list_is_kept_and_remarked(
    case: dict[str, Any], field: str, value: Any
) -> None:
    case[field] = value
    assert (field, "unknown-word") in codes("CaseRecorded", case)


def test_every_word_of_the_formats_is_in_its_code_list() -> None:
    enums = {**CASE_WORDS, "guardian": "guardian_state"}
    for form in formats():
        for field, words in form.words.items():
            if field in enums:
                assert set(words.values()) <= code_list(enums[field])


def test_an_unknown_place_is_remarked_and_counts_as_unknown(case: dict[str, Any]) -> None:
    case["legs"] = [
        {"role": "taken_from", "code": "999999", "certainty": "stated"},
        {"role": "taken_to", "code": "220200", "certainty": "stated"},
    ]
    validated = validate_event("CaseRecorded", case, case["unit"], None)
    assert {"field": "legs[1].code", "code": "unknown-place"} in validated.remarks
    assert validated.flag is not None
    assert (validated.flag["source"], validated.flag["boundary"]) == ("999999", "unknown")


def test_a_code_not_valid_on_its_date_is_remarked(case: dict[str, Any]) -> None:
    case["lost_on"] = "2012-01-01"
    case["legs"] = [{"role": "taken_from", "code": "220184", "certainty": "stated"}]
    assert ("legs[1].code", "place-not-valid-on-date") in codes("CaseRecorded", case)


@pytest.mark.parametrize(
    ("change", "remark"),
    [
        ({"height_cm": 300}, ("height_cm", "implausible-height")),
        ({"home": "998877"}, ("home", "unknown-place")),
        ({"id_number": "920221200504027933"}, ("id_number", "wrong-check-digit")),
        ({"id_number": "12345"}, ("id_number", "malformed-number")),
        ({"id_number": "920221200504027932", "sex": "F"}, ("sex", "contradicts-number")),
        (
            {
                "id_number": "920221200504027932",
                "birth_date": "2005-04-03",
                "birth_precision": "day",
            },
            ("birth_date", "contradicts-number"),
        ),
        (
            {"birth_date": "2005-02-31", "birth_precision": "day"},
            ("birth_date", "impossible-date"),
        ),
        ({"birth_date": "2090", "birth_precision": "year"}, ("birth_date", "rescue-before-birth")),
    ],
)
def test_doubts_about_a_person(
    rescue: dict[str, Any], change: dict[str, Any], remark: tuple[str, str]
) -> None:
    rescue["found_on"] = "2012-05-01"
    rescue["person"]["identity"].update(change)
    field, code = remark
    assert (f"person.identity.{field}", code) in codes("RescueRecorded", rescue)


def test_a_right_number_is_not_remarked(rescue: dict[str, Any]) -> None:
    rescue["person"]["identity"].update(
        id_number="920221200504027932", sex="M", birth_date="2005-04-02", birth_precision="day"
    )
    assert not {field for field, _ in codes("RescueRecorded", rescue) if "id_number" in field}


def test_a_word_that_is_no_sex_contradicts_no_number(rescue: dict[str, Any]) -> None:
    rescue["person"]["identity"].update(id_number="920221200504027932", sex="teacher")
    assert ("person.identity.sex", "contradicts-number") not in codes("RescueRecorded", rescue)


def test_without_the_day_of_the_loss_a_birth_is_held_against_the_report(
    case: dict[str, Any], rescue: dict[str, Any]
) -> None:
    born = {"birth_date": "2090-01-01", "birth_precision": "day"}
    case.update(lost_on=None, victims=[with_identity(case["victims"][0], **born)])
    rescue.update(found_on=None, person=with_identity(rescue["person"], **born))
    field = "identity.birth_date"
    assert (f"victims[1].{field}", "loss-before-birth") in codes("CaseRecorded", case)
    assert (f"person.{field}", "rescue-before-birth") in codes("RescueRecorded", rescue)


def test_what_cannot_be_identified_or_trusted_is_refused(case: dict[str, Any]) -> None:
    victim = case["victims"][0]
    for change, expected in (
        ({"case_id": ""}, "no-record-id"),
        ({"case_id": "x" * 101}, "no-record-id"),
        ({"victims": []}, "no-person"),
        ({"victims": [victim, victim]}, "ambiguous"),
        (
            {"victims": [dict(victim, victim_id=str(n)) for n in range(MAX_VICTIMS + 1)]},
            "over-limit",
        ),
        ({"legs": case["legs"][:1] * (MAX_LEGS + 1)}, "over-limit"),
        ({"revision": 0}, "over-limit"),
        ({"status": "a\0b"}, "unstorable-text"),
        ({"status": "x" * 2_001}, "over-limit"),
        ({"means": ["x"] * 101}, "over-limit"),
        ({"victims": [with_identity(victim, marks=["x"] * 101)]}, "over-limit"),
    ):
        assert reason("CaseRecorded", {**case, **change}) == expected, change


def test_another_units_event_is_refused(case: dict[str, Any]) -> None:
    assert reason("CaseRecorded", case, topic_unit="220300") == "another-unit"


def test_an_id_that_does_not_follow_from_the_content_is_refused(case: dict[str, Any]) -> None:
    assert reason("CaseRecorded", case, ce_id="not-this") == "wrong-id"
    digest = identifiers.content_digest(case)  # type: ignore[arg-type]
    right = identifiers.event_id(case["unit"], case["case_id"], case["revision"], digest)
    assert validate_event("CaseRecorded", case, case["unit"], right).event_id == right


def test_an_event_of_another_kind_is_refused(case: dict[str, Any]) -> None:
    assert reason("BoundaryFlagged", case) == "wrong-event"


@given(generators.cases())
def test_what_follows_from_any_case_validates(case: dict[str, Any]) -> None:
    before = copy.deepcopy(case)
    validated = validate_event("CaseRecorded", case, case["unit"], None)
    assert validated.flag is not None
    codec.validate("BoundaryFlagged", validated.flag)
    codec.validate("RecordRemarked", validated.remarked)
    codec.validate("PersonsListed", validated.listed)
    assert case == before


@given(generators.rescues())
def test_what_follows_from_any_rescue_validates(rescue: dict[str, Any]) -> None:
    validated = validate_event("RescueRecorded", rescue, rescue["unit"], None)
    assert validated.flag is None
    codec.validate("RecordRemarked", validated.remarked)
    codec.validate("PersonsListed", validated.listed)


def test_what_is_told_of_persons_and_kinds_are_known_codes(
    case: dict[str, Any], rescue: dict[str, Any]
) -> None:
    case["exploitation"] = ["王红英", "FORCED_MARRIAGE"]
    case["victims"][0] |= {"age_band": "王红英", "sex": "王红英"}
    told = validate_event("CaseRecorded", case, case["unit"], None).remarked
    assert told["exploitation"] == ["FORCED_MARRIAGE"]
    assert told["persons"] == [{"age_band": "unknown", "sex": None}]
    found = validate_event("RescueRecorded", rescue, rescue["unit"], None).remarked
    person = rescue["person"]
    assert found["persons"] == [{"age_band": person["age_band"], "sex": person["sex"]}]
    assert found["exploitation"] == []


@given(generators.rescues())
def test_remarks_never_carry_a_value(rescue: dict[str, Any]) -> None:
    validated = validate_event("RescueRecorded", rescue, rescue["unit"], None)
    identity = rescue["person"]["identity"]
    values = {text for text in (identity["name"], identity["id_number"]) if text and len(text) > 9}
    told = json.dumps(validated.remarks, ensure_ascii=False)
    assert not [value for value in values if value in told]
