"""Tips: which unit must triage each, and its state, computed from all revisions and triages.

Each triage names the one it follows, so those of a tip form a tree that grows from its report. Of
several that follow the same one the first holds that is allowed there, first by the broker's time
and then by unit: topics have no other common order. One written later never changes what holds.
The tip is the unit's of its place; a corrected place moves it while nothing was made of it, and
takes the right to triage from nobody who had it. A referral does.
"""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from crossregion.domain import acknowledgements, identifiers
from crossregion.domain.events import RecordRemarked, TipTriaged
from crossregion.domain.regions import OFFICE, regions
from crossregion.domain.routing import is_urgent
from crossregion.domain.validation import MAX_ID, TOLD_OF, Rejected, check_texts

NEW, LINKED, REFERRED, DISMISSED = VERDICTS = ("new", "linked", "referred", "dismissed")
FOLLOWS: dict[str, tuple[str, ...]] = {
    NEW: (LINKED, REFERRED, DISMISSED),
    REFERRED: (LINKED, REFERRED, DISMISSED),
    LINKED: (NEW,),
    DISMISSED: (NEW,),
}
"""What may follow a verdict. A unit acts on a link, so it is only ever taken back."""
OPEN = (NEW, REFERRED)
"""While a tip waits to be triaged."""
DISMISSALS = ("known-already", "not-trafficking", "too-vague", "unfounded")
"""Code list tip_dismissal_reason."""
ROLES = acknowledgements.ROLES
REPORTER = ("reporter_name", "reporter_contact")
MOST_TRIAGES = 100
"""Of each unit on a tip: an officer makes a few, a program gone mad would slow down all."""

Tip = tuple[str, str]
"""The unit that received it, and its id there."""
Version = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Route:
    """The fields of one revision of a tip by which it is routed to a unit."""

    revision: int
    digest: str
    place: str | None
    urgent: bool

    @property
    def version(self) -> Version:
        return self.revision, self.digest

    @property
    def unit(self) -> str:
        return unit_of(self.place)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A triage with its broker timestamp and its position in the log."""

    triage: TipTriaged
    milliseconds: int
    offset: int

    @property
    def place(self) -> tuple[int, str, int]:
        return self.milliseconds, self.triage["unit"], self.offset


@dataclass(frozen=True, slots=True)
class TipState:
    """State of a tip: `unit` must triage it, `may` are those allowed to, `had` all who had it.

    `last` is the triage that the next one has to follow, `taken` all that hold, in their order.
    """

    unit: str
    may: frozenset[str]
    had: frozenset[str]
    last: TipTriaged | None = None
    taken: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        return self.last["verdict"] if self.last else NEW

    @property
    def open(self) -> bool:
        return self.verdict in OPEN

    @property
    def case(self) -> tuple[str, str] | None:
        """The unit that reported the case it is linked to, and its id there."""
        if self.last is None or self.last["verdict"] != LINKED:
            return None
        return self.last["case_unit"] or "", self.last["case_id"] or ""

    @property
    def head(self) -> str | None:
        return self.last["triage_id"] if self.last else None

    @property
    def revision(self) -> int:
        return self.last["revision"] if self.last else 0


def anonymised(tip: dict[str, Any]) -> dict[str, Any]:
    """A tip as it is stored: the reporter of an anonymous one is removed, whatever was sent."""
    if not tip["anonymous"]:
        return tip
    return {**tip, "identity": {**tip["identity"], **dict.fromkeys(REPORTER)}}


def unit_of(place: str | None) -> str:
    """The unit that must triage a tip about a place: the unit of the place, else the office."""
    return (regions().unit_of(place) if place else None) or OFFICE


def route_of(remarked: RecordRemarked) -> Route:
    """The route from intake's RecordRemarked of one revision of a tip."""
    place = next((leg["code"] for leg in remarked["legs"] if leg["role"] == TOLD_OF), None)
    urgent = is_urgent([person["age_band"] for person in remarked["persons"]])
    return Route(remarked["revision"], remarked["digest"], place, urgent)


def tip_of(triage: TipTriaged) -> Tip:
    return triage["tip_unit"], triage["tip_id"]


def reported(routes: Collection[Route]) -> TipState:
    """The state of a tip without triages, from every revision that was reported.

    The newest of each unit's are enough.
    """
    newest = max(routes, key=lambda route: route.version)
    units = frozenset(route.unit for route in routes)
    return TipState(newest.unit, units, units)


def after(standing: TipState, triage: TipTriaged) -> TipState | None:
    """The state after one more triage that follows its last; None if it is not allowed there.

    Only the office has a tip go back to a unit that had it: two units would refer it for ever.
    """
    unit, to_unit = triage["unit"], triage["to_unit"]
    allowed = unit == OFFICE or unit in standing.may
    if (
        not allowed
        or triage["verdict"] not in FOLLOWS[standing.verdict]
        or triage["revision"] != standing.revision + 1
    ):
        return None
    changed = replace(standing, last=triage, taken=(*standing.taken, triage["triage_id"]))
    if to_unit is None:
        return changed
    if to_unit == standing.unit or (to_unit in standing.had and unit != OFFICE):
        return None
    return replace(changed, unit=to_unit, may=frozenset({to_unit}), had=standing.had | {to_unit})


