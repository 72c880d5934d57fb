"""The notice planner with the log that a broker would keep, and the flag that it begins with."""

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


class Desk:
    """A board whose hour lasts a second, and the log of the broker, whose clock the test sets."""

    def __init__(self, log: list[tuple[str, dict[str, Any], float]] | None = None) -> None:
        self.log = log or []
        self.board = NoticePlanner(1.0)
        for one in self.log:
            self.board.take(*one)

    def put(self, event: str, record: Any, at: float) -> None:
        self.log.append((event, dict(record), at))
        self.board.take(event, dict(record), at)

    def tell(self, now: float) -> list[tuple[str, str]]:
        """Send what is due, as the teller does, until nothing more follows; kind and unit."""
        told: list[tuple[str, str]] = []
        while True:
            self.board.tick(now, date.min)
            due = self.board.difference()
            if not due:
                return told
            for notice, _ in due:
                issued = "units" in notice
                self.put("NoticeIssued" if issued else "NoticeWithdrawn", notice, now)
                said = notice["kind"] if issued else f"{notice['kind']} withdrawn"
                told.append((said, notice["unit"]))
