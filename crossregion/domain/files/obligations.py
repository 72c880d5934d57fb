"""Due items of a rescued person's file, from its notes alone: a pure function, without a clock.

Which item is due on which day follows from the newest notes of the rescue and its entries, in
whatever order they came; only whether a day has passed is the reader's question.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain

from crossregion.domain.dates import day, months_after
from crossregion.domain.events import FileNoted, FilePerson, ProblemNote, SearchNote
from crossregion.domain.files.rules import duty, rules

PLACED = "IN_WELFARE_HOME"
OTHER = "POST_RETURN_SUPPORT"
"""What aid under a unit's own word counts as: help with whatever difficulty there is."""
MOST_ENTRIES = 1_000
"""Of each unit in one file: a year of visits and aid is some dozens, a program gone mad would slow
down all."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item that is due from one day on, and overdue after another."""

    item: str
    due_from: date
    due_on: date
    lead: str
    assisting: tuple[str, ...]
    clause: str

    @property
    def overdue_from(self) -> date:
        return self.due_on + timedelta(days=1)

    @property
    def lapses_on(self) -> date:
        """The day from which no notice is published any more, though the item is still listed."""
        return self.due_on + timedelta(days=rules().lapses_after_days)


def owed(notes: Collection[FileNoted], readers: Collection[str]) -> list[Item]:
    """The due items of one rescue's file; none while the rescue itself is not known.

    `readers` are those who have ever had the person in their charge: only their entries count, of
    each unit the first so many by their names.
    """
    person = next((note["person"] for note in notes if note["person"] is not None), None)
    if person is None:
        return []
    written: dict[str, list[FileNoted]] = defaultdict(list)
    for note in notes:
        if note["person"] is None and note["unit"] in readers:
            written[note["unit"]].append(note)
    most = [sorted(of_unit, key=_name)[:MOST_ENTRIES] for of_unit in written.values()]
    return items(person, list(chain.from_iterable(most)))


def items(person: FilePerson, entries: Collection[FileNoted]) -> list[Item]:
    """All that is owed to a person and not done, by the entries that count."""
    file = _File(person, sorted(entries, key=_place))
    found = [*file.aid(), *file.fitting(), *file.search(), *file.follow_ups(), *file.problems()]
    return sorted(found, key=lambda one: one.item)


def _name(note: FileNoted) -> tuple[str, str]:
    return note["kind"], note["record_id"]


def _place(note: FileNoted) -> tuple[str, str, str, str]:
    """Entries in the order of their days; of one day, by their names."""
    aid, visit = note["assistance"], note["follow_up"]
    on = None
    if aid is not None:
        on = aid["done_on"] or aid["started_on"] or aid["needed_on"]
    elif visit is not None:
        on = visit["done_on"] or visit["planned_on"]
    return on or "", note["kind"], note["unit"], note["record_id"]


def _wish(note: FileNoted) -> str | None:
    said = note["assistance"] or note["follow_up"]
    return said["wish"] if said is not None else None


@dataclass(frozen=True, slots=True)
class _Search:
    """The searches for one person's guardian as one: what any has done is done."""

    days: Mapping[str, date]
    begun: bool
    found: bool
    placed: bool


def _merged(searches: Collection[SearchNote]) -> _Search:
    days: dict[str, date] = {}
    for search in searches:
        for name, text in search.items():
            if on := day(str(text)):
                days[name] = min(on, days.get(name, on))
    states = {search["state"] for search in searches}
    found = "found_on" in days or "FOUND" in states
    return _Search(days, bool(searches), found, "placed_on" in days or PLACED in states)


