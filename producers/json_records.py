"""One record as JSON, from an outbox or by HTTP, becomes what the spool takes, or is refused.

It is checked against the contract of its event (`schemas/avro/`), and validated as intake does.
What may be left out is filled in. A fault names fields of the contract and numbers, never a value.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from crossregion import logs
from crossregion.domain import age, reading
from crossregion.domain.events import ENTRIES, Remark
from crossregion.domain.tips import anonymised
from crossregion.domain.validation import MAX_VICTIMS, Rejected, validate_event
from producers.exports.values import birth_of
from producers.records import LocalRecord
from schemas import codec

MOST_FAULTS = 20
MOST_ITEMS = MAX_VICTIMS
"""No list of a record is longer; a longer one is not even looked through."""
INT_BITS = {"int": 31, "long": 63}
MESSAGES = {
    "not-json": "is no JSON: write one object in UTF-8 (RFC 8259)",
    "repeated-name": "has a name twice in one object: leave the right one",
    "missing": "is missing: fill it in",
    "unknown-field": "holds a field that the contract does not have: see docs/topics.md",
    "wrong-type": "is not of its type: see docs/topics.md",
    "unstorable-text": "holds a NUL or a broken character: remove it",
    "over-limit": "is longer, larger or more than the limit: shorten it",
    "another-unit": "is another unit's: send it for that unit",
    "no-record-id": "is missing or too long: give the record the id of the local system",
    "no-person": "says nothing of a person: fill in at least one",
    "nothing-said": "says nothing that helps: fill in at least one of its fields",
    "ambiguous": "stands twice: number each victim once",
    "no-such-event": "is no event that a unit may write: see docs/topics.md",
    "another-id": "is not the id that stands in the record: write the same",
    "not-yours": "is given by the intake: leave it out",
    "defect": "cannot be validated: tell the operator, it is kept",
}
"""What is wrong with a record, and what to do, by the reason."""

log = logs.logger()


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: the JSON pointer of its place, and a reason of `MESSAGES`."""

    pointer: str
    reason: str

    @property
    def message(self) -> str:
        return f"{self.pointer or 'the record'} {MESSAGES.get(self.reason, 'cannot be used')}"


class Unfit(Exception):
    """The record cannot be used."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record that is taken, and what is doubtful in it."""

    exported: LocalRecord
    remarks: list[Remark]


def parse(data: bytes) -> Any:
    """What stands in some JSON.

    Raises: Unfit.
    """
    try:
        return json.loads(
            data.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_number
        )
    except (ValueError, RecursionError):  # also for a number of more than 4,300 digits
        raise Unfit(Fault("", "not-json")) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unfit(Fault("", "repeated-name"))
    return found


def _no_number(_: str) -> NoReturn:
    raise Unfit(Fault("", "not-json"))


def check(event: str, value: object, unit: str) -> Incoming:
    """Check one record of a unit against its contract, and validate it as intake will.

    A record without a revision gets 0, and the spool numbers it. Raises: Unfit.
    """
    fitting = _Fitting(event)
    record = fitting.fit(fitting.schema, _filled(event, value, unit), "")
    if fitting.faults:
        raise Unfit(*fitting.faults)
    _aged(event, record)
    if record["revision"] < 0:
        raise Unfit(Fault("/revision", "over-limit"))
    record = cast("dict[str, Any]", reading.read(event, record))
    try:
        validated = validate_event(
            event, {**record, "revision": record["revision"] or 1}, unit, None
        )
    except Rejected as refused:
        place = id_field(event) if refused.detail == "record id" else refused.detail
        raise Unfit(Fault(_pointer(place), refused.reason)) from None
    except Exception as error:  # noqa: BLE001 (its text may hold values, and others go on)
        log.error("Unhandled error while validating a record", type=event, where=logs.where(error))
        raise Unfit(Fault("", "defect")) from None
    if event == "TipRecorded":
        record = anonymised(record)
    if len(codec.encode(event, record)) > codec.MAX_EVENT_BYTES:
        raise Unfit(Fault("", "over-limit"))
    record_id = record[id_field(event)]
    return Incoming(LocalRecord(event, record_id, cast(Any, record), ()), validated.remarks)


def id_field(event: str) -> str:
    """The field that holds the id of an event's record: the first of its contract."""
    return str(_schema(event)[0]["fields"][0]["name"])


def _pointer(detail: str) -> str:
    """The field that the rejection names, as a JSON pointer; array indexes in it begin with 1."""
    parts = []
    for part in detail.split("."):
        name, _, number = part.removesuffix("]").partition("[")
        if not name.isidentifier():
            return ""
        parts += [name, str(int(number) - 1)] if number else [name]
    return "/" + "/".join(parts)


