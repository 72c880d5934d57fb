"""How long the notices worker waits for records: briefly while something settles."""

from __future__ import annotations

from typing import Any

from consumers.notices.worker import IDLE_POLL_MS, POLL_MS, NoticePublisher
from crossregion.domain.notices.board import NoticePlanner
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
