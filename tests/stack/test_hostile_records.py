"""Records that a broker takes and a client cannot read: they must hold up nothing behind them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kafka import KafkaProducer
from kafka.errors import InvalidRecordError, KafkaError, TransactionalIdAuthorizationFailedError
from kafka.record import memory_records
from kafka.record.default_records import DefaultRecordBatchBuilder, DefaultRecordMetadata
from kafka.record.util import encode_varint

from consumers.registry import counts
from crossregion.embedded.stack import Stack
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka.connection import Kafka
from crossregion.services import dead_letters
from producers.publisher import catch_up
from producers.spool.store import Spool
from schemas import codec, topics
from tests.support.live import read_all, wait_for_quiet
from tests.support.stacks import DisposableStack

EXAMPLE = Path(__file__).parents[2] / "schemas/examples/CaseRecorded/1/example.json"
CASE: dict[str, Any] = json.loads(EXAMPLE.read_text("utf-8"))
UNIT = CASE["unit"]
TOPIC = topics.CASES.name(UNIT)
TRANSACTIONAL, CONTROL = 0x10, 0x20
FAR = 1 << 62
MORE_THAN_32_BITS = b"\x80\x80\x80\x80\x70"
"""To the broker a 0, because it forgets what does not fit."""

Headers = Sequence[tuple[bytes, bytes | None]]


def number(value: int) -> bytes:
    found = bytearray()
    encode_varint(value, found.append)
    return bytes(found)


def sized(value: bytes | None) -> bytes:
    return number(-1) if value is None else number(len(value)) + value


def body(
    value: bytes | None,
    *,
    key: bytes | None = b"k",
    headers: Headers = (),
    attributes: bytes = b"\0",
    later: int = 0,
    delta: int = 0,
) -> bytes:
    """A record as it stands in a batch."""
    named = b"".join(sized(name) + sized(content) for name, content in headers)
    start = attributes + number(later) + number(delta)
    return start + sized(key) + sized(value) + number(len(headers)) + named


@dataclass
class Hostile:
    """One batch, and what must become of each of its records: accepted, or a reason."""

    bodies: Sequence[bytes]
    outcomes: Sequence[str] = ("accepted",)
    timestamp: int | None = None
    letter: dict[str, Any] = field(default_factory=dict)


class _Builder(DefaultRecordBatchBuilder):  # type: ignore[misc, unused-ignore]
    """Writes the given bytes as the records; their number is the key."""

    attributes = 0

    def append(self, offset: int, timestamp: int, key: bytes, value: bytes, _: Any) -> Any:
        self._first_timestamp = self._max_timestamp = timestamp
        self._num_records = int(key)
        self._last_offset = int(key) - 1
        self._buffer += value
        return DefaultRecordMetadata(offset, len(value), timestamp)

    def _get_attributes(self, include_compression_type: bool = True) -> int:
        return int(super()._get_attributes(include_compression_type)) | self.attributes


@contextmanager
def hostile_unit(kafka: Kafka, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[Any]:
    """Sends batches with the unit's own password; gives the offset each begins at."""
    with monkeypatch.context() as patch:
        patch.setattr(memory_records, "DefaultRecordBatchBuilder", _Builder)
        producer = KafkaProducer(
            **kafka.options(kafka_connection.unit(UNIT)),
            acks="all",
            enable_idempotence=False,
            max_request_size=2_000_000,
            **options,
        )

        def send(bodies: Sequence[bytes], timestamp: int | None = None) -> int:
            value = b"".join(map(sized, bodies))
            many = str(len(bodies)).encode()
            sent = producer.send(TOPIC, value, many, partition=0, timestamp_ms=timestamp)
            return int(sent.get(timeout=20).offset)

        try:
            yield send
        finally:
            producer.close()


@pytest.fixture(scope="module")
def stack(service_data: Path) -> Iterator[Stack]:
    with DisposableStack(service_data / "hostile") as stack:
        yield stack


