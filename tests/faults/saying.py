"""What units say: answers to notices, steps of hand-overs; and what must follow from them.

The oracle of a hand-over is a deed on paper, stamped in the order in which the steps were put on
the broker: a pile of owners, whom it is offered to, and the step by which it is asked back.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from crossregion.domain import acknowledgements, handovers
from crossregion.domain.events import HandoverRecorded, NoticeAcknowledged, NoticeIssued
from crossregion.domain.handovers import CustodyState, Record
from crossregion.domain.notices import content as content_domain
from crossregion.domain.validation import Rejected, validate_event
from schemas import codec, topics
from schemas.codec import Undecodable
from schemas.units import UNITS

if TYPE_CHECKING:
    from tests.faults.oracle import Accepted

TOPICS = frozenset({*topics.ACKNOWLEDGEMENTS.names(), *topics.HANDOVERS.names()})
Said = dict[str, Any]


@dataclass
class Deed:
    """One record's."""

    pile: list[str]
    offered: tuple[str, str] | None = None
    asked: str | None = None
    stamps: list[Said] = field(default_factory=list)

    def write(self, step: Said) -> None:
        """Stamp a step if it is one that may come next."""
        last = self.stamps[-1] if self.stamps else None
        if any(stamp["step_id"] == step["step_id"] for stamp in self.stamps):
            return
        if step["follows"] == (last["step_id"] if last else None):
            right = self._take(step)
        else:
            right = last is not None and self._too_late(step, last)
        if right:
            self.stamps.append(step)

    def _too_late(self, step: Said, last: Said) -> bool:
        if (last["action"], step["action"]) != ("accepted", "withdrawn"):
            return False
        if step["follows"] != last["follows"] or step["unit"] != self.pile[-2]:
            return False
        self.asked = step["step_id"]
        return True

    def _take(self, step: Said) -> bool:
        action, unit, owner = step["action"], step["unit"], self.pile[-1]
        offered_to = self.offered[0] if self.offered else None
        if action == "offered" and unit == owner != step["to_unit"] and not self.offered:
            self.offered = (step["to_unit"], step["step_id"])
        elif action == "accepted" and unit == offered_to:
            self.pile.append(unit)
            self.offered = self.asked = None
        elif action == "refused" and unit == offered_to:
            self.offered = None
        elif action == "refused" and unit == owner and self.asked:
            self.asked = None
        elif action == "withdrawn" and unit == owner and self.offered:
            self.offered = None
        elif action == "withdrawn" and self.pile[-2:-1] == [unit] and not self.asked:
            self.asked = step["step_id"]
        elif action == "returned" and unit == owner and len(self.pile) > 1 and not self.offered:
            self.pile.pop()
            self.asked = None
        else:
            return False
        return True

    def likely(self) -> list[tuple[str, str]]:
        """Who may do what next."""
        owner, giver = self.pile[-1], self.pile[-2:-1]
        if self.offered:
            return [(self.offered[0], "accepted"), (self.offered[0], "refused"),
                    (owner, "withdrawn")]  # fmt: skip
        back = [(owner, "returned"), (giver[0], "withdrawn")] if giver else []
        return [(owner, "offered"), *back]

    @property
    def standing(self) -> tuple[str, str | None, bool]:
        return self.pile[-1], self.offered[0] if self.offered else None, bool(self.asked)

    @property
    def ever(self) -> set[str]:
        """All that have had it."""
        return {self.pile[0], *(s["unit"] for s in self.stamps if s["action"] == "accepted")}

    def told(self, about: Record) -> Iterator[NoticeIssued]:
        """Whom it is offered to, and who is asked for it."""
        offered_to, offer = self.offered or (None, None)
        standing = CustodyState(
            self.pile[-1], frozenset(), offered_to, bool(self.asked), tuple(self.pile[:-1]),
            offer=offer, request=self.asked,
        )  # fmt: skip
        return content_domain.of_handover(about, standing)


