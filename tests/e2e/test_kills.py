"""A run in which every process is killed ends as one in which none is."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import psycopg

from cli import demo_run
from consumers.registry import counts
from consumers.registry import rebuild as registry_rebuild
from crossregion.embedded.stack import STOP_ORDER, Stack
from crossregion.flows import Lags, flows
from crossregion.installation import OWNER
from producers.publisher import publish
from producers.spool.store import Spool
from schemas import topics
from tests.e2e.conftest import Demo
from tests.e2e.running import FEED
from tests.support.live import in_force, notices, read_all, wait_for_quiet, wait_until
from tests.support.stacks import DisposableStack


def quiet(_: object) -> None:
    """Say nothing."""


def said(stack: Stack) -> dict[str, Any]:
    """All that a run ends with, the revisions of proposals and notices left out."""
    with psycopg.connect(stack.database) as connection:
        proposals = [{**row, "revision": 0} for row in counts.open_proposals(connection)]
        return {
            "content": counts.content(connection),
            "flags": list(counts.flags(connection)),
            "proposals": sorted(proposals, key=lambda row: str(row["proposal_id"])),
            "notices": in_force(stack.kafka),
        }


def published(stack: Stack) -> dict[str, int]:
    """How much stands on each topic; the audit is left out, for it notes a rebuild."""
    flows = [topic for topic in topics.TOPICS if topic is not topics.AUDIT_HEADS]
    names = [name for topic in flows for name in topic.names()]
    return {name: len(read_all(stack.kafka, name)) for name in names}


def test_kills_change_nothing_and_neither_does_a_second_run_or_a_rebuild(
    demo: Demo, service_data: Path
) -> None:
    feed = demo_run.find_feed(FEED)
    with DisposableStack(demo.data) as stack:
        wait_for_quiet(stack)
        calm = said(stack)
        on_broker = published(stack)
        second = demo_run.run(feed, stack, quiet, quiet)
        assert second.balanced
        assert all(c.published == 0 for report in second.reports for c in report.kinds.values())
        assert published(stack) == on_broker
        assert said(stack) == calm
        rebuild(stack)
        assert said(stack) == calm
        assert published(stack) == on_broker
    assert len(calm["flags"]) > 1000
    assert len(calm["proposals"]) > 100

    with DisposableStack(service_data / "killed") as stack:
        kill_each_at_work(stack, feed)
        results = demo_run.run(feed, stack, quiet, quiet)
        assert results.balanced
        notices(stack.kafka)
        killed = said(stack)
    assert {name: killed[name] == calm[name] for name in calm} == dict.fromkeys(calm, True)


def rebuild(stack: Stack) -> None:
    """Drop the registry while its worker is stopped, and have it read everything again."""
    stack.supervisor.stop(["registry"])
    registry_rebuild.rebuild(stack.kafka, stack.dsn(OWNER))
    with psycopg.connect(stack.database) as connection:
        assert counts.revisions(connection) == {}
    for name in STOP_ORDER:
        stack.supervisor.start(name)
    wait_for_quiet(stack)


def kill_each_at_work(stack: Stack, feed: dict[str, list[Path]]) -> None:
    """Publish unit after unit, and kill one process after another while there is work."""
    order = list(STOP_ORDER)
    draw = random.Random(7)
    draw.shuffle(order)
    for unit, files in feed.items():
        name = order.pop() if order else None
        if name:
            before = stack.supervisor.pids()[name]
            os.kill(before, signal.SIGSTOP)
        with Spool(stack.spools / f"{unit}.sqlite", unit) as spool:
            publish(files, spool, stack.kafka)
        if name:
            wait_until(lambda name=name: at_work(stack, name), stack)  # type: ignore[misc]
            os.kill(before, signal.SIGCONT)
            time.sleep(draw.uniform(0.0, 0.1))
            stack.supervisor.kill(name)
            wait_until(
                lambda name=name, before=before: (  # type: ignore[misc]
                    stack.supervisor.pids().get(name, before) != before
                ),
                stack,
            )
    assert not order


def at_work(stack: Stack, name: str) -> bool:
    """Whether the process has something left to do."""
    if name == "sender":
        return True
    lags = Lags(stack.kafka)
    try:
        return any(
            flow.group.startswith(f"crossregion-{name}") and lags.lag(flow) > 0 for flow in flows()
        )
    finally:
        lags.close()
