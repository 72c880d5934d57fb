"""Validates an event of a unit: rejected, or accepted with remarks, and what is derived from it.

Intake and registry call this one pure function, so they always agree. The rule: accept
whatever helps to find a person, and remark on what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

from crossregion.domain import age, events, fillers, identifiers, identity_number, reading
from crossregion.domain.code_lists import code_list
from crossregion.domain.dates import day, year
from crossregion.domain.events import (
    BoundaryFlagged,
    CaseRecorded,
    Entry,
    FileNoted,
    Identity,
    Leg,
    ListedPerson,
    PersonsListed,
    PersonSummary,
    Record,
    RecordRemarked,
    Remark,
    RescuedPerson,
    RescueRecorded,
    TipRecorded,
    Victim,
)
from crossregion.domain.field_remarks import date_remarks, place_remarks, word_remarks
from crossregion.domain.files import entries
from crossregion.domain.flags import flag_of, found_leg
from crossregion.domain.regions import regions

MAX_VICTIMS = 200
MAX_LEGS = 50
MAX_LIST = 100
MAX_TEXT = 2_000
MAX_ID = 100
TOLD_OF = "told_of"
"""The role of the one place of a tip."""
AGE_NOT_TOLD = "age-not-told"
"""Code of the remark on a person of whose age the record says nothing at all."""
NUL_IN_JSON = "\\u0000"
CASE_WORDS = {
    "status": "case_status",
    "exploitation": "exploitation_type",
    "means": "means_type",
    "intermediary": "intermediary_type",
    "venue": "venue_type",
}
"""Fields of a case whose words are checked against a code list of `data/enumerations.csv`."""


AGE_BANDS = age.BANDS
SEXES = frozenset({"F", "M"})


class Rejected(Exception):
    """The event cannot be identified or trusted. `detail` names a field or rule, no value."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidatedEvent:
    """An accepted event, and everything that follows from it alone.

    An entry of a file lists nobody, and linkage never hears of it.
    """

    kind: str
    record_id: str
    unit: str
    revision: int
    digest: str
    event_id: str
    remarked: RecordRemarked
    listed: PersonsListed
    flag: BoundaryFlagged | None
    noted: FileNoted | None = None

    @property
    def remarks(self) -> list[Remark]:
        return self.remarked["remarks"]


def validate_event(
    event: str,
    record: Mapping[str, Any],
    topic_unit: str,
    ce_id: str | None,
    received_on: date | None = None,
) -> ValidatedEvent:
    """Validate one decoded event that was read from an intake topic of `topic_unit`.

    `received_on` is the day of the broker's timestamp: no rule asks the clock, and a date after it
    is remarked as `future-date`.

    Raises: Rejected, with a reason of the code list dead_letter_reason.
    """
    if event == "CaseRecorded":
        return _case(cast(CaseRecorded, record), topic_unit, ce_id, received_on)
    if event == "RescueRecorded":
        return _rescue(cast(RescueRecorded, record), topic_unit, ce_id, received_on)
    if event in events.ENTRIES:
        return _entry(event, cast(Entry, record), topic_unit, ce_id, received_on)
    if event == "TipRecorded":
        return _tip(cast(TipRecorded, record), topic_unit, ce_id, received_on)
    raise Rejected("wrong-event", f"{event} is no event of an intake topic")


def _case(
    case: CaseRecorded, topic_unit: str, ce_id: str | None, received_on: date | None
) -> ValidatedEvent:
    victims = case["victims"]
    if not victims:
        raise Rejected("no-person", "victims")
    if len(victims) > MAX_VICTIMS:
        raise Rejected("over-limit", "victims")
    if len(case["legs"]) > MAX_LEGS:
        raise Rejected("over-limit", "legs")
    if len({victim["victim_id"] for victim in victims}) < len(victims):
        raise Rejected("ambiguous", "victims.victim_id")
    digest, event_id = _identified(case, case["case_id"], topic_unit, ce_id)
    lost_on = day(case["lost_on"])
    ages = age.of_case(reading.for_age(case))
    remarks = _once(_case_remarks(case, lost_on, received_on))
    for number, one in enumerate(ages, 1):
        remarks += _age_remarks(f"victims[{number}].identity", one)
    persons = [_listed(victim["victim_id"], victim["identity"]) for victim in victims]
    flag = flag_of(
        case["case_id"],
        case["unit"],
        case["revision"],
        digest,
        case["legs"],
        lost_on,
        [one.band for one in ages],
    )
    return _Findings(
        kind="case",
        record_id=case["case_id"],
        unit=case["unit"],
        revision=case["revision"],
        digest=digest,
        event_id=event_id,
        remarks=remarks,
        happened_on=case["lost_on"] if lost_on else None,
        legs=case["legs"],
        persons=persons,
        summaries=_summaries(victims, [one.band for one in ages]),
        exploitation=[
            word for word in case["exploitation"] if word in code_list("exploitation_type")
        ],
        flag=flag,
    ).event()