class _File:
    """One person's notes, the entries in their order."""

    def __init__(self, person: FilePerson, entries: list[FileNoted]) -> None:
        self._start = day(person["start_on"])
        self._person = person
        self._aid = [(note, note["assistance"]) for note in entries if note["assistance"]]
        self._visits = [(note, note["follow_up"]) for note in entries if note["follow_up"]]
        self._search = _merged([note["search"] for note in entries if note["search"]])
        self._wish = next(filter(None, map(_wish, reversed(entries))), None)

    def aid(self) -> Iterator[Item]:
        """Items for aid recorded as needed, offered or begun, until it is done or declined."""
        for note, aid in self._aid:
            if aid["state"] in ("DONE", "DECLINED"):
                continue
            since = day(aid["needed_on"]) or day(aid["started_on"]) or self._start
            until = day(aid["due_on"])
            if until is None and since is not None and aid["state"] != "STARTED":
                until = since + timedelta(days=rules().open["assistance_days"])
            if until is not None:
                kind = aid["kind"] or OTHER
                lead = aid["lead"]
                yield _item(kind, _of(kind, note), since, until, lead, aid["assisting"])

    def fitting(self) -> Iterator[Item]:
        """Items for aid that fits the person, while nothing of its kind is recorded."""
        recorded = {aid["kind"] for _, aid in self._aid}
        if self._search.placed:
            recorded.add("CHILD_PLACEMENT")
        for kind, (who, days) in rules().fits.items():
            since = None if kind in recorded else self._fits_from(who)
            if since is not None:
                yield _item(kind, kind, since, since + timedelta(days=days))

    def _fits_from(self, who: str) -> date | None:
        start = self._start
        if start is None:
            return None
        since = start
        if who == "school":
            since = self._ages_from("school_from", start)
            if since >= self._ages_from("school_to", start):
                return None
        elif who in ("work", "elsewhere"):
            since = self._ages_from("work_from", start)
            if self._wish == "HOME" or (who == "elsewhere" and self._wish != "ELSEWHERE"):
                return None
        elif who == "guardianless" and not self._guardianless(start):
            return None
        return since if since <= months_after(start, rules().fits_within_months) else None

    def _ages_from(self, bound: str, start: date) -> date:
        """The first day, from the rescue on, past an age; never if the age is not known."""
        return max(start, day(self._person[bound]) or date.max)  # type: ignore[literal-required]

    def _guardianless(self, on: date) -> bool:
        """A child, and nothing says that there is a guardian."""
        if self._search.found:
            return False
        adult_from = day(self._person["adult_from"])
        if adult_from is not None:
            return on < adult_from and self._person["guardian"] != "HAS_GUARDIAN"
        return self._search.begun or self._person["guardian"] in ("TO_BE_FOUND", "NOT_FOUND")

    def search(self) -> Iterator[Item]:
        """The steps for a child whose guardian is not found."""
        days, rule = self._search.days, rules().search
        start = days.get("begun_on", self._start)
        if start is None:
            return
        steps = []
        if "notice_on" not in days:
            steps.append(("PUBLIC_NOTICE", start, rule["notice_begins_within_days"]))
        elif not self._search.placed:
            over = days["notice_on"] + timedelta(days=rule["notice_days"])
            steps.append(("WELFARE_HOME", over, rule["welfare_home_within_days"]))
        for which in ("first", "second"):
            if f"{which}_certificate_on" not in days:
                since = months_after(start, rule[f"{which}_certificate_months"])
                step = f"{which.upper()}_CERTIFICATE"
                steps.append((step, since, rule["certificate_within_days"]))
        for step, since, within in steps:
            if self._guardianless(since):
                yield _item(step, step, since, since + timedelta(days=within))

    def follow_ups(self) -> Iterator[Item]:
        """The looks that are planned; without one, the next of the regular ones."""
        rule = rules().follow_up
        done = [day(visit["done_on"]) for _, visit in self._visits if visit["state"] == "DONE"]
        last = max(filter(None, [self._start, *done]), default=date.min)
        planned = [
            (note, on)
            for note, visit in self._visits
            if visit["state"] == "PLANNED" and (on := day(visit["planned_on"])) and on > last
        ]
        for note, on in planned:
            until = on + timedelta(days=rule["within_days"])
            yield _item("FOLLOW_UP", _of("FOLLOW_UP", note), on, until)
        ended = [visit["state"] for _, visit in self._visits if visit["state"] != "PLANNED"]
        if planned or self._start is None or ended[-1:] == ["LOST"]:
            return
        since = months_after(last, rule["every_months"])
        if since <= months_after(self._start, rule["for_months"]):
            until = since + timedelta(days=rule["within_days"])
            yield _item("FOLLOW_UP", "FOLLOW_UP", since, until)

    def problems(self) -> Iterator[Item]:
        """Of each kind the first that was found since the last was solved."""
        found: dict[str, tuple[date | None, ProblemNote]] = {}
        for _, visit in self._visits:
            on = day(visit["done_on"]) or day(visit["planned_on"]) or self._start
            for problem in visit["problems"]:
                if problem["state"] == "SOLVED":
                    found.pop(problem["kind"], None)
                else:
                    found.setdefault(problem["kind"], (on, problem))
        for kind, (on, problem) in found.items():
            until = day(problem["due_on"])
            if until is None and on is not None:
                until = on + timedelta(days=rules().open["problem_days"])
            if until is not None:
                yield _item("PROBLEM", f"PROBLEM:{kind}", on, until, problem["department"])


def _of(kind: str, note: FileNoted) -> str:
    """The name of an item that stands in an entry."""
    return f"{kind}:{note['unit']}/{note['record_id']}"


def _item(
    kind: str,
    name: str,
    since: date | None,
    until: date,
    lead: str | None = None,
    assisting: Collection[str] = (),
) -> Item:
    """An item, led by whom an entry names, else by the clause's department."""
    known = duty(kind if kind in rules().clauses else OTHER)
    first, *others = known.leads
    lead = lead or first
    helping = assisting or (*others, *known.assisting)
    return Item(
        name,
        min(since or until, until),
        until,
        lead,
        tuple(sorted({*helping} - {lead})),
        known.clause,
    )
