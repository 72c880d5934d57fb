"""One record in, everything that follows out; what cannot be used becomes a dead letter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.registry.batch import Batch
from crossregion.domain import identifiers, validation
from processors.intake import DISCARDED, Incoming, take
from processors.outputs import Outputs
from schemas import codec, topics
from tests.support import generators

EXAMPLES = Path(__file__).parents[2] / "schemas/examples"
CASE: dict[str, Any] = json.loads((EXAMPLES / "CaseRecorded/1/example.json").read_text("utf-8"))
RESCUE: dict[str, Any] = json.loads((EXAMPLES / "RescueRecorded/1/example.json").read_text("utf-8"))
CASE_TOPIC = topics.CASES.name(CASE["unit"])
CASE_BYTES = codec.encode("CaseRecorded", CASE)


def incoming(value: bytes | None, topic: str = CASE_TOPIC, **headers: bytes) -> Incoming:
    return Incoming(topic, 2, 17, b"key", value, headers)


def made(record: Incoming) -> tuple[str, list[tuple[str, int, dict[str, Any]]]]:
    outputs = Outputs()
    outcome = take(record, outputs)
    return outcome, [
        (topic, partition, codec.decode(value)[1]) for topic, partition, _, value in outputs
    ]


def test_a_case_is_flagged_remarked_and_listed_once() -> None:
    outcome, outputs = made(incoming(CASE_BYTES))
    assert outcome == "accepted"
    assert [topic for topic, _, _ in outputs] == [
        "boundary-flags",
        "record-remarks",
        "linkage-records",
    ]
    assert len({partition for _, partition, _ in outputs}) == 1


def test_a_rescue_is_listed_in_every_partition() -> None:
    value = codec.encode("RescueRecorded", RESCUE)
    outcome, outputs = made(incoming(value, topics.RESCUES.name(RESCUE["unit"])))
    assert outcome == "accepted"
    listed = [partition for topic, partition, _ in outputs if topic == "linkage-records"]
    assert listed == list(range(topics.LINKAGE_RECORDS.partitions))


def test_a_dead_letter_keeps_bytes_origin_and_reason() -> None:
    outcome, outputs = made(incoming(b"\x00junk", ce_id=b"x"))
    ((topic, _, letter),) = outputs
    assert (outcome, topic) == ("not-single-object", "dead-letters")
    assert (letter["topic"], letter["partition"], letter["offset"]) == (CASE_TOPIC, 2, 17)
    assert (letter["value"], letter["key"]) == (b"\x00junk", b"key")
    assert letter["headers"] == {"ce_id": b"x"}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (incoming(None), "no-value"),
        (incoming(b"\xc3\x01" + bytes(8)), "unknown-schema"),
        (incoming(CASE_BYTES + b"\0"), "trailing-bytes"),
        (incoming(CASE_BYTES, topics.CASES.name("220300")), "another-unit"),
        (incoming(CASE_BYTES, ce_id=b"other"), "wrong-id"),
        (incoming(codec.encode("RecordRemarked", {**CASE, "kind": "case", "record_id": "C"}
            | {"digest": "d", "stated_case_id": None, "remarks": []})), "wrong-event"),
        (incoming(CASE_BYTES, topics.REPLAYS.name()), "wrong-event"),
    ],
)  # fmt: skip
def test_reasons(record: Incoming, reason: str) -> None:
    outcome, outputs = made(record)
    assert (outcome, [topic for topic, _, _ in outputs]) == (reason, ["dead-letters"])


def test_every_truncation_is_a_dead_letter() -> None:
    for length in range(len(CASE_BYTES)):
        outcome, outputs = made(incoming(CASE_BYTES[:length]))
        assert outcome != "accepted"
        assert [topic for topic, _, _ in outputs] == ["dead-letters"]


@given(st.binary(max_size=200))
def test_random_bytes_never_pass(value: bytes) -> None:
    assert made(incoming(value))[0] != "accepted"
    assert made(incoming(CASE_BYTES[:10] + value))[1][0][0] == "dead-letters" or (
        CASE_BYTES[:10] + value == CASE_BYTES
    )


def test_a_decision_that_raises_costs_its_own_event_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def raising(*_: object) -> None:
        raise ZeroDivisionError("王红英")

    monkeypatch.setattr(validation, "validate_event", raising)
    outcome, outputs = made(incoming(CASE_BYTES))
    assert (outcome, outputs[0][2]["reason"]) == ("defect", "defect")
    assert "王红英" not in caplog.text + str(outputs[0][2]["detail"])


def test_a_replayed_letter_is_judged_as_if_from_its_origin() -> None:
    letter = {
        "dead_letter_id": "d",
        "topic": CASE_TOPIC,
        "partition": 1,
        "offset": 5,
        "reason": "defect",
        "detail": "",
        "key": b"k",
        "value": CASE_BYTES,
        "headers": {},
    }
    again = incoming(codec.encode("DeadLettered", letter), topics.REPLAYS.name())
    assert made(again)[0] == "accepted"
    stranger = {**letter, "topic": topics.CASES.name("220300")}
    again = incoming(codec.encode("DeadLettered", stranger), topics.REPLAYS.name())
    outcome, outputs = made(again)
    assert outcome == "another-unit"
    assert (outputs[0][2]["topic"], outputs[0][2]["offset"]) == (stranger["topic"], 5)
    discarded = {**letter, "reason": DISCARDED}
    again = incoming(codec.encode("DeadLettered", discarded), topics.REPLAYS.name())
    assert made(again) == (DISCARDED, [])


def test_a_letter_of_a_topic_of_our_own_is_discarded_like_any_other() -> None:
    letter = {
        "dead_letter_id": "d",
        "topic": topics.BOUNDARY_FLAGS.name(),
        "partition": 0,
        "offset": 3,
        "reason": DISCARDED,
        "detail": "",
        "key": None,
        "value": b"junk",
        "headers": {},
    }
    value = codec.encode("DeadLettered", letter)
    replays = topics.REPLAYS.name()
    assert made(incoming(value, replays)) == (DISCARDED, [])
    batch = Batch()
    assert batch.take(replays, 0, 1, value, {}) == DISCARDED
    letter_id = identifiers.dead_letter_id(topics.BOUNDARY_FLAGS.name(), 0, 3)
    assert batch.dead_letters.settled == {letter_id: DISCARDED}


@given(generators.cases())
def test_any_case_within_the_limits_is_accepted(case: dict[str, Any]) -> None:
    value = codec.encode("CaseRecorded", case)
    assert made(incoming(value, topics.CASES.name(case["unit"])))[0] == "accepted"
