"""Units answer their notices, on the running stack; the tests share it, in their order.

The case of the schemas' example is told to a second unit, which does not take it.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from consumers.notices import worker as notices_worker
from consumers.reconcile import answers
from consumers.registry import counts, rebuild
from consumers.registry import worker as registry_worker
from crossregion import metrics
from crossregion.domain.acknowledgements import EARLY_SECONDS
from crossregion.domain.regions import OFFICE
from crossregion.embedded.postgres import SUPERUSER
from crossregion.embedded.stack import STOP_ORDER, Stack
from crossregion.installation import OPERATOR, OWNER
from crossregion.services import dead_letters, disclosure, handovers
from crossregion.services import notices as notices_service
from crossregion.services.handovers import NotToBeHandedOver
from crossregion.services.notices import NoticeUnknown, NotToBeAnswered
from schemas import codec, topics
from schemas.units import ENTERING
from tests.support.actors import analyst, officer
from tests.support.builders import CASE, CASE_UNIT, a_case_to, example
from tests.support.command import run
from tests.support.live import in_force, notices, put, send, wait_for_quiet, wait_until
from tests.support.stacks import DisposableStack

TOLD, NEXT, TAKER = "220300", "220500", "220800"


@pytest.fixture(scope="module")
def stack(service_data: Path) -> Iterator[Stack]:
    with DisposableStack(service_data / "answered") as stack:
        put(stack, "CaseRecorded", a_case_to(TOLD))
        wait_for_quiet(stack)
        yield stack


def as_unit(stack: Stack, unit: str) -> str:
    return stack.dsn(f"unit_{unit}")


def told(stack: Stack, unit: str) -> list[dict[str, Any]]:
    """What stands in a unit's list about the case."""
    return [
        notice
        for notice in notices_service.listed(as_unit(stack, unit))
        if notice["issued"] and (notice["kind"], notice["cause"]) == ("flag", CASE["case_id"])
    ]


def acknowledge(
    stack: Stack, notice_id: str, unit: str, answer: str, reason: str | None = None
) -> tuple[bool, str]:
    """Whether the answer holds, and which is in force."""
    outcome = notices_service.acknowledge(officer(stack, unit), notice_id, answer, reason)
    assert outcome is not None
    wait_for_quiet(stack)
    return outcome.holds, outcome.row["answer"]


def disclosed(stack: Stack, unit: str, notice_id: str) -> list[tuple[str, Any]]:
    """The records that a unit may read by a notice."""
    found = disclosure.read_disclosed(as_unit(stack, unit), notice_id, "a review")
    return [(row["kind"], row["record"]) for row in found]


def at_office(stack: Stack, kind: str) -> list[str]:
    """The notices of this kind that the office has: what each is about."""
    found = in_force(stack.kafka).values()
    return sorted(one["cause"] for one in found if (one["unit"], one["kind"]) == (OFFICE, kind))


def test_a_unit_answers_and_a_refusal_goes_to_the_office_which_gives_it_to_another(
    stack: Stack,
) -> None:
    (notice,) = told(stack, TOLD)
    first = notice["notice_id"]
    assert acknowledge(stack, first, TOLD, "received") == (True, "received")
    assert acknowledge(stack, first, TOLD, "received") == (False, "received")
    assert acknowledge(stack, first, TOLD, "refused", "no-capacity") == (True, "refused")
    assert acknowledge(stack, first, TOLD, "received") == (False, "refused")
    assert at_office(stack, "reassign") == [first]
    notices_service.reassign(analyst(stack), first, NEXT)
    wait_for_quiet(stack)
    assert at_office(stack, "reassign") == []
    assert told(stack, TOLD) == []
    (second,) = told(stack, NEXT)
    with pytest.raises(NotToBeAnswered, match="was withdrawn"):
        acknowledge(stack, first, TOLD, "accepted")
    with pytest.raises(NotToBeAnswered, match="has gone elsewhere"):
        notices_service.reassign(analyst(stack), first, NEXT)
    assert disclosed(stack, NEXT, second["notice_id"]) == []
    assert acknowledge(stack, second["notice_id"], NEXT, "accepted") == (True, "accepted")
    assert disclosed(stack, NEXT, second["notice_id"]) == [("case", a_case_to(TOLD))]
    assert disclosed(stack, TOLD, second["notice_id"]) == disclosed(stack, TOLD, first) == []
    assert acknowledge(stack, second["notice_id"], NEXT, "accepted") == (False, "accepted")
    with pytest.raises(NotToBeAnswered, match=r"already accepted at revision 1 by the officer of"):
        notices_service.reassign(analyst(stack), second["notice_id"], TOLD)


