"""How long the notices worker waits for records: briefly while something settles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consumers.notices import worker
from consumers.notices.worker import IDLE_POLL_MS, POLL_MS, NoticePublisher
from crossregion.domain.notices.board import NoticePlanner
from crossregion.errors import UnhandledEvent
from crossregion.kafka.connection import Kafka
from tests.support.planner import flag


class Silent:
    """A log that nothing comes from, and its watchdog; it notes how long it was waited for."""

    def __init__(self) -> None:
        self.waits: list[int] = []

    def poll(self, timeout_ms: int) -> dict[Any, Any]:
        self.waits.append(timeout_ms)
        return {}

    def look(self, came: bool) -> None:
        assert not came


def test_what_settles_is_looked_at_often_and_an_idle_worker_waits() -> None:
    publisher = object.__new__(NoticePublisher)
    log = Silent()
    publisher.__dict__.update(_log=log, _watch=log, _planner=NoticePlanner(3600.0), _moved=False)
    publisher._read()
    event, content = flag()
    publisher._planner.take(event, content, 1.0)
    publisher._read()
    publisher._planner.pending()
    publisher._read()
    assert log.waits == [IDLE_POLL_MS, POLL_MS, IDLE_POLL_MS]
    assert POLL_MS < IDLE_POLL_MS


def test_it_does_not_start_where_it_may_read_what_it_has_no_handler_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While it reads an error is taken for the record's: the event would be left out for good."""
    monkeypatch.setattr(worker, "EVENTS", worker.EVENTS | {"DayClosed"})
    with pytest.raises(UnhandledEvent, match="DayClosed"):
        NoticePublisher(Kafka("localhost:1", Path()), "1")
