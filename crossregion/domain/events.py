"""The records that events carry, as plain typed dictionaries.

Their shape is the Avro schema's (`schemas/avro/<Event>/1.avsc`); a contract test holds the two
together. Dates stay text as received, because an impossible date is remarked on, not refused.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


class Identity(TypedDict):
    name: str | None
    pinyin: str | None
    other_names: list[str]
    sex: str | None
    birth_date: str | None
    birth_precision: str
    home: str | None
    height_cm: int | None
    marks: list[str]
    id_number: str | None
    dna_sample: str | None


class Leg(TypedDict):
    role: str
    code: str | None
    certainty: str


class Remark(TypedDict):
    field: str
    code: str


class PersonSummary(TypedDict):
    age_band: str
    sex: str | None


class Victim(TypedDict):
    victim_id: str
    age_band: str
    sex: str | None
    identity: Identity


class RescuedPerson(TypedDict):
    age_band: str
    sex: str | None
    identity: Identity


class CaseRecorded(TypedDict):
    case_id: str
    unit: str
    revision: int
    reported_at: str | None
    lost_on: str | None
    legs: list[Leg]
    status: str | None
    exploitation: list[str]
    means: list[str]
    intermediary: str | None
    venue: str | None
    victims: list[Victim]
    reading: NotRequired[int]
    remarks: NotRequired[list[Remark]]


class RescueRecorded(TypedDict):
    rescue_id: str
    unit: str
    revision: int
    registered_at: str | None
    found_on: str | None
    found_at: str | None
    stated_case_id: str | None
    guardian: str | None
    person: RescuedPerson
    reading: NotRequired[int]
    remarks: NotRequired[list[Remark]]


class TipIdentity(TypedDict):
    text: str | None
    reporter_name: str | None
    reporter_contact: str | None


class TipRecorded(TypedDict):
    tip_id: str
    unit: str
    revision: int
    received_at: str | None
    source: str | None
    channel: str | None
    happened_on: str | None
    place: str | None
    persons: list[PersonSummary]
    anonymous: bool
    identity: TipIdentity
    reading: NotRequired[int]
    remarks: NotRequired[list[Remark]]


class TipTriaged(TypedDict):
    triage_id: str
    follows: str | None
    revision: int
    tip_unit: str
    tip_id: str
    verdict: str
    case_unit: str | None
    case_id: str | None
    to_unit: str | None
    reason: str | None
    unit: str
    role: str
    triaged_at: str | None


class AssistanceDetails(TypedDict):
    provider: str | None
    note: str | None


class AssistanceRecorded(TypedDict):
    assistance_id: str
    unit: str
    revision: int
    rescue_unit: str
    rescue_id: str
    kind: str
    state: str
    needed_on: str | None
    due_on: str | None
    started_on: str | None
    done_on: str | None
    lead: str | None
    assisting: list[str]
    wish: str | None
    details: AssistanceDetails


class Problem(TypedDict):
    kind: str
    department: str | None
    state: str
    due_on: str | None


class FollowUpDetails(TypedDict):
    contact: str | None
    note: str | None


class FollowUpRecorded(TypedDict):
    follow_up_id: str
    unit: str
    revision: int
    rescue_unit: str
    rescue_id: str
    state: str
    planned_on: str | None
    done_on: str | None
    wellbeing: str | None
    wish: str | None
    problems: list[Problem]
    details: FollowUpDetails


class SearchDetails(TypedDict):
    guardian: str | None
    note: str | None


class GuardianSearchRecorded(TypedDict):
    search_id: str
    unit: str
    revision: int
    rescue_unit: str
    rescue_id: str
    state: str
    begun_on: str | None
    notice_on: str | None
    found_on: str | None
    placed_on: str | None
    first_certificate_on: str | None
    second_certificate_on: str | None
    details: SearchDetails


ENTRIES = {
    "AssistanceRecorded": ("assistance", "assistance_id"),
    "FollowUpRecorded": ("follow-up", "follow_up_id"),
    "GuardianSearchRecorded": ("guardian-search", "search_id"),
}
"""Of each event that is an entry of a file: its kind, and the field that names it."""

Entry = AssistanceRecorded | FollowUpRecorded | GuardianSearchRecorded
"""What is written into the file of a rescued person."""

Record = CaseRecorded | RescueRecorded | TipRecorded | Entry
"""What a unit publishes through its spool."""


class FilePerson(TypedDict):
    start_on: str | None
    guardian: str | None
    school_from: str | None
    school_to: str | None
    work_from: str | None
    adult_from: str | None


class AssistanceNote(TypedDict):
    kind: str | None
    state: str | None
    needed_on: str | None
    due_on: str | None
    started_on: str | None
    done_on: str | None
    lead: str | None
    assisting: list[str]
    wish: str | None


class ProblemNote(TypedDict):
    kind: str
    state: str | None
    department: str | None
    due_on: str | None


class FollowUpNote(TypedDict):
    state: str | None
    planned_on: str | None
    done_on: str | None
    wish: str | None
    problems: list[ProblemNote]


class SearchNote(TypedDict):
    state: str | None
    begun_on: str | None
    notice_on: str | None
    found_on: str | None
    placed_on: str | None
    first_certificate_on: str | None
    second_certificate_on: str | None


class FileNoted(TypedDict):
    kind: str
    record_id: str
    unit: str
    revision: int
    digest: str
    rescue_unit: str
    rescue_id: str
    person: FilePerson | None
    assistance: AssistanceNote | None
    follow_up: FollowUpNote | None
    search: SearchNote | None


class BoundaryFlagged(TypedDict):
    case_id: str
    unit: str
    revision: int
    digest: str
    source: str | None
    destination: str | None
    source_unit: str | None
    destination_unit: str | None
    boundary: str
    at_least: str | None
    told: list[str]


class RecordRemarked(TypedDict):
    kind: str
    record_id: str
    unit: str
    revision: int
    digest: str
    stated_case_id: str | None
    remarks: list[Remark]
    happened_on: str | None
    legs: list[Leg]
    persons: list[PersonSummary]
    exploitation: list[str]


class ListedPerson(TypedDict):
    person_id: str
    identity: Identity


class PersonsListed(TypedDict):
    kind: str
    record_id: str
    unit: str
    revision: int
    digest: str
    happened_on: str | None
    places: list[str]
    stated_case_id: str | None
    persons: list[ListedPerson]


class Evidence(TypedDict):
    field: str
    level: str
    bits: float


class PairWeighed(TypedDict):
    model: str
    case_id: str
    victim_id: str
    rescue_id: str
    case_unit: str
    rescue_unit: str
    case_revision: int
    rescue_revision: int
    weight: float | None
    stated: bool
    evidence: list[Evidence]


class MatchProposed(TypedDict):
    proposal_id: str
    revision: int
    case_id: str
    victim_id: str
    rescue_id: str
    case_unit: str
    rescue_unit: str
    kind: str
    model: str
    probability: float
    rank: int
    band: str
    evidence: list[Evidence]
    new_evidence: list[Evidence]


class AuditHeadRecorded(TypedDict):
    number: int
    hash: str


class MatchWithdrawn(TypedDict):
    proposal_id: str
    revision: int
    case_id: str
    victim_id: str
    rescue_id: str
    case_unit: str
    rescue_unit: str


class MatchDecided(TypedDict):
    decision_id: str
    proposal_id: str
    case_id: str
    victim_id: str
    rescue_id: str
    case_unit: str
    rescue_unit: str
    proposal_revision: int
    previous: int
    revision: int
    verdict: str
    role: str
    unit: str
    reason: str
    note: str | None
    kind: str
    evidence: list[Evidence]
    decided_at: str | None


class Contact(TypedDict):
    unit: str
    role: str
    office: str


class AgreementRecorded(TypedDict):
    agreement_id: str
    revision: int
    number: str
    units: list[str]
    signed_on: str
    valid_from: str
    valid_to: str | None
    case_types: list[str]
    disclosure: str
    answer_within_hours: int
    contacts: list[Contact]
    status: str


class NoticeIssued(TypedDict):
    notice_id: str
    unit: str
    revision: int
    kind: str
    cause: str
    boundary: str | None
    units: list[str]
    remarks: list[Remark]
    regions: list[str]
    case_unit: str | None
    case_id: str | None
    persons: list[PersonSummary]
    exploitation: list[str]
    urgent: bool
    disclosure: str
    answer_within_hours: int | None
    contact: str
    proposal_id: str | None
    item: str | None
    due_on: str | None
    department: str | None


class NoticeWithdrawn(TypedDict):
    notice_id: str
    unit: str
    revision: int
    kind: str
    cause: str


class NoticeAcknowledged(TypedDict):
    notice_id: str
    notice_revision: int
    unit: str
    revision: int
    answer: str
    reason: str | None
    role: str
    acknowledged_at: str | None


class NoticeReassigned(TypedDict):
    notice_id: str
    revision: int
    to_unit: str
    unit: str
    role: str
    reassigned_at: str | None


class HandoverRecorded(TypedDict):
    step_id: str
    follows: str | None
    kind: str
    record_unit: str
    record_id: str
    action: str
    unit: str
    to_unit: str | None
    reason: str | None
    role: str
    recorded_at: str | None


class DayClosed(TypedDict):
    unit: str
    day: str
    revision: int
    count: int
    digest: str


class DeadLettered(TypedDict):
    dead_letter_id: str
    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]