def case(case_id: str) -> bytes:
    victims = [
        {**victim, "victim_id": f"{case_id}/{nth}"} for nth, victim in enumerate(CASE["victims"])
    ]
    return codec.encode("CaseRecorded", {**CASE, "case_id": case_id, "victims": victims})


def hostile() -> list[Hostile]:
    odd = [(b"\xff\xfe", b"x")]
    long_name = b"\xff" * 900_000
    return [
        Hostile([body(case("H1"), headers=odd)]),
        Hostile([body(None, headers=odd)], ["no-value"], letter={"headers": {"??": b"x"}}),
        Hostile(
            [body(b"x", headers=[(long_name, b"y")])],
            ["not-single-object"],
            letter={"headers": {"?" * len(long_name): b"y"}, "key": b"k", "value": b"x"},
        ),
        Hostile([body(case("H2"), headers=[*odd, (b"ce_id", None)])], ["wrong-id"]),
        Hostile([body(case("H3"), headers=[(b"%d" % n, None) for n in range(10_000)])]),
        Hostile([body(case("H4"), headers=[(b"n" * 100_000, None)], key=None)]),
        Hostile([body(case("H5"), attributes=b"\x80", key=b"\x7e")]),
        Hostile([body(case("H6"), delta=-5), body(case("H7"), delta=-5)], ["accepted"] * 2),
        Hostile([body(case("H8"), delta=2**31 - 1), body(case("H9"))], ["accepted"] * 2),
        Hostile(
            [b"\0\0\0" + MORE_THAN_32_BITS + sized(None) + number(0)],
            ["no-value"],
            letter={"key": b"", "value": None, "headers": {}},
        ),
        Hostile([body(case("H10"), later=-FAR)], timestamp=1),
        Hostile([body(case("H11"), later=-FAR)], timestamp=FAR),
    ]


def test_what_the_broker_takes_stops_nobody(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = [*hostile(), Hostile([body(case("last"))])]
    expected: dict[int, tuple[str, Hostile]] = {}
    with hostile_unit(stack.kafka, monkeypatch) as send:
        for one in batches:
            at = send(one.bodies, one.timestamp)
            expected |= {nth: (outcome, one) for nth, outcome in enumerate(one.outcomes, at)}
    wait_for_quiet(stack)

    letters = {}
    for record in read_all(stack.kafka, topics.DEAD_LETTERS.name()):
        _, letter = codec.decode(record.value)
        letters[letter["offset"]] = letter
    refused = {at: reason for at, (reason, _) in expected.items() if reason != "accepted"}
    assert {at: letter["reason"] for at, letter in letters.items()} == refused
    for at in refused:
        assert letters[at] == {**letters[at], **expected[at][1].letter}

    accepted = len(expected) - len(refused)
    flags = read_all(stack.kafka, topics.BOUNDARY_FLAGS.name())
    assert len({record.key for record in flags}) == accepted
    with psycopg.connect(stack.database) as connection:
        assert counts.revisions(connection) == {(UNIT, "case"): accepted}
        assert len(list(dead_letters.dead_letter_rows(connection))) == len(refused)

    with Spool(tmp_path / f"{UNIT}.sqlite", UNIT) as spool:
        catch_up(spool, stack.kafka)
        assert spool.places()[TOPIC, 0] == len(expected)


@pytest.mark.parametrize(
    ("attributes", "refusal"),
    [(TRANSACTIONAL, TransactionalIdAuthorizationFailedError), (CONTROL, InvalidRecordError)],
)
def test_a_unit_writes_no_transaction_and_no_marker(
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
    attributes: int,
    refusal: type[KafkaError],
) -> None:
    """So an offset is always a record's: what counts records by offsets comes out even."""
    monkeypatch.setattr(_Builder, "attributes", attributes)
    with hostile_unit(stack.kafka, monkeypatch, retries=0) as send, pytest.raises(refusal):
        send([body(case("never"))])
