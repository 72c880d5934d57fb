"""Tips on the running stack: taken, told, triaged, linked; the tests share it, in their order."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from consumers.notices import worker as notices_worker
from consumers.reconcile import records
from consumers.registry import counts, rebuild
from crossregion import metrics
from crossregion.domain.regions import OFFICE
from crossregion.domain.tips import Tip
from crossregion.embedded.postgres import SUPERUSER
from crossregion.embedded.stack import STOP_ORDER, Stack
from crossregion.installation import DATABASE, OPERATOR, OWNER
from crossregion.services import dead_letters, handovers
from crossregion.services import notices as notices_service
from crossregion.services import tips as tips_service
from crossregion.services.notices import NotToBeAnswered
from crossregion.services.tips import NotToBeTriaged, TipUnknown
from producers import tips as taking
from producers.spool.store import Spool
from producers.tips import NotToBeTaken
from schemas import codec, topics
from tests.support.actors import analyst, officer
from tests.support.builders import a_case
from tests.support.command import run
from tests.support.live import in_force, notices, put, send, wait_for_quiet, wait_until
from tests.support.registry_history import TIP, triaged
from tests.support.stacks import DisposableStack

RECEIVER, HERE, THERE, OF_CASE, TAKER = "220100", "220600", "220300", "220800", "220700"
PLACE = "220602"
TEXT, NAME = "火车站有人带着一个哭闹的女孩", "孙秀兰"


@pytest.fixture(scope="module")
def stack(service_data: Path) -> Iterator[Stack]:
    with DisposableStack(service_data / "tipped") as stack:
        yield stack


def take(stack: Stack, text: str = TEXT, place: str | None = PLACE, **more: Any) -> Tip:
    with Spool(stack.spools / f"{RECEIVER}.sqlite", RECEIVER) as spool:
        taken = taking.take(spool, taking.tip(RECEIVER, text, place, **more))
    wait_for_quiet(stack)
    return RECEIVER, taken.tip_id


def dsn(stack: Stack, unit: str) -> str:
    return stack.database if unit == OFFICE else stack.dsn(f"unit_{unit}")


def row(stack: Stack, tip: Tip, unit: str = OFFICE) -> dict[str, Any]:
    return tips_service.find(dsn(stack, unit), unit, tip)


def triage(stack: Stack, tip: Tip, verdict: str, unit: str, **more: Any) -> tuple[bool, str, str]:
    """Whether the triage holds, the verdict in force, and whose the tip is."""
    actor = analyst(stack, "officer") if unit == OFFICE else officer(stack, unit)
    outcome = tips_service.triage(actor, tip, verdict, **more)
    assert outcome is not None
    wait_for_quiet(stack)
    return outcome.holds, outcome.row["verdict"], outcome.row["duty"]


def told(stack: Stack, *kinds: str) -> set[tuple[str, str, str]]:
    """Notices in force of these kinds: unit, kind and cause."""
    return {
        (one["unit"], one["kind"], one["cause"])
        for one in in_force(stack.kafka).values()
        if one["kind"] in kinds
    }


def reads(stack: Stack, tip: Tip, unit: str) -> bool:
    found = tips_service.read(dsn(stack, unit), unit, tip, "a review")
    if found is not None:
        assert found["record"]["identity"]["text"] == TEXT
    return found is not None


def discrepancies(stack: Stack) -> list[str]:
    with psycopg.connect(stack.database) as connection:
        return [
            *records.triaged(stack.kafka, connection),
            *records.marks(connection),
            *records.proposals(connection),
        ]


def test_a_tip_becomes_a_case(stack: Stack) -> None:
    """Referred by the unit of its place, linked to a case that another unit reports afterwards."""
    tip = take(stack, reporter_name=NAME, persons=[{"age_band": "6-13", "sex": "F"}])
    assert told(stack, "tip", "remarks") == {(HERE, "tip", tip[1])}
    (notice,) = notices_service.listed(dsn(stack, HERE))
    assert (notice["urgent"], notice["answer_within_hours"]) == (True, 12)
    assert row(stack, tip)["due_at"] == notices_service.due(notice)
    assert [reads(stack, tip, unit) for unit in (RECEIVER, HERE, THERE, OFFICE)] == [
        *(True, True, False, True),
    ]
    assert triage(stack, tip, "referred", HERE, to=THERE) == (True, "referred", THERE)
    assert told(stack, "tip") == {(THERE, "tip", tip[1])}
    assert [reads(stack, tip, unit) for unit in (HERE, THERE)] == [False, True]
    case = (OF_CASE, "T-1")
    assert triage(stack, tip, "linked", THERE, case=case) == (True, "linked", THERE)
    assert told(stack, "tip", "tip-linked") == {(OF_CASE, "tip-linked", tip[1])}
    assert not row(stack, tip)["case_known"]
    (linked,) = notices_service.listed(dsn(stack, OF_CASE))
    assert not reads(stack, tip, OF_CASE)
    notices_service.acknowledge(officer(stack, OF_CASE), linked["notice_id"], "accepted")
    wait_for_quiet(stack)
    assert reads(stack, tip, OF_CASE)
    put(stack, "CaseRecorded", a_case("T-1", unit=OF_CASE))
    wait_for_quiet(stack)
    assert row(stack, tip)["case_known"]
    assert row(stack, tip, OF_CASE)["case_known"]
    assert not row(stack, tip, THERE)["case_known"]
    with psycopg.connect(stack.database) as connection:
        found = connection.execute(
            "SELECT unit, tip_id, reported FROM registry.tip_case"
            " WHERE (case_unit, case_id) = (%s, %s)",
            case,
        ).fetchall()
    assert found == [(*tip, True)]
    assert discrepancies(stack) == []


def test_who_takes_over_the_case_is_told_of_the_tip_and_reads_it(stack: Stack) -> None:
    """The notice goes with the case, and what may be read with the notice."""
    (tip,) = (
        (one["unit"], one["tip_id"]) for one in tips_service.listed(dsn(stack, OF_CASE), OF_CASE)
    )
    about = ("case", OF_CASE, "T-1")

    def step(unit: str, action: str, to: str | None = None) -> None:
        outcome = handovers.act(officer(stack, unit), about, action, to)
        assert outcome is not None and outcome.holds
        wait_for_quiet(stack)

    step(OF_CASE, "offered", TAKER)
    assert told(stack, "tip-linked") == {(OF_CASE, "tip-linked", tip[1])}
    step(TAKER, "accepted")
    assert told(stack, "tip-linked") == {(TAKER, "tip-linked", tip[1])}
    assert [reads(stack, tip, unit) for unit in (OF_CASE, TAKER)] == [False, False]
    assert row(stack, tip, TAKER)["case_known"]
    (notice,) = (
        one for one in notices_service.listed(dsn(stack, TAKER)) if one["kind"] != "handover"
    )
    notices_service.acknowledge(officer(stack, TAKER), notice["notice_id"], "accepted")
    wait_for_quiet(stack)
    assert [reads(stack, tip, unit) for unit in (OF_CASE, TAKER)] == [False, True]
    step(TAKER, "returned")
    assert told(stack, "tip-linked") == {(OF_CASE, "tip-linked", tip[1])}
    assert not reads(stack, tip, OF_CASE)
    with pytest.raises(TipUnknown):
        row(stack, tip, TAKER)
    assert discrepancies(stack) == []


def test_who_may_not_triage_is_told_so_and_of_two_at_once_the_first_holds(stack: Stack) -> None:
    tip = take(stack, "another")
    linked = {"case": (OF_CASE, "T-2")}
    given: list[tuple[str, str, dict[str, Any], type[Exception], str]] = [
        (RECEIVER, "linked", linked, NotToBeTriaged, f"is {HERE}'s to triage"),
        (THERE, "linked", linked, TipUnknown, "has no part in a tip"),
        (HERE, "lost", {}, NotToBeTriaged, "verdict must be one of these: new, linked"),
        (HERE, "linked", {}, NotToBeTriaged, "case_id does not belong|case_id .* not well"),
        (HERE, "dismissed", {"reason": "because"}, NotToBeTriaged, "reason must be one of"),
        (HERE, "dismissed", {"reason": None}, NotToBeTriaged, "reason must be one of"),
        (HERE, "referred", {"to": "border"}, NotToBeTriaged, "to_unit must be one of these"),
        (HERE, "referred", {"to": HERE}, NotToBeTriaged, "only a tip that waits, to another"),
        (HERE, "new", {}, NotToBeTriaged, "only what is linked or dismissed"),
    ]
    for unit, verdict, more, fault, says in given:
        with pytest.raises(fault, match=says) as refused:
            triage(stack, tip, verdict, unit, **more)
        assert "\n" not in str(refused.value)
    assert row(stack, tip)["verdict"] == "new"
    late = triaged("dismissed", OFFICE, tip_unit=tip[0], tip_id=tip[1], reason="unfounded")
    assert triage(stack, tip, "linked", HERE, **linked) == (True, "linked", HERE)
    value = codec.encode("TipTriaged", late)
    send(stack.kafka, [{"topic": topics.TRIAGE.name(OFFICE), "key": b"k", "value": value}])
    wait_for_quiet(stack)
    held = row(stack, tip)
    assert (held["verdict"], held["refused"]) == ("linked", [late["triage_id"]])
    assert triage(stack, tip, "new", OFFICE) == (True, "new", HERE)
    assert told(stack, "tip") == {(HERE, "tip", tip[1])}
    assert triage(stack, tip, "dismissed", HERE, reason="too-vague")[:2] == (True, "dismissed")
    assert told(stack, "tip") == set()


def test_a_tips_notice_is_not_answered_and_not_given_to_another(stack: Stack) -> None:
    tip = take(stack, "not to be answered")
    (notice,) = (
        one
        for one in notices_service.listed(dsn(stack, HERE))
        if one["issued"] and one["cause"] == tip[1]
    )
    for answer in ("accepted", "not-ours"):
        with pytest.raises(NotToBeAnswered, match="A tip is not answered"):
            notices_service.acknowledge(officer(stack, HERE), notice["notice_id"], answer)
    with pytest.raises(NotToBeAnswered, match="A tip is not answered"):
        notices_service.reassign(analyst(stack), notice["notice_id"], THERE)
    triage(stack, tip, "dismissed", HERE, reason="unfounded")


def test_what_cannot_be_a_tip_or_a_triage_is_set_aside_and_changes_nothing(stack: Stack) -> None:
    before = [tips_service.listed(stack.database, OFFICE), notices(stack.kafka)]
    pids = stack.supervisor.pids()
    own, stranger = topics.TIPS.name(RECEIVER), topics.TIPS.name(THERE)
    nothing = {"text": " ", "reporter_name": None, "reporter_contact": None}
    tips = [
        (stranger, TIP),
        (own, {**TIP, "revision": 0}),
        (own, {**TIP, "tip_id": ""}),
        (own, {**TIP, "place": "x", "persons": [], "identity": nothing}),
        (own, {**TIP, "identity": {**nothing, "text": "x" * 2_001}}),
        (own, {**TIP, "identity": {**nothing, "text": "a\0b"}}),
    ]
    values = [(topic, codec.encode("TipRecorded", tip)) for topic, tip in tips]
    values += [(own, values[0][1][:-2]), (own, b"junk"), (topics.TRIAGE.name(HERE), b"junk")]
    good = triaged("dismissed", HERE, reason="unfounded")
    for topic, made in (
        (topics.TRIAGE.name(THERE), good),
        (topics.TRIAGE.name(HERE), {**good, "reason": "because"}),
        (topics.TRIAGE.name(HERE), {**good, "triage_id": "x"}),
        (topics.TRIAGE.name(HERE), {**good, "role": "x\0y"}),
    ):
        values.append((topic, codec.encode("TipTriaged", made)))
    send(stack.kafka, [{"topic": topic, "key": b"k", "value": value} for topic, value in values])
    wait_for_quiet(stack)
    assert [tips_service.listed(stack.database, OFFICE), notices(stack.kafka)] == before
    assert stack.supervisor.pids() == pids
    with psycopg.connect(stack.dsn(OPERATOR)) as connection:
        reasons = sorted(one["reason"] for one in dead_letters.dead_letter_rows(connection))
    assert reasons == [
        "another-unit", "another-unit", "no-record-id", "not-single-object", "not-single-object",
        "nothing-said", "over-limit", "over-limit", "torn", "unknown-code", "unstorable-text",
        "unstorable-text", "wrong-id",
    ]  # fmt: skip


def test_the_spool_takes_a_tip_once_and_no_empty_one(stack: Stack) -> None:
    with Spool(stack.data / "a spool.sqlite", RECEIVER) as spool:
        made = taking.tip(RECEIVER, TEXT, PLACE)
        first, again = (taking.take(spool, made) for _ in range(2))
        assert (first.new, again.new, first.tip_id == again.tip_id) == (True, False, True)
        assert made["anonymous"]
        changed = taking.take(spool, {**made, "place": "220303"})
        assert (changed.new, spool.counts("tip").accepted) == (True, 2)
        for wrong, says in (
            (taking.tip(RECEIVER, " ", None), "needs words"),
            (taking.tip(RECEIVER, " ", "999999"), "needs words"),
            (taking.tip(RECEIVER, "x" * 2_001), "2000 characters"),
            (taking.tip(RECEIVER, "a\0b"), "NUL"),
            (taking.tip(RECEIVER, TEXT, tip_id="x" * 101), "1 to 100 characters"),
        ):
            with pytest.raises(NotToBeTaken, match=says) as refused:
                taking.take(spool, wrong)
            assert TEXT not in str(refused.value)
        assert spool.counts("tip").accepted == 2


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("DELETE FROM registry.tip WHERE verdict = 'linked'", "is not what was said of it"),
        ("UPDATE registry.tip SET duty = '220500', verdict = 'new'", "220500 has no notice of it"),
        ("UPDATE registry.tip SET duty = '', verdict = 'new'", "waits, and  has no notice"),
    ],
)
def test_a_tip_that_is_lost_or_nobodys_is_named(
    stack: Stack, harm: LiteralString, says: str
) -> None:
    assert discrepancies(stack) == []
    assert stack._postgres is not None
    superuser = stack._postgres.dsn(DATABASE, SUPERUSER)
    with psycopg.connect(superuser) as connection, connection.transaction(force_rollback=True):
        connection.execute(harm)
        named = list(records.triaged(stack.kafka, connection))
    assert any(says in line for line in named)


def start(stack: Stack, *but: str) -> None:
    for name in STOP_ORDER:
        if name not in but:
            stack.supervisor.start(name)


def test_a_rebuild_ends_as_it_was_and_nothing_is_said_again(stack: Stack) -> None:
    def everything() -> tuple[str, Any, Any]:
        with psycopg.connect(stack.database) as connection:
            content = counts.content(connection)
        return content, tips_service.listed(stack.database, OFFICE), notices(stack.kafka)

    before = everything()
    stack.supervisor.stop(["registry"])
    rebuild.rebuild(stack.kafka, stack.dsn(OWNER))
    start(stack)
    wait_for_quiet(stack)
    assert everything() == before


HOURS, MARGIN = 72, 4.0


@contextmanager
def publisher_of_tomorrow(stack: Stack) -> Iterator[None]:
    """The publisher by a clock that is ahead by the hours of a tip but for a moment."""
    stop = threading.Event()
    ahead = HOURS * 3600.0 - MARGIN
    publisher = notices_worker.NoticePublisher(stack.kafka, "1", clock=lambda: time.time() + ahead)
    thread = threading.Thread(target=publisher.run, args=[stop, metrics.Health()])
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30.0)
    assert not thread.is_alive()


def test_an_overdue_tip_goes_to_the_office_once_across_restarts_until_it_is_triaged(
    stack: Stack,
) -> None:
    tip = take(stack, "nobody looks at it")
    (notice,) = (one for one in in_force(stack.kafka).values() if one["cause"] == tip[1])

    def at_office() -> bool:
        return (OFFICE, "overdue", notice["notice_id"]) in told(stack, "overdue")

    stack.supervisor.stop(STOP_ORDER)
    start(stack, "notices")
    with publisher_of_tomorrow(stack):
        wait_until(at_office, stack)
    with publisher_of_tomorrow(stack):
        time.sleep(MARGIN + 1.0)
        assert at_office()
        outcome = tips_service.triage(officer(stack, HERE), tip, "dismissed", reason="unfounded")
        assert outcome is not None and outcome.holds
        wait_until(lambda: not at_office() and told(stack, "tip") == set(), stack)
    start(stack)
    wait_for_quiet(stack)
    said = [
        [event for event, _ in events]
        for events in notices(stack.kafka).values()
        if (events[0][1]["kind"], events[0][1]["cause"]) == ("overdue", notice["notice_id"])
    ]
    assert said == [["NoticeIssued", "NoticeWithdrawn"]]


def test_the_commands_say_what_is_recorded(stack: Stack, tmp_path: Path) -> None:
    def command(*words: str | Path) -> tuple[int, str]:
        answer = run(*words, CROSSREGION_DATA=str(stack.data))
        return answer.returncode, answer.stdout + answer.stderr

    recording = (
        *("tip", "record", "--unit", RECEIVER, "--place", PLACE, "--text", TEXT, "--id", "K1"),
        *("--person", "under-6:F", "--reporter", NAME, "--happened", "2099-01-01"),
    )
    whose = f"the tip K1 of {RECEIVER} is new, {HERE}'s to triage\n"
    said = f"K1\n    happened_on: future-date\n{whose}"
    assert command(*recording) == (0, f"taken: {said}")
    assert command(*recording) == (0, f"known already: {said}")
    alone = run(*recording, CROSSREGION_DATA=str(tmp_path))
    assert (alone.returncode, "stored, and sent on" in alone.stdout) == (0, True)
    status, said = command("tip", "record", "--unit", RECEIVER)
    assert (status, "The tip was not taken: a tip needs words" in said) == (1, True)
    status, said = command("tip", "record", "--unit", RECEIVER, "--text", "x", "--person", "baby")
    assert (status, "A person is an age band" in said) == (1, True)
    wait_for_quiet(stack)
    _, listed = command("tip", "list", "--unit", HERE, "--waiting")
    assert "K1" in listed
    assert "urgent" in listed
    kept = tmp_path / "tip.json"
    status, shown = command("tip", "show", RECEIVER, "K1", "--unit", HERE, "--save", kept)
    assert (status, "Triage until " in shown, f"written to {kept}" in shown) == (0, True, True)
    assert json.loads(kept.read_text())["record"]["identity"]["reporter_name"] == NAME
    assert kept.stat().st_mode & 0o077 == 0
    assert NAME not in shown + listed
    assert TEXT not in shown + listed
    on = ("tip", "triage", RECEIVER, "K1")
    linked = f"the tip K1 of {RECEIVER} is linked to the case T-1 of {OF_CASE} by {HERE}\n"
    assert command(*on, "linked", "--case", f"{OF_CASE}:T-1", "--unit", HERE) == (0, linked)
    status, said = command(*on, "dismissed", "--reason", "unfounded", "--unit", OFFICE)
    assert (status, "take back what was made of it first" in said) == (1, True)
    _, listed = command("tip", "list", "--unit", OF_CASE, "--case", f"{OF_CASE}:T-1")
    assert "2 tips." in listed
    status, said = command("tip", "show", RECEIVER, "K1", "--unit", THERE)
    assert (status, f"{THERE} has no part in a tip K1" in said) == (1, True)
    status, said = command("tip", "show", RECEIVER, "K1", "--unit", OF_CASE, "--save", kept)
    assert (status, "is not 220800's to read" in said) == (1, True)
    assert command(*on, "new", "--unit", HERE) == (0, whose)
    referred = f"the tip K1 of {RECEIVER} is referred, {THERE}'s to triage\n"
    assert command(*on, "referred", "--to", THERE, "--unit", HERE) == (0, referred)
    logs = "".join(path.read_text() for path in (stack.data / "log").iterdir())
    assert not any(word in logs for word in (TEXT, NAME))
