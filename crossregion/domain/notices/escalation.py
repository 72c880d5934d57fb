"""Notices to the office about notices without a good answer, and where it reassigns them.

A notice that asks for an answer has its hours, counted from the broker's time of it. Past them the
office is notified once, and once more after the same hours again, counted from the first time. One
that is stated again before it was withdrawn, as more urgent, may be due sooner by that, never
later. The ids are made from the revision of the first statement since the withdrawal and the step,
so whoever computes it anew publishes nothing twice.
"""

from __future__ import annotations

import heapq
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from crossregion.domain import acknowledgements, handovers
from crossregion.domain.acknowledgements import ANSWERED, DECLINED, EARLY_SECONDS, NoticeState
from crossregion.domain.events import (
    NoticeAcknowledged,
    NoticeIssued,
    NoticeReassigned,
    NoticeWithdrawn,
)
from crossregion.domain.identifiers import NAMESPACE
from crossregion.domain.notices.content import TIP
from crossregion.domain.regions import OFFICE

OVERDUE, REASSIGN = "overdue", "reassign"
STEPS = (1, 2)
"""Of a tip only the first."""
NOT_ANSWERED = (handovers.NOTICE, TIP)
"""Kinds of notice that a unit answers by what it does; they are then withdrawn."""


def of_overdue(notice: NoticeIssued, first: int, step: int) -> NoticeIssued:
    """Notify the office that a unit has not answered in time, for the first or the second time.

    `first` is the revision by which it was asked, the first since the notice was last withdrawn.
    """
    return _to_office(OVERDUE, notice, first, str(step))


def of_refusal(notice: NoticeIssued, first: int, answer: NoticeAcknowledged) -> NoticeIssued:
    """Notify the office that a unit does not take a notice; the office decides where it goes."""
    code = answer["reason"] or answer["answer"]
    to_office = _to_office(REASSIGN, notice, first, code)
    return {**to_office, "remarks": [{"field": "answer", "code": code}]}


def _to_office(kind: str, notice: NoticeIssued, first: int, about: str) -> NoticeIssued:
    cause = notice["notice_id"]
    return {
        **notice,
        "notice_id": _id(kind, cause, str(first), about),
        "unit": OFFICE,
        "revision": 0,
        "kind": kind,
        "cause": cause,
        "units": [notice["unit"]],
        "answer_within_hours": None,
        "contact": notice["unit"],
    }


def moved(notice: NoticeIssued, to_unit: str) -> NoticeIssued:
    """The same notice to another unit, under an id that follows from both."""
    return {
        **notice,
        "notice_id": _id("reassigned", notice["notice_id"], to_unit),
        "unit": to_unit,
    }


def _id(*parts: str) -> str:
    return str(uuid.uuid5(NAMESPACE, "\n".join(["notice", *parts])))


class Reassignments:
    """To which unit the office has reassigned each notice."""

    def __init__(self) -> None:
        self._given: dict[str, NoticeReassigned] = {}

    def take(self, given: NoticeReassigned) -> bool:
        """Keep the highest; returns whether this is it."""
        held = self._given.get(given["notice_id"])
        version = acknowledgements.reassignment_version
        if held is not None and version(held) >= version(given):
            return False
        self._given[given["notice_id"]] = given
        return True

    def follow(self, notice: NoticeIssued) -> Iterator[NoticeIssued]:
        """A notice and what it has become, from unit to unit; only the last is published.

        What goes to the office because of answers stays there, an offer is to one unit, and a tip
        is referred.
        """
        yield notice
        while notice["kind"] not in (OVERDUE, REASSIGN, *NOT_ANSWERED) and (
            given := self._given.get(notice["notice_id"])
        ):
            notice = moved(notice, given["to_unit"])
            yield notice


@dataclass(frozen=True, slots=True)
class _Observed:
    """The last that the log shows of a notice; `issue` is its content while it stands.

    `first` is the first revision since it was last withdrawn, `seconds` the broker's time of that;
    `hours` are the fewest that were given since, and `until` is the earliest end of any. `first_at`
    is the broker's time of the first revision ever.
    """

    state: NoticeState
    issue: NoticeIssued | None
    first_at: float
    first: int
    seconds: float
    hours: int | None = None
    until: float | None = None


Answer = tuple[tuple[int, str], NoticeAcknowledged]
"""With its version; of one unit's answers to one statement only the highest can hold."""


