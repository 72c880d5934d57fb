"""Entries of a file: accepted with remarks, and refused only if they cannot be stored."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossregion.domain.events import ENTRIES
from crossregion.domain.validation import MAX_ID, MAX_LIST, Rejected, validate_event
from processors.intake import Incoming, take
from processors.outputs import Outputs
from producers.entry_files import read_entries
from producers.exports.tables import ExportUnreadable
from producers.spool.store import Spool
from schemas import codec, topics
from tests.support.builders import example

AID, VISIT, SEARCH = "AssistanceRecorded", "FollowUpRecorded", "GuardianSearchRecorded"
UNIT = example(AID)["unit"]
RECEIVED_ON = date(2026, 11, 25)
SECRET = "禾某某"


def codes(event: str, **changes: Any) -> set[tuple[str, str]]:
    entry = {**example(event), **changes}
    validated = validate_event(event, entry, entry["unit"], None, RECEIVED_ON)
    return {(remark["field"], remark["code"]) for remark in validated.remarks}


@pytest.mark.parametrize("event", sorted(ENTRIES))
def test_a_good_entry_has_no_remarks(event: str) -> None:
    assert codes(event) == set()


PROBLEM = {"kind": "WORK", "department": "HRSS", "state": "OPEN", "due_on": None}


@pytest.mark.parametrize(
    ("event", "changes", "remark"),
    [
        (AID, {"kind": "吃饭", "lead": None, "assisting": []}, ("kind", "unknown-word")),
        (AID, {"state": "started"}, ("state", "unknown-word")),
        (AID, {"wish": "abroad"}, ("wish", "unknown-word")),
        (AID, {"lead": "CAD"}, ("lead", "wrong-lead")),
        (AID, {"lead": "教育局"}, ("lead", "unknown-department")),
        (AID, {"assisting": ["CAD", "FAO"]}, ("assisting[2]", "wrong-assisting")),
        (AID, {"assisting": ["x"]}, ("assisting[1]", "unknown-department")),
        (AID, {"needed_on": "2026-02-30"}, ("needed_on", "impossible-date")),
        (AID, {"due_on": "soon"}, ("due_on", "impossible-date")),
        (AID, {"started_on": "2026-11-26"}, ("started_on", "future-date")),
        (AID, {"started_on": "2026-09-01"}, ("started_on", "out-of-order")),
        (AID, {"state": "DONE"}, ("done_on", "missing-day")),
        (AID, {"needed_on": "1066-10-14"}, ("needed_on", "implausible-date")),
        (VISIT, {"state": "?"}, ("state", "unknown-word")),
        (VISIT, {"wellbeing": "so so"}, ("wellbeing", "unknown-word")),
        (VISIT, {"done_on": None}, ("done_on", "missing-day")),
        (VISIT, {"problems": [PROBLEM, PROBLEM]}, ("problems[2].kind", "repeated-kind")),
        (VISIT, {"problems": [{**PROBLEM, "kind": "?"}]}, ("problems[1].kind", "unknown-word")),
        (VISIT, {"problems": [{**PROBLEM, "state": "?"}]}, ("problems[1].state", "unknown-word")),
        (
            VISIT,
            {"problems": [{**PROBLEM, "department": "?"}]},
            ("problems[1].department", "unknown-department"),
        ),
        (
            VISIT,
            {"problems": [{**PROBLEM, "due_on": "?"}]},
            ("problems[1].due_on", "impossible-date"),
        ),
        (SEARCH, {"state": "?"}, ("state", "unknown-word")),
        (SEARCH, {"notice_on": "2026-08-31"}, ("notice_on", "out-of-order")),
        (SEARCH, {"state": "FOUND"}, ("found_on", "missing-day")),
        (
            SEARCH,
            {"second_certificate_on": "2026-09-30"},
            ("second_certificate_on", "out-of-order"),
        ),
    ],
)
def test_what_is_doubtful_is_accepted_with_a_remark(
    event: str, changes: dict[str, Any], remark: tuple[str, str]
) -> None:
    assert codes(event, **changes) == {remark}


def test_a_day_that_is_planned_may_be_in_the_future() -> None:
    assert codes(AID, due_on="2027-01-01") == set()
    assert codes(VISIT, state="PLANNED", planned_on="2027-01-01", done_on=None) == set()


def test_what_is_written_ahead_has_not_happened_and_is_still_due() -> None:
    """A certificate of 2062 would have nobody reminded of it for decades."""
    entry = {**example(SEARCH), "begun_on": "2026-11-25", "first_certificate_on": "2062-10-25"}
    noted = validate_event(SEARCH, entry, entry["unit"], None, RECEIVED_ON).noted
    assert noted is not None
    assert noted["search"] is not None
    assert noted["search"]["begun_on"] == "2026-11-25"
    assert noted["search"]["first_certificate_on"] is None
    planned = {**example(VISIT), "state": "PLANNED", "planned_on": "2027-01-01", "done_on": None}
    noted = validate_event(VISIT, planned, planned["unit"], None, RECEIVED_ON).noted
    assert noted is not None
    assert noted["follow_up"] is not None
    assert noted["follow_up"]["planned_on"] == "2027-01-01"


@pytest.mark.parametrize(
    ("event", "changes", "reason"),
    [
        (AID, {"assistance_id": ""}, "no-record-id"),
        (VISIT, {"follow_up_id": "x" * (MAX_ID + 1)}, "no-record-id"),
        (SEARCH, {"rescue_id": ""}, "no-record-id"),
        (SEARCH, {"rescue_unit": "x" * (MAX_ID + 1)}, "no-record-id"),
        (AID, {"unit": "220300"}, "another-unit"),
        (VISIT, {"revision": 0}, "over-limit"),
        (AID, {"assisting": ["CAD"] * (MAX_LIST + 1)}, "over-limit"),
        (AID, {"details": {"provider": None, "note": "x" * 2_001}}, "over-limit"),
        (SEARCH, {"details": {"guardian": "\0", "note": None}}, "unstorable-text"),
    ],
)
def test_what_cannot_be_stored_is_set_aside_with_its_reason(
    event: str, changes: dict[str, Any], reason: str
) -> None:
    value = codec.encode(event, {**example(event), **changes})
    outputs = Outputs()
    assert take(Incoming(topics.FILES.name(UNIT), 0, 7, b"k", value, {}), outputs) == reason
    ((topic, _, _, letter),) = outputs
    assert topic == topics.DEAD_LETTERS.name()
    assert codec.decode(letter)[1]["reason"] == reason


def test_an_id_that_does_not_follow_from_the_content_is_refused() -> None:
    with pytest.raises(Rejected, match="wrong-id"):
        validate_event(AID, example(AID), UNIT, "0b8f36b8-45a5-5a2c-8a6c-000000000000")


@pytest.mark.parametrize("event", sorted(ENTRIES))
def test_intake_makes_remarks_and_a_note_without_a_personal_value(event: str) -> None:
    entry = example(event)
    entry["details"] = dict.fromkeys(entry["details"], SECRET)
    outputs = Outputs()
    value = codec.encode(event, entry)
    assert take(Incoming(topics.FILES.name(UNIT), 0, 0, b"k", value, {}), outputs) == "accepted"
    made = {topic: (key, said) for topic, _, key, said in outputs}
    assert made.keys() == {topics.RECORD_REMARKS.name(), topics.FILE_NOTES.name()}
    key, noted = made[topics.FILE_NOTES.name()]
    assert key == entry["rescue_id"].encode()
    codec.validate("FileNoted", codec.decode(noted)[1])
    assert not any(SECRET.encode() in (said or b"") for _, said in made.values())


@given(on=st.dates(date(1, 1, 1), date(9999, 12, 31)), age=st.sampled_from(["under-6", "?"]))
def test_any_day_can_be_noted(on: date, age: str) -> None:
    """However early or late: nothing is counted from a day that no one can mean."""
    rescue = example("RescueRecorded")
    rescue |= {"found_on": on.isoformat(), "registered_at": on.isoformat()}
    person = {**rescue["person"], "age_band": age}
    person["identity"] = {**person["identity"], "birth_date": on.isoformat()}
    noted = validate_event("RescueRecorded", {**rescue, "person": person}, UNIT, None).noted
    assert noted is not None
    codec.validate("FileNoted", noted)
    assert noted["person"] is not None
    assert (noted["person"]["start_on"] is None) == (not 1900 <= on.year < 2200)


def line(event: str, **changes: Any) -> str:
    return json.dumps({"event": event, **example(event), **changes}, ensure_ascii=False)


def test_lines_that_cannot_be_used_are_listed_and_the_others_go_on(tmp_path: Path) -> None:
    short = {"assistance_id": "A2", "rescue_unit": UNIT, "rescue_id": "R1", "kind": "MEDICAL"}
    lines = [
        line(AID),
        json.dumps({"event": AID, "state": "NEEDED", **short}),
        "",
        "{broken",
        "[1]",
        json.dumps({"event": "CaseRecorded"}),
        json.dumps({"event": AID, **short}),
        line(VISIT, unit="220300"),
        line(VISIT, problems=[{"kind": "WORK"}]),
        line(VISIT, revision="7"),
        line(SEARCH, details={"guardian": 7}),
        line(AID).replace("220100-A1", "\\ud800"),
        line(SEARCH, rescue_id=""),
        line(SEARCH, search_id="G2", state="?"),
        line(SEARCH, search_id="G3", colour="red"),
    ]
    path = tmp_path / "entries.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    found = read_entries(path, UNIT)
    assert found.lines == 14
    assert [one.record_id for one in found.records] == ["220100-A1", "A2", "G2"]
    assert not found.records[1].has_revision
    assert [(line, fault.pointer, fault.reason) for line, fault in found.refused] == [
        (4, "", "not-json"),
        (5, "", "wrong-type"),
        (6, "/event", "no-such-event"),
        (7, "/state", "missing"),
        (8, "/unit", "another-unit"),
        (9, "/problems/0/state", "missing"),
        (10, "/revision", "wrong-type"),
        (11, "/details/guardian", "wrong-type"),
        (12, "/assistance_id", "unstorable-text"),
        (13, "/rescue_id", "no-record-id"),
        (15, "", "unknown-field"),
    ]
    assert all(fault.message for _, fault in found.refused)
    assert found.warnings == [(14, "state: unknown-word")]


def test_a_file_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ExportUnreadable, match="cannot be read"):
        read_entries(tmp_path / "missing.jsonl", UNIT)


def test_the_spool_keeps_a_persons_file_under_one_key(tmp_path: Path) -> None:
    path = tmp_path / "entries.jsonl"
    path.write_text("\n".join(line(event, revision=0) for event in ENTRIES), "utf-8")
    with Spool(tmp_path / "spool.sqlite", UNIT) as spool:
        assert spool.accept_all(read_entries(path, UNIT).records).published == 3
        assert spool.accept_all(read_entries(path, UNIT).records).unchanged == 3
        waiting = spool.unsent(10)
    assert {one.topic for one in waiting} == {topics.FILES.name(UNIT)}
    assert {one.key for one in waiting} == {example(AID)["rescue_id"]}
    assert [one.event for one in waiting] == list(ENTRIES)
    assert [codec.decode(one.value)[1]["revision"] for one in waiting] == [1, 1, 1]