def _filled(event: str, value: object, unit: str) -> object:
    """The record with what a local system need not say: unit, revision, summaries of persons."""
    if not isinstance(value, dict):
        return value
    record = _with(value, unit=unit, revision=0)
    for ours in ("reading", "remarks"):
        record.pop(ours, None)
    if event == "CaseRecorded":
        record = _with(record, legs=[])
        victims = record.get("victims")
        if isinstance(victims, list) and len(victims) <= MAX_VICTIMS:
            record["victims"] = [_summarised(victim) for victim in victims]
    if event in ENTRIES:
        record = _with(record, details={})
    if event == "RescueRecorded":
        record["person"] = _summarised(record.get("person"))
    return record


def _with(value: Mapping[str, Any], **absent: Any) -> dict[str, Any]:
    """A record with what it does not say, or says null of."""
    said = {name: one for name, one in value.items() if one is not None or name not in absent}
    return {**absent, **said}


def _summarised(person: object) -> object:
    if not isinstance(person, dict) or not isinstance(person.get("identity"), dict):
        return person
    identity = dict(person["identity"])
    born = identity.get("birth_date")
    if not isinstance(born, str | None):
        return person
    if identity.get("birth_precision") is None:
        identity["birth_date"], identity["birth_precision"] = birth_of({"birth_date": born or ""})
    known = {"age_band": "", "sex": identity.get("sex")}
    return {**_with(person, **known), "identity": identity}


def _aged(event: str, record: Any) -> None:
    """Fill in the bands that are not stated, from the whole record."""
    if event == "CaseRecorded":
        for victim, found in zip(
            record["victims"], age.of_case(reading.for_age(record)), strict=True
        ):
            victim["age_band"] = victim["age_band"] or found.full_band
    elif event == "RescueRecorded":
        person = record["person"]
        person["age_band"] = person["age_band"] or age.of_rescue(reading.for_age(record)).full_band


class _Fitting:
    """Walks a value along a schema, fills in defaults and notes what does not fit."""

    def __init__(self, event: str) -> None:
        self.schema, self._named = _schema(event)
        self.faults: list[Fault] = []

    def _fault(self, path: str, reason: str) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(path, reason))

    def fit(self, avro: Any, value: Any, path: str) -> Any:
        if isinstance(avro, list):
            return self._one_of(avro, value, path)
        kind = avro["type"] if isinstance(avro, dict) else avro
        if kind == "record":
            return self._record(avro, value, path)
        if kind == "array":
            if not isinstance(value, list):
                return self._fault(path, "wrong-type")
            if len(value) > MOST_ITEMS:
                return self._fault(path, "over-limit")
            return [
                self.fit(avro["items"], item, f"{path}/{number}")
                for number, item in enumerate(value)
                if item is not None
            ]
        if kind == "enum":
            return value if value in avro["symbols"] else self._fault(path, "wrong-type")
        if kind in self._named:
            return self.fit(self._named[kind], value, path)
        return self._primitive(kind, value, path)

    def _one_of(self, avro: list[Any], value: Any, path: str) -> Any:
        if value is None and "null" in avro:
            return None
        (rest,) = [one for one in avro if one != "null"]
        return self.fit(rest, value, path)

    def _record(self, avro: Mapping[str, Any], value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            return self._fault(path, "wrong-type")
        known = {field["name"] for field in avro["fields"]}
        if value.keys() - known:
            self._fault(path, "unknown-field")
        made = {}
        for field in avro["fields"]:
            name = field["name"]
            if value.get(name) is not None or (name in value and _nullable(field["type"])):
                made[name] = self.fit(field["type"], value[name], f"{path}/{name}")
            elif "default" in field:
                made[name] = deepcopy(field["default"])
            else:
                self._fault(f"{path}/{name}", "missing")
        return made

    def _primitive(self, kind: str, value: Any, path: str) -> Any:
        right = False
        if kind == "string":
            right = isinstance(value, str)
            if right and not _encodable(value):
                return self._fault(path, "unstorable-text")
        elif kind == "boolean":
            right = isinstance(value, bool)
        elif kind in INT_BITS:
            bits = INT_BITS[kind]
            right = type(value) is int and -(2**bits) <= value < 2**bits
        elif kind in ("double", "float"):
            right = type(value) in (int, float) and math.isfinite(value)
        return value if right else self._fault(path, "wrong-type")


def _nullable(avro: Any) -> bool:
    return isinstance(avro, list) and "null" in avro


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@functools.cache
def _schema(event: str) -> tuple[Any, dict[str, Any]]:
    """The newest schema of an event, and the records in it that it names again, by their names."""
    known = codec.versions()[event]
    newest = known[max(known)]
    named: dict[str, Any] = {}

    def look(avro: Any) -> None:
        if isinstance(avro, list):
            for one in avro:
                look(one)
        elif isinstance(avro, dict):
            if "name" in avro and avro["type"] in ("record", "enum"):
                named[avro["name"]] = named[f"crossregion.{avro['name']}"] = avro
            for field in avro.get("fields", ()):
                look(field["type"])
            look(avro.get("items"))

    look(newest)
    return newest, named