def test_what_a_unit_was_not_told_it_cannot_answer(stack: Stack) -> None:
    (notice,) = told(stack, NEXT)
    given: list[tuple[str, str, str, str | None, type[Exception], str]] = [
        (notice["notice_id"], TOLD, "accepted", None, NoticeUnknown, "220300 was told no notice"),
        ("no id", NEXT, "accepted", None, NoticeUnknown, "was told no notice no id"),
        (notice["notice_id"], NEXT, "maybe", None, NotToBeAnswered, "is no answer: received, "),
        (notice["notice_id"], NEXT, "refused", None, NotToBeAnswered, "needs a reason: known-"),
        (notice["notice_id"], NEXT, "accepted", "dna", NotToBeAnswered, "takes no reason"),
    ]
    for notice_id, unit, answer, reason, fault, says in given:
        with pytest.raises(fault, match=says) as refused:
            acknowledge(stack, notice_id, unit, answer, reason)
        assert "\n" not in str(refused.value)
    with pytest.raises(NotToBeAnswered, match="999999 is no unit"):
        notices_service.reassign(analyst(stack), notice["notice_id"], "999999")
    with pytest.raises(NoticeUnknown, match="There is no notice"):
        notices_service.reassign(analyst(stack), "no id", TOLD)


def test_what_cannot_be_an_answer_is_set_aside_and_changes_nothing(stack: Stack) -> None:
    (before,) = told(stack, NEXT)
    pids = stack.supervisor.pids()
    good = {
        **example("NoticeAcknowledged"),
        "notice_id": before["notice_id"],
        "unit": NEXT,
        "revision": 9,
    }
    own = topics.ACKNOWLEDGEMENTS.name(NEXT)
    stranger = topics.ACKNOWLEDGEMENTS.name(TOLD)
    wrong = [
        (stranger, good),
        (stranger, {**good, "unit": TOLD}),
        (own, {**good, "reason": "because"}),
        (own, {**good, "notice_id": "x" * 101}),
        (own, {**good, "role": "x\0y"}),
    ]
    values = [(topic, codec.encode("NoticeAcknowledged", one)) for topic, one in wrong]
    values += [(own, b"junk"), (topics.REASSIGNMENTS.name(), b"junk")]
    given = {**example("NoticeReassigned"), "notice_id": before["notice_id"]}
    for changes in ({"to_unit": "999999"}, {"unit": TOLD}):
        bad = codec.encode("NoticeReassigned", {**given, **changes})
        values.append((topics.REASSIGNMENTS.name(), bad))
    send(stack.kafka, [{"topic": topic, "key": b"k", "value": value} for topic, value in values])
    wait_for_quiet(stack)
    assert told(stack, NEXT) == [before]
    assert stack.supervisor.pids() == pids
    with psycopg.connect(stack.dsn(OPERATOR)) as connection:
        reasons = sorted(row["reason"] for row in dead_letters.dead_letter_rows(connection))
    assert reasons == [
        "another-unit", "another-unit", "not-single-object", "not-single-object", "over-limit",
        "unknown-code", "unknown-code", "unstorable-text",
    ]  # fmt: skip


def test_a_case_is_handed_over_and_asked_back(stack: Stack) -> None:
    record = ("case", CASE_UNIT, CASE["case_id"])

    def act(unit: str, action: str, **more: Any) -> tuple[bool, str, str | None, bool]:
        outcome = handovers.act(officer(stack, unit), record, action, **more)
        assert outcome is not None
        names = ("owner", "offered_to", "asked_back")
        owner, offered_to, asked_back = (outcome.row[name] for name in names)
        return outcome.holds, owner, offered_to, asked_back

    def reads(unit: str) -> bool:
        return bool(disclosure.read_disclosed(as_unit(stack, unit), "handover", "a review"))

    def asked() -> list[tuple[str, list[str]]]:
        """Of the hand-over, what the taker's list says."""
        wait_for_quiet(stack)
        rows = notices_service.listed(as_unit(stack, TAKER))
        return [
            (row["case_id"], [remark["code"] for remark in row["remarks"]])
            for row in rows
            if row["issued"] and row["kind"] == "handover"
        ]

    assert act(CASE_UNIT, "offered", to=TAKER) == (True, CASE_UNIT, TAKER, False)
    assert asked() == [(CASE["case_id"], [])]
    told_of_it = notices_service.listed(as_unit(stack, TAKER))[-1]["notice_id"]
    with pytest.raises(NotToBeAnswered, match="is about a hand-over, which is answered by what"):
        acknowledge(stack, told_of_it, TAKER, "accepted")
    with pytest.raises(NotToBeAnswered, match="goes to whom its owner offers it"):
        notices_service.reassign(analyst(stack), told_of_it, NEXT)
    for unit, action, more, says in (
        (CASE_UNIT, "offered", {"to": TOLD}, "one offer at a time"),
        (TOLD, "accepted", {}, "only the unit that it is offered to"),
        (TAKER, "refused", {"reason": "because"}, "reason must be one of these: known-already"),
        (TAKER, "returned", {}, "only its owner may return it"),
    ):
        with pytest.raises(NotToBeHandedOver, match=says) as refused:
            act(unit, action, **more)
        assert "\n" not in str(refused.value)
    unknown = ("case", CASE_UNIT, "no such case")
    with pytest.raises(NotToBeHandedOver, match="has reported no case no such case"):
        handovers.act(officer(stack, CASE_UNIT), unknown, "offered", TAKER)
    assert not reads(TAKER)
    assert act(TAKER, "accepted") == (True, TAKER, None, False)
    assert reads(TAKER)
    assert asked() == []
    assert act(CASE_UNIT, "withdrawn") == (True, TAKER, None, True)
    assert asked() == [(CASE["case_id"], ["asked-back"])]
    assert act(TAKER, "refused", reason="record-unclear") == (True, TAKER, None, False)
    assert act(CASE_UNIT, "withdrawn") == (True, TAKER, None, True)
    assert act(TAKER, "returned") == (True, CASE_UNIT, None, False)
    assert asked() == []
    assert reads(TAKER)
    assert not reads(TOLD)


