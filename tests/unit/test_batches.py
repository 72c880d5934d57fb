"""Whatever a batch holds, both clients read it alike, and a usual one as they always have."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch as Extension
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch as Original
from kafka.record.memory_records import MemoryRecords as KafkaRecords
from kafka.record.memory_records import MemoryRecordsBuilder

from crossregion.kafka import patches
from crossregion.kafka.record_batch import Batch
from processors.engine import record_batch
from processors.engine.record_batch import UsualOrOdd

BYTES = st.none() | st.binary(max_size=300)
RECORDS = st.lists(
    st.tuples(
        st.integers(0, 2**40),
        BYTES,
        BYTES,
        st.lists(st.tuples(st.text(max_size=5), BYTES), max_size=4),
    ),
    min_size=1,
    max_size=5,
)


patches.apply_patches()
record_batch.apply_patches()


class Undecodable(str):
    def encode(self, *_: Any) -> bytes:
        return b"ce_\xff\xfe"


def batch(records: list[Any], skipped: int = 0) -> bytes:
    builder = MemoryRecordsBuilder(2, 0, 1_000_000)
    for one in records:
        builder.append(*one)
        builder.skip(skipped)
    builder.close()
    return bytes(builder.buffer())


def fields(one: Any) -> tuple[Any, ...]:
    return one.offset, one.timestamp, one.timestamp_type, one.key, one.value, list(one.headers)


def read(found: Any) -> list[tuple[Any, ...]]:
    return [fields(one) for one in found]


@pytest.mark.slow
@given(RECORDS, st.integers(0, 3))
def test_a_usual_batch_is_read_as_the_clients_read_it(records: list[Any], skipped: int) -> None:
    """Also where compaction has left gaps between the offsets."""
    data = batch(records, skipped)
    assert (
        read(Batch(data)) == read(Original(data)) == read(Extension(data)) == read(UsualOrOdd(data))
    )


def test_both_clients_read_an_odd_batch_alike() -> None:
    odd = (0, b"k", b"v", [(Undecodable(), b"x"), ("名", None)])
    usual: tuple[Any, ...] = (0, None, b"w", [])
    data = batch([usual, odd, usual])
    theirs, ours = KafkaRecords(data).next_batch(), fetcher.MemoryRecords(data).next_batch()
    assert read(theirs) == read(ours)
    assert read(Batch(data))[1] == (1, 0, 0, b"k", b"v", [("ce_??", b"x"), ("名", None)])
    assert [one[0] for one in read(ours)] == [0, 1, 2]