def _rescue(
    rescue: RescueRecorded, topic_unit: str, ce_id: str | None, received_on: date | None
) -> ValidatedEvent:
    digest, event_id = _identified(rescue, rescue["rescue_id"], topic_unit, ce_id)
    found_on = day(rescue["found_on"])
    found = age.of_rescue(reading.for_age(rescue))
    remarks = _once(_rescue_remarks(rescue, found_on, received_on))
    remarks += _age_remarks("person.identity", found)
    person = _listed(rescue["rescue_id"], rescue["person"]["identity"])
    return _Findings(
        kind="rescue",
        record_id=rescue["rescue_id"],
        unit=rescue["unit"],
        revision=rescue["revision"],
        digest=digest,
        event_id=event_id,
        remarks=remarks,
        happened_on=rescue["found_on"] if found_on else None,
        legs=[found_leg(rescue["found_at"])],
        stated_case_id=rescue["stated_case_id"],
        persons=[person],
        summaries=_summaries([rescue["person"]], [found.band]),
        noted=entries.note_of_rescue(rescue, digest),
    ).event()


def _tip(
    tip: TipRecorded, topic_unit: str, ce_id: str | None, received_on: date | None
) -> ValidatedEvent:
    digest, event_id = _identified(tip, tip["tip_id"], topic_unit, ce_id)
    place = tip["place"]
    known = place is not None and regions().place(place, None).country is not None
    asked = (
        tip["identity"]["text"],
        None if tip["anonymous"] else tip["identity"]["reporter_contact"],
    )
    if not known and not tip["persons"] and not any((text or "").strip() for text in asked):
        raise Rejected("nothing-said", "identity.text, place and persons")
    happened_on = day(tip["happened_on"])
    persons = age.persons_of_tip(tip)
    return _Findings(
        kind="tip",
        record_id=tip["tip_id"],
        unit=tip["unit"],
        revision=tip["revision"],
        digest=digest,
        event_id=event_id,
        remarks=_once(_tip_remarks(tip, happened_on, received_on)),
        happened_on=tip["happened_on"] if happened_on else None,
        legs=[{"role": TOLD_OF, "code": place if known else None, "certainty": "stated"}],
        summaries=_summaries(persons, [person["age_band"] for person in persons]),
    ).event()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Findings:
    """What was found in a record; what its kind does not have keeps its default."""

    kind: str
    record_id: str
    unit: str
    revision: int
    digest: str
    event_id: str
    remarks: list[Remark]
    happened_on: str | None = None
    legs: list[Leg] = field(default_factory=list)
    stated_case_id: str | None = None
    persons: list[ListedPerson] = field(default_factory=list)
    summaries: list[PersonSummary] = field(default_factory=list)
    exploitation: list[str] = field(default_factory=list)
    flag: BoundaryFlagged | None = None
    noted: FileNoted | None = None

    def event(self) -> ValidatedEvent:
        return ValidatedEvent(
            kind=self.kind,
            record_id=self.record_id,
            unit=self.unit,
            revision=self.revision,
            digest=self.digest,
            event_id=self.event_id,
            remarked={
                "kind": self.kind,
                "record_id": self.record_id,
                "unit": self.unit,
                "revision": self.revision,
                "digest": self.digest,
                "stated_case_id": self.stated_case_id,
                "remarks": self.remarks,
                "happened_on": self.happened_on,
                "legs": self.legs,
                "persons": self.summaries,
                "exploitation": self.exploitation,
            },
            listed={
                "kind": self.kind,
                "record_id": self.record_id,
                "unit": self.unit,
                "revision": self.revision,
                "digest": self.digest,
                "happened_on": self.happened_on,
                "places": [leg["code"] for leg in self.legs if leg["code"]],
                "stated_case_id": self.stated_case_id,
                "persons": self.persons,
            },
            flag=self.flag,
            noted=self.noted,
        )


