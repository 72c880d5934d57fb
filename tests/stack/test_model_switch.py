"""Going over to another linkage model on the running stack; the tests share it, in their order."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import main
from crossregion import installed_model
from crossregion.embedded.stack import Stack
from crossregion.embedded.supervisor import Supervisor, Worker
from crossregion.failpoints import KILLED
from crossregion.flows import Flow, Lags
from crossregion.linkage import proposals
from crossregion.linkage.index import Index
from crossregion.linkage.model import Model, load, written
from producers.publisher import publish
from producers.spool.store import Spool
from schemas import codec, topics
from tests.support.live import notices, read_all, wait_for_quiet, wait_until
from tests.support.stacks import DisposableStack

FEED = Path(__file__).parents[2] / "examples/feed"
OLD = load()
NEW = replace(OLD, name="persons-new", share=0.02, open_cases=2_000_000)
LISTED = topics.LINKAGE_RECORDS.name()
WAITS = "Former model's proposals kept until linkage's lag is 0"


class Switched(DisposableStack):
    """A stack whose workers' settings can be changed; linkage by another model runs beside it."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.environments: dict[str, dict[str, str]] = {}
        self.beside: list[Supervisor] = []

    def _worker(self, name: str) -> Worker:
        worker = super()._worker(name)
        self.environments[name] = dict(worker.env)
        return replace(worker, env=self.environments[name])

    def file(self, model: Model) -> Path:
        path = self.data / f"{model.name}.json"
        path.write_text(written(model), encoding="utf-8")
        return path

    def restart_proposals(self, model: Model) -> None:
        self.environments["proposals"]["CROSSREGION_LINKAGE_MODEL"] = str(self.file(model))
        self.supervisor.kill("proposals")

    def link_beside(self, model: Model) -> None:
        """Start linkage by this model; it is killed after it has said something, once."""
        crash = self.data / "crash" / model.name
        crash.mkdir(parents=True)
        (crash / "some-sent").touch()
        env = {
            **self.environment("linkage"),
            "CROSSREGION_LINKAGE_MODEL": str(self.file(model)),
            "CROSSREGION_FAILPOINT": "some-sent",
            "CROSSREGION_FAILPOINT_DIRECTORY": str(crash),
        }
        argv = self.supervisor._posts["linkage"].worker.argv
        log = self.data / "log" / f"linkage-{model.name}.log"
        self.beside.append(Supervisor([Worker("linkage", argv, env, log)]))
        self.beside[-1].start("linkage")

    def wait(self, true: Callable[[], bool]) -> list[int]:
        """Wait; returns with which status linkage beside has ended and was started again."""
        ended: list[int] = []

        def look() -> bool:
            for supervisor in self.beside:
                ended.extend(death.status for death in supervisor.poll())
            return true()

        wait_until(look, self)
        return ended

    def wait_linked(self, model: Model, done: bool = True) -> list[int]:
        """Wait until linkage by this model has nothing to do, or something."""
        flow = Flow(installed_model.group(model), (LISTED,))
        with closing(Lags(self.kafka)) as lags:
            return self.wait(lambda: (lags.lag(flow) == 0) == done)

    def stop(self) -> None:
        for supervisor in self.beside:
            supervisor.stop(seconds=0)
        super().stop()


@pytest.fixture(scope="module")
def stack(service_data: Path) -> Iterator[Switched]:
    with Switched(service_data / "switched") as stack:
        put_feed(stack, "220300", "220400", "220800")
        wait_for_quiet(stack)
        yield stack


def put_feed(stack: Stack, *units: str) -> None:
    for unit in units:
        files = sorted((FEED / unit).iterdir())
        with Spool(stack.spools / f"{unit}.sqlite", unit) as spool:
            publish(files, spool, stack.kafka)


