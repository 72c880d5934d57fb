"""Tips and triages for the fault rig: what units might send, and what must come of it."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from crossregion.domain import tips
from crossregion.domain.events import NoticeIssued, TipTriaged
from crossregion.domain.notices import content
from crossregion.domain.tips import DISMISSALS, DISMISSED, LINKED, NEW, REFERRED, LogEntry, TipState
from crossregion.domain.validation import ValidatedEvent
from schemas import codec, topics
from schemas.units import UNITS

TRIAGE = frozenset(topics.TRIAGE.names())
Tip = tuple[str, str]
Case = tuple[str, str]
Row = tuple[Any, ...]


@dataclass
class _Lying:
    """A tip as the generator believes it to lie."""

    record: dict[str, Any]
    unit: str
    chain: list[dict[str, Any]] = field(default_factory=list)


class Tips:
    """Makes tips, their corrections, and triages: right ones, late ones, strangers', unusable ones.

    `text` makes a text and `name` a name that hold a canary.
    """

    def __init__(self, draw: random.Random, prefix: str, units: Sequence[str]) -> None:
        self._draw, self._prefix, self._units = draw, prefix, units
        self._lying: list[_Lying] = []

    def tip(self, text: str, name: str, places: Sequence[str | None]) -> dict[str, Any]:
        """A new tip, or another revision of one, whose persons stay as they are."""
        draw = self._draw
        if self._lying and draw.random() < 0.3:
            lying = draw.choice(self._lying[-20:])
            place = draw.choice(places)
            revision = lying.record["revision"] + draw.choice((0, 1, 1, 2))
            lying.record = {**lying.record, "revision": revision, "place": place}
            if not lying.chain:
                lying.unit = tips.unit_of(place)
            return lying.record
        named = draw.random() < 0.5
        place = draw.choice(places)
        record = {
            "tip_id": f"{self._prefix}-T{len(self._lying) + 1}",
            "unit": draw.choice(self._units),
            "revision": 1,
            "received_at": "2012-05-03T00:30:00Z",
            "source": draw.choice(["PUBLIC", "DEPARTMENT", None, text]),
            "channel": draw.choice(["HOTLINE", "ONLINE", "x"]),
            "happened_on": draw.choice(["2012-05-01", "2012-02-30", "2100-01-01", None]),
            "place": place,
            "persons": draw.choice(
                [[], [{"age_band": draw.choice(["adult", "6-13"]), "sex": "F"}]]
            ),
            "anonymous": not named,
            "identity": {
                "text": text,
                "reporter_name": name if named else None,
                "reporter_contact": text if named else None,
            },
        }
        self._lying.append(_Lying(record, tips.unit_of(place)))
        return record

    def triage(self, cases: Sequence[Case]) -> tuple[str, dict[str, Any], str | None] | None:
        """A triage with the unit on whose topic it stands, and why it is refused, if it is.

        A link is to one of `cases`, by its unit and its id there, or to one that nobody knows.
        """
        if not self._lying:
            return None
        draw = self._draw
        lying = draw.choice(self._lying[-20:])
        chain = lying.chain[: -1 if draw.random() < 0.2 else None]
        last = chain[-1] if chain else None
        by = draw.choices([lying.unit, "220000", draw.choice(self._units)], [8, 2, 1])[0]
        waits = last is None or last["verdict"] in (NEW, REFERRED)
        verdict = draw.choice([LINKED, LINKED, REFERRED, DISMISSED]) if waits else NEW
        case: tuple[str | None, str | None] = (None, None)
        if verdict == LINKED:
            unknown = (draw.choice(self._units), f"{self._prefix}-C{draw.randint(1, 9)}")
            case = draw.choice([*cases, unknown])
        made = {
            "follows": last["triage_id"] if last else None,
            "revision": last["revision"] + 1 if last else 1,
            "tip_unit": lying.record["unit"],
            "tip_id": lying.record["tip_id"],
            "verdict": verdict,
            "case_unit": case[0],
            "case_id": case[1],
            "to_unit": draw.choice(self._units) if verdict == REFERRED else None,
            "reason": draw.choice(DISMISSALS) if verdict == DISMISSED else None,
            "unit": by,
            "role": "officer",
            "triaged_at": None,
        }
        refused = draw.choice([None] * 7 + ["unknown-code", "wrong-id", "another-unit"])
        if refused == "unknown-code":
            made["role"] = "x"
        made["triage_id"] = "x" if refused == "wrong-id" else tips.triage_id(made)
        if refused == "another-unit":
            return next(unit for unit in self._units if unit != by), made, refused
        if refused is None:
            lying.chain = [*chain, made]
            lying.unit = made["to_unit"] or lying.unit
        return by, made, refused

    @staticmethod
    def spoilt(record: dict[str, Any]) -> Iterator[tuple[bytes, str]]:
        """A tip made unusable, each with the reason it must be set aside for."""
        nothing = dict.fromkeys(record["identity"])
        for changes, refused in (
            ({"tip_id": ""}, "no-record-id"),
            ({"revision": 0}, "over-limit"),
            ({"place": "x", "persons": [], "identity": nothing}, "nothing-said"),
            (
                {"identity": {**nothing, "text": record["identity"]["text"] + "\0"}},
                "unstorable-text",
            ),
        ):
            yield codec.encode("TipRecorded", {**record, **changes}), refused
        yield codec.encode("TipRecorded", record)[:-3], "torn"


def standings(
    validated: Iterable[ValidatedEvent], placed: Iterable[LogEntry]
) -> Iterator[tuple[Tip, ValidatedEvent, TipState]]:
    """Where each tip must stand; whatever follows the last first is sought anew after each step."""
    reported: dict[Tip, list[ValidatedEvent]] = defaultdict(list)
    for one in validated:
        reported[one.unit, one.record_id].append(one)
    made: dict[Tip, list[LogEntry]] = defaultdict(list)
    for step in placed:
        made[step.triage["tip_unit"], step.triage["tip_id"]].append(step)
    for tip, revisions in reported.items():
        standing = tips.reported([tips.route_of(one.remarked) for one in revisions])
        left = sorted(made[tip], key=lambda one: (one.milliseconds, one.triage["unit"], one.offset))
        while found := _next(standing, left):
            standing = found
        yield tip, max(revisions, key=lambda one: (one.revision, one.digest)), standing


def _next(standing: TipState, steps: Iterable[LogEntry]) -> TipState | None:
    for one in steps:
        if one.triage["follows"] == standing.head:
            found = tips.after(standing, one.triage)
            if found is not None:
                return found
    return None


def row_of(newest: ValidatedEvent, standing: TipState) -> Row:
    """What the registry must say of a tip: version, place, urgency, whose it is, what was made."""
    route = tips.route_of(newest.remarked)
    last: Any = standing.last or {}
    return (
        *(newest.revision, newest.digest, route.place, route.urgent, standing.unit),
        *(standing.verdict, last.get("case_unit"), last.get("case_id"), list(standing.taken)),
    )


COLUMNS = "revision, digest, place, urgent, duty, verdict, case_unit, case_id, taken"


def told_of(
    newest: ValidatedEvent, standing: TipState, owner: str | None
) -> Iterator[NoticeIssued]:
    return content.of_tip(newest.remarked, standing, owner)


def triage_of(value: bytes | None, topic: str) -> TipTriaged:
    """Raises: Undecodable, Refused."""
    _, record = codec.decode(value, topics.TRIAGE.schemas)
    triage = cast(TipTriaged, record)
    tips.check(triage, topics.unit_of_topic(topic), UNITS)
    return triage