def _age_remarks(path: str, aged: age.Aged) -> Iterator[Remark]:
    """By which the office finds whose urgency nobody can tell."""
    if not aged.told:
        yield {"field": f"{path}.birth_date", "code": AGE_NOT_TOLD}


def _once(remarks: Iterable[Remark]) -> list[Remark]:
    """What the reading has said and the record still shows is said once."""
    found: list[Remark] = []
    for remark in remarks:
        if remark not in found:
            found.append(remark)
    return found


def _listed(person_id: str, identity: Identity) -> ListedPerson:
    """The identity without fillers, which linkage gets whatever the intake path."""
    return {"person_id": person_id, "identity": fillers.read_identity(identity).identity}


def _summaries(
    persons: Sequence[Victim | RescuedPerson | PersonSummary], bands: Sequence[str]
) -> list[PersonSummary]:
    """Known codes alone: this is told to other units, and a word could hold anything."""
    return [
        {
            "age_band": band if band in AGE_BANDS else age.UNKNOWN,
            "sex": person["sex"] if person["sex"] in SEXES else None,
        }
        for person, band in zip(persons, bands, strict=True)
    ]


def _entry(
    event: str, entry: Entry, topic_unit: str, ce_id: str | None, received_on: date | None
) -> ValidatedEvent:
    """Whether the unit has the person in its charge is not asked: that is no single event's."""
    for name in ("rescue_unit", "rescue_id"):
        if not 0 < len(cast("dict[str, Any]", entry)[name]) <= MAX_ID:
            raise Rejected("no-record-id", name)
    kind, id_field = events.ENTRIES[event]
    record_id = str(cast("dict[str, Any]", entry)[id_field])
    digest, event_id = _identified(entry, record_id, topic_unit, ce_id)
    return _Findings(
        kind=kind,
        record_id=record_id,
        unit=entry["unit"],
        revision=entry["revision"],
        digest=digest,
        event_id=event_id,
        remarks=list(entries.remarks(event, entry, received_on)),
        noted=entries.note(event, entry, record_id, digest, received_on),
    ).event()


def _identified(
    record: Record, record_id: str, topic_unit: str, ce_id: str | None
) -> tuple[str, str]:
    """The content digest and the event's id, once it is sure whose event this is."""
    if not record_id or len(record_id) > MAX_ID:
        raise Rejected("no-record-id", "record id")
    if record["unit"] != topic_unit:
        raise Rejected("another-unit", "unit")
    if record["revision"] < 1:
        raise Rejected("over-limit", "revision")
    if not 1 <= identifiers.reading(record) <= reading.LATEST:
        raise Rejected("over-limit", "reading")
    content = identifiers.canonical_content(record)
    if len(content) > MAX_TEXT or content.count(",") >= MAX_LIST or NUL_IN_JSON in content:
        check_texts(record, "")
    digest = identifiers.of_reading(identifiers.reading(record), identifiers.digest_of(content))
    event_id = identifiers.event_id(record["unit"], record_id, record["revision"], digest)
    if ce_id is not None and ce_id != event_id:
        raise Rejected("wrong-id", "ce_id does not follow from the content")
    return digest, event_id


