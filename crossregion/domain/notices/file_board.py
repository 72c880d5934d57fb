"""The files of all rescued persons as far as the log is read: the notices about them on a day.

Whoever has read the same and has the same day derives the same, whatever order it was read in.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from datetime import date

from crossregion.domain.events import FileNoted, NoticeIssued, Remark
from crossregion.domain.files import obligations
from crossregion.domain.handovers import CustodyState, Steps
from crossregion.domain.notices import content

Rescue = tuple[str, str]
"""The unit that registered it, and its id there."""
Source = tuple[str, str, str]
"""Kind, unit and id of a rescue or an entry."""


class Files:
    """Notes, and on which day a file owes something else; the steps say who has custody."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._today = date.min
        self._notes: dict[Rescue, dict[Source, FileNoted]] = defaultdict(dict)
        self._rescue_of: dict[Source, Rescue] = {}
        self._days: list[tuple[date, Rescue]] = []
        self._next: dict[Rescue, date] = {}
        self._charge: dict[Rescue, frozenset[str] | None] = {}

    def take(self, note: FileNoted) -> Iterator[Rescue]:
        """Keep the newest of each record; yields the files that it changes."""
        source = (note["kind"], note["unit"], note["record_id"])
        rescue = (note["rescue_unit"], note["rescue_id"])
        before = self._rescue_of.get(source)
        held = self._notes[before][source] if before else None
        if held and (held["revision"], held["digest"]) >= (note["revision"], note["digest"]):
            return
        if before and before != rescue:
            del self._notes[before][source]
            yield before
        self._rescue_of[source] = rescue
        self._notes[rescue][source] = note
        yield rescue

    def take_changed_warnings(self, rescue: Rescue) -> tuple[Source, ...]:
        """The entries whose warnings are others than when this was last asked: all, or none."""
        known = ("rescue", *rescue) in self._notes[rescue]
        charge = self._standing(rescue).readers if known else None
        if rescue in self._charge and self._charge[rescue] == charge:
            return ()
        self._charge[rescue] = charge
        return tuple(source for source in self._notes[rescue] if source[0] != "rescue")

    def warnings(self, source: Source) -> tuple[Remark, ...]:
        """What the file that an entry is for makes doubtful in it."""
        rescue = self._rescue_of.get(source)
        kind, unit, _ = source
        if rescue is None or kind == "rescue":
            return ()
        if ("rescue", *rescue) not in self._notes[rescue]:
            return (content.UNKNOWN_RESCUE,)
        return () if unit in self._standing(rescue).readers else (content.NOT_IN_CHARGE,)

    def desired(self, rescue: Rescue) -> Iterator[NoticeIssued]:
        """The notices about a file that are desired today; notes the next day that changes them."""
        standing = self._standing(rescue)
        owed = obligations.owed(self._notes[rescue].values(), standing.readers)
        days = {day for one in owed for day in (one.due_from, one.overdue_from, one.lapses_on)}
        self._look_again(rescue, min((day for day in days if day > self._today), default=None))
        for one in owed:
            yield from content.of_item(rescue, one, standing.owner, self._today)

    def _look_again(self, rescue: Rescue, on: date | None) -> None:
        """Each file has one day at most; what stands in the heap beside it is out of date."""
        if on is None:
            self._next.pop(rescue, None)
        elif self._next.get(rescue) != on:
            self._next[rescue] = on
            heapq.heappush(self._days, (on, rescue))

    def due(self, today: date) -> bool:
        """Whether a day has come on which other notices may follow."""
        return today > self._today and bool(self._days) and self._days[0][0] <= today

    def tick(self, today: date) -> Iterator[Rescue]:
        """Have it become that day; yields the files for which it changes something."""
        self._today = max(self._today, today)
        while self._days and self._days[0][0] <= self._today:
            on, rescue = heapq.heappop(self._days)
            if self._next.get(rescue) == on:
                del self._next[rescue]
                yield rescue

    def _standing(self, rescue: Rescue) -> CustodyState:
        return self._steps.standing(("rescue", *rescue))
