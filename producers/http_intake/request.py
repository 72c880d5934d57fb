"""The records of one HTTP request: each checked by itself, and what became of each told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crossregion.domain.events import Remark
from producers.http_intake import problems
from producers.http_intake.problems import Problem
from producers.json_records import Fault, Unfit, check, id_field, parse
from producers.records import LocalRecord
from producers.spool.store import REFUSED, Stored
from schemas import envelope

PUBLIC = "public"
OF_THE_PUBLIC = {"source": "PUBLIC", "channel": "ONLINE"}
"""What a tip that a stranger sends is, whatever they say."""
MOST_RECORDS = 500
AT_A_TIME = 25
"""Records that are checked before others get their turn."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends, and for which unit; the public's tips go to the unit that the settings name."""

    unit: str
    public: bool = False

    @property
    def name(self) -> str:
        return PUBLIC if self.public else self.unit


@dataclass(frozen=True, slots=True)
class Checked:
    """A record of a request: what the spool takes and its remarks, or what is wrong with it."""

    exported: LocalRecord | None
    remarks: Sequence[Remark] = ()
    faults: Sequence[Fault] = ()


async def checked(event: str, sender: Caller, scope: str, body: bytes) -> list[Checked]:
    """Every record of a body. Raises: Problem."""
    try:
        content = parse(body)
    except Unfit as unfit:
        raise Problem("malformed", unfit.faults) from None
    alone = not isinstance(content, list)
    given = [content] if alone else content
    if not given:
        raise Problem("malformed")
    if len(given) > (1 if sender.public else MOST_RECORDS):
        raise Problem("too-large")
    found = []
    for number, value in enumerate(given):
        if number % AT_A_TIME == AT_A_TIME - 1:
            await asyncio.sleep(0)
        found.append(_check(event, sender, scope, value, "" if alone else f"/{number}"))
    return found


def _check(event: str, sender: Caller, scope: str, value: object, path: str) -> Checked:
    try:
        if sender.public:
            value = _named(event, scope, value)
        taken = check(event, value, sender.unit)
    except Unfit as unfit:
        faults = [Fault(path + fault.pointer, fault.reason) for fault in unfit.faults]
        return Checked(None, (), faults)
    return Checked(taken.exported, taken.remarks)


def _named(event: str, scope: str, value: object) -> object:
    """A stranger's tip under an id made from its request: it can replace no other's.

    Raises: Unfit.
    """
    if isinstance(value, dict):
        given = value.keys() & {id_field(event), "revision", "unit", *OF_THE_PUBLIC}
        if given:
            raise Unfit(*(Fault(f"/{name}", "not-yours") for name in sorted(given)))
        named = envelope.named_id(f"{event}\n{scope}")
        value = {**value, **OF_THE_PUBLIC, id_field(event): named}
    return value


def receipt(checked: Sequence[Checked], stored: Sequence[Stored]) -> str:
    """What became of each record, in the order of the request."""
    found: list[dict[str, Any]] = []
    of_stored = iter(stored)
    for position, one in enumerate(checked):
        if one.exported is None:
            faults = problems.errors(one.faults)
            found.append({"position": position, "state": REFUSED, "errors": faults})
            continue
        became = next(of_stored)
        said = {"position": position, "record_id": became.record_id, "state": became.state}
        if became.state == REFUSED:
            said["errors"] = problems.errors([Fault("", "over-limit")])
        else:
            said |= {"revision": became.revision, "event_id": became.event_id}
            said["remarks"] = list(one.remarks)
        found.append(said)
    return json.dumps({"records": found}, ensure_ascii=False, separators=(",", ":"))
