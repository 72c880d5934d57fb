"""Encode and decode events as Avro single objects."""

from __future__ import annotations

import functools
import io
import json
import struct
from collections.abc import Collection, Mapping
from importlib import resources
from typing import Any

import fastavro
from fastavro.schema import to_parsing_canonical_form
from fastavro.validation import ValidationError

MARKER = b"\xc3\x01"
HEADER_BYTES = len(MARKER) + 8
MAX_EVENT_BYTES = 900_000
"""Below the broker's 1 MiB, so that a record with its headers still fits."""
MAX_LETTER_BYTES = 2_000_000
"""A dead letter holds a whole record as the broker gave it, so it may be larger."""


class Undecodable(Exception):
    """The bytes are no event of ours. `reason` is from the code list dead_letter_reason."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class InvalidRecord(Exception):
    """The record does not fit its schema. The message names the fields, never their values."""


@functools.cache
def versions() -> dict[str, dict[int, dict[str, Any]]]:
    """Every schema ever published: event name, version, schema as JSON."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for folder in (resources.files("schemas") / "avro").iterdir():
        found[folder.name] = {
            int(file.name.removesuffix(".avsc")): json.loads(file.read_text(encoding="utf-8"))
            for file in folder.iterdir()
        }
    return found


@functools.cache
def schema(event: str) -> dict[str, Any]:
    """The newest version of an event's schema, parsed for fastavro."""
    known = versions()[event]
    parsed: dict[str, Any] = fastavro.parse_schema(known[max(known)], named_schemas={})
    return parsed


def fingerprint(avsc: Mapping[str, Any]) -> bytes:
    """CRC-64-AVRO of the parsing canonical form, 8 bytes, little-endian."""
    canonical = to_parsing_canonical_form(dict(avsc))
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


@functools.cache
def _prefix(event: str) -> bytes:
    known = versions()[event]
    return MARKER + fingerprint(known[max(known)])


@functools.cache
def _writers() -> dict[bytes, tuple[str, dict[str, Any], dict[str, Any] | None]]:
    """By fingerprint: event, writer's schema, and the newest one where it is another.

    fastavro would compare the two anew, field by field, at each event.
    """
    return {
        fingerprint(avsc): (
            event,
            fastavro.parse_schema(avsc, named_schemas={}),
            None if number == max(known) else schema(event),
        )
        for event, known in versions().items()
        for number, avsc in known.items()
    }


def validate(event: str, record: Mapping[str, Any]) -> None:
    """Check a record strictly; `encode` alone lets extra keys and wrong numbers pass.

    Raises: InvalidRecord.
    """
    known = schema(event)
    if fastavro.validation.validate(record, known, raise_errors=False, strict=True):
        return  # seven times as fast as with errors that can be raised
    try:
        fastavro.validation.validate(record, known, strict=True)
    except ValidationError as error:
        fields = sorted({str(found.field) for found in error.errors})
        raise InvalidRecord(f"{event} does not fit its schema in: {', '.join(fields)}") from None


def encode(event: str, record: Mapping[str, Any]) -> bytes:
    """One event as an Avro single object. Validate first what comes from outside."""
    out = io.BytesIO()
    out.write(_prefix(event))
    fastavro.schemaless_writer(out, schema(event), record)
    return out.getvalue()


def decode(
    value: bytes | None, expected: Collection[str] | None = None
) -> tuple[str, dict[str, Any]]:
    """The event's name and its record in the newest schema's shape.

    Raises: Undecodable with reason ``no-value``, ``too-large``, ``not-single-object``,
    ``unknown-schema``, ``torn``, ``trailing-bytes``, or ``wrong-event`` for one not expected.
    """
    if not value:
        raise Undecodable("no-value", "the event has no bytes")
    if value[:2] != MARKER or len(value) < HEADER_BYTES:
        raise Undecodable("not-single-object", "does not begin with C3 01 and a fingerprint")
    (number,) = struct.unpack_from("<Q", value, 2)
    found = _writers().get(value[2:HEADER_BYTES])
    if found is None:
        raise Undecodable("unknown-schema", f"fingerprint {number:016x} is not in schemas/avro")
    event, writer, newest = found
    limit = MAX_LETTER_BYTES if event == "DeadLettered" else MAX_EVENT_BYTES
    if len(value) > limit:
        raise Undecodable("too-large", f"more than {limit} bytes")
    if expected is not None and event not in expected:
        raise Undecodable("wrong-event", f"{event} does not belong here")
    body = io.BytesIO(value)
    body.seek(HEADER_BYTES)
    try:
        record = fastavro.schemaless_reader(body, writer, newest)
    except (EOFError, ValueError, IndexError, OverflowError, MemoryError) as error:
        raise Undecodable(
            "torn", f"the body ends or breaks early ({type(error).__name__})"
        ) from None
    if body.tell() != len(value):
        raise Undecodable("trailing-bytes", f"{len(value) - body.tell()} bytes too many")
    return event, record
