"""The content of the notices that each unit is to receive, as pure functions.

A notice's id is made from its content and its recipient, so that a revision which changes none of
it is not published again. Notices carry ids and codes, never a value of a record.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from typing import Any, cast

from crossregion.domain import fillers, handovers
from crossregion.domain.agreements import agreed
from crossregion.domain.boundary import boundary as boundary_of
from crossregion.domain.dates import day
from crossregion.domain.events import (
    AgreementRecorded,
    BoundaryFlagged,
    MatchDecided,
    MatchProposed,
    NoticeIssued,
    RecordRemarked,
    Remark,
)
from crossregion.domain.files.obligations import Item
from crossregion.domain.flags import Confirmed
from crossregion.domain.identifiers import NAMESPACE, case_reference
from crossregion.domain.regions import OFFICE, regions
from crossregion.domain.routing import EXISTENCE, RECORD, channel_of, is_province, is_urgent, terms
from crossregion.domain.tips import TipState

WORTH_PUBLISHING = 0.5
FILE_DUE, FILE_OVERDUE = FILE_KINDS = ("file-due", "file-overdue")
TIP, TIP_LINKED = OF_TIPS = ("tip", "tip-linked")
"""A tip that a unit has to triage, and one that is linked to a case of the unit."""
QUIET = frozenset({fillers.FILLER, fillers.SURNAME_ONLY, fillers.ANNOTATED, fillers.CHILD})
"""Remark codes that ask nothing of the unit."""
CONFLICT: Remark = {"field": "revision", "code": "conflicting-contents"}
UNKNOWN_RESCUE: Remark = {"field": "rescue_id", "code": "unknown-rescue"}
NOT_IN_CHARGE: Remark = {"field": "unit", "code": "not-in-charge"}
UNKNOWN_CASE: Remark = {"field": "stated_case_id", "code": "unknown-case"}
ASKED_BACK: Remark = {"field": "handover", "code": "asked-back"}
CONTRADICTED: Remark = {"field": "legs", "code": "contradicts-confirmed"}


def of_flag(flag: BoundaryFlagged, basis: str = "") -> Iterator[NoticeIssued]:
    """One notice to each unit that the flag concerns, but to the unit that reported it.

    `basis` is the proposal by whose confirmation the flag stands, nothing for a reported one.
    """
    concerned = {flag["unit"], flag["source_unit"], flag["destination_unit"]}
    units = sorted(unit for unit in concerned if unit)
    boundary = flag["boundary"] if flag["boundary"] != "unknown" else flag["at_least"]
    case = (flag["unit"], flag["case_id"])
    ends = _known(flag["source"], flag["destination"])
    for unit in flag["told"]:
        notice = _notice("flag", unit, flag["unit"], flag["case_id"], boundary, units, [], basis)
        notice = {**_about(notice, case), "regions": ends, "contact": flag["unit"]}
        yield {**notice, "proposal_id": basis or None}


def of_proposal(proposal: MatchProposed) -> Iterator[NoticeIssued]:
    """A notice to the office while the proposal stands at 0.5 or more."""
    if proposal["probability"] >= WORTH_PUBLISHING:
        units = sorted({proposal["case_unit"], proposal["rescue_unit"]})
        cause = proposal["proposal_id"]
        notice = _notice("proposal", OFFICE, OFFICE, cause, None, units, [])
        yield _about(notice, (proposal["case_unit"], proposal["case_id"]))


def of_confirmation(decision: MatchDecided, confirmed: Confirmed | None) -> Iterator[NoticeIssued]:
    """A confirmed pair: each of the two units is notified of its own record and of the other.

    And whom the destination concerns that follows from it, or the office that the case's unit
    states another; nothing of that while one of the records has not been read yet.
    """
    units = sorted({decision["case_unit"], decision["rescue_unit"]})
    proposal = decision["proposal_id"]
    case = (decision["case_unit"], decision["case_id"])
    for unit, cause, other in (
        (decision["case_unit"], decision["case_id"], decision["rescue_unit"]),
        (decision["rescue_unit"], decision["rescue_id"], decision["case_unit"]),
    ):
        notice = _notice("confirmed", unit, OFFICE, cause, None, units, [], proposal)
        yield {**_about(notice, case), "contact": other, "proposal_id": proposal}
    if confirmed is not None and confirmed.flag is not None:
        yield from of_flag(confirmed.flag, proposal)
    if confirmed is not None and confirmed.contradicts:
        notice = _notice(
            "remarks", OFFICE, OFFICE, proposal, None, units, [CONTRADICTED], "proposal"
        )
        yield _about(notice, case)


def of_remarks(
    remarked: RecordRemarked, *, conflicting: bool, case_known: bool, of_file: Sequence[Remark] = ()
) -> Iterator[NoticeIssued]:
    """One notice with all remarks on the newest revision of a record, to the unit that wrote it.

    Where a field only says in words that nothing is known, there is nothing to ask the unit.
    `conflicting` says that this revision came with two contents; `case_known` that the case a
    rescue states, if it states one, has been reported; `of_file` is what the file that an entry
    is for makes doubtful.
    """
    asking = [one for one in remarked["remarks"] if one["code"] not in QUIET]
    remarks = [*asking, *of_file]
    if conflicting:
        remarks.append(CONFLICT)
    if remarked["stated_case_id"] is not None and not case_known:
        remarks.append(UNKNOWN_CASE)
    if remarks:
        unit = remarked["unit"]
        cause = remarked["record_id"]
        yield _notice("remarks", unit, unit, cause, None, [unit], remarks, remarked["kind"])


def of_handover(
    record: handovers.Record, standing: handovers.CustodyState
) -> Iterator[NoticeIssued]:
    """Notices to the unit a record is offered to, and to its owner while a return is requested."""
    kind, reporter, record_id = record
    asked: list[tuple[str, str, str, list[Remark]]] = []
    if standing.offered_to is not None and standing.offer is not None:
        asked.append((standing.offered_to, standing.owner, standing.offer, []))
    if standing.givers and standing.request is not None:
        asked.append((standing.owner, standing.givers[-1], standing.request, [ASKED_BACK]))
    for to, by, step, remarks in asked:
        notice = _notice(handovers.NOTICE, to, by, step, None, sorted({to, by}), remarks)
        notice["contact"] = by
        yield _about(notice, (reporter, record_id)) if kind == "case" else notice


def of_item(rescue: tuple[str, str], item: Item, owner: str, today: date) -> Iterator[NoticeIssued]:
    """The notices of a day about one due item of a file: that it is due, that it is overdue.

    The unit in whose charge the person is passes it on to the department that leads; a department
    with an inbox of its own is notified there.
    """
    if not item.due_from <= today < item.lapses_on:
        return
    unit, rescue_id = rescue
    to, until = channel_of(item.lead) or owner, item.due_on.isoformat()
    for kind in FILE_KINDS[: 1 + (today >= item.overdue_from)]:
        about = f"{item.item}\n{until}"
        notice = _notice(kind, to, unit, rescue_id, None, sorted({unit, owner}), [], about)
        notice["item"], notice["due_on"], notice["department"] = item.item, until, item.lead
        yield {**notice, "contact": owner if to != owner else OFFICE}


def of_tip(tip: RecordRemarked, standing: TipState, owner: str | None) -> Iterator[NoticeIssued]:
    """Notices to the unit that must triage a tip, and to the owner of the case it is linked to.

    `tip` is its newest revision, `owner` has the case that it is linked to, if it is. Ids are a
    unit's own, so the contact is whose tip it is.
    """
    place = next(leg["code"] for leg in tip["legs"])
    about: dict[str, Any] = {"contact": tip["unit"], "persons": tip["persons"]}
    if standing.open:
        units = sorted({tip["unit"], standing.unit})
        notice = _notice(TIP, standing.unit, tip["unit"], tip["record_id"], None, units, [])
        yield cast(NoticeIssued, {**notice, **about, "regions": _known(place)})
    last, case = standing.last, standing.case
    if last is None or case is None or owner is None or owner == last["unit"]:
        return
    units = sorted({last["unit"], case[0], owner})
    notice = _notice(
        TIP_LINKED, owner, tip["unit"], tip["record_id"], None, units, [], "\n".join(case)
    )
    yield _about(cast(NoticeIssued, {**notice, **about}), case)


def with_terms(
    notice: NoticeIssued,
    case: RecordRemarked | None,
    agreements: Collection[AgreementRecorded],
    on: date,
    rescue: RecordRemarked | None = None,
) -> NoticeIssued:
    """A notice as it is issued on a day: how much it says, how urgent it is, by when to answer.

    `case` is the newest revision of the case that it is about, if it is about one and that has
    been read; `rescue` that of the rescue, of which only the urgency is given. The id does not
    depend on the terms.
    """
    about: NoticeIssued = {**notice}
    if case is not None:
        about["persons"], about["exploitation"] = case["persons"], case["exploitation"]
        about["regions"] = notice["regions"] or _ends(case)
    found_persons = rescue["persons"] if rescue is not None else []
    about["urgent"] = is_urgent([one["age_band"] for one in (*about["persons"], *found_persons)])
    kind = "contradicted" if CONTRADICTED in notice["remarks"] else notice["kind"]
    signing = {OFFICE} if is_province(notice["unit"]) else set()
    others = signing.union(notice["units"]) - {notice["unit"]}
    in_force = agreed(agreements, notice["unit"], others, about["exploitation"], on)
    found = terms(kind, notice["unit"], in_force, urgent=about["urgent"])
    about["disclosure"] = found.disclosure
    about["answer_within_hours"] = found.answer_within_hours
    return _bare(about) if found.disclosure == EXISTENCE else about


def _bare(notice: NoticeIssued) -> NoticeIssued:
    """That there is a case, by a reference alone, and that the office knows more."""
    return {
        **notice,
        "cause": case_reference(notice["case_unit"] or "", notice["case_id"] or notice["cause"]),
        "boundary": None,
        "units": [OFFICE],
        "regions": [],
        "case_unit": None,
        "case_id": None,
        "persons": [],
        "exploitation": [],
        "contact": OFFICE,
        "proposal_id": None,
    }


def _about(notice: NoticeIssued, case: tuple[str, str]) -> NoticeIssued:
    case_unit, case_id = case
    return {**notice, "case_unit": case_unit, "case_id": case_id}


def _ends(case: RecordRemarked) -> list[str]:
    found = boundary_of(case["legs"], day(case["happened_on"]))
    return _known(found.source, found.destination)


def _known(*codes: str | None) -> list[str]:
    """Codes that name a place: a unit's own words could hold anything."""
    return [code for code in codes if code and regions().place(code, None).country is not None]


def _notice(
    kind: str,
    to: str,
    by: str,
    cause: str,
    boundary: str | None,
    units: Sequence[str],
    remarks: Sequence[Remark],
    about: str = "",
) -> NoticeIssued:
    content = [kind, to, by, about, cause, boundary or "", ",".join(units)]
    content += [f"{remark['field']}={remark['code']}" for remark in remarks]
    return {
        "notice_id": str(uuid.uuid5(NAMESPACE, "\n".join(["notice", *content]))),
        "unit": to,
        "revision": 0,
        "kind": kind,
        "cause": cause,
        "boundary": boundary,
        "units": list(units),
        "remarks": list(remarks),
        "regions": [],
        "case_unit": None,
        "case_id": None,
        "persons": [],
        "exploitation": [],
        "urgent": False,
        "disclosure": RECORD,
        "answer_within_hours": None,
        "contact": OFFICE,
        "proposal_id": None,
        "item": None,
        "due_on": None,
        "department": None,
    }
