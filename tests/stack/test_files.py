"""From the rescue of a child without guardian to the last certificate and the figures of the years.

One scenario on the running stack: departments aid the child, a tip becomes a case that an officer
saves in a unit's own database, the file is handed over, and the report counts it all. The tests
share the stack, in their order, and turn its clock.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from consumers.registry import counts, rebuild
from consumers.registry.projections import files as files_projection
from crossregion import clock, metrics
from crossregion.domain.files import obligations
from crossregion.domain.handovers import Record
from crossregion.domain.validation import ValidatedEvent, validate_event
from crossregion.embedded.postgres import EmbeddedPostgres
from crossregion.embedded.stack import STOP_ORDER, Stack
from crossregion.installation import OPERATOR, OWNER, SUPERVISION
from crossregion.postgres import clock as postgres_clock
from crossregion.postgres import queries, transactions
from crossregion.services import dead_letters, handovers, reports, tips
from crossregion.services import files as files_service
from producers import tips as taking
from producers.records import LocalRecord
from producers.spool.store import Spool
from schemas import codec, topics
from tests.support import exports
from tests.support.actors import officer
from tests.support.builders import a_rescue, example
from tests.support.command import assert_one_clear_line, run
from tests.support.figures import ZONE, Event, Known
from tests.support.live import in_force, notices, read_all, send, wait_for_quiet, wait_until
from tests.support.outbox import Office, start_relay
from tests.support.stacks import DisposableStack

UNIT, TAKER, STRANGER = "220100", "220600", "220300"
SECRET, TIP = "禾秀娘家表姐", "桥洞下有个不会说本地话的女孩"
CASE = "吉2025-7"
CHILD = a_rescue(
    rescue_id="220100-R7",
    found_on="2025-01-31",
    guardian="NOT_FOUND",
    birth_date="2016-05-02",
    age_band="6-13",
)
FILE = (UNIT, "220100-R7")
RECORD: Record = ("rescue", *FILE)
AT_FIRST = {"CHILD_PLACEMENT", "LEGAL_AID", "MEDICAL", "PSYCHOLOGICAL", "PUBLIC_NOTICE"}
AT_FIRST |= {"SCHOOL_RETURN"}
PERSONAL = {*topics.intake_names(), topics.LINKAGE_RECORDS.name(), topics.DEAD_LETTERS.name()}


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file that the processes take the day from, the test's own too."""
    file = tmp_path_factory.mktemp("clock") / "today"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSREGION_TODAY_FILE", str(file))
        turn(file, "2025-01-31")
        yield file


def turn(file: Path, day: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(day)
    new.replace(file)


@pytest.fixture(scope="module")
def stack(service_data: Path, today: Path) -> Iterator[Stack]:
    with DisposableStack(service_data / "filed") as stack:
        with Spool(stack.spools / f"{UNIT}.sqlite", UNIT) as spool:
            made = LocalRecord("RescueRecorded", CHILD["rescue_id"], {**CHILD, "revision": 0}, ())  # type: ignore[arg-type]
            assert spool.accept_all([made]).published == 1
        wait_for_quiet(stack)
        yield stack


def record(stack: Stack, tmp_path: Path, unit: str, *entries: dict[str, Any]) -> None:
    """As a clerk of the unit does: a file of lines, by the command, through the spool."""
    path = tmp_path / "entries.jsonl"
    whole = [{"rescue_unit": UNIT, "rescue_id": FILE[1], **entry} for entry in entries]
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in whole), "utf-8")
    done = run("file", "record", path, "--unit", unit, CROSSREGION_DATA=str(stack.data))
    assert done.returncode == 0, done.stderr
    assert f"{len(entries)} read, {len(entries)} accepted" in done.stdout
    wait_for_quiet(stack)


def aid(number: int, kind: str, state: str, lead: str | None = None, **more: Any) -> dict[str, Any]:
    details = {"provider": None, "note": SECRET}
    return {
        **{"event": "AssistanceRecorded", "assistance_id": f"A{number}", "kind": kind},
        **{"state": state, "lead": lead, "details": details, **more},
    }


def search(state: str, **days: str) -> dict[str, Any]:
    return {"event": "GuardianSearchRecorded", "search_id": "G1", "state": state, **days}


