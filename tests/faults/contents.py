"""Harm by what is sent: poison, floods, conflicts, disorder, and hostile texts."""

from __future__ import annotations

import random
from copy import deepcopy

from producers.spool.store import Spool
from schemas import codec, topics
from tests.faults.generate import ATTACKS, CANARY_TEXT, UNITS, Made, of, past_spool, spoilt
from tests.faults.rig import Rig, Scale, exported

MEMORY_BYTES = 600e6


def poison(rig: Rig, scale: Scale) -> None:
    """Every way in which an event can be unusable, between good ones, and random bytes."""
    draw = random.Random(scale.events)
    for case, rescue in [rig.generator.plain(2) for _ in range(scale.times)]:
        bad = [*spoilt(case, draw), *spoilt(rescue, draw)]
        value = case.value or b""
        cuts = draw.sample(range(10, len(value)), min(scale.events, len(value) - 10))
        bad += [_spoilt(case, value[:length], "torn") for length in cuts]
        bad += [
            _spoilt(case, bytes([draw.randint(0, 0xC2)]) + draw.randbytes(draw.randint(0, 200)),
                    "not-single-object")
            for _ in range(scale.events)
        ]  # fmt: skip
        draw.shuffle(bad)
        rig.put(bad)
        rig.accept([rescue, case])


def _spoilt(made: Made, value: bytes | None, refused: str) -> Made:
    return Made(made.topic, made.event, made.record, value, None, False, refused)


def oversized(rig: Rig, scale: Scale) -> None:
    """Refused by the spool; what gets on a topic all the same is set aside, in little memory."""
    case = next(one for one in rig.generator.plain(2) if one.event == "CaseRecorded")
    victim = case.record["victims"][0]
    many = [{**victim, "victim_id": f"V{number}"} for number in range(100_000)]
    large = of(case.event, {**case.record, "victims": many})
    long = of(case.event, {**case.record, "venue": "x" * 1_000_001})
    unit = case.record["unit"]
    with Spool(rig.spools / f"{unit}.sqlite", unit) as spool:
        refused = spool.accept_all([exported(large), exported(long)]).refused
    assert len(refused) == 2
    nobody = {
        **victim,
        "identity": {
            name: [] if isinstance(value, list) else None
            for name, value in victim["identity"].items()
        },
    }
    nobody["identity"]["birth_precision"] = "unknown"
    crowd = [{**nobody, "victim_id": f"{number}"} for number in range(20_000)]
    many_people = {**case.record, "victims": crowd}
    lists = {**case.record, "exploitation": [""] * 800_000}
    rig.put(
        [
            _spoilt(case, codec.encode(case.event, many_people), "over-limit"),
            _spoilt(case, codec.encode(case.event, lists), "over-limit"),
            _spoilt(case, (case.value or b"") + bytes(920_000), "too-large"),
            _spoilt(case, _announcing(case), "torn"),
        ]
    )
    rig.quiet()
    for kind in ("intake", "registry"):
        assert rig.memory(kind) < MEMORY_BYTES


def _announcing(case: Made) -> bytes:
    """An event that announces 2^60 items where its list of legs begins."""
    none = codec.encode(case.event, {**case.record, "legs": []})
    one = codec.encode(
        case.event,
        {**case.record, "legs": [{"role": "transit", "code": None, "certainty": "stated"}]},
    )
    at = next(n for n, (a, b) in enumerate(zip(none, one, strict=False)) if a != b)
    return none[:at] + bytes([0x80] * 8 + [0x20]) + bytes(1000)


def again(rig: Rig, scale: Scale) -> None:
    made = rig.generator.plain(2)
    rig.accept(made)
    count = 1000 if scale.times > 1 else 300
    rig.put([past_spool(one) for one in made for _ in range(count // 2)])


def two_contents(rig: Rig, scale: Scale) -> None:
    """Under one revision; and an id that does not follow from the content it stands on."""
    for case in rig.generator.plain(scale.events):
        field = "venue" if case.event == "CaseRecorded" else "guardian"
        other = of(case.event, {**deepcopy(case.record), field: f"{CANARY_TEXT} other"})
        rig.accept([case, other])
        stolen = Made(
            other.topic, other.event, other.record, other.value, case.ce_id, False, "wrong-id"
        )
        rig.put([stolen, past_spool(case)])


def any_order(rig: Rig, scale: Scale) -> None:
    """Revisions of cases and of rescues that state them, shuffled, some twice."""
    draw = random.Random(scale.events)
    made = []
    for one in rig.generator.plain(scale.events):
        for revision in range(1, 4):
            record = {**deepcopy(one.record), "revision": revision}
            if one.event == "CaseRecorded":
                record["status"] = f"status {revision}"
                record["victims"] = record["victims"][: max(1, 3 - revision)]
            else:
                record["person"]["identity"]["height_cm"] = 150 + revision
            made.append(of(one.event, record, through_spool=False))
    made += draw.sample(made, len(made) // 3)
    draw.shuffle(made)
    rig.put(made)


def clocks(rig: Rig, scale: Scale) -> None:
    """Days of 1970 and 2100, and times that the unit's own clock gives the record on Kafka."""
    for one in rig.generator.plain(scale.events):
        case = one.event == "CaseRecorded"
        for revision, (on, at) in enumerate(
            [("1970-01-01", "2100-01-01T00:00:00Z"), ("2100-12-31", "1970-01-01T00:00:00Z")], 1
        ):
            record = {**deepcopy(one.record), "revision": revision}
            record["lost_on" if case else "found_on"] = on
            record["reported_at" if case else "registered_at"] = at
            rig.put([of(one.event, record, through_spool=False)])


def another_region(rig: Rig, scale: Scale) -> None:
    """What claims another unit is set aside, also where that unit's own event is replayed."""
    made = rig.generator.plain(scale.events)
    rig.accept(made)
    foreign = []
    for one in made:
        topic = topics.CASES if one.event == "CaseRecorded" else topics.RESCUES
        other = next(unit for unit in UNITS if unit != one.record["unit"])
        foreign.append(
            Made(topic.name(other), one.event, one.record, one.value, one.ce_id, False,
                 "another-unit")
        )  # fmt: skip
    rig.put(foreign)


def attacks(rig: Rig, scale: Scale) -> None:
    """In every text that a unit writes; kept as they are, and nowhere else."""
    made = []
    for number, one in enumerate(rig.generator.plain(len(ATTACKS) * 2)):
        text = ATTACKS[number // 2]
        record = deepcopy(one.record)
        if one.event == "CaseRecorded":
            record |= {"status": text, "means": [text], "exploitation": [text]}
            record["victims"][0]["identity"] |= {"name": text, "marks": [text], "home": text[:6]}
            record["legs"] = [{"role": "transit", "code": text, "certainty": "stated"}]
        else:
            record |= {"guardian": text, "found_at": text, "found_on": text}
            record["stated_case_id"] = text
            record["person"]["identity"] |= {"name": text, "id_number": text}
        made.append(of(one.event, record))
    rig.accept(made)
