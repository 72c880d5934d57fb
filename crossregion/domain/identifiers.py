"""Ids and digests, made from causes."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from crossregion.domain.events import AgreementRecorded, MatchDecided, Record

SHANGHAI = ZoneInfo("Asia/Shanghai")
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "crossregion")


def _without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {}
        for name, inner in value.items():
            if inner is None:
                continue
            if isinstance(inner, (dict, list)):
                inner = _without_nothing(inner)
                if not inner:
                    continue
            kept[name] = inner
        return kept
    if isinstance(value, list):
        return [_without_nothing(item) for item in value]
    return value


def canonical(content: Mapping[str, Any]) -> str:
    """JSON with sorted keys, without nulls and empty lists: what digests are taken over."""
    return orjson.dumps(_without_nothing(content), option=orjson.OPT_SORT_KEYS).decode()


def content_digest(record: Record) -> str:
    """Hexadecimal SHA-256 of a record's content, its revision left out; before it its reading.

    Taken over canonical JSON without nulls and empty lists, so that a later schema version that
    adds an optional field gives an unchanged record the same digest.
    """
    return of_reading(reading(record), digest_of(canonical_content(record)))


def reading(record: Mapping[str, Any]) -> int:
    """By which version of the reading a record was made, 1 if it does not say."""
    return int(record.get("reading", 1))


def of_reading(reading: int, text_digest: str) -> str:
    """A digest that sorts by its reading first.

    That of the first reading stands bare; `r` is behind every hexadecimal digit, so (revision,
    digest) orders by revision, reading and content wherever it is compared.
    """
    return text_digest if reading == 1 else f"r{reading:04}-{text_digest}"


def reading_of(digest: str) -> int:
    """The reading that stands before a digest."""
    return int(digest[1:5]) if digest.startswith("r") and digest[5:6] == "-" else 1


def text_digest(digest: str) -> str:
    """A digest without the reading that stands before it."""
    return digest.rpartition("-")[2]


def canonical_content(record: Record) -> str:
    """The text that a record's digest is taken over."""
    return canonical({k: v for k, v in record.items() if k not in ("revision", "reading")})


def digest_of(text: str) -> str:
    """Hexadecimal SHA-256 of a canonical text."""
    return hashlib.sha256(text.encode()).hexdigest()


def event_id(unit: str, record_id: str, revision: int, digest: str) -> str:
    """UUIDv5 of what caused the event: the same row always makes the same id."""
    return str(uuid.uuid5(NAMESPACE, f"{unit}\n{record_id}\n{revision}\n{digest}"))


def day_of_acceptance(at: datetime) -> str:
    """The day in Asia/Shanghai, by which a unit accounts for its events."""
    return at.astimezone(SHANGHAI).date().isoformat()


def digest_of_ids(event_ids: Iterable[str]) -> str:
    """Hexadecimal SHA-256 of the sorted ids of events, one a line."""
    return hashlib.sha256("\n".join(sorted(event_ids)).encode()).hexdigest()


def dead_letter_id(topic: str, partition: int, offset: int) -> str:
    """UUIDv5 of where the record stands that cannot be used."""
    return str(uuid.uuid5(NAMESPACE, f"dead-letter\n{topic}\n{partition}\n{offset}"))


def proposal_id(case_unit: str, victim_id: str, rescue_unit: str, rescue_id: str) -> str:
    """UUIDv5 of the two persons; ids are a unit's own, so the units belong to them."""
    parts = ("proposal", case_unit, victim_id, rescue_unit, rescue_id)
    return str(uuid.uuid5(NAMESPACE, "\n".join(parts)))


def case_reference(unit: str, case_id: str) -> str:
    """UUIDv5 by which a case is spoken of to whom not even its id is told: that may say a name."""
    return str(uuid.uuid5(NAMESPACE, f"case\n{unit}\n{case_id}"))


def agreement_id(units: Iterable[str], number: str) -> str:
    """UUIDv5 of the two units, in whatever order, and the letter's number."""
    return str(uuid.uuid5(NAMESPACE, "\n".join(["agreement", *sorted(units), number])))


def agreement_digest(agreement: AgreementRecorded) -> str:
    """Of its content without the revision: what decides between two under one revision."""
    return digest_of(canonical({k: v for k, v in agreement.items() if k != "revision"}))


def decision_id(decision: MatchDecided) -> str:
    """UUIDv5 of what is decided, on what and by whom; the time is no part of it."""
    content = {k: v for k, v in decision.items() if k not in ("decision_id", "decided_at")}
    return str(uuid.uuid5(NAMESPACE, f"decision\n{canonical(content)}"))