class Waiting:
    """Which notices wait for an answer, as far as the log has been read. Pure."""

    def __init__(self, hour_seconds: float) -> None:
        self._hour = hour_seconds
        self._now = 0.0
        self._observed: dict[str, _Observed] = {}
        self._answers: dict[str, dict[tuple[str, int], Answer]] = defaultdict(dict)
        self._early: dict[str, list[tuple[float, NoticeAcknowledged]]] = defaultdict(list)
        self._deadlines: list[tuple[float, str]] = []

    def observe(self, event: str, notice: NoticeIssued | NoticeWithdrawn, seconds: float) -> str:
        """Apply a published notice; returns the notice for which it changes something."""
        notice_id = notice["notice_id"]
        held = self._observed.get(notice_id)
        if held is None or held.state.revision < notice["revision"]:
            self._observed[notice_id] = self._next(held, event, notice, seconds)
            for answered_at, answer in self._early.pop(notice_id, ()):
                self._keep(answer, answered_at)
        if notice["kind"] == OVERDUE:
            notice_id = notice["cause"]
        for step in self._steps(notice_id):
            deadline = self._deadline(notice_id, step)
            if deadline is not None:
                heapq.heappush(self._deadlines, (deadline, notice_id))
        return notice_id

    def _next(
        self,
        held: _Observed | None,
        event: str,
        notice: NoticeIssued | NoticeWithdrawn,
        seconds: float,
    ) -> _Observed:
        unit, revision = notice["unit"], notice["revision"]
        first_at = held.first_at if held else seconds
        if event == "NoticeWithdrawn":
            return _Observed(
                NoticeState(unit, revision, False, revision), None, first_at, revision, seconds
            )
        issue = cast(NoticeIssued, notice)
        state = NoticeState(unit, revision, True, held.state.withdrawn if held else 0)
        hours = issue["answer_within_hours"]
        until = None if hours is None else seconds + hours * self._hour
        if held is None or held.issue is None:
            return _Observed(state, issue, first_at, revision, seconds, hours, until)
        hours = min((one for one in (held.hours, hours) if one is not None), default=None)
        until = min((one for one in (held.until, until) if one is not None), default=None)
        return _Observed(state, issue, first_at, held.first, held.seconds, hours, until)

    def answer(self, answer: NoticeAcknowledged, seconds: float) -> str:
        """Take an answer; returns its notice."""
        if answer["notice_id"] in self._observed:
            self._keep(answer, seconds)
        else:
            self._early[answer["notice_id"]].append((seconds, answer))
        return answer["notice_id"]

    def _keep(self, answer: NoticeAcknowledged, seconds: float) -> None:
        if seconds < self._observed[answer["notice_id"]].first_at - EARLY_SECONDS:
            return
        held = self._answers[answer["notice_id"]]
        of = (answer["unit"], answer["notice_revision"])
        this = (acknowledgements.version(answer), answer)
        if of not in held or held[of][0] < this[0]:
            held[of] = this

    def forget(self, before: float) -> None:
        """Drop older answers to notices never published, once all notices have been read."""
        for notice_id, early in list(self._early.items()):
            self._early[notice_id] = [one for one in early if one[0] >= before]
            if not self._early[notice_id]:
                del self._early[notice_id]

    def due(self, now: float) -> bool:
        """Whether a deadline has passed since the last `tick`."""
        return bool(self._deadlines) and self._deadlines[0][0] <= now

    def tick(self, now: float) -> Iterator[str]:
        """Have it become that late; yields the notices whose deadline has passed."""
        self._now = max(self._now, now)
        while self.due(self._now):
            yield heapq.heappop(self._deadlines)[1]

    def desired(self, notice_id: str) -> Iterator[NoticeIssued]:
        """What the office is to be sent about a notice now; nothing about its own."""
        observed = self._observed.get(notice_id)
        if observed is None or observed.issue is None or observed.issue["unit"] == OFFICE:
            return
        answer = None
        if observed.issue["kind"] not in NOT_ANSWERED:
            answers = (one for _, one in self._answers[notice_id].values())
            answer = acknowledgements.in_force(observed.state, answers)
        if answer is not None and answer["answer"] in DECLINED:
            yield of_refusal(observed.issue, observed.first, answer)
        answered = answer is not None and answer["answer"] in ANSWERED
        if answered or observed.hours is None:
            return
        for step in self._steps(notice_id):
            overdue = of_overdue(observed.issue, observed.first, step)
            known = self._observed.get(overdue["notice_id"])
            deadline = self._deadline(notice_id, step)
            late = deadline is not None and deadline <= self._now
            if late or (known is not None and known.state.issued):
                yield overdue

    def _steps(self, notice_id: str) -> tuple[int, ...]:
        observed = self._observed.get(notice_id)
        tip = observed is not None and observed.issue is not None and observed.issue["kind"] == TIP
        return STEPS[:1] if tip else STEPS

    def _deadline(self, notice_id: str, step: int) -> float | None:
        """When the office is notified this time; None while that is open, or no answer is owed."""
        observed = self._observed.get(notice_id)
        if observed is None or observed.issue is None or observed.issue["unit"] == OFFICE:
            return None
        if step == 1 or observed.hours is None:
            return observed.until
        before = self._observed.get(
            of_overdue(observed.issue, observed.first, step - 1)["notice_id"]
        )
        if before is None or before.issue is None:
            return None
        return before.seconds + observed.hours * self._hour