def told(stack: Stack) -> set[tuple[str, str, str]]:
    """The notices of files that stand: kind, item, and to whom."""
    return {
        (one["kind"], one["item"], one["unit"])
        for one in in_force(stack.kafka).values()
        if one["kind"].startswith("file-")
    }


def wait_for(stack: Stack, *expected: tuple[str, str, str]) -> None:
    last: set[tuple[str, str, str]] = set()

    def reached() -> bool:
        nonlocal last
        last = told(stack)
        return last == set(expected)

    try:
        wait_until(reached, stack, 20.0)
    except AssertionError:
        raise AssertionError(
            f"too many {last - {*expected}}, missing { ({*expected} - last) }"
        ) from None


def due(unit: str, *items: str) -> list[tuple[str, str, str]]:
    return [("file-due", item, unit) for item in items]


def overdue(unit: str, *items: str) -> list[tuple[str, str, str]]:
    """What is overdue is due, too."""
    return [*due(unit, *items), *(("file-overdue", item, unit) for item in items)]


def test_what_fits_a_child_without_guardian_is_due_at_once(stack: Stack) -> None:
    wait_for(stack, *due(UNIT, *AT_FIRST))
    by_item = {one["item"]: one for one in in_force(stack.kafka).values() if one["item"]}
    assert by_item["SCHOOL_RETURN"]["department"] == "EDU"
    assert by_item["PUBLIC_NOTICE"]["due_on"] == "2025-02-07"
    assert by_item["MEDICAL"]["cause"] == FILE[1]


def test_several_departments_aid_and_what_they_do_is_withdrawn(
    stack: Stack, tmp_path: Path
) -> None:
    record(
        stack,
        tmp_path,
        UNIT,
        aid(1, "MEDICAL", "DONE", "HLT", done_on="2025-01-31"),
        aid(2, "LEGAL_AID", "OFFERED", "JUS", needed_on="2025-01-31"),
        aid(3, "PSYCHOLOGICAL", "DECLINED", "HLT"),
        aid(4, "SCHOOL_RETURN", "STARTED", "CAD", started_on="2025-01-31"),
        aid(5, "CHILD_PLACEMENT", "STARTED", "CAD", started_on="2025-01-31", assisting=["WF"]),
        search("PUBLIC_NOTICE", begun_on="2025-01-31", notice_on="2025-01-31"),
    )
    wait_for(stack, *due(UNIT, "LEGAL_AID:220100/A2"))
    remarked = [one for one in in_force(stack.kafka).values() if one["kind"] == "remarks"]
    assert [(one["cause"], one["remarks"]) for one in remarked if one["cause"] == "A4"] == [
        ("A4", [{"field": "lead", "code": "wrong-lead"}])
    ]


