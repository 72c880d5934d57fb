"""Proposals goes over to another model once linkage by it is done, over logs held in memory."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from crossregion import linkage_model
from crossregion.domain import records
from crossregion.domain.linkage.index import Index
from crossregion.domain.linkage.model import Model, load
from crossregion.domain.records import MatchDecided, PersonsListed
from processors import linkage, rebuild
from processors.outputs import Outputs
from processors.proposals import Rescues
from schemas import codec, topics
from tests.unit.linkage_records import identity, listed

EXAMPLE = json.loads(
    (Path(__file__).parents[2] / "schemas/examples/MatchDecided/1/example.json").read_text("utf-8")
)
OLD = load()
NEW = replace(OLD, name="persons-new", share=0.3, keep_bits=30.0)
LISTED, PAIRS = topics.LINKAGE_RECORDS.name(), topics.PAIR_WEIGHTS.name()
SAID, DECIDED = topics.MATCH_PROPOSALS.name(), topics.DECISIONS.name()
ANNA = identity(name="王红英", sex="F", birth_date="1990-03-15", home="220281", height_cm=160)
LIKE_ANNA = identity(name="王英", sex="F", birth_date="1990-03-15", home="220281")
KNOWN = [
    listed("case", "C1", ANNA, happened_on="2010-06-01"),
    listed("rescue", "R1", ANNA, happened_on="2012-06-01"),
    listed("case", "C2", LIKE_ANNA, happened_on="2010-06-01"),
]


class Logs:
    """The topics, and what the groups have committed of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._logs: dict[tuple[str, int], list[Any]] = defaultdict(list)
        self.done: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
        for name in ("committed", "ends", "read_again"):
            monkeypatch.setattr(rebuild, name, getattr(self, name))

    def put(self, topic: str, partition: int, value: bytes) -> None:
        log = self._logs[topic, partition]
        log.append(SimpleNamespace(topic=topic, partition=partition, offset=len(log), value=value))

    def send(self, outputs: Outputs) -> list[tuple[str, Any]]:
        """What stands in the outputs, once it is on its topics."""
        for topic, partition, _, value in outputs:
            self.put(topic, partition, value or b"")
        return [codec.decode(value or b"") for _, _, _, value in outputs]

    def all(self, topic: str) -> list[Any]:
        return [one for (name, _), log in self._logs.items() if name == topic for one in log]

    async def committed(
        self, _: Any, group: str, topic: str, partitions: Iterable[int]
    ) -> dict[int, int]:
        return {one: self.done[group, topic].get(one, 0) for one in partitions}

    async def ends(self, _: Any, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        return {one: len(self._logs[topic, one]) for one in partitions}

    async def read_again(
        self, _: Any, topic: str, until: dict[int, int]
    ) -> AsyncIterator[list[Any]]:
        for partition, end in until.items():
            yield self._logs[topic, partition][:end]

    def link(self, model: Model, records_: Iterable[PersonsListed]) -> None:
        """Have linkage by a model weigh these records, and commit them."""
        index, outputs = Index(model), Outputs()
        for one in records_:
            linkage.say(index.put(one), outputs)
        self.send(outputs)
        self.done[linkage_model.group(model), LISTED] = {0: len(self.all(LISTED))}


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


def start(rescues: Rescues, logs: Logs) -> Outputs:
    """As on an assignment; all pairs that stand there have been handled before."""
    partitions = range(topics.PAIR_WEIGHTS.partitions)
    ends = asyncio.run(logs.ends(None, PAIRS, partitions))
    logs.done["crossregion-proposals", PAIRS] = ends
    return asyncio.run(rescues.rebuild({}, "crossregion-proposals", partitions))


def handle(rescues: Rescues, messages: Iterable[Any]) -> Outputs:
    outputs = Outputs()
    events = [SimpleNamespace(message=one) for one in messages]
    asyncio.run(rescues.handle(events, outputs))
    return outputs


def test_nothing_is_said_before_linkage_by_the_new_model_is_done(logs: Logs) -> None:
    rescues = Rescues(NEW)
    assert len(start(rescues, logs)) == 0
    assert len(asyncio.run(rescues.go_over({}))) == 0
    before = len(logs.all(PAIRS))
    logs.link(NEW, KNOWN[:2])
    logs.done[linkage_model.group(NEW), LISTED] = {0: 2}
    assert len(handle(rescues, logs.all(PAIRS)[before:])) == 0
    assert len(asyncio.run(rescues.go_over({}))) == 0
    logs.link(NEW, KNOWN)
    said = logs.send(asyncio.run(rescues.go_over({})))
    stays = records.proposal_id("220200", "C1/1", "220200", "R1")
    goes = records.proposal_id("220200", "C2/1", "220200", "R1")
    assert {(event, one["proposal_id"], one["revision"]) for event, one in said} == {
        ("MatchProposed", stays, 2),
        ("MatchWithdrawn", goes, 2),
    }
    assert len(asyncio.run(rescues.go_over({}))) == 0
    assert len(handle(rescues, logs.all(PAIRS))) == 0


def test_who_starts_again_in_between_waits_again(logs: Logs) -> None:
    assert len(start(Rescues(NEW), logs)) == 0
    logs.link(NEW, KNOWN[:2])
    logs.done[linkage_model.group(NEW), LISTED] = {0: 2}
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
        decision["decision_id"] = records.decision_id(cast(MatchDecided, decision))
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
    assert linkage_model.group(other) != linkage_model.group(OLD)
    assert OLD.version == replace(OLD).version
