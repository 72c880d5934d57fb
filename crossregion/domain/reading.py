"""The rules by which an intake path turns a row into a record, and their version.

Pure: the same row always becomes the same record. A later release that reads rows differently
increases `READING`, and the record it makes of an unchanged row is then the newer of two contents
under one revision (docs/adr/0019).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar, cast, get_type_hints

from crossregion.domain import events, fillers
from crossregion.domain.code_lists import code_list
from crossregion.domain.events import (
    CaseRecorded,
    Identity,
    Record,
    Remark,
    RescueRecorded,
    TipRecorded,
)
from crossregion.domain.fillers import FILLER, READ_CODES

Read = TypeVar("Read", CaseRecorded, RescueRecorded)

READING: Final = 2
"""Version of the reading: 1 is that of releases which did not say it."""
LATEST: Final = 9_999
"""No version of a reading is higher: it has four digits before a digest."""
_CODED: Final = {
    "status": "case_status",
    "exploitation": "exploitation_type",
    "means": "means_type",
    "intermediary": "intermediary_type",
    "venue": "venue_type",
    "guardian": "guardian_state",
    "source": "report_source",
    "channel": "tip_channel",
}
_DAYS: Final = ("reported_at", "lost_on", "registered_at", "found_on", "received_at", "happened_on")
_TEXTS: Final = ("stated_case_id",)
_PLACES: Final = ("found_at", "place")


def read(event: str, record: Record) -> Record:
    """A record as it is published: without fillers, with what was left out and by which reading.

    Events that hold no such fields come back as they are. Reading again changes nothing.
    """
    if event not in ("CaseRecorded", "RescueRecorded", "TipRecorded"):
        return record
    made: dict[str, Any] = dict(record)
    said = _Said(made.get("remarks") or ())
    for field, enum in _CODED.items():
        if field in made:
            made[field] = _coded(made[field], field, enum, said)
    for fields, reader in ((_DAYS, fillers.day_read), (_TEXTS, _text), (_PLACES, _code)):
        for field in fields:
            if made.get(field) is not None:
                made[field] = _kept(made[field], field, reader, said)
    if event == "CaseRecorded":
        legs = [leg for leg in made["legs"] if leg["code"] is None or _code(leg["code"])]
        if len(legs) < len(made["legs"]):
            said.add("legs", FILLER)
        made["legs"] = legs
        made["victims"] = [
            _person(victim, f"victims[{number}]", said)
            for number, victim in enumerate(made["victims"], 1)
        ]
    elif event == "RescueRecorded":
        made["person"] = _person(made["person"], "person", said)
    else:
        made["identity"] = {
            name: None if text is None else _kept(text, f"identity.{name}", _text, said)
            for name, text in made["identity"].items()
        }
    return cast(Record, {**made, "reading": READING, "remarks": said.remarks})


class _Said:
    """Remarks, each once, in the order in which they were made."""

    def __init__(self, remarks: Iterable[Remark]) -> None:
        self.remarks: list[Remark] = list(remarks)

    def add(self, field: str, code: str) -> None:
        remark: Remark = {"field": field, "code": code}
        if remark not in self.remarks:
            self.remarks.append(remark)


def _text(text: str) -> str | None:
    return None if fillers.is_filler("text", text) else text


def _code(text: str) -> str | None:
    return None if fillers.is_filler("code", text) else text


def _kept(text: str, field: str, reader: Callable[[str], str | None], said: _Said) -> str | None:
    found = reader(text)
    if found is None:
        said.add(field, FILLER)
    return text if found is not None else None


def _coded(given: Any, field: str, enum: str, said: _Said) -> Any:
    """A word of a code list, or several; what no list has and says nothing is left out."""
    words = given if isinstance(given, list) else [given] if given is not None else []
    kept = [one for one in words if one in code_list(enum) or _text(one) is not None]
    if len(kept) < len(words):
        said.add(field, FILLER)
    if isinstance(given, list):
        return kept
    return kept[0] if kept else None


def _person(person: Mapping[str, Any], path: str, said: _Said) -> dict[str, Any]:
    """A victim or rescued person with what their words say of sex and age."""
    found = fillers.read_identity(person["identity"])
    for field, code in found.remarks:
        said.add(f"{path}.identity.{field}", code)
    if found.child:
        said.add(f"{path}.identity.name", fillers.CHILD)
    made = {**person, "identity": found.identity}
    if made.get("sex") not in ("F", "M"):
        made["sex"] = found.identity["sex"]
    return made


def for_age(record: Read) -> Read:
    """A case or rescue in which no filler stands for a day or an identity number.

    Its words stay as they are, because they may say child.
    """
    made: dict[str, Any] = dict(record)
    for field in _DAYS:
        if made.get(field) is not None:
            made[field] = fillers.day_read(made[field])
    if "victims" in made:
        made["victims"] = [_born(victim) for victim in made["victims"]]
    else:
        made["person"] = _born(made["person"])
    return cast(Read, made)


def _born(person: Mapping[str, Any]) -> dict[str, Any]:
    identity = person["identity"]
    number = identity["id_number"]
    born, precision = fillers.read_birth(identity["birth_date"], identity["birth_precision"])
    if (born, precision) == (identity["birth_date"], identity["birth_precision"]) and not (
        number and fillers.is_filler("id_number", number)
    ):
        return dict(person)
    return {
        **person,
        "identity": {
            **identity,
            "birth_date": born,
            "birth_precision": precision,
            "id_number": None if number and fillers.is_filler("id_number", number) else number,
        },
    }


def says_child(remarks: Iterable[Remark], path: str) -> bool:
    """Whether a word of a person's said child; `path` is `victims[1]` or `person`."""
    return {"field": f"{path}.identity.name", "code": fillers.CHILD} in list(remarks)


def told(record: Mapping[str, Any]) -> list[Remark]:
    """What its reading left out of a record, as the record itself says.

    Only fields and codes that there are: the rest could hold anything.
    """
    return [
        {"field": remark["field"], "code": remark["code"]}
        for remark in record.get("remarks") or ()
        if remark["code"] in READ_CODES and _is_path(remark["field"])
    ]


@functools.lru_cache(maxsize=4_096)
def _is_path(path: str) -> bool:
    """Whether a path is made of fields of records, and of numbers: it holds no value."""
    for part in path.split("."):
        name, _, number = part.removesuffix("]").partition("[")
        if name not in _fields() or not (number == "" or (number.isdigit() and len(number) < 4)):
            return False
    return True


@functools.cache
def _fields() -> frozenset[str]:
    shapes = (CaseRecorded, RescueRecorded, TipRecorded, Identity, events.TipIdentity)
    shapes += (events.Leg, events.Victim, events.RescuedPerson)  # type: ignore[assignment]
    return frozenset(name for shape in shapes for name in get_type_hints(shape))
