"""Decisions on proposals, on the running stack; the tests share it, in their order.

The case of the schemas' example states no destination, and its rescue is the same person.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
import pytest

from consumers.reconcile import records as reconcile_records
from consumers.registry import counts, rebuild
from crossregion.domain import events, identifiers
from crossregion.embedded.postgres import SUPERUSER
from crossregion.embedded.stack import STOP_ORDER, Stack
from crossregion.installation import DATABASE, OPERATOR, OWNER
from crossregion.services import dead_letters, proposals
from crossregion.services.confirmation import Recorded
from crossregion.services.proposals import NotToBeDecided, ProposalUnknown
from schemas import codec, topics
from tests.support.actors import analyst
from tests.support.builders import CASE, CASE_UNIT, RESCUE, RESCUE_UNIT, a_case_to, example
from tests.support.live import in_force, notices, put, read_all, send, wait_for_quiet, wait_until
from tests.support.stacks import DisposableStack

PROPOSAL = identifiers.proposal_id(
    CASE_UNIT, CASE["victims"][0]["victim_id"], RESCUE_UNIT, RESCUE["rescue_id"]
)
NOTE = "她姐姐认出了她"
NOT_A_NUMBER = {"field": "name", "level": "equal", "bits": float("nan")}


@pytest.fixture(scope="module")
def stack(service_data: Path) -> Iterator[Stack]:
    with DisposableStack(service_data / "decided") as stack:
        put(stack, "CaseRecorded", CASE)
        put(stack, "RescueRecorded", RESCUE)
        wait_for_quiet(stack)
        yield stack


def decide(
    stack: Stack, verdict: str, reason: str, role: str = "analyst", **more: Any
) -> Recorded | None:
    return proposals.decide(analyst(stack, role), PROPOSAL, verdict, reason, **more)


def holds(stack: Stack, verdict: str, reason: str, **more: Any) -> bool:
    """Whether a decision is recorded and holds."""
    outcome = decide(stack, verdict, reason, **more)
    return outcome is not None and outcome.holds


def told(stack: Stack, *kinds: str) -> set[tuple[str, str, str, str | None]]:
    """Notices in force of these kinds: unit, kind, cause, and boundary or first remark."""
    return {
        (
            one["unit"],
            one["kind"],
            one["cause"],
            one["remarks"][0]["code"] if one["remarks"] else one["boundary"],
        )
        for one in in_force(stack.kafka).values()
        if one["kind"] in kinds
    }


def confirmed_flag(stack: Stack) -> list[tuple[Any, ...]]:
    with psycopg.connect(stack.database) as connection:
        return connection.execute(
            "SELECT revision, destination, boundary, told, contradicts FROM registry.confirmed_flag"
        ).fetchall()


def links(stack: Stack) -> int:
    with psycopg.connect(stack.database) as connection:
        return len(connection.execute("SELECT FROM registry.link").fetchall())


def discrepancies(stack: Stack) -> list[str]:
    with psycopg.connect(stack.database) as connection:
        return [
            *reconcile_records.proposals(connection),
            *reconcile_records.links(connection),
            *reconcile_records.told(stack.kafka, connection),
        ]


def found(stack: Stack) -> proposals.Found:
    return proposals.find(stack.database, PROPOSAL)


CONFIRMED = {
    (CASE_UNIT, "confirmed", CASE["case_id"], None),
    (RESCUE_UNIT, "confirmed", RESCUE["rescue_id"], None),
}
REPORTED = {("220000", "flag", CASE["case_id"], "prefecture")}
SECOND = {(RESCUE_UNIT, "flag", CASE["case_id"], "prefecture")}


def test_a_confirmed_pair_is_linked_told_to_both_units_and_makes_the_destination_known(
    stack: Stack,
) -> None:
    assert [row["proposal_id"] for row in proposals.listed(stack.database, None, None, True)] == [
        PROPOSAL
    ]
    reported = told(stack, "flag")
    assert told(stack, "confirmed") == set()
    assert holds(stack, "confirmed", "recognised", note=NOTE)
    wait_for_quiet(stack)
    assert told(stack, "confirmed") == CONFIRMED
    assert told(stack, "flag") == reported | SECOND
    assert links(stack) == 1
    assert confirmed_flag(stack) == [(1, RESCUE["found_at"], "prefecture", [RESCUE_UNIT], False)]
    assert found(stack).proposal["open"]
    assert not proposals.listed(stack.database, None, None, True)
    again = decide(stack, "dismissed", "records-differ", role="supervisor")
    assert again is not None
    assert not again.holds
    assert (again.row["verdict"], again.row["role"]) == ("confirmed", "analyst")
    logs = "".join(path.read_text() for path in (stack.data / "log").iterdir())
    assert NOTE not in logs + json.dumps(in_force(stack.kafka), ensure_ascii=False)


def test_the_second_flag_follows_the_case_and_never_changes_it(stack: Stack) -> None:
    both = told(stack, "flag")
    put(stack, "CaseRecorded", a_case_to("220300", revision=2))
    wait_for_quiet(stack)
    assert confirmed_flag(stack) == [(2, None, None, None, True)]
    assert told(stack, "confirmed") == CONFIRMED
    assert SECOND - told(stack, "flag") == SECOND
    contradicted = ("220000", "remarks", PROPOSAL, "contradicts-confirmed")
    assert contradicted in told(stack, "remarks")
    put(stack, "CaseRecorded", a_case_to("220181", revision=3))
    wait_for_quiet(stack)
    assert confirmed_flag(stack) == []
    assert contradicted not in told(stack, "remarks")
    put(stack, "CaseRecorded", a_case_to(None, revision=4))
    wait_for_quiet(stack)
    assert confirmed_flag(stack) == [(4, RESCUE["found_at"], "prefecture", [RESCUE_UNIT], False)]
    assert told(stack, "flag") == both
    put(stack, "RescueRecorded", {**RESCUE, "revision": 2, "found_at": None})
    wait_for_quiet(stack)
    assert confirmed_flag(stack) == []
    assert told(stack, "flag") == both - SECOND
    put(stack, "RescueRecorded", {**RESCUE, "revision": 3})
    wait_for_quiet(stack)
    assert told(stack, "flag") == both
    with psycopg.connect(stack.database) as connection:
        reported = list(counts.flags(connection))
    assert [row["destination"] for row in reported] == [None, "220300", "220181", None]


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("DELETE FROM registry.link", "the link of proposal {} is missing"),
        ("UPDATE registry.link SET victim_id = 'another'", "the link of proposal {} is not what"),
        ("DELETE FROM registry.confirmed_flag", "the confirmed flag of proposal {} is missing"),
        ("UPDATE registry.confirmed_flag SET told = '[]'", "the confirmed flag of proposal {} is"),
        ("UPDATE registry.decision SET refused = 'x' WHERE in_force", "the decision "),
    ],
)
def test_links_and_flags_that_do_not_follow_are_named(
    stack: Stack, harm: LiteralString, says: str
) -> None:
    assert discrepancies(stack) == []
    assert stack._postgres is not None
    superuser = stack._postgres.dsn(DATABASE, SUPERUSER)
    with psycopg.connect(superuser) as connection, connection.transaction(force_rollback=True):
        connection.execute(harm)
        named = list(reconcile_records.links(connection))
    assert any(says.format(PROPOSAL) in line for line in named)


def test_undoing_withdraws_what_was_told(stack: Stack) -> None:
    both, issued = told(stack, "flag"), set(in_force(stack.kafka))
    assert holds(stack, "undone", "mistake")
    wait_for_quiet(stack)
    assert (told(stack, "confirmed"), told(stack, "flag")) == (set(), both - SECOND)
    assert (links(stack), confirmed_flag(stack)) == (0, [])
    assert found(stack).proposal["open"]
    with pytest.raises(NotToBeDecided, match="nothing to undo"):
        decide(stack, "undone", "mistake")
    assert holds(stack, "confirmed", "dna")
    wait_for_quiet(stack)
    assert set(in_force(stack.kafka)) == issued
    assert holds(stack, "undone", "mistake")
    wait_for_quiet(stack)


def made(stack: Stack, verdict: str, reason: str, **changes: Any) -> dict[str, Any]:
    """A decision as a command makes it that has read what is recorded by now."""
    revision = found(stack).state.revision
    known = {"previous": revision, "revision": revision + 1, "verdict": verdict, "reason": reason}
    decision = {**example("MatchDecided"), **known, **changes}
    if "decision_id" not in changes:
        decision["decision_id"] = identifiers.decision_id(cast(events.MatchDecided, decision))
    return decision


def sent(stack: Stack, *decisions: dict[str, Any], beside: int = 0) -> None:
    home = topics.partition_of(RESCUE["rescue_id"], topics.DECISIONS)
    partition = (home + beside) % topics.DECISIONS.partitions
    where = {"topic": topics.DECISIONS.name(), "partition": partition, "key": b"k"}
    values = [codec.encode("MatchDecided", decision) for decision in decisions]
    send(stack.kafka, [{**where, "value": value} for value in values])
    wait_for_quiet(stack)


def test_of_decisions_at_the_same_time_the_first_in_the_partition_wins(stack: Stack) -> None:
    before = len(found(stack).decisions)
    first = made(stack, "more-needed", "dna-missing")
    others = [made(stack, "confirmed", "document"), made(stack, "dismissed", "dna"), first]
    sent(stack, first, *others)
    recorded = found(stack).decisions[before:]
    assert [(one["verdict"], one["refused"]) for one in recorded] == [
        ("more-needed", None), ("confirmed", "stale"), ("dismissed", "stale"),
    ]  # fmt: skip
    assert (links(stack), told(stack, "confirmed")) == (0, set())
    outcomes: list[Recorded | None] = []
    threads = [
        threading.Thread(target=lambda given=given: outcomes.append(decide(stack, *given)))
        for given in (("confirmed", "document"), ("confirmed", "dna"), ("confirmed", "recognised"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.holds for outcome in outcomes if outcome].count(True) == 1
    winner = found(stack).in_force
    assert winner is not None
    late = [outcome.row for outcome in outcomes if outcome and not outcome.holds]
    assert [one["decision_id"] for one in late] == [winner["decision_id"]] * 2
    assert holds(stack, "undone", "mistake")
    wait_for_quiet(stack)


def test_what_cannot_be_a_decision_is_set_aside_and_changes_nothing(stack: Stack) -> None:
    before, unchanged = found(stack), in_force(stack.kafka)
    pids = stack.supervisor.pids()
    good = made(stack, "confirmed", "dna")
    sent(stack, good, beside=1)
    sent(
        stack,
        {**good, "decision_id": "another"},
        made(stack, "confirmed", "because"),
        made(stack, "confirmed", "dna", unit=CASE_UNIT),
        made(stack, "confirmed", "dna", note="x" * 501),
        made(stack, "confirmed", "dna", evidence=[NOT_A_NUMBER]),
    )
    garbage = {"topic": topics.DECISIONS.name(), "key": b"k", "value": b"junk"}
    send(stack.kafka, [garbage])
    wait_for_quiet(stack)
    assert found(stack) == before
    assert in_force(stack.kafka) == unchanged
    assert stack.supervisor.pids() == pids
    with psycopg.connect(stack.dsn(OPERATOR)) as connection:
        reasons = [row["reason"] for row in dead_letters.dead_letter_rows(connection)]
    assert sorted(reasons) == sorted(
        [
            "wrong-partition",
            "wrong-id",
            "unknown-code",
            "another-unit",
            "over-limit",
            "over-limit",
            "not-single-object",
        ]
    )


def test_a_dismissed_pair_is_offered_again_on_stronger_evidence_with_what_is_new(
    stack: Stack,
) -> None:
    assert holds(stack, "dismissed", "records-differ")
    wait_for_quiet(stack)
    assert not found(stack).proposal["open"]
    assert discrepancies(stack) == []
    assert told(stack, "proposal") == set()
    put(stack, "CaseRecorded", {**a_case_to(None, revision=5), "venue": "another"})
    wait_for_quiet(stack)
    assert not found(stack).proposal["open"]
    sampled = {**RESCUE, "revision": 4}
    sampled["person"] = {**RESCUE["person"], "identity": {**RESCUE["person"]["identity"]}}
    sampled["person"]["identity"]["dna_sample"] = CASE["victims"][0]["identity"]["dna_sample"]
    put(stack, "RescueRecorded", sampled)
    wait_for_quiet(stack)
    again = found(stack).proposal
    assert again["open"]
    assert discrepancies(stack) == []
    assert ("dna", "equal") in {(one["field"], one["level"]) for one in again["new_evidence"]}
    assert told(stack, "proposal") == {("220000", "proposal", PROPOSAL, None)}
    assert [row["verdict"] for row in proposals.listed(stack.database, None, None, True)] == [
        "dismissed"
    ]
    assert holds(stack, "confirmed", "dna")
    wait_for_quiet(stack)
    assert found(stack).proposal["new_evidence"] == []
    assert told(stack, "confirmed") == CONFIRMED


def test_a_confirmed_pair_stays_proposed_when_the_records_no_longer_speak_for_it(
    stack: Stack,
) -> None:
    victim = {**CASE["victims"][0], "victim_id": f"{CASE['case_id']}/2"}
    put(stack, "CaseRecorded", {**a_case_to(None, revision=6), "victims": [victim]})
    wait_for_quiet(stack)
    assert found(stack).proposal["open"]
    assert discrepancies(stack) == []
    assert (links(stack), told(stack, "confirmed")) == (1, CONFIRMED)
    put(stack, "CaseRecorded", a_case_to(None, revision=7))
    wait_for_quiet(stack)


def test_a_rebuild_ends_as_it_was_and_nothing_is_said_again(stack: Stack) -> None:
    def everything() -> tuple[str, int, int, Any]:
        with psycopg.connect(stack.database) as connection:
            content = counts.content(connection)
        said = len(read_all(stack.kafka, topics.MATCH_PROPOSALS.name()))
        return content, said, audited(stack), notices(stack.kafka)

    before = everything()
    stack.supervisor.stop(["registry"])
    rebuild.rebuild(stack.kafka, stack.dsn(OWNER))
    for name in STOP_ORDER:
        stack.supervisor.start(name)
    wait_for_quiet(stack)
    content, said, rows, issued = everything()
    assert (content, said, rows - 1, issued) == before
    old = stack.supervisor.pids()["proposals"]
    stack.supervisor.kill("proposals")
    wait_until(lambda: stack.supervisor.pids().get("proposals", old) != old, stack)
    wait_for_quiet(stack)
    assert everything()[:2] == before[:2]


def audited(stack: Stack) -> int:
    with psycopg.connect(stack.dsn(OPERATOR)) as connection:
        return len(connection.execute("SELECT FROM audit.entry").fetchall())


def test_looking_and_deciding_stand_in_the_audit(stack: Stack) -> None:
    proposals.listed(stack.database, CASE_UNIT, "very-likely", False, "a case review")
    proposals.find(stack.database, PROPOSAL, purpose="the same")
    decide(stack, "undone", "new-information")
    with psycopg.connect(stack.dsn(OPERATOR)) as connection:
        rows = connection.execute(
            "SELECT role, action, subject, purpose FROM audit.entry ORDER BY number DESC LIMIT 3"
        ).fetchall()
    subject = f"proposal {PROPOSAL}"
    assert rows == [
        ("crossregion_office", "decide", subject, "undone: new-information"),
        ("crossregion_office", "read", subject, "the same"),
        ("crossregion_office", "list", "proposals", "a case review"),
    ]


@pytest.mark.parametrize(
    ("given", "fault", "says"),
    [
        ((PROPOSAL, "maybe", "dna"), NotToBeDecided, "maybe is no verdict: confirmed, "),
        ((PROPOSAL, "confirmed", "because"), NotToBeDecided, "because is no reason for confirmed"),
        ((PROPOSAL, "confirmed", "dna", "x" * 501), NotToBeDecided, "500 characters"),
        (("no id", "confirmed", "dna"), ProposalUnknown, "no proposal no id"),
        ((PROPOSAL[::-1], "confirmed", "dna"), ProposalUnknown, "There is no proposal"),
    ],
)
def test_what_cannot_be_decided_is_one_clear_line(
    stack: Stack, given: tuple[str, ...], fault: type[Exception], says: str
) -> None:
    with pytest.raises(fault, match=says) as refused:
        proposals.decide(analyst(stack), *given)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


def test_a_role_is_a_code_and_never_a_name(stack: Stack) -> None:
    with pytest.raises(NotToBeDecided, match="is no role: analyst"):
        decide(stack, "confirmed", "dna", role="王红英")


def test_what_is_not_recorded_in_time_is_sent_and_decides_nothing_twice(stack: Stack) -> None:
    worker = stack.supervisor.pids()["registry"]
    os.kill(worker, signal.SIGSTOP)
    try:
        assert decide(stack, "dismissed", "document", wait=0.3) is None
        assert decide(stack, "dismissed", "document", wait=0.0) is None
    finally:
        os.kill(worker, signal.SIGCONT)
    wait_for_quiet(stack)
    last = found(stack).decisions[-1]
    assert (last["verdict"], last["refused"], last["in_force"]) == ("dismissed", None, True)
    assert [one["verdict"] for one in found(stack).decisions[-2:]] == ["undone", "dismissed"]
