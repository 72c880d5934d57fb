"""Hand-over of a case or a found person between units: the owner is computed from all steps.

Each step names the one it follows, so the steps of a record form a tree that grows from its report.
Of several that follow the same one the first holds that is allowed there, first by the broker's
time and then by unit: topics have no other common order. A step written later never changes what
holds already. There is one owner always: the unit that reported the record, until one has accepted.
"""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from crossregion.domain import acknowledgements, identifiers
from crossregion.domain.events import HandoverRecorded
from crossregion.domain.validation import MAX_ID, Rejected, check_texts

OFFERED, ACCEPTED, REFUSED, WITHDRAWN, RETURNED = (
    *("offered", "accepted", "refused", "withdrawn", "returned"),
)
ACTIONS = (OFFERED, ACCEPTED, REFUSED, WITHDRAWN, RETURNED)
KINDS = ("case", "rescue")
NOTICE = "handover"
"""The kind of the notices about it; only a step answers them."""
REFUSALS, ROLES = acknowledgements.REFUSALS, acknowledgements.ROLES
MOST_STEPS = 1_000
"""Of one unit on one record; what it writes after these counts for nothing. They stand in one
partition, so whoever reads them drops the same."""

Record = tuple[str, str, str]
"""Kind, unit that reported it, and its id there."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A step with its broker timestamp and its position in the log."""

    step: HandoverRecorded
    milliseconds: int
    offset: int

    @property
    def place(self) -> tuple[int, str, int]:
        return self.milliseconds, self.step["unit"], self.offset


@dataclass(frozen=True, slots=True)
class CustodyState:
    """Custody of a record.

    `givers` are those from whom it came, the last one last; `readers` all that have ever owned it.
    `head` is the step that the next one has to follow, `taken` all that hold, in their order;
    `offer` and `request` are the steps by which it is offered and asked back.
    """

    owner: str
    readers: frozenset[str]
    offered_to: str | None = None
    asked_back: bool = False
    givers: tuple[str, ...] = ()
    head: str | None = None
    taken: tuple[str, ...] = ()
    offer: str | None = None
    request: str | None = None


def after(standing: CustodyState, step: HandoverRecorded) -> CustodyState | None:
    """The state after one more step that follows its head; None if it is not allowed there."""
    unit, offered_to, owner = step["unit"], standing.offered_to, standing.owner
    giver = standing.givers[-1] if standing.givers else None
    match step["action"]:
        case "offered" if unit == owner and offered_to is None and step["to_unit"] != owner:
            changed = replace(standing, offered_to=step["to_unit"], offer=step["step_id"])
        case "accepted" if unit == offered_to:
            givers = (*standing.givers, owner)
            changed = replace(_owned(standing, unit), givers=givers)
        case "refused" if unit == offered_to:
            changed = replace(standing, offered_to=None, offer=None)
        case "refused" if unit == owner and standing.asked_back:
            changed = replace(standing, asked_back=False, request=None)
        case "withdrawn" if unit == owner and offered_to is not None:
            changed = replace(standing, offered_to=None, offer=None)
        case "withdrawn" if unit == giver and not standing.asked_back:
            changed = replace(standing, asked_back=True, request=step["step_id"])
        case "returned" if unit == owner and giver is not None and offered_to is None:
            changed = replace(_owned(standing, giver), givers=standing.givers[:-1])
        case _:
            return None
    return replace(changed, head=step["step_id"])


def _owned(standing: CustodyState, by: str) -> CustodyState:
    return CustodyState(by, standing.readers | {by}, givers=standing.givers)


def trace(record: Record, steps: Iterable[LogEntry]) -> CustodyState:
    """The custody of a record after all steps on it, whatever order they were read in."""
    following: dict[str | None, list[LogEntry]] = defaultdict(list)
    for one in sorted(steps, key=lambda one: one.place):
        if record_of(one.step) == record:
            following[one.step["follows"]].append(one)
    _, unit, _ = record
    standing = CustodyState(unit, frozenset({unit}))
    taken: dict[str, None] = {}
    overtaken: list[LogEntry] = []
    while True:
        candidates = sorted((*following[standing.head], *overtaken), key=lambda one: one.place)
        for one in candidates:
            changed = after(standing, one.step)
            if changed is not None and one.step["step_id"] not in taken:
                break
        else:
            return replace(standing, taken=tuple(taken))
        taken[one.step["step_id"]] = None
        overtaken = []
        if one.step["action"] == ACCEPTED:
            overtaken = [
                late for late in following[standing.head] if late.step["action"] == WITHDRAWN
            ]
            """An offer that is withdrawn after it was accepted is a request to return it."""
        standing = changed


class Steps:
    """All steps that count on each record, as far as they have been read."""

    def __init__(self) -> None:
        self._placed: dict[Record, dict[str, LogEntry]] = defaultdict(dict)
        self._written: Counter[tuple[Record, str]] = Counter()
        self._read = 0

    def take(self, step: HandoverRecorded, milliseconds: int) -> Record:
        """Take a step; those of one unit come in the order of their topic. Returns its record."""
        record = record_of(step)
        known, by = self._placed[record], (record, step["unit"])
        self._read += 1
        if step["step_id"] not in known and self._written[by] < MOST_STEPS:
            self._written[by] += 1
            known[step["step_id"]] = LogEntry(step, milliseconds, self._read)
        return record

    def standing(self, record: Record) -> CustodyState:
        return trace(record, self._placed.get(record, {}).values())


def record_of(step: HandoverRecorded) -> Record:
    return step["kind"], step["record_unit"], step["record_id"]


def step_id(step: HandoverRecorded) -> str:
    """UUIDv5 of what is done, after what and by whom; the time is no part of it."""
    content = {k: v for k, v in step.items() if k not in ("step_id", "recorded_at")}
    return str(uuid.uuid5(identifiers.NAMESPACE, f"handover\n{identifiers.canonical(content)}"))


def check(step: HandoverRecorded, topic_unit: str, units: Iterable[str]) -> None:
    """Check that a step could be valid, whatever the record's state; `units` may own records.

    Raises: Rejected, whose detail names the field.
    """
    check_texts(step, "")
    if not 0 < len(step["record_id"]) <= MAX_ID:
        raise Rejected("over-limit", "record_id")
    if len(step["follows"] or "") > MAX_ID:
        raise Rejected("over-limit", "follows")
    if step["unit"] != topic_unit:
        raise Rejected("another-unit", "unit")
    if step["follows"] is None and step["unit"] != step["record_unit"]:
        raise Rejected("another-unit", "follows")
    offered = step["action"] == OFFERED
    for name, codes in (
        ("kind", KINDS),
        ("record_unit", units),
        ("unit", units),
        ("action", ACTIONS),
        ("to_unit", units if offered else (None,)),
        ("reason", REFUSALS if step["action"] == REFUSED else (None,)),
        ("role", ROLES),
    ):
        if step[name] not in codes:  # type: ignore[literal-required]
            raise Rejected("unknown-code", name)
    if step["step_id"] != step_id(step):
        raise Rejected("wrong-id", "step_id does not follow from the content")