def start(stack: Stack, *but: str) -> None:
    """Start the workers that do not run, after a stop, which stops them all."""
    for name in STOP_ORDER:
        if name not in but:
            stack.supervisor.start(name)


def test_a_rebuild_ends_as_it_was_and_nothing_is_said_again(stack: Stack) -> None:
    def everything() -> tuple[str, Any, Any]:
        with psycopg.connect(stack.database) as connection:
            content = counts.content(connection)
        return content, told(stack, NEXT), notices(stack.kafka)

    before = everything()
    stack.supervisor.stop(["registry"])
    rebuild.rebuild(stack.kafka, stack.dsn(OWNER))
    start(stack)
    wait_for_quiet(stack)
    assert everything() == before


def test_an_answer_to_what_nobody_was_told_is_let_go_once_all_notices_are_stored(
    stack: Stack,
) -> None:
    unit = "220700"
    stray = {**example("NoticeAcknowledged"), "notice_id": str(uuid.uuid4()), "unit": unit}
    inbox, own = topics.NOTICES.name(unit), topics.ACKNOWLEDGEMENTS.name(unit)

    def say(topic: str, event: str, content: dict[str, Any]) -> None:
        send(stack.kafka, [{"topic": topic, "key": b"k", "value": codec.encode(event, content)}])

    def kept() -> int:
        with psycopg.connect(stack.database) as connection:
            asked = "SELECT FROM registry.acknowledgement WHERE notice_id = %s"
            return len(connection.execute(asked, [stray["notice_id"]]).fetchall())

    say(own, "NoticeAcknowledged", stray)
    wait_for_quiet(stack)
    stack.supervisor.stop(STOP_ORDER)
    newest = example("NoticeIssued", 3)
    say(inbox, "NoticeIssued", {**newest, "notice_id": str(uuid.uuid4()), "unit": unit})
    dsn = stack.dsn("crossregion_registry")
    worker = registry_worker.Registry(
        stack.kafka, dsn, "1", clock=lambda: time.time() + 3 * EARLY_SECONDS
    )
    worker.forget()
    assert kept() == 1
    start(stack)
    wait_for_quiet(stack)
    worker.forget()
    assert kept() == 0


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("UPDATE registry.notice SET answer = NULL WHERE answer = 'accepted'", "answer to notice"),
        ("DELETE FROM registry.notice WHERE answer = 'accepted'", "the answer to notice"),
        ("DELETE FROM registry.disclosure", "the disclosure of notice"),
        ("UPDATE registry.disclosure SET reader = '220100'", "the disclosure of notice"),
        ("UPDATE registry.handover SET owner = '220100'", "the hand-over of case"),
        ("DELETE FROM registry.handover", "the hand-over of case"),
    ],
)
def test_answers_and_owners_that_do_not_follow_are_named(
    stack: Stack, harm: LiteralString, says: str
) -> None:
    def named(connection: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
        return [
            *answers.answered(stack.kafka, connection),
            *answers.handed_over(stack.kafka, connection),
        ]

    with psycopg.connect(stack.database) as connection:
        assert named(connection) == []
    with psycopg.connect(stack.dsn(SUPERUSER)) as connection:
        connection.execute(harm)
        found = named(connection)
        connection.rollback()
    assert found
    assert all(line.startswith(("the", "there is")) and says in line for line in found)


LATE, HOURS = "220600", 72
MARGIN = 4.0


@contextmanager
def publisher_of_tomorrow(stack: Stack) -> Iterator[None]:
    """The publisher by a clock that is ahead by the hours of a notice but for a moment."""
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


def test_an_overdue_notice_goes_to_the_office_twice_across_restarts_until_it_is_answered(
    stack: Stack,
) -> None:
    put(stack, "CaseRecorded", a_case_to(LATE, case_id="overdue"))
    wait_for_quiet(stack)
    (notice,) = (
        one for one in notices_service.listed(as_unit(stack, LATE)) if one["kind"] == "flag"
    )
    assert notice["answer_within_hours"] == HOURS
    assert notices_service.due(notice) == notice["said_at"] + timedelta(hours=HOURS)

    def times() -> int:
        return at_office(stack, "overdue").count(notice["notice_id"])

    stack.supervisor.stop(STOP_ORDER)
    start(stack, "notices")
    with publisher_of_tomorrow(stack):
        wait_until(lambda: times() == 1, stack)
    with publisher_of_tomorrow(stack):
        wait_until(lambda: times() == 2, stack)
        time.sleep(MARGIN + 1.0)
    with publisher_of_tomorrow(stack):
        time.sleep(2.0)
        assert times() == 2
        notices_service.acknowledge(officer(stack, LATE), notice["notice_id"], "accepted")
        wait_until(lambda: times() == 0, stack)
    start(stack)
    wait_for_quiet(stack)
    assert times() == 0


def test_the_commands_say_what_is_recorded(stack: Stack, tmp_path: Path) -> None:
    put(stack, "CaseRecorded", a_case_to(LATE, case_id="by command"))
    wait_for_quiet(stack)

    def command(*words: str | Path) -> tuple[int, str]:
        answer = run(*words, CROSSREGION_DATA=str(stack.data))
        return answer.returncode, answer.stdout + answer.stderr

    unit = ("--unit", LATE)
    _, listed = command("notices", "list", *unit, "--waiting")
    (line,) = (line for line in listed.splitlines() if "by command" in line)
    notice_id = line.split()[0]
    _, shown = command("notices", "show", notice_id, *unit)
    assert "case_id: by command" in shown
    assert command("notices", "show", notice_id[:8], *unit) == (0, shown)
    _, written = command("notices", "list", *unit, "--waiting", "--json")
    assert notice_id in [one["id"] for one in json.loads(written)]
    assert "Answer until " in shown
    kept = tmp_path / "record.json"
    saving = ("notices", "show", notice_id, *unit, "--save", kept)
    status, said = command(*saving)
    assert (status, "Nothing of" in said, kept.exists()) == (1, True, False)
    accepting = ("notices", "acknowledge", notice_id, "accepted", *unit)
    by = "accepted at revision 1 by the officer of 220600\n"
    assert command(*accepting) == (0, by)
    assert command(*accepting) == (3, f"already {by}")
    status, said = command(*saving)
    assert (status, f"1 records written to {kept}" in said) == (0, True)
    name = CASE["victims"][0]["identity"]["name"]
    assert name in kept.read_text()
    assert name not in said
    assert kept.stat().st_mode & 0o077 == 0
    status, said = command("notices", "acknowledge", notice_id, "refused", *unit)
    reasons = "known-already, no-capacity, other-agency, record-unclear"
    needed = f"refused needs a reason: {reasons}. Name it by --reason.\n"
    assert (status, said) == (1, needed)
    status, said = command("notices", "reassign", notice_id, "--to", NEXT)
    assert (status, said) == (1, f"The notice {notice_id} is already {by.strip()}.\n")
    record = ("case", CASE_UNIT, "by command")
    offer = ("handover", "offer", *record, "--unit", CASE_UNIT, "--to", NEXT)
    whose = f"offered: case by command of {CASE_UNIT} is {CASE_UNIT}'s, offered to {NEXT}\n"
    assert command(*offer) == (0, whose)
    status, said = command("handover", "accept", *record, "--unit", LATE)
    assert (status, "only the unit that it is offered to may accept it" in said) == (1, True)
    _, listed = command("handover", "list", "--unit", NEXT)
    assert "1 records." in listed
    assert command("notices", "list", "--unit", "999999")[0] == 1


def test_the_stack_tells_the_commands_where_a_unit_enters(stack: Stack) -> None:
    addresses = json.loads((stack.data / "addresses.json").read_text())
    assert set(addresses["units"]) == set(ENTERING)
    assert addresses["units"][TOLD] == as_unit(stack, TOLD)
