"""A made history of a province for reports: late corrections, repetitions, what cannot be, and all.

Events are dicts as `tests/support/figures.py` counts them; `log` is what the registry reads of
them.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, cast

from crossregion.domain import agreements, decisions, handovers, identifiers
from crossregion.domain import events as events_domain
from schemas import codec, envelope, topics
from tests.support.builders import example
from tests.support.figures import AIDS, DECISIVE, PLACES, STEPS, VENUES, ZONE, Event, leg

UNITS = ("220100", "220200", "222400", "22CBS0", "220000")
TOLD = ("220100", "220200", "222400", "210000")
AWAY = ("210000", "230000")
BEGIN = datetime(2024, 1, 1, tzinfo=ZONE)
DAYS = 700
HOUR = 3_600_000
Read = tuple[str, int, int, bytes | None, dict[str, bytes], int]


class History:
    """Makes events at the broker's times of two years."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.events: list[Event] = []
        self._cases: list[dict[str, Any]] = []
        self._rescues: list[dict[str, Any]] = []
        for number in range(90):
            self._case(f"C{number}")
        for number in range(40):
            self._rescue(f"R{number}")
        for number in range(30):
            self._decisions(number)
        for number in range(120):
            self._notice(number)
        for number in range(14):
            self._agreement(number)
        for number in range(30):
            self._handover(number)
        for number in range(70):
            self._assistance(f"A{number}")
        for number in range(40):
            self._search(f"G{number}")
        self._what_cannot_be()
        repeated = [one for one in self.events if one["counts"]]
        for one in self.rng.sample(repeated, 40):
            self.events.append({**one, "ms": one["ms"] + self.rng.randint(1, 90 * 24) * HOUR})
        self.events.sort(key=lambda one: one["ms"])

    def moment(self) -> int:
        return int(BEGIN.timestamp() * 1000) + self.rng.randint(0, DAYS * 24 * HOUR)

    def day(self, ms: int) -> str | None:
        """Mostly a day before the broker had it, as units write it; some cannot be."""
        pick = self.rng.random()
        if pick < 0.06:
            return self.rng.choice([None, "2024-02-30", "five", "2024-05", "2031-01-01"])
        at = datetime.fromtimestamp(ms / 1000, ZONE) - timedelta(days=self.rng.randint(-1, 200))
        if pick < 0.5:
            return at.date().isoformat()
        return at.isoformat() if pick < 0.75 else at.isoformat().replace("+08:00", "+00:00")

    def put(
        self, topic: str, event: str, record: dict[str, Any], ms: int, event_id: str, **more: Any
    ) -> None:
        one = {"topic": topic, "event": event, "record": record, "ms": ms, "id": event_id}
        self.events.append({**one, "counts": True, **more})

    def _intake(self, event: str, name: str, record: dict[str, Any], ms: int) -> None:
        made = cast(events_domain.CaseRecorded, record)
        unit = record["unit"]
        event_id = identifiers.event_id(
            unit, record[name], record["revision"], identifiers.content_digest(made)
        )
        topic = {"CaseRecorded": topics.CASES, "RescueRecorded": topics.RESCUES}.get(
            event, topics.FILES
        )
        self.put(topic.name(unit), event, record, ms, event_id)

    def _revisions(self) -> Iterator[tuple[int, int]]:
        """Numbers with their times: in order, or a late one, or two contents under one."""
        ms = self.moment()
        number = 1
        for _ in range(self.rng.choice([1, 1, 2, 3, 4])):
            yield number, ms
            number += self.rng.choice([0, 1, 1, 1, 2])
            ms += self.rng.randint(-5, 120) * 24 * HOUR

    def _case(self, case_id: str) -> None:
        unit = self.rng.choice(UNITS[:4])
        codes = [*PLACES, "220102", "220202", "222401", "210102"]
        example_case = example("CaseRecorded")
        for revision, ms in self._revisions():
            legs = [
                {"role": role, "code": self.rng.choice(codes), "certainty": "stated"}
                for role in ("taken_from", "taken_to")
                if self.rng.random() < 0.9
            ]
            statuses = [*DECISIVE, "SOLVED", "CLOSED", "RESCUED", "自侦", None]
            record = {
                **example_case,
                "case_id": case_id,
                "unit": unit,
                "revision": revision,
                "reported_at": self.day(ms),
                "legs": legs,
                "status": self.rng.choice(statuses),
                "venue": self.rng.choice([*VENUES, "王红英家", None]),
                "victims": [{**example_case["victims"][0], "victim_id": f"{case_id}/1"}],
            }
            self._intake("CaseRecorded", "case_id", record, ms)
        self._cases.append(record)

    def _rescue(self, rescue_id: str) -> None:
        unit = self.rng.choice(UNITS[:3])
        example_rescue = example("RescueRecorded")
        for revision, ms in self._revisions():
            age = self.rng.choice(["under-6", "6-13", "14-17", "adult", "unknown"])
            record = {
                **example_rescue,
                "rescue_id": rescue_id,
                "unit": unit,
                "revision": revision,
                "found_on": self.day(ms),
                "found_at": self.rng.choice(list(PLACES)),
                "guardian": self.rng.choice(
                    ["NOT_FOUND", "TO_BE_FOUND", "HAS_GUARDIAN", "?", None]
                ),
                "person": {**example_rescue["person"], "age_band": age},
            }
            self._intake("RescueRecorded", "rescue_id", record, ms)
        self._rescues.append(record)

    def _decisions(self, number: int) -> None:
        without = [
            case
            for case in self._cases
            if PLACES[leg(case, "taken_from")][1] and not PLACES[leg(case, "taken_to")][0]
        ]
        case, rescue = (without if number % 3 else self._cases)[number % 15], self._rescues[number]
        pair = {
            "case_unit": case["unit"],
            "case_id": case["case_id"],
            "victim_id": case["victims"][0]["victim_id"],
            "rescue_unit": rescue["unit"],
            "rescue_id": rescue["rescue_id"],
        }
        named = (pair[name] for name in ("case_unit", "victim_id", "rescue_unit", "rescue_id"))
        known = {**pair, "proposal_id": identifiers.proposal_id(*named)}
        partition = topics.partition_of(rescue["rescue_id"], topics.DECISIONS)
        ms = self.moment()
        verdicts = ("confirmed", "undone", "dismissed", "confirmed")[: self.rng.randint(1, 4)]
        for previous, verdict in enumerate(verdicts):
            for stale in (False, True):
                reason = decisions.REASONS["dismissed" if stale else verdict][0]
                made = {
                    **example("MatchDecided"),
                    **known,
                    "verdict": "dismissed" if stale else verdict,
                    "reason": reason,
                    "previous": previous,
                }
                made["revision"] = made["previous"] + 1
                made["decision_id"] = identifiers.decision_id(
                    cast(events_domain.MatchDecided, made)
                )
                self.put(
                    topics.DECISIONS.name(), "MatchDecided", made, ms, made["decision_id"],
                    partition=partition, counts=not stale,
                )  # fmt: skip
                ms += self.rng.randint(1, 900) * HOUR

    def _notice(self, number: int) -> None:
        between = [case for case in self._cases if len(_told_ends(case)) == 2]
        case = self.rng.choice(between if self.rng.random() < 0.8 else self._cases)
        unit = self.rng.choice(_told_ends(case) or TOLD)
        kind = self.rng.choice(["flag", "flag", "flag", "confirmed", "proposal"])
        notice_id = envelope.named_id(f"notice {number}")
        closed = unit == "210000" and self.rng.random() < 0.5
        ms = self.moment()
        answered = 0
        issued = False
        for revision in range(1, self.rng.randint(2, 6)):
            withdraw = issued and self.rng.random() < 0.5
            about = {"notice_id": notice_id, "unit": unit, "revision": revision, "kind": kind}
            about["cause"] = case["case_id"]
            if closed:
                about["cause"] = identifiers.case_reference(case["unit"], case["case_id"])
            event = "NoticeWithdrawn" if withdraw else "NoticeIssued"
            record = about if withdraw else {
                **example("NoticeIssued", 3),
                **about,
                "case_unit": None if closed else case["unit"],
                "case_id": None if closed else case["case_id"],
                "answer_within_hours": self.rng.choice([24, 72, 72, None]),
            }  # fmt: skip
            issued = not withdraw
            topic = topics.NOTICES.name(unit)
            event_id = envelope.named_id(f"{notice_id} {revision}")
            self.put(topic, event, record, ms, event_id, case=(case["unit"], case["case_id"]))
            for _ in range(self.rng.choice([0, 0, 1, 2])):
                answered += 1
                self._answer(about, answered, ms + self.rng.randint(-3, 120) * HOUR)
            ms += self.rng.randint(1, 200) * HOUR

    def _answer(self, about: dict[str, Any], revision: int, ms: int) -> None:
        answer = self.rng.choice(["received", "accepted", "refused", "not-ours"])
        made = {
            **example("NoticeAcknowledged"),
            "notice_id": about["notice_id"],
            "notice_revision": max(1, about["revision"] + self.rng.choice([-1, 0, 0, 0])),
            "unit": about["unit"],
            "revision": revision,
            "answer": answer,
            "reason": "no-capacity" if answer == "refused" else None,
        }
        topic = topics.ACKNOWLEDGEMENTS.name(about["unit"])
        event_id = envelope.named_id(f"{about['notice_id']} answer {revision}")
        self.put(topic, "NoticeAcknowledged", made, ms, event_id)

    def _agreement(self, number: int) -> None:
        units = sorted(self.rng.sample(["220100", "220200", "222400", "220000", *AWAY], 2))
        ms = self.moment()
        for revision in (1, 2, 2, 3)[: self.rng.randint(1, 4)]:
            begin = BEGIN.date() + timedelta(days=self.rng.randint(0, DAYS))
            end = begin + timedelta(days=self.rng.randint(0, DAYS))
            made = {
                **example("AgreementRecorded"),
                "agreement_id": identifiers.agreement_id(units, str(number)),
                "revision": revision,
                "number": str(number),
                "units": units,
                "signed_on": begin.isoformat(),
                "valid_from": begin.isoformat(),
                "valid_to": self.rng.choice([None, end.isoformat()]),
                "case_types": [],
                "contacts": [],
            }
            agreements.check(cast(events_domain.AgreementRecorded, made))
            event_id = envelope.named_id(json.dumps(made))
            self.put(topics.AGREEMENTS.name(), "AgreementRecorded", made, ms, event_id)
            ms += self.rng.randint(1, 200) * 24 * HOUR

    def _handover(self, number: int) -> None:
        kind = self.rng.choice(["case", "rescue"])
        record = (self._cases if kind == "case" else self._rescues)[number]
        known = {
            "kind": kind,
            "record_unit": record["unit"],
            "record_id": record[f"{kind}_id"],
        }
        ms, head = self.moment(), None
        owner, to = record["unit"], None
        for _ in range(self.rng.randint(1, 6)):
            wrong = self.rng.random() < 0.2
            if to is None:
                to = self.rng.choice([unit for unit in UNITS if unit != owner])
                action, unit = "offered", owner
            else:
                action, unit = self.rng.choice(["accepted", "accepted", "refused"]), to
            step = {
                **example("HandoverRecorded"),
                **known,
                "follows": head,
                "action": action,
                "unit": next(one for one in UNITS if one not in (owner, to)) if wrong else unit,
                "to_unit": to if action == "offered" else None,
                "reason": "no-capacity" if action == "refused" else None,
            }
            step["step_id"] = handovers.step_id(cast(events_domain.HandoverRecorded, step))
            topic = topics.HANDOVERS.name(step["unit"])
            if not wrong or step["to_unit"] != step["unit"]:
                self.put(topic, "HandoverRecorded", step, ms, step["step_id"])
            ms += self.rng.randint(1, 400) * HOUR
            if wrong:
                to = None if action == "offered" else to
                continue
            head = step["step_id"]
            owner, to = (to, None) if action == "accepted" else (owner, to)
            to = None if action == "refused" else to

    def _entry(self, event: str, name: str, entry_id: str, **said: Any) -> None:
        """Revisions of an entry, mostly by the unit that registered the rescue."""
        rescue = self.rng.choice(self._rescues)
        unit = rescue["unit"] if self.rng.random() < 0.7 else self.rng.choice(UNITS)
        whose = {"rescue_unit": rescue["unit"], "rescue_id": rescue["rescue_id"], "unit": unit}
        for revision, ms in self._revisions():
            drawn = {
                field: self.day(ms) if known is None else self.rng.choice(known)
                for field, known in said.items()
            }
            for field, known in said.items():
                if known is None and self.rng.random() < 0.4:
                    drawn[field] = None
            record = {**example(event), **whose, name: entry_id, "revision": revision, **drawn}
            self._intake(event, name, record, ms)

    def _assistance(self, entry_id: str) -> None:
        states = ["NEEDED", "OFFERED", "DECLINED", "STARTED", "STARTED", "DONE", "DONE", "已办"]
        days = dict.fromkeys(("started_on", "done_on"))
        self._entry(
            "AssistanceRecorded",
            "assistance_id",
            entry_id,
            kind=[*sorted(AIDS), "心理安慰"],
            state=states,
            **days,
        )

    def _search(self, entry_id: str) -> None:
        days = [day for day, _ in STEPS.values()]
        states = ["SEARCHING", "PUBLIC_NOTICE", "FOUND", "IN_WELFARE_HOME", "NOT_FOUND", "?"]
        self._entry(
            "GuardianSearchRecorded",
            "search_id",
            entry_id,
            state=states,
            **dict.fromkeys(days),
        )

    def _what_cannot_be(self) -> None:
        """Of another unit, without a person, torn, and a tombstone: none of them counts."""
        case = self._cases[0]
        stranger = topics.CASES.name("220300")
        own = topics.CASES.name(case["unit"])
        for topic, record in (
            (stranger, case),
            (own, {**case, "case_id": "nobody", "victims": []}),
            (own, None),
        ):
            self.put(topic, "CaseRecorded", cast(Any, record), self.moment(), "", counts=False)


def _told_ends(case: dict[str, Any]) -> list[str]:
    """Which of the units that are told is an end of a case."""
    ends = {PLACES[leg(case, role)][1] for role in ("taken_from", "taken_to")}
    return [unit for unit in TOLD if unit in ends]


def log(events: list[Event]) -> list[Read]:
    """The events as they stand on the broker, in the order of its time."""
    ends: dict[tuple[str, int], int] = defaultdict(int)
    found = []
    for one in events:
        place = (one["topic"], one.get("partition", 0))
        offset, ends[place] = ends[place], ends[place] + 1
        value = codec.encode(one["event"], one["record"]) if one["record"] else None
        headers = {"ce_id": one["id"].encode()} if one["id"] else {}
        found.append((*place, offset, value, headers, one["ms"]))
    return found
