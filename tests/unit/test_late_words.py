"""What a proposals worker that is dead said, and Kafka got late, changes nothing for long."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.outputs import Outputs
from processors.proposals import Rescues
from schemas import codec
from tests.support.linkage_records import identity, listed
from tests.support.proposal_logs import ANNA, KNOWN, LISTED, OLD, PAIRS, SAID, Logs, handle, start

OTHER = identity(name="李秋实", sex="F", birth_date="1971-12-01", home="130502", height_cm=150)
CORRECTED = [
    listed("case", "C1", OTHER, happened_on="2010-06-01", revision=2),
    listed("case", "C1", ANNA, happened_on="2010-06-01", revision=3),
]


class Worker:
    """One that reads its topics as they grow; what it says goes out when it is told to."""

    def __init__(self, logs: Logs) -> None:
        self.logs = logs
        self._said = Outputs()
        self._read = {topic: len(logs.all(topic)) for topic in (PAIRS, SAID)}
        self._rescues = Rescues(OLD)
        self._said.extend(start(self._rescues, logs))
        self._corrections = iter(CORRECTED)

    def step(self, what: str) -> None:
        match what:
            case "correct":
                for record in itertools.islice(self._corrections, 1):
                    self.logs.link(OLD, [*KNOWN, record])
            case "send":
                said, self._said = self._said, Outputs()
                self.logs.send(said)
            case "hear":
                for topic, done in self._read.items():
                    found = self.logs.all(topic)
                    self._read[topic] = len(found)
                    self._said.extend(handle(self._rescues, found[done:]))

    def come_to_rest(self) -> None:
        for _ in range(10):
            self.step("send")
            self.step("hear")
            if len(self._said) == 0 and self._read[SAID] == len(self.logs.all(SAID)):
                return
        raise AssertionError("it goes on talking")


def late(logs: Logs, number: int, revision: int, proposed: bool) -> None:
    """A word of one that is dead reaches the log."""
    first = next(iter(logs.all(SAID)[number:]))
    _, said = codec.decode(first.value)
    if proposed:
        event, record = "MatchProposed", {**said, "revision": revision, "probability": 0.5}
    else:
        fields = {one["name"] for one in codec.schema("MatchWithdrawn")["fields"]}
        event = "MatchWithdrawn"
        record = {name: said[name] for name in fields} | {"revision": revision}
    logs.put(SAID, first.partition, codec.encode(event, record))


def standing(logs: Logs) -> dict[str, dict[str, Any]]:
    """What whoever reads the log takes for proposed: of equal revisions the first."""
    last: dict[str, tuple[int, str, dict[str, Any]]] = {}
    for one in logs.all(SAID):
        event, said = codec.decode(one.value)
        if last.get(said["proposal_id"], (0,))[0] < said["revision"]:
            last[said["proposal_id"]] = (said["revision"], event, said)
    return {name: said for name, (_, event, said) in last.items() if event == "MatchProposed"}


WORDS = st.tuples(st.integers(0, 1), st.integers(1, 4), st.booleans())


@pytest.mark.slow
@given(st.lists(st.sampled_from(["correct", "send", "hear"]) | WORDS, max_size=12))
def test_in_the_end_what_holds_is_what_stands(steps: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        logs = Logs(patch)
        for one in KNOWN:
            logs.put(LISTED, 0, codec.encode("PersonsListed", one))
        logs.link(OLD, KNOWN)
        logs.send(start(Rescues(OLD), logs))
        worker = Worker(logs)
        for step in steps:
            if isinstance(step, str):
                worker.step(step)
            else:
                late(logs, *step)
        worker.come_to_rest()
        assert len(start(Rescues(OLD), logs)) == 0
        assert 0.5 not in [one["probability"] for one in standing(logs).values()]