def said(stack: Stack) -> dict[str, list[tuple[str, Any]]]:
    """Every word on each proposal, by its revision: each once, without a gap."""
    found: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    for one in read_all(stack.kafka, topics.MATCH_PROPOSALS.name()):
        event, word = codec.decode(one.value)
        found[word["proposal_id"]].append((event, word))
    for words in found.values():
        assert [word["revision"] for _, word in words] == [*range(1, len(words) + 1)]
    return found


def standing(stack: Stack) -> dict[str, Any]:
    return {
        proposal_id: {**words[-1][1], "revision": 0}
        for proposal_id, words in said(stack).items()
        if words[-1][0] == "MatchProposed"
    }


def fresh(stack: Stack, model: Model) -> dict[str, Any]:
    """What the model proposes of all that is listed, computed in one go."""
    indexes = [Index(model) for _ in range(topics.LINKAGE_RECORDS.partitions)]
    pairs: dict[tuple[str, str], dict[tuple[str, ...], Any]] = defaultdict(dict)
    for one in read_all(stack.kafka, LISTED):
        _, listed = codec.decode(one.value)
        for pair in indexes[one.partition].put(listed):
            victim = (pair["case_unit"], pair["case_id"], pair["victim_id"])
            pairs[pair["rescue_unit"], pair["rescue_id"]][victim] = pair
    return {
        one["proposal_id"]: {**one, "revision": 0}
        for its in pairs.values()
        for one in proposals.offer(its.values(), {}, model)
    }


def likely(proposed: dict[str, Any]) -> set[str]:
    return {key for key, one in proposed.items() if one["probability"] >= 0.5}


def test_a_new_model_is_computed_beside_the_old_one_and_then_switched(
    stack: Switched, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.link_beside(NEW)
    put_feed(stack, "220500")
    wait_for_quiet(stack)
    assert stack.wait_linked(NEW) == [KILLED]
    before = fresh(stack, OLD)
    assert standing(stack) == before

    monkeypatch.setenv("CROSSREGION_DATA", str(stack.data))
    status = CliRunner().invoke(main.app, ["linkage", "status"])
    assert status.output.splitlines() == [
        f"{OLD.version}: 0 records to go, named by the settings",
        f"{NEW.version}: 0 records to go",
    ]

    stack.restart_proposals(NEW)
    after = fresh(stack, NEW)
    stack.wait(lambda: standing(stack) == after)
    assert before.keys() & after.keys()
    assert likely(before) - likely(after), "the models do not differ in what is told"
    for proposal_id in before.keys() & after.keys():
        assert "MatchWithdrawn" not in [event for event, _ in said(stack)[proposal_id]]


def test_going_back_too_early_says_nothing_until_linkage_is_done_and_nobody_is_told_twice(
    stack: Switched,
) -> None:
    known, of_new = said(stack).keys(), standing(stack)
    old_linkage = stack.supervisor.pids()["linkage"]
    os.kill(old_linkage, signal.SIGSTOP)
    put_feed(stack, "220700")
    stack.wait_linked(OLD, done=False)
    log = stack.data / "log" / "proposals.log"
    stack.restart_proposals(OLD)
    stack.wait(lambda: WAITS in log.read_text())
    before = said(stack)
    stack.wait_linked(NEW)
    assert said(stack) == before

    os.kill(old_linkage, signal.SIGCONT)
    wait_for_quiet(stack)
    after = fresh(stack, OLD)
    stack.wait(lambda: standing(stack) == after)
    assert after.keys() - known, "nothing came in between"
    for proposal_id in of_new.keys() & after.keys():
        words = [event for event, _ in said(stack)[proposal_id]]
        assert "MatchWithdrawn" not in words[len(before[proposal_id]) :]
    wait_for_quiet(stack)
    told = {
        events[0][1]["cause"]: events
        for events in notices(stack.kafka).values()
        if events[0][1]["kind"] == "proposal"
    }
    always = likely(of_new) & likely(after)
    assert always
    assert {len(told[proposal_id]) for proposal_id in always} == {1}, "told again"
