"""What each unit is to be told: pure functions from what is known to the notices in force.

A notice's id is made from what is told and to whom, so that a revision which changes none of it
tells nobody again. Notices carry ids and codes, never a value of a record.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

from crossregion.domain.flags import Confirmed
from crossregion.domain.records import (
    NAMESPACE,
    BoundaryFlagged,
    MatchDecided,
    MatchProposed,
    NoticeIssued,
    RecordRemarked,
    Remark,
)
from crossregion.domain.regions import OFFICE

WORTH_TELLING = 0.5
CONFLICT: Remark = {"field": "revision", "code": "conflicting-contents"}
UNKNOWN_CASE: Remark = {"field": "stated_case_id", "code": "unknown-case"}
CONTRADICTED: Remark = {"field": "legs", "code": "contradicts-confirmed"}


def of_flag(flag: BoundaryFlagged, basis: str = "") -> Iterator[NoticeIssued]:
    """One notice to each unit that the flag concerns, but to the unit that reported it.

    `basis` is the proposal by whose confirmation the flag stands, nothing for a reported one.
    """
    concerned = {flag["unit"], flag["source_unit"], flag["destination_unit"]}
    units = sorted(unit for unit in concerned if unit)
    boundary = flag["boundary"] if flag["boundary"] != "unknown" else flag["at_least"]
    for unit in flag["told"]:
        yield _notice("flag", unit, flag["unit"], flag["case_id"], boundary, units, [], basis)


def of_proposal(proposal: MatchProposed) -> Iterator[NoticeIssued]:
    """A notice to the office while the proposal stands at 0.5 or more."""
    if proposal["probability"] >= WORTH_TELLING:
        units = sorted({proposal["case_unit"], proposal["rescue_unit"]})
        cause = proposal["proposal_id"]
        yield _notice("proposal", OFFICE, OFFICE, cause, None, units, [])


def of_confirmation(decision: MatchDecided, said: Confirmed | None) -> Iterator[NoticeIssued]:
    """A confirmed pair: each of the two units is told of its own record and of the other unit.

    And whom the destination concerns that follows from it, or the office that the case's unit
    states another; nothing of that while one of the records has not been read yet.
    """
    units = sorted({decision["case_unit"], decision["rescue_unit"]})
    proposal = decision["proposal_id"]
    for unit, cause in (
        (decision["case_unit"], decision["case_id"]),
        (decision["rescue_unit"], decision["rescue_id"]),
    ):
        yield _notice("confirmed", unit, OFFICE, cause, None, units, [], proposal)
    if said is not None and said.flag is not None:
        yield from of_flag(said.flag, proposal)
    if said is not None and said.contradicts:
        yield _notice("remarks", OFFICE, OFFICE, proposal, None, units, [CONTRADICTED], "proposal")


def of_remarks(
    remarked: RecordRemarked, *, conflicting: bool, case_known: bool
) -> Iterator[NoticeIssued]:
    """One notice with all remarks on the newest revision of a record, to the unit that wrote it.

    `conflicting` says that this revision came with two contents; `case_known` that the case a
    rescue states, if it states one, has been reported.
    """
    remarks = list(remarked["remarks"])
    if conflicting:
        remarks.append(CONFLICT)
    if remarked["stated_case_id"] is not None and not case_known:
        remarks.append(UNKNOWN_CASE)
    if remarks:
        unit = remarked["unit"]
        cause = remarked["record_id"]
        yield _notice("remarks", unit, unit, cause, None, [unit], remarks, remarked["kind"])


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
    told = [kind, to, by, about, cause, boundary or "", ",".join(units)]
    told += [f"{remark['field']}={remark['code']}" for remark in remarks]
    return {
        "notice_id": str(uuid.uuid5(NAMESPACE, "\n".join(["notice", *told]))),
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
        "disclosure": "summary",
        "answer_within_hours": None,
        "contact": OFFICE,
    }