def test_a_tip_becomes_a_case_that_an_officer_saves_in_the_units_own_database(
    stack: Stack, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    police = exports.UNIT
    with Spool(stack.spools / f"{UNIT}.sqlite", UNIT) as spool:
        tip = (UNIT, taking.take(spool, taking.tip(UNIT, TIP, "220202")).tip_id)
    wait_for_quiet(stack)
    linked = tips.triage(officer(stack, police), tip, "linked", case=(police, CASE))
    assert linked is not None
    assert linked.holds
    assert not tip_row(stack, tip)["case_known"]
    office = Office(postgres, "police_of_a_child")
    relay = start_relay(office, stack.data, tmp_path / "relay.log")
    try:
        office.save(CASE)
        with office.officer() as connection:
            connection.execute("UPDATE cases SET reported_at = '2025-02-01', taken_to = '222401'")
        wait_until(lambda: bool(tip_row(stack, tip)["case_known"]), stack)
    finally:
        relay.terminate()
    assert relay.wait(30.0) == 0
    wait_for_quiet(stack)
    flagged = [one for one in in_force(stack.kafka).values() if one["kind"] == "flag"]
    assert [(one["unit"], one["case_id"]) for one in flagged] == [("222400", CASE)]
    assert office.rows() == []


def tip_row(stack: Stack, tip: tuple[str, str]) -> dict[str, Any]:
    return tips.find(stack.dsn(f"unit_{exports.UNIT}"), exports.UNIT, tip)


def test_the_notice_ends_and_the_welfare_home_is_late(stack: Stack, today: Path) -> None:
    turn(today, "2025-03-03")
    late = overdue(UNIT, "LEGAL_AID:220100/A2")
    wait_for(stack, *late, *due(UNIT, "WELFARE_HOME", "FIRST_CERTIFICATE"))
    turn(today, "2025-03-10")
    wait_for(stack, *late, *overdue(UNIT, "WELFARE_HOME", "FIRST_CERTIFICATE"))
    with transactions.session(stack.database) as connection:
        postgres_clock.look_from_today(connection)
        rows = connection.execute("SELECT * FROM registry.file_overdue ORDER BY lead").fetchall()
        assert rows == [
            (UNIT, "CAD", 1, date(2025, 3, 9)),
            (UNIT, "JUS", 1, date(2025, 3, 2)),
            (UNIT, "PSD", 1, date(2025, 3, 7)),
        ]
        files_projection.measure(connection)
    measured = {
        tuple(sample.labels.values()): sample.value
        for metric in metrics.FILE_ITEMS.collect()
        for sample in metric.samples
    }
    assert measured == {(UNIT, lead, "overdue"): 1.0 for lead in ("CAD", "JUS", "PSD")}


def test_a_notices_worker_that_is_killed_says_nothing_twice(stack: Stack) -> None:
    before = notices(stack.kafka)
    stack.supervisor.kill("notices")
    wait_until(lambda: bool(stack.check()), stack)
    stack.wait_healthy()
    wait_for_quiet(stack)
    time.sleep(1.0)
    assert notices(stack.kafka) == before


def test_a_handover_takes_the_file_along(stack: Stack, tmp_path: Path) -> None:
    assert seen(stack, TAKER) == set()
    for unit, action, to in ((UNIT, "offered", TAKER), (TAKER, "accepted", None)):
        step = handovers.act(officer(stack, unit), RECORD, action, to)
        assert step is not None
        assert step.holds
    late = ("LEGAL_AID:220100/A2", "WELFARE_HOME", "FIRST_CERTIFICATE")
    wait_for(stack, *overdue(TAKER, *late))
    problem = {"kind": "LIVELIHOOD", "state": "OPEN", "department": "CAD"}
    record(
        stack,
        tmp_path,
        TAKER,
        aid(9, "RIGHTS_TRAINING", "NEEDED", needed_on="2025-03-10", wish="HOME"),
        {**search("IN_WELFARE_HOME", placed_on="2025-03-10"), "first_certificate_on": "2025-03-10"},
        {
            **{"event": "FollowUpRecorded", "follow_up_id": "F1", "state": "DONE"},
            **{"done_on": "2025-03-10", "wellbeing": "FAIR", "problems": [problem]},
        },
    )
    open_now = (late[0], "RIGHTS_TRAINING:220600/A9", "PROBLEM:LIVELIHOOD")
    wait_for(stack, *overdue(TAKER, open_now[0]), *due(TAKER, *open_now[1:]))


def seen(stack: Stack, unit: str) -> set[str]:
    rows = files_service.due(stack.dsn(f"unit_{unit}"), own=True)
    return {row["item"] for row in rows if (row["rescue_unit"], row["rescue_id"]) == FILE}


def test_twelve_months_on_the_second_certificate_is_due(
    stack: Stack, today: Path, tmp_path: Path
) -> None:
    turn(today, "2026-01-31")
    left = ("LEGAL_AID:220100/A2", "RIGHTS_TRAINING:220600/A9", "PROBLEM:LIVELIHOOD", "FOLLOW_UP")
    wait_for(stack, *overdue(TAKER, *left), *due(TAKER, "SECOND_CERTIFICATE"))
    record(
        stack,
        tmp_path,
        TAKER,
        {**search("NOT_FOUND", second_certificate_on="2026-01-31"), "search_id": "G2"},
        aid(9, "RIGHTS_TRAINING", "DONE", done_on="2026-01-30"),
    )
    wait_for(stack, *overdue(TAKER, left[0], left[2], left[3]))


def test_the_units_concerned_see_the_file_and_no_other(stack: Stack) -> None:
    owed = {"LEGAL_AID:220100/A2", "PROBLEM:LIVELIHOOD", "FOLLOW_UP"}
    assert seen(stack, UNIT) == seen(stack, TAKER) == owed
    assert seen(stack, STRANGER) == set()
    here = {"CROSSREGION_DATA": str(stack.data), **clock_of()}
    listed = run("file", "due", "--overdue", **here).stdout
    assert "PROBLEM:LIVELIHOOD" in listed
    assert "3 items." in listed
    save = stack.data / "whole.jsonl"
    shown = run("file", "show", *FILE, "--unit", TAKER, "--save", save, **here)
    assert shown.returncode == 0, shown.stderr
    assert SECRET not in shown.stdout
    whole = [json.loads(line) for line in save.read_text("utf-8").splitlines()]
    assert save.stat().st_mode & 0o777 == 0o600
    read = {(one["kind"], one["unit"], one["record_id"]) for one in whole}
    assert {("rescue", *FILE), ("assistance", UNIT, "A1"), ("assistance", TAKER, "A9")} <= read
    assert any(SECRET in json.dumps(one, ensure_ascii=False) for one in whole)
    with transactions.session(stack.dsn(OPERATOR)) as connection:
        audited = [row["subject"] for row in queries.rows(connection, "audit_entries")]
    assert f"assistance {UNIT} A1" in audited
    hidden = run("file", "show", *FILE, "--unit", STRANGER, **here)
    assert_one_clear_line(hidden, "There is no file of rescue 220100-R7 of 220100 that you may see")
    with psycopg.connect(stack.dsn(f"unit_{STRANGER}")) as connection:
        asked = ("assistance", UNIT, "A1", "x", "curiosity")
        found = connection.execute("SELECT registry.ask_record(%s, %s, %s, %s, %s)", asked)
        assert found.fetchall() == [(None,)]


def clock_of() -> dict[str, str]:
    return {"CROSSREGION_TODAY_FILE": os.environ["CROSSREGION_TODAY_FILE"]}


def test_bad_entries_are_set_aside_and_can_be_put_back(stack: Stack, tmp_path: Path) -> None:
    entry = {**example("AssistanceRecorded"), "assistance_id": "A77"}
    value = codec.encode("AssistanceRecorded", entry)
    topic = topics.FILES.name(UNIT)
    bad = (
        value[:-3],
        value + b"\0",
        codec.encode("AssistanceRecorded", {**entry, "rescue_id": ""}),
    )
    send(stack.kafka, [{"topic": topic, "key": b"k", "value": one} for one in bad])
    foreign = {"topic": topics.FILES.name(STRANGER), "key": b"k", "value": value}
    send(stack.kafka, [foreign])
    wait_for_quiet(stack)
    letters = [row for row in dead_letters.listed(stack.dsn(OPERATOR)) if "files" in row["topic"]]
    reasons = sorted(row["reason"] for row in letters)
    assert reasons == ["another-unit", "no-record-id", "torn", "trailing-bytes"]
    torn = next(row["dead_letter_id"] for row in letters if row["reason"] == "torn")
    dead_letters.replay(stack.kafka, stack.dsn(OPERATOR), torn, "a test")
    wait_for_quiet(stack)
    path = tmp_path / "wrong.jsonl"
    path.write_text('{"event": "AssistanceRecorded"}\nno json\n')
    wrong = run("file", "record", path, "--unit", UNIT, CROSSREGION_DATA=str(stack.data))
    assert wrong.returncode == 3
    assert "2 read, 0 accepted, 0 unchanged, 2 refused" in wrong.stdout


def test_the_registry_says_what_the_raw_entries_do(stack: Stack) -> None:
    """Every entry of the topics, validated and counted here, against the registry's rows."""
    notes: dict[tuple[str, str, str], ValidatedEvent] = {}
    for one in read_all(stack.kafka, *topics.FILES.names(), *topics.RESCUES.names()):
        try:
            event, raw = codec.decode(one.value)
            validated = validate_event(event, raw, topics.unit_of_topic(one.topic), None)
        except Exception:  # noqa: BLE001, S112 (set aside, as the test before has looked at)
            continue
        key = (validated.kind, validated.unit, validated.record_id)
        if key not in notes or notes[key].revision < validated.revision:
            notes[key] = validated
    of_child = [
        one.noted
        for one in notes.values()
        if one.noted and (one.noted["rescue_unit"], one.noted["rescue_id"]) == FILE
    ]
    owed = {
        one.item: (one.due_from, one.due_on) for one in obligations.owed(of_child, {UNIT, TAKER})
    }
    rows = files_service.read(stack.database, FILE, own=False)[1]
    assert {row["item"]: (row["due_from"], row["due_on"]) for row in rows} == owed
    assert {row["owner"] for row in rows} == {TAKER}
    assert clock.today() == date(2026, 1, 31)


def test_the_report_counts_what_one_counts_over_the_raw_events(stack: Stack) -> None:
    listed = figures(stack)
    children, given, crossed = (
        {name: len(rows) for name, rows in listed[section].items()}
        for section in ("guardians", "aid", "corridors")
    )
    assert children == {
        **dict.fromkeys(("children", "without_guardian", "searched", "public_notice"), 1),
        **dict.fromkeys(("placed", "first_certificate", "second_certificate"), 1),
        "found": 0,
    }
    assert given == {"rescued": 1, "given": 5, "declined": 1}
    assert (crossed["cases"], crossed["asked"], crossed["handed_over"]) == (1, 1, 1)
    assert len(listed["agreements"]["missing"]) == 1
    here = {"CROSSREGION_DATA": str(stack.data), "COLUMNS": "200"}
    shown = run("report", "guardians", "corridors", "--from", "2025-01-01", **here)
    assert shown.returncode == 0, shown.stderr
    assert SECRET not in shown.stdout


def figures(stack: Stack) -> dict[str, dict[str, list[tuple[Any, ...]]]]:
    """The events that each figure counts, the same by the registry and by hand."""
    raw = list(raw_events(stack))
    found: dict[str, dict[str, list[tuple[Any, ...]]]] = {}
    with transactions.session(stack.dsn(SUPERVISION)) as connection:
        newest = reports.newest(connection)
        milliseconds = round(newest.timestamp() * 1000)
        question = reports.Question(date(2025, 1, 1), newest.astimezone(ZONE).date(), newest)
        known = Known(raw, question.since, question.until, milliseconds)
        for section, names in reports.EVENTS.items():
            counted = getattr(known, section)()
            assert counted.keys() == {*names}
            for name in names:
                table = reports.events(connection, f"{section}.{name}", question)
                by_hand = sorted(one[: len(table.columns)] for one in counted[name])
                assert sorted(map(tuple, table.rows)) == by_hand, f"{section}.{name}"
                found.setdefault(section, {})[name] = by_hand
    return found


def raw_events(stack: Stack) -> Iterator[Event]:
    """Every event that stands on a topic, as the counting by hand takes it."""
    for one in read_all(stack.kafka, *(name for topic in topics.TOPICS for name in topic.names())):
        try:
            event, record = codec.decode(one.value)
        except codec.Undecodable:
            continue
        meant = one.topic.partition(".")[2] in ("", record.get("unit")) and record.get("rescue_id")
        yield {
            **{"event": event, "record": record, "topic": one.topic, "ms": one.timestamp},
            **{"id": dict(one.headers).get("ce_id", b"").decode()},
            "counts": bool(meant or "rescue_id" not in record),
        }


def test_no_personal_value_leaves_the_entries(stack: Stack) -> None:
    secret = SECRET.encode()
    names = [name for topic in topics.TOPICS for name in topic.names() if name not in PERSONAL]
    told = TIP.encode()
    for one in read_all(stack.kafka, *names):
        assert secret not in (one.value or b"")
        assert told not in (one.value or b"")
    assert any(
        secret in (one.value or b"") for one in read_all(stack.kafka, topics.FILES.name(UNIT))
    )
    for log in (stack.data / "log").iterdir():
        assert secret not in log.read_bytes(), log
        assert told not in log.read_bytes(), log


def test_a_rebuild_ends_as_it_was_and_tells_nobody_again(stack: Stack) -> None:
    said = notices(stack.kafka)
    with transactions.session(stack.database) as connection:
        before = counts.content(connection)
    counted = figures(stack)
    stack.supervisor.stop(STOP_ORDER)
    rebuild.rebuild(stack.kafka, stack.dsn(OWNER))
    for name in STOP_ORDER:
        stack.supervisor.start(name)
    stack.wait_healthy()
    wait_for_quiet(stack)
    with transactions.session(stack.database) as connection:
        assert counts.content(connection) == before
    assert notices(stack.kafka) == said
    assert figures(stack) == counted
