"""The notice planner with the log of a broker, and the flag that it begins with."""

from __future__ import annotations

from datetime import date
from typing import Any

from crossregion.domain.notices.board import NoticePlanner

Event = tuple[str, dict[str, Any]]


def flag(
    revision: int = 1, boundary: str = "prefecture", told: tuple[str, ...] = ("220300",)
) -> Event:
    return "BoundaryFlagged", {
        "case_id": "C1",
        "unit": "220200",
        "revision": revision,
        "digest": "d",
        "source": "220202",
        "destination": "220302",
        "source_unit": "220200",
        "destination_unit": "220300",
        "boundary": boundary,
        "at_least": None,
        "told": list(told),
    }


class Broker:
    """A log whose clock the test sets, and a planner of it whose hour lasts a second."""

    def __init__(self, log: list[tuple[str, dict[str, Any], float]] | None = None) -> None:
        self.log = log or []
        self.planner = NoticePlanner(1.0)
        for one in self.log:
            self.planner.take(*one)

    def put(self, event: str, record: Any, at: float) -> None:
        self.log.append((event, dict(record), at))
        self.planner.take(event, dict(record), at)

    def publish(self, now: float) -> list[tuple[str, str]]:
        """Publish what is pending, as the leader does, until nothing follows; kind and unit."""
        published: list[tuple[str, str]] = []
        while True:
            self.planner.tick(now, date.min)
            due = self.planner.pending()
            if not due:
                return published
            for notice, _ in due:
                issued = "units" in notice
                self.put("NoticeIssued" if issued else "NoticeWithdrawn", notice, now)
                kind = notice["kind"] if issued else f"{notice['kind']} withdrawn"
                published.append((kind, notice["unit"]))
