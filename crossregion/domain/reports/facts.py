"""The fields of a record that reports count: codes and days, never a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, TypedDict, cast

from crossregion.domain import age
from crossregion.domain.code_lists import code_list
from crossregion.domain.dates import day
from crossregion.domain.events import CaseRecorded, RescueRecorded
from crossregion.domain.identifiers import case_reference
from crossregion.domain.regions import regions
from crossregion.domain.validation import ValidatedEvent

COUNTED_AS = {age.UNDER_14: age.FROM_6, age.PERHAPS_UNDER_14: age.FROM_6}
"""Reports count minors, so a child whose band is known no finer is counted with the older ones."""
OTHER_WORD = "other word"
"""Stands for a word of the unit's own, which could hold anything."""


class Fact(TypedDict):
    """What one revision of a record says; `reported_on` and `happened_on` are its own days.

    Of a rescue `to_unit` is where the person was found. `open_end`: a case that names no place
    that the victim was taken to; `reference`, under what it is told to whom not even its id is.
    Of an entry of a file `happened_on` is the day of the need or of
    the search's begin, `done_on` also that on which the guardian was found.
    """

    kind: str
    unit: str
    record_id: str
    revision: int
    digest: str
    event_id: str
    reported_on: str | None
    happened_on: str | None
    status: str | None
    venue: str | None
    guardian: str | None
    age_band: str | None
    from_unit: str | None
    to_unit: str | None
    open_end: bool
    reference: str | None
    rescue_unit: str | None
    rescue_id: str | None
    aid: str | None
    started_on: str | None
    done_on: str | None
    notice_on: str | None
    placed_on: str | None
    first_certificate_on: str | None
    second_certificate_on: str | None


def fact_of(validated: ValidatedEvent, record: Mapping[str, Any]) -> Fact:
    """What is counted of an accepted event."""
    if validated.kind == "case":
        return _of_case(validated, cast(CaseRecorded, record))
    if validated.kind == "rescue":
        return _of_rescue(validated, cast(RescueRecorded, record))
    return _of_entry(validated)


def _of_case(validated: ValidatedEvent, case: CaseRecorded) -> Fact:
    flag = validated.flag
    source, destination = (flag["source"], flag["destination"]) if flag else (None, None)
    return {
        **_named(validated),
        "reported_on": _text(day(case["reported_at"])),
        "happened_on": _text(day(case["lost_on"])),
        "status": case["status"] if case["status"] in code_list("case_status") else None,
        "venue": _coded(case["venue"], "venue_type"),
        "from_unit": _unit(source),
        "to_unit": _unit(destination),
        "open_end": destination is None or regions().place(destination, None).country is None,
        "reference": case_reference(validated.unit, validated.record_id),
    }


def _of_rescue(validated: ValidatedEvent, rescue: RescueRecorded) -> Fact:
    (person,) = validated.remarked["persons"]
    return {
        **_named(validated),
        "reported_on": _text(day(rescue["registered_at"])),
        "happened_on": _text(day(rescue["found_on"])),
        "guardian": _coded(rescue["guardian"], "guardian_state"),
        "age_band": COUNTED_AS.get(person["age_band"], person["age_band"]),
        "to_unit": _unit(rescue["found_at"]),
    }


def _of_entry(validated: ValidatedEvent) -> Fact:
    named, noted = _named(validated), validated.noted
    if noted is None:
        return named
    named = {**named, "rescue_unit": noted["rescue_unit"], "rescue_id": noted["rescue_id"]}
    aid, visit, search = noted["assistance"], noted["follow_up"], noted["search"]
    if aid is not None:
        return {
            **named,
            "status": aid["state"],
            "aid": aid["kind"] or OTHER_WORD,
            "happened_on": aid["needed_on"],
            "started_on": aid["started_on"],
            "done_on": aid["done_on"],
        }
    if visit is not None:
        return {**named, "status": visit["state"], "done_on": visit["done_on"]}
    if search is not None:
        return {
            **named,
            "status": search["state"],
            "happened_on": search["begun_on"],
            "done_on": search["found_on"],
            "notice_on": search["notice_on"],
            "placed_on": search["placed_on"],
            "first_certificate_on": search["first_certificate_on"],
            "second_certificate_on": search["second_certificate_on"],
        }
    return named


def _named(validated: ValidatedEvent) -> Fact:
    return {
        "kind": validated.kind,
        "unit": validated.unit,
        "record_id": validated.record_id,
        "revision": validated.revision,
        "digest": validated.digest,
        "event_id": validated.event_id,
        "reported_on": None,
        "happened_on": None,
        "status": None,
        "venue": None,
        "guardian": None,
        "age_band": None,
        "from_unit": None,
        "to_unit": None,
        "open_end": False,
        "reference": None,
        "rescue_unit": None,
        "rescue_id": None,
        "aid": None,
        "started_on": None,
        "done_on": None,
        "notice_on": None,
        "placed_on": None,
        "first_certificate_on": None,
        "second_certificate_on": None,
    }


def _text(on: date | None) -> str | None:
    return None if on is None else on.isoformat()


def _coded(word: str | None, enum: str) -> str | None:
    return word if word is None or word in code_list(enum) else OTHER_WORD


def _unit(code: str | None) -> str | None:
    """The unit of a place; another province of the mainland by its own code."""
    if code is None:
        return None
    return regions().other_province(code) or regions().unit_of(code)
