"""Agreements, what they change in notices, and corridors, on the running stack.

The tests share it, in their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from consumers.reconcile import answers
from consumers.registry import counts, rebuild
from crossregion.domain import events, identifiers
from crossregion.embedded.postgres import SUPERUSER
from crossregion.embedded.stack import STOP_ORDER, Stack
from crossregion.installation import OPERATOR, OWNER
from crossregion.services import agreements, dead_letters
from crossregion.services import notices as notices_service
from crossregion.services.agreements import AgreementUnknown, NotToBeRecorded
from crossregion.services.confirmation import Recorded
from schemas import codec, topics
from tests.support.actors import analyst
from tests.support.builders import CASE, example
from tests.support.live import in_force, notices, send, wait_for_quiet
from tests.support.stacks import DisposableStack

TODAY = datetime.now(events.SHANGHAI).date()
YESTERDAY = (TODAY - timedelta(days=2)).isoformat()
LIAONING = "210000"


LETTER = example("AgreementRecorded")


@pytest.fixture(scope="module")
def stack(service_data: Path) -> Iterator[Stack]:
    with DisposableStack(service_data / "agreed") as stack:
        yield stack


def put_case(
    stack: Stack,
    case_id: str,
    *route: str,
    age: str = "adult",
    revision: int = 1,
    wait: bool = True,
) -> None:
    roles = ("taken_from", *(["transit"] * (len(route) - 2)), "taken_to")
    legs = zip(roles, route, strict=True)
    victim = {**CASE["victims"][0], "victim_id": f"{case_id}/1", "age_band": age}
    record = {
        **CASE,
        "case_id": case_id,
        "revision": revision,
        "legs": [{"role": role, "code": code, "certainty": "stated"} for role, code in legs],
        "victims": [victim],
    }
    value = codec.encode("CaseRecorded", record)
    send(stack.kafka, [{"topic": topics.CASES.name("220200"), "key": b"k", "value": value}])
    if wait:
        wait_for_quiet(stack)


def told(stack: Stack, case_id: str) -> dict[str, tuple[str, int | None]]:
    """Of the flags of a case: what each unit may know and its hours."""
    known = (case_id, identifiers.case_reference("220200", case_id))
    return {
        one["unit"]: (one["disclosure"], one["answer_within_hours"])
        for one in in_force(stack.kafka).values()
        if one["kind"] == "flag" and one["cause"] in known
    }


def record(stack: Stack, *units: str, **changes: Any) -> Recorded | None:
    given = {
        "number": "1",
        "signed_on": "2026-01-08",
        "valid_from": "2026-01-09",
        "valid_to": None,
        "case_types": (),
        "disclosure": "summary",
        "answer_within_hours": 30,
        "contacts": [],
        **changes,
    }
    return agreements.record(analyst(stack), units, **given)


def put(stack: Stack, *letters: dict[str, Any] | bytes) -> None:
    values = [
        letter if isinstance(letter, bytes) else codec.encode("AgreementRecorded", letter)
        for letter in letters
    ]
    where = {"topic": topics.AGREEMENTS.name(), "key": b"k"}
    send(stack.kafka, [{**where, "value": value} for value in values])
    wait_for_quiet(stack)


def letter(**changes: Any) -> dict[str, Any]:
    found = {**LETTER, "case_types": [], "valid_from": "2026-01-09", **changes}
    return {**found, "agreement_id": identifiers.agreement_id(found["units"], found["number"])}


def corridor(stack: Stack, one: str, other: str, on: date = TODAY) -> dict[str, Any]:
    found = agreements.corridors(stack.database, on)
    return next(row for row in found if (row["one"], row["other"]) == (one, other))


def test_an_agreement_opens_later_notices_to_a_partner_and_leaves_those_issued(
    stack: Stack,
) -> None:
    put_case(stack, "P1", "220202", "210102")
    closed = {LIAONING: ("existence", 72), "220000": ("record", 72)}
    assert told(stack, "P1") == closed
    outcome = record(stack, "220000", LIAONING)
    assert outcome is not None
    assert outcome.holds
    assert outcome.row["units"] == [LIAONING, "220000"]
    assert LIAONING in {
        row["unit"] for row in notices_service.of_all_units(stack.database) if row["cause"] == "P1"
    }
    put_case(stack, "P2", "220202", "210102")
    assert told(stack, "P2") == {LIAONING: ("summary", 30), "220000": ("record", 72)}
    assert told(stack, "P1") == closed
    ended = record(stack, LIAONING, "220000", valid_to=YESTERDAY, status="ended")
    assert ended is not None
    assert (ended.holds, ended.row["revision"]) == (True, 2)
    put_case(stack, "P3", "220202", "210102")
    assert told(stack, "P3") == closed
    assert told(stack, "P2")[LIAONING] == ("summary", 30)


def test_what_holds_already_is_not_sent_again(stack: Stack) -> None:
    again = record(stack, "220000", LIAONING, valid_to=YESTERDAY, status="ended")
    assert again is not None
    assert (again.holds, again.row["revision"]) == (True, 2)
    (held,) = agreements.listed(stack.database, LIAONING)
    assert agreements.listed(stack.database, "220500") == []
    assert not agreements.in_force(held, TODAY)
    assert agreements.in_force(held, date(2026, 1, 9))
    states = agreements.find(stack.database, held["agreement_id"])
    assert [row["status"] for row in states] == ["in-force", "ended"]


def test_the_border_lane_and_a_case_that_becomes_urgent(stack: Stack) -> None:
    route = ("220202", "220102", "222404", "RU")
    put_case(stack, "B1", *route)
    calm = {
        "220000": ("record", 72),
        "222400": ("record", 72),
        "border": ("record", 24),
        "foreign-affairs": ("summary", 120),
        "police-cooperation": ("record", 72),
    }
    assert told(stack, "B1") == calm
    before = {n for n, one in in_force(stack.kafka).items() if one["cause"] == "B1"}
    put_case(stack, "B1", *route, age="under-6", revision=2)
    assert told(stack, "B1") == {
        "220000": ("record", 24),
        "220100": ("record", 24),
        "222400": ("record", 24),
        "border": ("record", 6),
        "foreign-affairs": ("summary", 48),
        "police-cooperation": ("record", 24),
    }
    now = {n: one for n, one in in_force(stack.kafka).items() if one["cause"] == "B1"}
    assert now.keys() > before
    assert all(one["urgent"] for one in now.values())
    put_case(stack, "B2", "220202", "222404", "HK", wait=False)
    put_case(stack, "B3", "220202", "229900", "KP")
    assert told(stack, "B2") == {"220000": ("record", 72), "border": ("record", 24)}
    assert set(told(stack, "B3")) == {*calm, "22CBS0"} - {"222400"}


def test_corridors_count_the_cases_between_two_units(stack: Stack) -> None:
    put_case(stack, "C1", "220202", "222401", wait=False)
    put_case(stack, "C2", "222401", "220203", wait=False)
    put_case(stack, "C3", "220202", "220302", wait=False)
    put_case(stack, "C3", "220202", "222406", revision=2)
    found = corridor(stack, "220200", "222400")
    assert {name: found[name] for name in ("cases", "victims", "to_other", "to_one")} == {
        "cases": 3, "victims": 3, "to_other": 2, "to_one": 1,
    }  # fmt: skip
    assert (found["prefecture"], found["province"], found["agreed"]) == (3, 0, False)
    assert found["first_day"] == found["last_day"] == CASE["lost_on"]
    north = corridor(stack, LIAONING, "220200")
    assert (north["cases"], north["province"], north["agreed"]) == (3, 3, False)
    assert corridor(stack, LIAONING, "220200", date.fromisoformat(YESTERDAY))["agreed"]
    assert record(stack, "222400", "220200", valid_from=TODAY.isoformat()) is not None
    assert corridor(stack, "220200", "222400")["agreed"]
    assert not corridor(stack, "220200", "222400", TODAY - timedelta(days=1))["agreed"]
    without = agreements.corridors(stack.database, TODAY, without_agreement=True)
    assert [(row["one"], row["other"], row["border"]) for row in without] == [
        (LIAONING, "220200", 0), ("220000", "220200", 1),
    ]  # fmt: skip


def test_of_two_contents_under_one_revision_one_holds_in_registry_and_notices(
    stack: Stack,
) -> None:
    rivals = [letter(number="two", answer_within_hours=hours) for hours in (11, 13, 12)]
    put(stack, *rivals)
    held = max(rivals, key=lambda one: identifiers.agreement_digest(one))  # type: ignore[arg-type]
    states = agreements.find(stack.database, held["agreement_id"])
    assert len(states) == 3
    assert states[-1]["answer_within_hours"] == held["answer_within_hours"]
    put_case(stack, "T1", "220202", "222401")
    assert told(stack, "T1") == {"222400": ("record", held["answer_within_hours"])}
    later = record(stack, *held["units"], number="two", answer_within_hours=5)
    assert later is not None
    assert (later.holds, later.row["revision"]) == (True, 2)
    put_case(stack, "T2", "220202", "222401")
    assert told(stack, "T2") == {"222400": ("record", 5)}


def test_what_cannot_be_an_agreement_is_set_aside_and_changes_nothing(stack: Stack) -> None:
    before, issued = agreements.listed(stack.database), in_force(stack.kafka)
    pids = stack.supervisor.pids()
    put(
        stack,
        letter(units=["220200", "220200"]),
        letter(units=["220200", "229999"]),
        letter(answer_within_hours=0),
        letter(valid_to="2025-01-01"),
        letter(contacts=[{"unit": "220200", "role": "王红英", "office": "PSD"}]),
        {**letter(), "agreement_id": "another"},
        codec.encode("MatchDecided", example("MatchDecided")),
        b"junk",
    )
    assert agreements.listed(stack.database) == before
    put_case(stack, "W1", "220202", "222401")
    assert told(stack, "W1") == {"222400": ("record", 5)}
    after = in_force(stack.kafka)
    assert {notice_id: after[notice_id] for notice_id in issued} == issued
    assert stack.supervisor.pids() == pids
    with psycopg.connect(stack.dsn(OPERATOR)) as connection:
        rows = [
            row
            for row in dead_letters.dead_letter_rows(connection)
            if row["topic"] == topics.AGREEMENTS.name()
        ]
    assert [row["reason"] for row in sorted(rows, key=lambda row: row["offset"])] == [
        "ambiguous", "unknown-code", "over-limit", "wrong-date", "unknown-code", "wrong-id",
        "wrong-event", "not-single-object",
    ]  # fmt: skip
    logs = "".join(path.read_text() for path in (stack.data / "log").iterdir())
    assert "王红英" not in logs


def test_a_rebuild_ends_as_it_was_and_nothing_is_said_again(stack: Stack) -> None:
    def everything() -> tuple[Any, ...]:
        with psycopg.connect(stack.database) as connection:
            content = counts.content(connection)
        return content, agreements.corridors(stack.database, TODAY), notices(stack.kafka)

    before = everything()
    stack.supervisor.stop(["registry", "notices"])
    rebuild.rebuild(stack.kafka, stack.dsn(OWNER))
    for name in STOP_ORDER:
        stack.supervisor.start(name)
    wait_for_quiet(stack)
    assert everything() == before


def test_recording_stands_in_the_audit(stack: Stack) -> None:
    with psycopg.connect(stack.dsn(OPERATOR)) as connection:
        rows = connection.execute(
            "SELECT role, subject, purpose FROM audit.entry WHERE action = 'record'"
        ).fetchall()
    assert len(rows) == 4
    known = identifiers.agreement_id([LIAONING, "220000"], "1")
    assert rows[0] == ("crossregion_office", f"agreement {known}", "revision 1")


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("DELETE FROM registry.agreement WHERE revision = 1", "is missing"),
        ("UPDATE registry.agreement SET disclosure = 'record'", "is not what its records say"),
        ("UPDATE registry.agreement SET revision = 77", "and nothing calls for it"),
    ],
)
def test_agreements_that_were_not_recorded_so_are_named(
    stack: Stack, harm: LiteralString, says: str
) -> None:
    with psycopg.connect(stack.database) as connection:
        assert list(answers.agreed(stack.kafka, connection)) == []
    with psycopg.connect(stack.dsn(SUPERUSER)) as connection:
        connection.execute(harm)
        found = list(answers.agreed(stack.kafka, connection))
        connection.rollback()
    assert any(says in line for line in found)


@pytest.mark.parametrize(
    ("units", "changes", "says"),
    [
        (("220200", "220200"), {}, "220200, 220200 are no two units: the province's are"),
        (("220200", "229999"), {}, "220200, 229999 are no two units"),
        (("220200", "222400"), {"number": " "}, "needs its number"),
        (("220200", "222400"), {"signed_on": "8.1.2026"}, "8.1.2026 is no day: write 2026-01-31"),
        (("220200", "222400"), {"valid_to": "2026-01-08"}, "cannot end on 2026-01-08, before it"),
        (("220200", "222400"), {"status": "ended"}, "needs its last day"),
        (("220200", "222400"), {"case_types": ["WEDDING"]}, "types of case are, each once: CHILD"),
        (
            ("220200", "222400"),
            {"disclosure": "all"},
            "all is no level: existence, summary, record",
        ),
        (("220200", "222400"), {"answer_within_hours": 241}, "Hours to answer are 1 to 240"),
        (
            ("220200", "222400"),
            {"contacts": [{"unit": "220300", "role": "head", "office": "PSD"}]},
            "of one of the two units: 220200, 222400",
        ),
    ],
)
def test_what_cannot_be_recorded_is_one_clear_line(
    stack: Stack, units: tuple[str, ...], changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(NotToBeRecorded, match=says) as refused:
        record(stack, *units, **changes)
    assert "\n" not in str(refused.value)
    with pytest.raises(AgreementUnknown, match="There is no agreement no id"):
        agreements.find(stack.database, "no id")