class Sayings:
    """Makes them about records that were made before; the same seed makes the same ones."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(f"sayings {seed}")
        self._deeds: dict[Record, Deed] = {}

    def about(
        self, made: Sequence[tuple[str, Said]], units: Sequence[str], size: int
    ) -> Iterator[tuple[str, str, Said, str | None]]:
        """Topic, event, content, and the reason for which it must be set aside."""
        draw = self._random
        chosen = draw.sample(made, min(size, len(made)))
        for event, record in chosen:
            kind = "case" if event == "CaseRecorded" else "rescue"
            about = (kind, record["unit"], record[f"{kind}_id"])
            yield self._step(about, units)
            if kind == "case":
                yield from self._answers(record)

    def cases(self) -> list[tuple[str, str]]:
        """Those that are being handed over, by who reported them and their id."""
        return [(unit, record_id) for kind, unit, record_id in self._deeds if kind == "case"][-20:]

    def _step(self, about: Record, units: Sequence[str]) -> tuple[str, str, Said, str | None]:
        draw = self._random
        deed = self._deeds.setdefault(about, Deed([about[1]]))
        unit, action = draw.choice(deed.likely())
        if deed.stamps and draw.random() < 0.2:
            unit, action = draw.choice(units), draw.choice(handovers.ACTIONS)
        earlier = [stamp["follows"] for stamp in deed.stamps if stamp["unit"] == unit]
        follows = deed.stamps[-1]["step_id"] if deed.stamps else None
        if earlier and draw.random() < 0.2:
            follows = draw.choice(earlier)
        step: Said = {
            "follows": follows,
            "kind": about[0],
            "record_unit": about[1],
            "record_id": about[2],
            "action": action,
            "unit": unit,
            "to_unit": draw.choice(units) if action == "offered" else None,
            "reason": draw.choice(handovers.REFUSALS) if action == "refused" else None,
            "role": "officer",
            "recorded_at": None,
        }
        step["step_id"] = handovers.step_id(cast(HandoverRecorded, step))
        name = topics.HANDOVERS.name(unit)
        if draw.random() < 0.1:
            return name, "HandoverRecorded", {**step, "role": "nobody"}, "unknown-code"
        if follows is None and unit != about[1]:
            return name, "HandoverRecorded", step, "another-unit"
        deed.write(step)
        return name, "HandoverRecorded", step, None

    def _answers(self, case: Said) -> Iterator[tuple[str, str, Said, str | None]]:
        draw = self._random
        flag = validate_event("CaseRecorded", case, case["unit"], None).flag
        for notice in content_domain.of_flag(flag) if flag else ():
            answer: Said = {
                "notice_id": notice["notice_id"],
                "notice_revision": draw.choice([1, 1, 1, 2, 3]),
                "unit": notice["unit"],
                "revision": draw.randint(1, 3),
                "answer": draw.choice(["received", "accepted"]),
                "reason": None,
                "role": "officer",
                "acknowledged_at": None,
            }
            name = topics.ACKNOWLEDGEMENTS.name(notice["unit"])
            if draw.random() < 0.1:
                bad = {**answer, "reason": "no-reason"}
                yield name, "NoticeAcknowledged", bad, "unknown-code"
            else:
                yield name, "NoticeAcknowledged", answer, None


def taken(one: Accepted) -> tuple[str, Said] | str:
    """What can count, or the reason for which it cannot."""
    unit = topics.unit_of_topic(one.topic)
    try:
        event, content = codec.decode(one.value)
        if event == "HandoverRecorded":
            handovers.check(cast(HandoverRecorded, content), unit, UNITS)
        else:
            acknowledgements.check(cast(NoticeAcknowledged, content), unit)
        return event, content
    except (Undecodable, Rejected) as refused:
        return refused.reason


def in_force(
    told: Mapping[str, tuple[str, Said]], withdrawn: Mapping[str, int], answers: Iterable[Said]
) -> dict[str, tuple[str, int]]:
    """The answer to each notice that stands, as the log says when it did not."""
    given: dict[str, list[Said]] = defaultdict(list)
    for answer in answers:
        given[answer["notice_id"]].append(answer)
    found = {}
    for notice_id, (event, notice) in told.items():
        counting = [
            (*acknowledgements.version(cast(NoticeAcknowledged, one)), one["answer"])
            for one in given[notice_id]
            if one["unit"] == notice["unit"]
            and withdrawn.get(notice_id, 0) < one["notice_revision"] <= notice["revision"]
        ]
        if event == "NoticeIssued" and counting:
            revision, _, answer = max(counting)
            found[notice_id] = (answer, revision)
    return found
