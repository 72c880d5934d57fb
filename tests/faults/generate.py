"""A seeded generator of what units might send: records, corrections, conflicts, and garbage.

Every personal field holds a canary, a mark that is found wherever it gets to: names are made of
characters that nothing else in the system is written with.
"""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossregion.domain import events, identifiers
from crossregion.domain.identity_number import check_digit_right
from schemas import codec, topics
from schemas import units as known_units
from tests.faults.saying import Sayings
from tests.faults.tips import Tips

SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙朱马胡郭林何高梁郑罗"
    "宋谢唐韩曹许邓冯程蔡彭潘袁于董余苏叶吕魏蒋田杜丁沈姜范江"
)
RARE = "翾翀昳彧旻昉颋龑頔媖嫘婠禤昱晔暄"
CANARY_TEXT = "Zq7Canary"
CANARY = re.compile(
    rb"|".join(
        [
            rb"(?:%s){2}" % b"|".join(c.encode() for c in RARE),
            rb"(?:%s){2}" % b"|".join(rb"\\u%04x" % ord(c) for c in RARE),
            # Two bytes a character: with no surname a broker's random salts hold one by chance.
            rb"(?:%s)(?:%s){2}"
            % tuple(b"|".join(c.encode("gb18030") for c in of) for of in (SURNAMES, RARE)),
            CANARY_TEXT.encode(),
            rb"(?<![0-9a-f])9922\d{13}[\dX](?![0-9a-f])",
        ]
    )
)
NATIONAL = Path(__file__).parents[2] / "crossregion/domain/data/regions_national.csv"
HOMES = tuple(
    row["code"]
    for row in csv.DictReader(NATIONAL.read_text("utf-8").splitlines())
    if row["code"][4:] != "00" and row["last_seen"] == "202604"
)
"""Every county of today."""
JILIN = ("220202", "220381", "222401", "220102", "220602", "220702", "220802", "220303")
"""Of these half of the persons are: strangers of one county with marks in common weigh like one
person, and blocking does not bring all of them together."""
PLACES = (*JILIN, "130502", "341222", "22CBS0", "KP", "HK", "220200", "130000", "999999", None)
UNITS = tuple(unit for unit in known_units.UNITS if unit not in ("220000", "22CBS0"))
MARKS = tuple(
    side + part + kind
    for side in "左右"
    for part in ("脸", "手臂", "腿", "额头", "背", "肩", "手", "脚", "颈", "耳", "胸", "腰")
    for kind in ("疤痕", "痣", "胎记", "烫伤", "纹身")
)
ATTACKS = (
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "x\r\nBcc: all@example.org",
    "'; DROP TABLE registry.record; --",
    "\u202e\u200b{{7*7}}",
    '"},{"level":"error","event":"forged"}\n',
)
"""Texts that would do harm wherever they are not kept as they are."""


ENTRY_DAYS = (None, "2012-06-02", "2012-06-08", "2012-07-15", "1970-01-01", "soon")
DAYS_OF = {
    "AssistanceRecorded": ("needed_on", "due_on", "started_on", "done_on"),
    "FollowUpRecorded": ("planned_on", "done_on"),
    "GuardianSearchRecorded": (
        *("begun_on", "notice_on", "found_on", "placed_on"),
        *("first_certificate_on", "second_certificate_on"),
    ),
}
"""The days of each kind of entry, and which they may be: about the rig's own day."""
NAMED_BY = {
    "CaseRecorded": "case_id",
    "RescueRecorded": "rescue_id",
    "TipRecorded": "tip_id",
    **{event: field for event, (_, field) in events.ENTRIES.items()},
}
"""The field of each event that holds its record's id."""
FREE = {"CaseRecorded": "venue", "RescueRecorded": "guardian"}
"""A field of each event that may hold any text; of an entry its state."""


@dataclass(frozen=True, slots=True)
class Made:
    """One event: to be accepted by its unit's spool, or put on a topic as it is.

    `refused` is the reason for which it must become a dead letter, None if it must not.
    """

    topic: str
    event: str
    record: dict[str, Any]
    value: bytes | None
    ce_id: bytes | None
    through_spool: bool = True
    refused: str | None = None


