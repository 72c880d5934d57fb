"""Notices as they are desired and as the log shows them published; what differs is pending."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from crossregion.domain.events import NoticeIssued, NoticeWithdrawn
from crossregion.domain.notices.sources import Source


@dataclass(slots=True)
class Publication:
    """One notice: the source it follows from, as it is desired, and as it was published last."""

    source: Source | None = None
    desired: NoticeIssued | None = None
    since: float = 0.0
    """The broker's time, in seconds, of what it follows from."""
    revision: int = 0
    published: NoticeIssued | None = None
    """None before the first revision, and while the last one withdraws it."""


Terms = Callable[[NoticeIssued, Publication], NoticeIssued]
"""Gives a desired notice the terms of the time since when it is desired."""


class Publications:
    """All notices by their ids, and which of them may have to be published. Pure."""

    def __init__(self) -> None:
        self._known: dict[str, Publication] = defaultdict(Publication)
        self._due: dict[str, float] = {}

    @property
    def unsettled(self) -> bool:
        """Whether anything has changed since `pending` was asked."""
        return bool(self._due)

    def source(self, notice_id: str) -> Source | None:
        """What a notice follows from, also one that was reassigned since."""
        known = self._known.get(notice_id)
        return known.source if known else None

    def attribute(self, notice_id: str, source: Source) -> None:
        self._known[notice_id].source = source

    def is_desired(self, notice_id: str) -> bool:
        known = self._known.get(notice_id)
        return known is not None and known.desired is not None

    def desire(self, notice: NoticeIssued, seconds: float) -> None:
        """Mark a notice as desired."""
        self._known[notice["notice_id"]].since = seconds
        self.update(notice, seconds)

    def update(self, notice: NoticeIssued, seconds: float) -> None:
        """Its content is another now."""
        self._known[notice["notice_id"]].desired = notice
        self.review(notice["notice_id"], seconds)

    def drop(self, notice_id: str, seconds: float) -> None:
        """Mark a notice as no longer desired."""
        self._known[notice_id].desired = None
        self.review(notice_id, seconds)

    def review(self, notice_id: str, seconds: float) -> None:
        """Compare a notice at the next `pending`; the first cause's time is kept."""
        self._due.setdefault(notice_id, seconds)

    def observe(self, event: str, record: dict[str, Any]) -> None:
        """Apply a published notice."""
        known = self._known[record["notice_id"]]
        if known.revision >= record["revision"]:
            return
        known.revision = record["revision"]
        known.published = cast(NoticeIssued, record) if event == "NoticeIssued" else None
        self.review(record["notice_id"], 0.0)

    def pending(self, terms: Terms) -> list[tuple[NoticeIssued | NoticeWithdrawn, float]]:
        """What must be published now, with the broker's time of what caused it.

        A notice keeps the terms it was issued with; but one that has become urgent since is stated
        again.
        """
        found: list[tuple[NoticeIssued | NoticeWithdrawn, float]] = []
        for notice_id, seconds in self._due.items():
            known = self._known[notice_id]
            desired = None if known.desired is None else terms(known.desired, known)
            issued = known.published
            if desired is not None and (issued is None or desired["urgent"] > issued["urgent"]):
                known.revision += 1
                known.published = {**desired, "revision": known.revision}
                found.append((known.published, seconds))
            elif desired is None and issued is not None:
                known.revision += 1
                known.published = None
                withdrawn: NoticeWithdrawn = {
                    "notice_id": notice_id,
                    "unit": issued["unit"],
                    "revision": known.revision,
                    "kind": issued["kind"],
                    "cause": issued["cause"],
                }
                found.append((withdrawn, seconds))
        self._due.clear()
        return found
