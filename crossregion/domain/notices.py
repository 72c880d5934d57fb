"""What each unit is to be told: pure functions from what is known to the notices in force.

A notice's id is made from what is told and to whom, so that a revision which changes none of it
tells nobody again. Notices carry ids and codes, never a value of a record.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

from crossregion.domain.records import (
    NAMESPACE,
    BoundaryFlagged,
    MatchProposed,
    NoticeIssued,
    RecordRemarked,
    Remark,
)
from crossregion.domain.regions import OFFICE

WORTH_TELLING = 0.5
CONFLICT: Remark = {"field": "revision", "code": "conflicting-contents"}
UNKNOWN_CASE: Remark = {"field": "stated_case_id", "code": "unknown-case"}


def of_flag(flag: BoundaryFlagged) -> Iterator[NoticeIssued]:
    """One notice to each unit that the flag concerns, but to the unit that reported it."""
    concerned = {flag["unit"], flag["source_unit"], flag["destination_unit"]}
    units = sorted(unit for unit in concerned if unit)
    boundary = flag["boundary"] if flag["boundary"] != "unknown" else flag["at_least"]
    for unit in flag["told"]:
        yield _notice("flag", unit, flag["unit"], flag["case_id"], boundary, units, [])


def of_proposal(proposal: MatchProposed) -> Iterator[NoticeIssued]:
    """A notice to the office while the proposal stands at 0.5 or more."""
    if proposal["probability"] >= WORTH_TELLING:
        units = sorted({proposal["case_unit"], proposal["rescue_unit"]})
        cause = proposal["proposal_id"]
        yield _notice("proposal", OFFICE, OFFICE, cause, None, units, [])


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
    record_kind: str = "",
) -> NoticeIssued:
    told = [kind, to, by, record_kind, cause, boundary or "", ",".join(units)]
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
    }
