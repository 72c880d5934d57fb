"""Agreements: which may stand, which holds, on what days and for whom."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossregion.domain import agreements, identifiers
from crossregion.domain.events import AgreementRecorded
from crossregion.domain.routing import LEVELS
from crossregion.domain.validation import Rejected
from schemas import codec

FILE = Path(__file__).parents[2] / "schemas/examples/AgreementRecorded/1/example.json"
EXAMPLE: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
CONTACT = {"unit": "220200", "role": "head", "office": "PSD"}


def agreement(**changes: Any) -> AgreementRecorded:
    found = {**EXAMPLE, **changes}
    if "agreement_id" not in changes:
        found["agreement_id"] = identifiers.agreement_id(found["units"], found["number"])
    return cast(AgreementRecorded, found)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"valid_to": "2026-02-01"},
        {"valid_to": "2030-12-31", "status": "ended"},
        {"case_types": [], "contacts": []},
        {"units": ["220000", "350000"], "contacts": []},
        {"units": ["220000", "220200"], "contacts": []},
        {"units": ["22CBS0", "border"], "contacts": []},
        {"units": ["222400", "police-cooperation"], "contacts": []},
        {"answer_within_hours": 240},
        {"signed_on": "2027-01-01"},
    ],
)
def test_what_two_units_can_have(changes: dict[str, Any]) -> None:
    agreements.check(agreement(**changes))


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"units": ["220200"]}, "ambiguous", "units: an"),
        ({"units": ["220200", "220200"]}, "ambiguous", "units: an"),
        ({"units": ["220100", "220200", "220300"]}, "ambiguous", "units: an"),
        ({"units": ["222400", "220200"]}, "ambiguous", "units: not sorted"),
        ({"units": ["220200", "229999"]}, "unknown-code", "units"),
        ({"units": ["220200", "999999"]}, "unknown-code", "units"),
        ({"units": ["220200", "220202"]}, "unknown-code", "units"),
        ({"units": ["220200", "22CBS1"]}, "unknown-code", "units"),
        ({"units": ["220200", "210100"]}, "unknown-code", "units"),
        ({"units": ["220200", "KP"]}, "unknown-code", "units"),
        ({"units": ["220200", "HK"]}, "unknown-code", "units"),
        ({"units": ["220200", "810000"]}, "unknown-code", "units"),
        ({"units": ["220200", "229900"]}, "unknown-code", "units"),
        ({"units": ["", "220200"]}, "unknown-code", "units"),
        ({"number": ""}, "over-limit", "number"),
        ({"number": "  "}, "over-limit", "number"),
        ({"number": "x" * 101}, "over-limit", "number"),
        ({"number": "\0"}, "unstorable-text", "number"),
        ({"signed_on": "2026-02-30"}, "wrong-date", "signed_on"),
        ({"signed_on": "2026"}, "wrong-date", "signed_on"),
        ({"valid_from": "2026-01-01T00:00:00"}, "wrong-date", "valid_from"),
        ({"valid_from": "２０２６-01-01"}, "wrong-date", "valid_from"),
        ({"valid_to": "tomorrow"}, "wrong-date", "valid_to"),
        ({"valid_to": "2026-01-31"}, "wrong-date", "valid_to is before"),
        ({"status": "ended"}, "wrong-date", "valid_to is the day"),
        ({"status": "asleep"}, "unknown-code", "status"),
        ({"case_types": ["MARRIAGE"]}, "unknown-code", "case_types"),
        ({"case_types": ["SURROGACY", "SURROGACY"]}, "ambiguous", "case_types"),
        ({"disclosure": "everything"}, "unknown-code", "disclosure"),
        ({"answer_within_hours": 0}, "over-limit", "answer_within_hours"),
        ({"answer_within_hours": 241}, "over-limit", "answer_within_hours"),
        ({"contacts": [{**CONTACT, "unit": "220300"}]}, "another-unit", "contacts.unit"),
        ({"contacts": [{**CONTACT, "role": "王红英"}]}, "unknown-code", "contacts.role"),
        ({"contacts": [{**CONTACT, "office": "王红英"}]}, "unknown-code", "contacts.office"),
        ({"contacts": [CONTACT] * 101}, "over-limit", "contacts"),
        ({"revision": 0}, "wrong-revision", "revision"),
        ({"agreement_id": "another"}, "wrong-id", "agreement_id"),
    ],
)
def test_what_is_no_agreement(changes: dict[str, Any], reason: str, detail: str) -> None:
    with pytest.raises(Rejected) as refused:
        agreements.check(agreement(**changes))
    assert refused.value.reason == reason
    assert refused.value.detail.startswith(detail)
    assert "王红英" not in str(refused.value)


def test_its_id_has_no_direction() -> None:
    assert identifiers.agreement_id(["220200", "222400"], "1") == identifiers.agreement_id(
        ["222400", "220200"], "1"
    )


DAYS = st.dates(date(2000, 1, 1), date(2030, 12, 31))
UNITS = ("220100", "220200", "222400", "210000")
PAIRS = st.lists(st.sampled_from(UNITS), min_size=2, max_size=2, unique=True).map(sorted)
TYPES = st.lists(st.sampled_from(["SURROGACY", "FORCED_LABOUR"]), unique=True)


@st.composite
def letters(draw: st.DrawFn) -> AgreementRecorded:
    since = draw(DAYS)
    until = draw(st.none() | st.integers(0, 900).map(lambda days: since + timedelta(days=days)))
    made = agreement(
        units=draw(PAIRS),
        revision=draw(st.integers(1, 3)),
        valid_from=since.isoformat(),
        valid_to=until and until.isoformat(),
        case_types=draw(TYPES),
        disclosure=draw(st.sampled_from(LEVELS)),
        answer_within_hours=draw(st.integers(1, agreements.MAX_HOURS)),
        contacts=[],
    )
    agreements.check(made)
    codec.validate("AgreementRecorded", made)
    return made


@given(st.lists(letters(), min_size=1, max_size=6), st.randoms())
def test_the_one_that_holds_is_the_same_in_any_order(
    made: list[AgreementRecorded], shuffle: Any
) -> None:
    held = max(made, key=agreements.version)
    shuffled = [*made, *made]
    shuffle.shuffle(shuffled)
    assert max(shuffled, key=agreements.version) == held


@given(letters(), DAYS, TYPES, st.sampled_from(UNITS), st.sampled_from(UNITS))
def test_it_holds_for_both_units_alike_and_for_no_other(
    made: AgreementRecorded, on: date, types: list[str], one: str, other: str
) -> None:
    here = agreements.agreed([made], one, {other}, types, on)
    assert here == agreements.agreed([made], other, {one}, types, on)
    covered = not made["case_types"] or bool({*made["case_types"]} & {*types})
    between = sorted([one, other]) == made["units"]
    assert bool(here) == (between and covered and agreements.in_force(made, on))


@given(letters())
def test_both_its_days_are_in_force_and_those_around_are_not(made: AgreementRecorded) -> None:
    day = timedelta(days=1)
    since = date.fromisoformat(made["valid_from"])
    assert agreements.in_force(made, since)
    assert not agreements.in_force(made, since - day)
    if made["valid_to"] is None:
        assert agreements.in_force(made, date(9999, 12, 31))
    else:
        until = date.fromisoformat(made["valid_to"])
        assert agreements.in_force(made, until)
        assert not agreements.in_force(made, until + day)