def trace(routes: Collection[Route], triages: Iterable[LogEntry]) -> TipState:
    """The state of a tip after all its revisions and triages, whatever order they were read in."""
    following: dict[str | None, list[TipTriaged]] = defaultdict(list)
    for one in sorted(counting(triages), key=lambda one: one.place):
        following[one.triage["follows"]].append(one.triage)
    standing = reported(routes)
    while True:
        for triage in following[standing.head]:
            changed = after(standing, triage)
            if changed is not None:
                break
        else:
            return standing
        standing = changed


def counting(triages: Iterable[LogEntry]) -> list[LogEntry]:
    """Each triage once, and of each unit the first so many in the order of its topic."""
    found: dict[str, LogEntry] = {}
    written: Counter[str] = Counter()
    for one in sorted(triages, key=lambda one: one.offset):
        unit, name = one.triage["unit"], one.triage["triage_id"]
        if name not in found and written[unit] < MOST_TRIAGES:
            written[unit] += 1
            found[name] = one
    return list(found.values())


class TriageState:
    """The state of every tip, as far as the log has been read. Pure."""

    def __init__(self) -> None:
        self._newest: dict[Tip, RecordRemarked] = {}
        self._routes: dict[Tip, dict[str, Route]] = defaultdict(dict)
        self._triages: dict[Tip, list[LogEntry]] = defaultdict(list)

    def report(self, remarked: RecordRemarked) -> Tip:
        """Apply intake's RecordRemarked of a tip; returns the tip's key."""
        tip = remarked["unit"], remarked["record_id"]
        version = remarked["revision"], remarked["digest"]
        known = self._newest.get(tip)
        if known is None or (known["revision"], known["digest"]) < version:
            self._newest[tip] = remarked
        route = route_of(remarked)
        of_unit = self._routes[tip].setdefault(route.unit, route)
        if of_unit.version < route.version:
            self._routes[tip][route.unit] = route
        return tip

    def triage(self, one: LogEntry) -> Tip:
        """Apply a triage; returns the tip's key."""
        tip = tip_of(one.triage)
        self._triages[tip].append(one)
        if len(self._triages[tip]) > 2 * MOST_TRIAGES:
            self._triages[tip] = counting(self._triages[tip])
        return tip

    def standing(self, tip: Tip) -> tuple[RecordRemarked, TipState] | None:
        """The newest revision of a tip, and where it stands; None before it is reported."""
        if tip not in self._newest:
            return None
        routes = self._routes[tip].values()
        return self._newest[tip], trace(routes, self._triages.get(tip, ()))


def triage_id(triage: Mapping[str, object]) -> str:
    """UUIDv5 of a triage's content, predecessor and author; the time is no part of it."""
    content = {k: v for k, v in triage.items() if k not in ("triage_id", "triaged_at")}
    return str(uuid.uuid5(identifiers.NAMESPACE, f"triage\n{identifiers.canonical(content)}"))


def check(triage: TipTriaged, topic_unit: str, units: Collection[str]) -> None:
    """Check that a triage could be valid in some state of the tip; `units` may have tips and cases.

    Raises: Rejected, whose detail names the field.
    """
    check_texts(triage, "")
    linked, referred = (triage["verdict"] == verdict for verdict in (LINKED, REFERRED))
    for name, text in _ids(triage, linked=linked):
        if not 0 < len(text or "") <= MAX_ID:
            raise Rejected("over-limit", name)
    if triage["unit"] != topic_unit:
        raise Rejected("another-unit", "unit")
    nothing = (None,)
    for name, codes in (
        ("verdict", VERDICTS),
        ("tip_unit", units),
        ("unit", units),
        ("case_unit", units if linked else nothing),
        ("to_unit", units if referred else nothing),
        ("reason", DISMISSALS if triage["verdict"] == DISMISSED else nothing),
        ("role", ROLES),
    ):
        if triage[name] not in codes:  # type: ignore[literal-required]
            raise Rejected("unknown-code", name)
    if not linked and triage["case_id"] is not None:
        raise Rejected("unknown-code", "case_id")
    if triage["revision"] < 1 or (triage["revision"] == 1) != (triage["follows"] is None):
        raise Rejected("wrong-revision", "revision")
    if triage["triage_id"] != triage_id(triage):
        raise Rejected("wrong-id", "triage_id does not follow from the content")


def _ids(triage: TipTriaged, *, linked: bool) -> Iterator[tuple[str, str | None]]:
    yield "tip_id", triage["tip_id"]
    if linked:
        yield "case_id", triage["case_id"]
    if triage["follows"] is not None:
        yield "follows", triage["follows"]