def check_texts(value: object, path: str) -> None:
    """Raises: Rejected for the first text or list that cannot be kept."""
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise Rejected("over-limit", path)
        if "\0" in value:
            raise Rejected("unstorable-text", path)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if inner:
                check_texts(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        if len(value) > MAX_LIST and path != "victims":
            raise Rejected("over-limit", path)
        for number, inner in enumerate(value, 1):
            check_texts(inner, f"{path}[{number}]")


def _case_remarks(
    case: CaseRecorded, lost_on: date | None, received_on: date | None
) -> Iterator[Remark]:
    yield from reading.told(case)
    reported_on = day(case["reported_at"])
    yield from date_remarks("reported_at", case["reported_at"], reported_on, received_on)
    yield from date_remarks("lost_on", case["lost_on"], lost_on, received_on)
    if lost_on and reported_on and lost_on > reported_on:
        yield {"field": "lost_on", "code": "after-report"}
    for name, enum in CASE_WORDS.items():
        yield from word_remarks(name, case[name], enum)  # type: ignore[literal-required]
    for number, leg in enumerate(case["legs"], 1):
        yield from place_remarks(f"legs[{number}].code", leg["code"], lost_on)
    for number, victim in enumerate(case["victims"], 1):
        yield from _person_remarks(
            f"victims[{number}].identity",
            victim["identity"],
            lost_on or reported_on,
            "loss-before-birth",
            received_on,
        )


def _rescue_remarks(
    rescue: RescueRecorded, found_on: date | None, received_on: date | None
) -> Iterator[Remark]:
    yield from reading.told(rescue)
    registered_on = day(rescue["registered_at"])
    yield from date_remarks("registered_at", rescue["registered_at"], registered_on, received_on)
    yield from date_remarks("found_on", rescue["found_on"], found_on, received_on)
    if found_on and registered_on and found_on > registered_on:
        yield {"field": "found_on", "code": "after-report"}
    if found_on is None and registered_on is None:
        yield {"field": "found_on", "code": "missing-day"}
    yield from word_remarks("guardian", rescue["guardian"], "guardian_state")
    yield from place_remarks("found_at", rescue["found_at"], found_on)
    identity = rescue["person"]["identity"]
    yield from _person_remarks(
        "person.identity",
        identity,
        found_on or registered_on,
        "rescue-before-birth",
        received_on,
    )


def _tip_remarks(
    tip: TipRecorded, happened_on: date | None, received_on: date | None
) -> Iterator[Remark]:
    yield from reading.told(tip)
    took_on = day(tip["received_at"])
    yield from date_remarks("received_at", tip["received_at"], took_on, received_on)
    yield from date_remarks("happened_on", tip["happened_on"], happened_on, received_on)
    yield from word_remarks("source", tip["source"], "report_source")
    yield from word_remarks("channel", tip["channel"], "tip_channel")
    if tip["place"] is None:
        yield {"field": "place", "code": "no-place"}
    yield from place_remarks("place", tip["place"], happened_on)
    for number, person in enumerate(tip["persons"], 1):
        if person["age_band"] not in AGE_BANDS or person["sex"] not in (None, *SEXES):
            yield {"field": f"persons[{number}]", "code": "unknown-word"}
    said, *reporter = (
        (tip["identity"][name] or "").strip()
        for name in ("text", "reporter_name", "reporter_contact")
    )
    if not said:
        yield {"field": "identity.text", "code": "no-text"}
    if any(reporter) == tip["anonymous"]:
        code = "named-though-anonymous" if tip["anonymous"] else "no-reporter"
        yield {"field": "identity.reporter_name", "code": code}


def _person_remarks(
    path: str,
    identity: Identity,
    happened_on: date | None,
    before_birth: str,
    received_on: date | None,
) -> Iterator[Remark]:
    read = fillers.read_identity(identity)
    for name, code in read.remarks:
        yield {"field": f"{path}.{name}", "code": code}
    identity = read.identity
    born_text = identity["birth_date"]
    whole = identity["birth_precision"] == "day"
    born = day(born_text) if whole else None
    if whole:
        yield from date_remarks(f"{path}.birth_date", born_text, born, received_on)
    born_year = year(born_text)
    if happened_on and (
        (born and born > happened_on) or (born_year and born_year > happened_on.year)
    ):
        yield {"field": f"{path}.birth_date", "code": before_birth}
    height = identity["height_cm"]
    if height is not None and not 30 <= height <= 250:
        yield {"field": f"{path}.height_cm", "code": "implausible-height"}
    yield from place_remarks(f"{path}.home", identity["home"], None)
    number = identity["id_number"]
    if number is None:
        return
    field = f"{path}.id_number"
    if not identity_number.well_formed(number):
        yield {"field": field, "code": "malformed-number"}
        return
    if not identity_number.check_digit_right(number):
        yield {"field": field, "code": "wrong-check-digit"}
    if identity["sex"] in ("F", "M") and identity["sex"] != identity_number.sex(number):
        yield {"field": f"{path}.sex", "code": "contradicts-number"}
    if born and identity_number.birth_date(number) != born:
        yield {"field": f"{path}.birth_date", "code": "contradicts-number"}
