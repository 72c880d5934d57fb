"""Topics in memory, and a proposals worker that reads and writes them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from crossregion import installed_model
from crossregion.domain.events import PersonsListed
from crossregion.linkage.index import Index
from crossregion.linkage.model import Model, load
from processors import linkage, restore
from processors.outputs import Outputs
from processors.proposals import Rescues
from schemas import codec, topics
from tests.support.linkage_records import identity, listed

OLD = load()
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
            monkeypatch.setattr(restore, name, getattr(self, name))

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
        self.done[installed_model.group(model), LISTED] = {0: len(self.all(LISTED))}


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
