"""What holds for all projections of the registry, whatever keeps their rows.

The tests stand in an abstract class, and a subclass for each store runs them: what a batch collects
in memory, and the tables in PostgreSQL.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from crossregion.event_validation import VALIDATORS
from schemas import codec, topics
from schemas.topics import Topic
from tests.support.builders import newest_example

Record = tuple[str, int, int, bytes, dict[str, bytes], int]
"""Topic, partition, offset, value, headers, and the broker's time in milliseconds."""

READ = [
    (topic, event)
    for topic in topics.read_by("registry")
    if topic is not topics.REPLAYS
    for event in topic.schemas
]
START_MS, STEP_MS = 1_700_000_000_000, 60_000


def records_of(topic: Topic, event: str) -> Iterator[dict[str, Any]]:
    """The example, and its next revision unless an id or a rule binds it to the first one."""
    record = newest_example(event)
    yield record
    if "revision" in record and event not in VALIDATORS:
        yield {**record, "revision": record["revision"] + 1}


def make_log() -> list[Record]:
    """All that the registry reads: each event of its topics, some in two revisions."""
    ends: dict[tuple[str, int], int] = defaultdict(int)
    log: list[Record] = []
    for topic, event in READ:
        for record in records_of(topic, event):
            name = topic.name(None if topic.per == "one" else record["unit"])
            partition = topics.partition_of(record.get("rescue_id", ""), topic)
            offset = ends[name, partition]
            ends[name, partition] += 1
            received = START_MS + len(log) * STEP_MS
            log.append((name, partition, offset, codec.encode(event, record), {}, received))
    return log


def interleaved(log: Sequence[Record], seed: int) -> list[Record]:
    """The same log as its topics may come in: each in its order, together in any."""
    parts: dict[str, list[Record]] = defaultdict(list)
    for record in log:
        parts[record[0].partition(".")[0]].append(record)
    order = [topic for topic, records in parts.items() for _ in records]
    random.Random(seed).shuffle(order)
    waiting = {topic: iter(records) for topic, records in parts.items()}
    return [next(waiting[topic]) for topic in order]


class ProjectionTests(ABC):
    """Each test stores the log in one way or another and compares what is there then."""

    @abstractmethod
    def content(self, batches: Sequence[Sequence[Record]]) -> object:
        """What an empty store holds once these batches were stored, in this order."""

    @pytest.mark.parametrize(("topic", "event"), READ, ids=[event for _, event in READ])
    def test_each_event_leaves_something(self, topic: Topic, event: str) -> None:
        of_it = [one for one in make_log() if codec.decode(one[3])[0] == event]
        assert {one[0] for one in of_it} <= {*topic.names()}
        assert self.content([of_it]) != self.content([])

    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_the_order_of_the_topics_changes_nothing(self, seed: int) -> None:
        log = make_log()
        assert self.content([interleaved(log, seed)]) == self.content([log])

    def test_how_the_log_is_cut_into_batches_changes_nothing(self) -> None:
        log = make_log()
        assert self.content([log[i : i + 3] for i in range(0, len(log), 3)]) == self.content([log])

    def test_a_second_time_changes_nothing(self) -> None:
        log = make_log()
        assert self.content([log, log]) == self.content([log])
