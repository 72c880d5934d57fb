"""Agreements between units (合作意向书): which are valid, which is in force, and for whom.

An agreement has no direction. Of its revisions the highest holds, and of two contents under one
revision the one with the higher digest, whoever reads them in whatever order.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import date

from crossregion.domain import identifiers
from crossregion.domain.code_lists import code_list, departments
from crossregion.domain.dates import day
from crossregion.domain.events import AgreementRecorded, Contact
from crossregion.domain.regions import OFFICE, regions
from crossregion.domain.routing import CHANNELS, LEVELS, Terms, is_province
from crossregion.domain.validation import MAX_ID, MAX_LIST, Rejected, check_texts

IN_FORCE, ENDED = STATUSES = ("in-force", "ended")
CONTACT_ROLES = ("liaison", "duty-desk", "head")
MAX_HOURS = 240
"""Ten days: what the routing table lets two units agree on at most."""
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

Version = tuple[int, str]


def version(agreement: AgreementRecorded) -> Version:
    """The sort key of an agreement's states: revision, then digest; the highest is in force."""
    return agreement["revision"], identifiers.agreement_digest(agreement)


def is_unit(code: str) -> bool:
    """Whether a code is a possible party: a unit, a partner, or another province's office."""
    if code in CHANNELS or code == OFFICE:
        return True
    place = regions().place(code, None)
    if place.country != "CN" or place.code != code:
        return False
    return code == (place.province if is_province(code) else regions().unit_of(code))


def in_force(agreement: AgreementRecorded, on: date) -> bool:
    """Whether it is in force on a day; its first and last day are included."""
    since, until = day(agreement["valid_from"]), day(agreement["valid_to"])
    return since is not None and since <= on and (until is None or on <= until)


def applies(
    agreement: AgreementRecorded, unit: str, others: Collection[str], exploitation: Collection[str]
) -> bool:
    """Whether it is between a unit and one of others, and covers a case of these kinds.

    An agreement for some kinds of case covers no case whose kind is unknown.
    """
    types = agreement["case_types"]
    one, other = agreement["units"]
    partner = other if unit == one else one
    return (
        unit in (one, other)
        and partner in others
        and (not types or not set(types).isdisjoint(exploitation))
    )


def agreed(
    agreements: Iterable[AgreementRecorded],
    unit: str,
    others: Collection[str],
    exploitation: Collection[str],
    on: date,
) -> list[Terms]:
    """The terms that are in force on a day between a unit and any of the others."""
    return [
        Terms(one["disclosure"], one["answer_within_hours"])
        for one in agreements
        if in_force(one, on) and applies(one, unit, others, exploitation)
    ]


def check(agreement: AgreementRecorded) -> None:
    """Check that an agreement is one that two units can have.

    Raises: Rejected, whose detail names the field.
    """
    check_texts(agreement, "")
    if not 0 < len(agreement["number"]) <= MAX_ID or not agreement["number"].strip():
        raise Rejected("over-limit", "number")
    _check_units(agreement["units"])
    _check_days(agreement)
    types = agreement["case_types"]
    if len(set(types)) < len(types):
        raise Rejected("ambiguous", "case_types")
    for name, given, known in (
        ("case_types", types, code_list("exploitation_type")),
        ("disclosure", [agreement["disclosure"]], LEVELS),
        ("status", [agreement["status"]], STATUSES),
    ):
        if any(one not in known for one in given):
            raise Rejected("unknown-code", name)
    if not 0 < agreement["answer_within_hours"] <= MAX_HOURS:
        raise Rejected("over-limit", "answer_within_hours")
    _check_contacts(agreement["contacts"], agreement["units"])
    if agreement["revision"] < 1:
        raise Rejected("wrong-revision", "revision")
    if agreement["agreement_id"] != identifiers.agreement_id(
        agreement["units"], agreement["number"]
    ):
        raise Rejected("wrong-id", "agreement_id does not follow from units and number")


def _check_units(units: Sequence[str]) -> None:
    if len(units) != 2 or len(set(units)) < 2:
        raise Rejected("ambiguous", "units: an agreement is between two")
    if not all(is_unit(unit) for unit in units):
        raise Rejected("unknown-code", "units")
    if list(units) != sorted(units):
        raise Rejected("ambiguous", "units: not sorted")


def _check_days(agreement: AgreementRecorded) -> None:
    for name in ("signed_on", "valid_from", "valid_to"):
        text = agreement[name]
        if text is not None and (not DAY.fullmatch(text) or day(text) is None):
            raise Rejected("wrong-date", name)
    until = agreement["valid_to"]
    if until is not None and until < agreement["valid_from"]:
        raise Rejected("wrong-date", "valid_to is before valid_from")
    if agreement["status"] == ENDED and until is None:
        raise Rejected("wrong-date", "valid_to is the day on which it ended")


def _check_contacts(contacts: Sequence[Contact], units: Sequence[str]) -> None:
    if len(contacts) > MAX_LIST:
        raise Rejected("over-limit", "contacts")
    for contact in contacts:
        if contact["unit"] not in units:
            raise Rejected("another-unit", "contacts.unit")
        if contact["role"] not in CONTACT_ROLES:
            raise Rejected("unknown-code", "contacts.role")
        if contact["office"] not in departments():
            raise Rejected("unknown-code", "contacts.office")