class Generator:
    """Makes batches; the same seed makes the same ones."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(f"faults {seed}")
        self._letters = random.Random(f"letters {seed}")
        self._sayings = Sayings(seed)
        self._prefix = f"F{seed}"
        self._tips = Tips(random.Random(f"tips {seed}"), self._prefix, UNITS)
        self._count = 0
        self._records: list[tuple[str, dict[str, Any]]] = []
        self._made: list[Made] = []

    def batch(self, size: int) -> list[Made]:
        """So many events, of every kind."""
        made: list[Made] = []
        while len(made) < size:
            made += self._some()
        return made

    def plain(self, size: int) -> list[Made]:
        """New cases and rescues only, each accepted by a spool."""
        return [self._new_case() if n % 2 else self._new_rescue() for n in range(size)]

    def matching(self, size: int) -> list[Made]:
        """So many new cases, each with the rescue of its first victim, stated to be it."""
        made = []
        for _ in range(size):
            case = self._new_case()
            rescue = self._new_rescue().record
            self._records.pop()
            self._made.pop()
            identity = self._alike(case.record["victims"][0]["identity"])
            rescue["person"]["identity"] = identity
            rescue["stated_case_id"] = case.record["case_id"]
            made += [case, self._keep("RescueRecorded", rescue)]
        return made

    def letters(self, size: int) -> list[Made]:
        """Agreements between units of Jilin: new ones, revisions in any order, and unusable ones.

        They change the hours of later notices and nothing else.
        """
        draw = self._letters
        made = []
        for _ in range(size):
            units = sorted(draw.sample(UNITS, 2))
            number = f"{self._prefix}-L{draw.randint(1, 5)}"
            letter: dict[str, Any] = {
                "agreement_id": identifiers.agreement_id(units, number),
                "revision": draw.randint(1, 3),
                "number": number,
                "units": units,
                "signed_on": "2012-05-01",
                "valid_from": draw.choice(["2012-05-01", "2100-01-01"]),
                "valid_to": draw.choice([None, "2100-12-31"]),
                "case_types": draw.choice([[], ["FORCED_LABOUR"]]),
                "disclosure": draw.choice(["existence", "summary", "record"]),
                "answer_within_hours": draw.randint(1, 240),
                "contacts": [],
                "status": "in-force",
            }
            refused = draw.choice([None, None, None, "unknown-code", "wrong-id"])
            if refused == "unknown-code":
                letter["units"] = ["220100", "229999"]
            elif refused == "wrong-id":
                letter["agreement_id"] = number
            value = codec.encode("AgreementRecorded", letter)
            topic = topics.AGREEMENTS.name()
            made.append(Made(topic, "AgreementRecorded", letter, value, None, False, refused))
        return made

    def sayings(self, size: int) -> list[Made]:
        """Answers and a step of a hand-over on each of so many records; to be put as they are."""
        recent = [one for one in self._records[-100:] if one[0] not in events.ENTRIES]
        return [
            Made(topic, event, content, codec.encode(event, content), None, False, refused)
            for topic, event, content, refused in self._sayings.about(recent, UNITS, size)
        ]

    def tips(self, size: int) -> list[Made]:
        """Tips of units and what is made of them, in any order, some unusable."""
        made: list[Made] = []
        draw = self._letters
        cases = self._sayings.cases()
        while len(made) < size:
            triage = self._tips.triage(cases) if draw.random() < 0.5 else None
            if triage is not None:
                unit, record, refused = triage
                value = codec.encode("TipTriaged", record)
                topic = topics.TRIAGE.name(unit)
                made += [Made(topic, "TipTriaged", record, value, None, False, refused)] * (
                    draw.choice((1, 1, 1, 2))
                )
                continue
            attack = draw.choice(ATTACKS)
            record = self._tips.tip(f"{CANARY_TEXT} {attack}", self._name(), PLACES)
            made.append(of("TipRecorded", record, through_spool=draw.random() < 0.7))
            if draw.random() < 0.2:
                value, refused = draw.choice(list(Tips.spoilt(record)))
                topic = made[-1].topic
                made.append(Made(topic, "TipRecorded", record, value, None, False, refused))
        return made

    def _some(self) -> list[Made]:
        makers: tuple[tuple[int, Callable[[], list[Made]]], ...] = (
            (30, lambda: [self._new_case()]),
            (25, lambda: [self._new_rescue()]),
            (15, lambda: [self._new_entry()]),
            (12, lambda: [self._revised()]),
            (8, self._late),
            (8, self._conflict),
            (8, self._again),
            (9, lambda: [self.bad()]),
        )
        (chosen,) = self._random.choices([m for _, m in makers], [weight for weight, _ in makers])
        return chosen()

    def _id(self, kind: str) -> str:
        self._count += 1
        return f"{self._prefix}-{kind}{self._count}"

    def _name(self) -> str:
        return self._random.choice(SURNAMES) + "".join(self._random.choices(RARE, k=2))

    def identity(self) -> dict[str, Any]:
        """A stranger, with enough known of them to be told from every other."""
        draw = self._random
        year, month, day = draw.randint(1910, 1965), draw.randint(1, 12), draw.randint(1, 28)
        sex = draw.choice("FFFM")
        number = None
        if draw.random() < 0.4:
            number = _number(draw, f"{year}{month:02}{day:02}", sex)
        return {
            "name": self._name(),
            "pinyin": None,
            "other_names": [self._name()] if draw.random() < 0.2 else [],
            "sex": sex,
            "birth_date": f"{year}-{month:02}-{day:02}",
            "birth_precision": "day",
            "home": draw.choice(draw.choice((HOMES, JILIN))),
            "height_cm": draw.randint(120, 185) if draw.random() < 0.5 else None,
            "marks": draw.sample(MARKS, draw.choice((0, 0, 1, 2))),
            "id_number": number,
            "dna_sample": f"{CANARY_TEXT}-D{draw.randint(1, 10**9)}"
            if draw.random() < 0.2
            else None,
        }

    def _alike(self, identity: dict[str, Any]) -> dict[str, Any]:
        """The same person as another unit may write them down."""
        draw = self._random
        told = {**deepcopy(identity), "dna_sample": identity["dna_sample"]}
        for field, nothing in (("id_number", None), ("height_cm", None), ("marks", [])):
            if draw.random() < 0.5:
                told[field] = nothing
        if draw.random() < 0.3:
            told["home"] = draw.choice(draw.choice((HOMES, JILIN)))
        return told

    def _stranger_like(self, identity: dict[str, Any]) -> dict[str, Any]:
        """Somebody else of one surname and county with the same marks, mostly born in other years.

        Such a pair may weigh enough, and is compared only if a blocking key is shared by chance.
        """
        other = self.identity()
        same = {name: deepcopy(identity[name]) for name in ("home", "marks", "height_cm")}
        return {**other, **same, "name": identity["name"][0] + other["name"][1:]}

    def _new_case(self) -> Made:
        draw = self._random
        case_id = self._id("C")
        case = {
            "case_id": case_id,
            "unit": draw.choice(UNITS),
            "revision": 1,
            "reported_at": "2012-05-03T00:30:00Z",
            "lost_on": draw.choice(["2012-05-01", "2010-02-30", "1970-01-01", "2100-06-01", None]),
            "legs": [
                {"role": role, "code": draw.choice(PLACES), "certainty": "stated"}
                for role in ("taken_from", "transit", "taken_to")
                if draw.random() < 0.85
            ],
            "status": "open",
            "exploitation": ["forced-marriage"],
            "means": [],
            "intermediary": f"{CANARY_TEXT} {draw.choice(ATTACKS)}",
            "venue": f"{CANARY_TEXT} venue",
            "victims": [
                {"victim_id": f"{case_id}/{number}", **_person(self.identity())}
                for number in range(1, draw.choice((2, 2, 2, 3, 4)))
            ],
        }
        return self._keep("CaseRecorded", case)

    def _new_rescue(self) -> Made:
        draw = self._random
        cases = [record for event, record in self._records[-200:] if event == "CaseRecorded"]
        identity, stated = self.identity(), None
        if cases and draw.random() < 0.6:
            case = draw.choice(cases)
            victim = draw.choice(case["victims"])["identity"]
            marked = len(victim["marks"]) > 1 and draw.random() < 0.5
            identity = self._stranger_like(victim) if marked else self._alike(victim)
            stated = case["case_id"] if draw.random() < 0.4 else None
        elif draw.random() < 0.1:
            stated = f"{self._prefix}-nowhere"
        if draw.random() < 0.1:
            identity["other_names"] = [f"{CANARY_TEXT} {draw.choice(ATTACKS)}"]
        rescue = {
            "rescue_id": self._id("R"),
            "unit": draw.choice(UNITS),
            "revision": 1,
            "registered_at": "2013-01-03T00:30:00Z",
            "found_on": draw.choice(["2013-01-01", "2012-06-01", "1970-01-01", "2100-06-01"]),
            "found_at": draw.choice(PLACES),
            "stated_case_id": stated,
            "guardian": f"{CANARY_TEXT} guardian",
            "person": _person(identity),
        }
        return self._keep("RescueRecorded", rescue)

    def _new_entry(self) -> Made:
        """Something in the file of a rescue that was made before; by its unit, mostly."""
        draw = self._random
        rescues = [record for event, record in self._records[-100:] if event == "RescueRecorded"]
        if not rescues:
            return self._new_rescue()
        rescue = draw.choice(rescues)
        event = draw.choice(sorted(events.ENTRIES))
        entry: dict[str, Any] = {
            NAMED_BY[event]: self._id("E"),
            "unit": rescue["unit"] if draw.random() < 0.9 else draw.choice(UNITS),
            "revision": 1,
            "rescue_unit": rescue["unit"],
            "rescue_id": rescue["rescue_id"] if draw.random() < 0.95 else f"{self._prefix}-nobody",
            **{name: draw.choice(ENTRY_DAYS) for name in DAYS_OF[event]},
        }
        if event == "AssistanceRecorded":
            entry |= {
                "kind": draw.choice(["MEDICAL", "LEGAL_AID", "SHELTER", "own word"]),
                "state": draw.choice(["NEEDED", "OFFERED", "DECLINED", "STARTED", "DONE"]),
                "lead": draw.choice([None, "HLT", "JUS", "nobody"]),
                "assisting": draw.choice([[], ["CAD"], ["nobody"]]),
                "wish": draw.choice([None, "HOME", "ELSEWHERE"]),
                "details": {"provider": self._name(), "note": draw.choice(ATTACKS)},
            }
        elif event == "FollowUpRecorded":
            problem = {"kind": "WORK", "department": draw.choice(["FAO", None]), "due_on": None}
            entry |= {
                "state": draw.choice(["PLANNED", "DONE", "MISSED", "LOST"]),
                "wellbeing": draw.choice([None, "FAIR", "not so well"]),
                "wish": None,
                "problems": [{**problem, "state": "OPEN"}] if draw.random() < 0.5 else [],
                "details": {"contact": self._name(), "note": draw.choice(ATTACKS)},
            }
        else:
            entry |= {
                "state": draw.choice(["SEARCHING", "PUBLIC_NOTICE", "FOUND", "NOT_FOUND"]),
                "details": {"guardian": self._name(), "note": draw.choice(ATTACKS)},
            }
        return self._keep(event, entry)

    def _keep(self, event: str, record: dict[str, Any], *, through_spool: bool = True) -> Made:
        if (event, record) not in self._records[-50:]:
            self._records.append((event, record))
        made = of(event, record, through_spool=through_spool)
        self._made.append(made)
        return made

    def _changed(self, revision: int) -> tuple[str, dict[str, Any]]:
        """A record made before, at its revision and so many more, with another content."""
        event, before = self._random.choice(self._records[-100:])
        record = deepcopy(before)
        record["revision"] += revision
        if event == "CaseRecorded":
            record["venue"] = f"{CANARY_TEXT} venue {self._id('V')}"
            record["legs"] = record["legs"][1:] or record["legs"]
            if len(record["victims"]) > 1 and self._random.random() < 0.5:
                record["victims"].pop(0)
        elif event == "RescueRecorded":
            record["guardian"] = f"{CANARY_TEXT} guardian {self._id('G')}"
            if self._random.random() < 0.5:
                record["person"]["identity"] = self.identity()
        else:
            record["details"]["note"] = f"{CANARY_TEXT} note {self._id('N')}"
            record |= {name: self._random.choice(ENTRY_DAYS) for name in DAYS_OF[event]}
        return event, record

    def _revised(self) -> Made:
        if not self._records:
            return self._new_case()
        return self._keep(*self._changed(1))

    def _late(self) -> list[Made]:
        """Two revisions of one record, the higher one first."""
        if not self._records:
            return [self._new_case()]
        event, higher = self._changed(2)
        lower = {**deepcopy(higher), "revision": higher["revision"] - 1}
        lower[FREE.get(event, "state")] = f"{CANARY_TEXT} late"
        return [self._keep(event, higher), of(event, lower)]

    def _conflict(self) -> list[Made]:
        """Another content under a revision that stands already."""
        if not self._records:
            return [self._new_rescue()]
        return [self._keep(*self._changed(0))]

    def _again(self) -> list[Made]:
        """What was sent before, put on the topic once more."""
        if not self._made:
            return [self._new_case()]
        return [past_spool(self._random.choice(self._made[-50:]))]

    def bad(self) -> Made:
        """What cannot be used, and why."""
        made = self._random.choice((self._new_case, self._new_rescue, self._new_entry))()
        self._records.pop()
        self._made.pop()
        return self._random.choice(list(spoilt(made, self._random)))


def spoilt(made: Made, draw: random.Random) -> Iterator[Made]:
    """An event made unusable, in every way; each with the reason it must be set aside for."""
    value, record = made.value or b"", made.record
    other = next(unit for unit in UNITS if unit != record["unit"])
    kind = made.topic.partition(".")[0]

    def as_is(bad: bytes | None, refused: str, **changes: Any) -> Made:
        fields = {"topic": made.topic, "ce_id": None, **changes}
        return Made(fields["topic"], made.event, record, bad, fields["ce_id"], False, refused)

    yield as_is(value[: draw.randint(12, len(value) - 1)], "torn")
    yield as_is(value + b"\0", "trailing-bytes")
    yield as_is(value[:2] + bytes(8) + value[10:], "unknown-schema")
    yield as_is(draw.randbytes(40), "not-single-object")
    yield as_is(None, "no-value")
    yield as_is(value, "another-unit", topic=f"{kind}.{other}")
    yield as_is(value, "wrong-id", ce_id=b"0b8f36b8-45a5-5a2c-8a6c-000000000000")
    yield as_is(codec.encode(made.event, {**record, "revision": 0}), "over-limit")
    name = NAMED_BY[made.event]
    yield as_is(codec.encode(made.event, {**record, name: ""}), "no-record-id")
    field = FREE.get(made.event, "state")
    yield as_is(codec.encode(made.event, {**record, field: CANARY_TEXT + "\0"}), "unstorable-text")
    if made.event == "CaseRecorded":
        yield as_is(codec.encode(made.event, {**record, "victims": []}), "no-person")
        twice = [record["victims"][0]] * 2
        yield as_is(codec.encode(made.event, {**record, "victims": twice}), "ambiguous")


def of(event: str, record: dict[str, Any], *, through_spool: bool = True) -> Made:
    """A right event of a record."""
    record_id = record[NAMED_BY[event]]
    topic = next(topic for topic in topics.INTAKE if event in topic.schemas).name(record["unit"])
    digest = identifiers.content_digest(record)  # type: ignore[arg-type]
    event_id = identifiers.event_id(record["unit"], record_id, record["revision"], digest)
    return Made(topic, event, record, codec.encode(event, record), event_id.encode(), through_spool)


def past_spool(one: Made) -> Made:
    """The same event once more, put on its topic directly."""
    return of(one.event, one.record, through_spool=False)


def _person(identity: dict[str, Any]) -> dict[str, Any]:
    return {"age_band": "adult", "sex": identity["sex"], "identity": identity}


def _number(draw: random.Random, born: str, sex: str) -> str:
    """A number of nobody: there is no division 9922."""
    order = draw.randint(0, 499) * 2 + (sex == "M")
    stem = f"9922{draw.randint(10, 99)}{born}{order:03}"
    return next(stem + last for last in "0123456789X" if check_digit_right(stem + last))
