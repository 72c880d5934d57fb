"""Reads a batch of records as the broker does, so that no record it accepts stops a consumer.

The broker keeps what a unit wrote as it is, and checks less than the clients do. They refuse a
header's name that is not UTF-8 and a length of more than 32 bits, read the attributes, one byte,
as a number of any length, and believe the offset a producer gave within its batch. One such record
would stop every reader for as long as the topic is kept.
"""

from __future__ import annotations

from kafka.record.default_records import ControlRecord, DefaultRecord, DefaultRecordBatch
from kafka.record.util import decode_varint

LENGTH = 0x7FFF_FFFF


class Batch(DefaultRecordBatch):  # type: ignore[misc, unused-ignore]
    """A batch of kafka-python; its records have what aiokafka 0.14.0 asks of one, too.

    Version: kafka-python 3.0.12
    Upstream: not reported as of 2026-11; aio-libs/aiokafka#321 (open) asks the same of the other
        client. `_read_msg` decodes a header's name strictly as UTF-8 and the attributes as a
        varint, where the broker takes any bytes and one byte: one record stops every consumer.
    Test: tests/unit/test_batches.py::test_both_clients_read_an_odd_batch_alike
    """

    _pos: int

    def _read_msg(self) -> DefaultRecord:
        buffer = self._buffer
        length, start = decode_varint(buffer, self._pos)
        later, pos = decode_varint(buffer, start + 1)
        delta, pos = decode_varint(buffer, pos)
        key, pos = _bytes(buffer, pos)
        value, pos = _bytes(buffer, pos)
        count, pos = decode_varint(buffer, pos)
        headers = []
        for _ in range(count & LENGTH):
            name, pos = _bytes(buffer, pos)
            content, pos = _bytes(buffer, pos)
            headers.append((_text(name or b""), content))
        self._pos = start + (length & LENGTH)
        # Only compaction, which leaves fewer records than offsets, makes gaps.
        whole = self.last_offset_delta + 1 == self._num_records
        logged = self.timestamp_type == self.LOG_APPEND_TIME
        return (ControlRecord if self.is_control_batch else DefaultRecord)(
            length,
            self.base_offset + (self._next_record_index if whole else delta),
            self.max_timestamp if logged else self.first_timestamp + later,
            self.timestamp_type,
            key,
            value,
            headers,
        )


def _bytes(buffer: bytearray, pos: int) -> tuple[bytes | None, int]:
    length, pos = decode_varint(buffer, pos)
    if length < 0:
        return None, pos
    end = pos + (length & LENGTH)
    return bytes(buffer[pos:end]), end


def _text(name: bytes) -> str:
    """A header's name, never longer than it was: a dead letter must hold it."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("ascii", "replace").replace("\ufffd", "?")
