"""Proposals goes over to another model once linkage by it is done, over logs held in memory."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from crossregion import installed_model
from crossregion.domain import identifiers
from crossregion.domain.events import MatchDecided
from crossregion.linkage import model
from processors.proposals import Rescues
from schemas import codec
from tests.support.linkage_records import listed
from tests.support.proposal_logs import (
    ANNA,
    DECIDED,
    KNOWN,
    LISTED,
    OLD,
    PAIRS,
    SAID,
    Logs,
    handle,
    start,
)

EXAMPLE = json.loads(
    (Path(__file__).parents[2] / "schemas/examples/MatchDecided/1/example.json").read_text("utf-8")
)
NEW = replace(OLD, name="persons-new", share=0.3, keep_bits=30.0)


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Logs:
    """Three records, of which the old model has proposed two pairs."""
    logs = Logs(monkeypatch)
    for one in KNOWN:
        logs.put(LISTED, 0, codec.encode("PersonsListed", one))
    logs.link(OLD, KNOWN)
    said = logs.send(start(Rescues(OLD), logs))
    assert [event for event, _ in said] == ["MatchProposed"] * 2
    return logs


def test_nothing_is_said_before_linkage_by_the_new_model_is_done(logs: Logs) -> None:
    rescues = Rescues(NEW)
    assert len(start(rescues, logs)) == 0
    assert len(asyncio.run(rescues.go_over({}))) == 0
    before = len(logs.all(PAIRS))
    logs.link(NEW, KNOWN[:2])
    logs.done[installed_model.group(NEW), LISTED] = {0: 2}
    assert len(handle(rescues, logs.all(PAIRS)[before:])) == 0
    assert len(asyncio.run(rescues.go_over({}))) == 0
    logs.link(NEW, KNOWN)
    said = logs.send(asyncio.run(rescues.go_over({})))
    stays = identifiers.proposal_id("220200", "C1/1", "220200", "R1")
    goes = identifiers.proposal_id("220200", "C2/1", "220200", "R1")
    assert {(event, one["proposal_id"], one["revision"]) for event, one in said} == {
        ("MatchProposed", stays, 2),
        ("MatchWithdrawn", goes, 2),
    }
    assert len(asyncio.run(rescues.go_over({}))) == 0
    assert len(handle(rescues, logs.all(PAIRS))) == 0


def test_who_starts_again_in_between_waits_again(logs: Logs) -> None:
    assert len(start(Rescues(NEW), logs)) == 0
    logs.link(NEW, KNOWN[:2])
    logs.done[installed_model.group(NEW), LISTED] = {0: 2}
    rescues = Rescues(NEW)
    assert len(start(rescues, logs)) == 0
    assert len(asyncio.run(rescues.go_over({}))) == 0
    logs.link(NEW, KNOWN)
    assert len(asyncio.run(rescues.go_over({}))) == 2


def test_the_same_model_waits_for_nothing(logs: Logs) -> None:
    logs.put(LISTED, 0, codec.encode("PersonsListed", KNOWN[0]))
    more = listed("rescue", "R2", ANNA, happened_on="2012-06-01")
    rescues = Rescues(OLD)
    assert len(start(rescues, logs)) == 0
    before = len(logs.all(PAIRS))
    logs.link(OLD, [*KNOWN, more])
    assert len(handle(rescues, logs.all(PAIRS)[before:])) == 2


def test_confirmed_pairs_stay_as_the_old_model_said_them_and_nobody_waits(logs: Logs) -> None:
    for one in logs.all(SAID):
        _, proposed = codec.decode(one.value)
        decision = {
            **EXAMPLE,
            **{name: proposed[name] for name in EXAMPLE if name in proposed},
            "revision": EXAMPLE["revision"],
        }
        decision["decision_id"] = identifiers.decision_id(cast(MatchDecided, decision))
        logs.put(DECIDED, one.partition, codec.encode("MatchDecided", decision))
    rescues = Rescues(NEW)
    assert len(start(rescues, logs)) == 0
    before = len(logs.all(PAIRS))
    logs.link(NEW, [listed("case", "C3", ANNA), KNOWN[1]])
    assert [one["case_id"] for _, one in logs.send(handle(rescues, logs.all(PAIRS)[before:]))] == [
        "C3"
    ]


def test_two_contents_under_one_name_are_two_versions() -> None:
    other = replace(OLD, share=0.3)
    assert other.name == OLD.name
    assert installed_model.group(other) != installed_model.group(OLD)
    assert OLD.version == replace(OLD).version


def test_a_release_that_compares_otherwise_weighs_all_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "COMPARISON", model.COMPARISON + 1)
    other = replace(OLD)
    assert installed_model.group(other) != installed_model.group(OLD)
