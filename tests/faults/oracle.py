"""The oracle: from the accepted events alone, what the registry and the notices must say.

One pure function, in any order of events the same. Nothing of `consumers/`, `processors/` or the
linkage's index is used: pairs are found by comparing every victim with every rescued person, and
then asking of those that weigh enough whether blocking brings them together at all.
Shared with the product are the pure decisions of `crossregion.domain` about one event, person or
pair (validation, boundary, who is told, a person's blocking keys, the weight of a pair, the odds of
a rescue's pairs, the text of one notice) and the codec; independent is everything that keeps,
orders, joins, withdraws or forgets: which revision holds, which persons, pairs, proposals and
notices follow from all events.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

import numpy as np

from crossregion.domain import agreements
from crossregion.domain.events import (
    AgreementRecorded,
    Evidence,
    FileNoted,
    MatchProposed,
    NoticeIssued,
    PairWeighed,
    Remark,
)
from crossregion.domain.files import obligations
from crossregion.domain.notices import content as content_domain
from crossregion.domain.tips import LogEntry
from crossregion.domain.validation import Rejected, ValidatedEvent, validate_event
from crossregion.linkage.field_set import Known
from crossregion.linkage.model import Whole, load
from crossregion.linkage.person_fields import Persons
from crossregion.linkage.posterior import posterior_probabilities
from crossregion.linkage.weights import THOUSANDTHS, Scale, total
from schemas import codec, topics
from schemas.codec import Undecodable
from tests.faults import saying, tips

RECEIVED_ON = date(2026, 1, 1)
"""The broker's day of every event: any between the generator's past and its future will do."""

TODAY = date(2012, 6, 10)
"""The day that the rig's processes take for today: some of a file is due, some overdue."""

AGREEMENTS = topics.AGREEMENTS.name()
Place = tuple[str, int, int]
Key = tuple[str, str, str]
"""Kind, unit and id of a record."""
Version = tuple[int, str]
"""Revision and digest."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An event that its spool or the broker has taken; its place where the broker told it."""

    topic: str
    value: bytes | None
    ce_id: bytes | None
    place: Place | None = None
    milliseconds: int = 0
    """The broker's time of it, which decides between triages."""


@dataclass
class Expected:
    """What must be found once everything has come to rest."""

    events: dict[str, tuple[Key, Version]] = field(default_factory=dict)
    records: dict[Key, Version] = field(default_factory=dict)
    persons: dict[tuple[Key, str], Any] = field(default_factory=dict)
    flags: dict[tuple[Key, Version], dict[str, Any]] = field(default_factory=dict)
    proposals: dict[str, dict[str, Any]] = field(default_factory=dict)
    notices: dict[str, NoticeIssued] = field(default_factory=dict)
    agreements: dict[tuple[str, int, str], int] = field(default_factory=dict)
    """The hours of every state of an agreement, by id, revision and digest."""
    deeds: dict[Key, saying.Deed] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    dead_letters: dict[Place, str] = field(default_factory=dict)
    file_items: dict[tuple[str, str, str], tuple[str, date, date]] = field(default_factory=dict)
    """Who has what to do, from which day until which; by the rescue's unit and id, and the item."""
    tips: dict[tips.Tip, tips.Row] = field(default_factory=dict)
    unblocked: int = 0
    """Pairs that weigh enough to be kept and share no blocking key: the gap of blocking."""


def _identities(value: bytes | None) -> dict[str, Any]:
    """Each person of a case or rescue as the unit wrote it, which is what the registry keeps."""
    assert value is not None
    event, record = codec.decode(value)
    if event == "CaseRecorded":
        return {victim["victim_id"]: victim["identity"] for victim in record["victims"]}
    if event == "RescueRecorded":
        return {record["rescue_id"]: record["person"]["identity"]}
    return {}


def expected(accepted: Iterable[Accepted], erased: frozenset[Key] = frozenset()) -> Expected:
    """What follows from these events, `erased` from the linkage by tombstones."""
    found = Expected()
    validated: dict[tuple[Key, Version], ValidatedEvent] = {}
    sent: dict[tuple[Key, Version], dict[str, Any]] = {}
    triages: list[LogEntry] = []
    for one in accepted:
        if one.topic == AGREEMENTS:
            _take_letter(one, found)
            continue
        if one.topic in saying.TOPICS:
            _take_saying(one, found)
            continue
        if one.topic in tips.TRIAGE:
            _take_triage(one, found, triages)
            continue
        verdict = verdict_of(one)
        if isinstance(verdict, str):
            assert one.place is not None, "a spool has taken what cannot be used"
            found.dead_letters[one.place] = verdict
            continue
        key = (verdict.kind, verdict.unit, verdict.record_id)
        version = (verdict.revision, verdict.digest)
        validated[key, version] = verdict
        sent[key, version] = _identities(one.value)
        found.events[verdict.event_id] = (key, version)
        found.records[key] = max(found.records.get(key, version), version)
        if verdict.flag is not None:
            found.flags[key, version] = dict(verdict.flag)
    holding = {key: validated[key, version] for key, version in found.records.items()}
    found.persons = {
        (key, person_id): identity
        for key, version in found.records.items()
        for person_id, identity in sent[key, version].items()
    }
    listed = {key: one for key, one in holding.items() if key not in erased}
    proposed, found.unblocked = _proposals(listed)
    found.proposals = {p["proposal_id"]: {**p, "revision": 0} for p in proposed}
    contents: dict[tuple[Key, int], int] = defaultdict(int)
    for key, (revision, _) in validated:
        contents[key, revision] += 1
    cases = {record_id for kind, _, record_id in holding if kind == "case"}
    _owe(holding, found)
    for key, held in holding.items():
        told = list(content_domain.of_flag(held.flag)) if held.flag is not None else []
        told += content_domain.of_remarks(
            held.remarked,
            conflicting=contents[key, held.revision] > 1,
            case_known=held.remarked["stated_case_id"] in cases,
            of_file=list(_warnings(held, holding, found)),
        )
        found.notices.update((notice["notice_id"], notice) for notice in told)
    for proposal in proposed:
        found.notices.update((n["notice_id"], n) for n in content_domain.of_proposal(proposal))
    for record, deed in found.deeds.items():
        found.notices.update((notice["notice_id"], notice) for notice in deed.told(record))
    of_tips = [one for (key, _), one in validated.items() if key[0] == "tip"]
    for tip, newest, standing in tips.standings(of_tips, triages):
        found.tips[tip] = tips.row_of(newest, standing)
        linked = standing.case
        owner = _deed(("case", *linked), found).pile[-1] if linked else None
        found.notices.update((n["notice_id"], n) for n in tips.told_of(newest, standing, owner))
    for notice_id, notice in found.notices.items():
        if notice["kind"] in content_domain.OF_TIPS:
            found.notices[notice_id] = content_domain.with_terms(notice, None, [], RECEIVED_ON)
            continue
        about = holding.get(("case", notice["case_unit"] or "", notice["case_id"] or ""))
        case = about.remarked if about else None
        if notice["kind"] in content_domain.FILE_KINDS:
            continue
        found.notices[notice_id] = content_domain.with_terms(notice, case, [], RECEIVED_ON)
    return found


def _owe(holding: dict[Key, ValidatedEvent], found: Expected) -> None:
    """What each file owes by the entries of all who have ever had the person, and who is told."""
    written: dict[tuple[str, str], list[FileNoted]] = defaultdict(list)
    for held in holding.values():
        if held.noted is not None:
            rescue = (held.noted["rescue_unit"], held.noted["rescue_id"])
            if held.unit in _deed(("rescue", *rescue), found).ever:
                written[rescue].append(held.noted)
    for rescue, notes in written.items():
        deed = _deed(("rescue", *rescue), found)
        for item in obligations.owed(notes, deed.ever):
            found.file_items[*rescue, item.item] = (item.lead, item.due_from, item.due_on)
            for notice in content_domain.of_item(rescue, item, deed.pile[-1], TODAY):
                found.notices[notice["notice_id"]] = notice


def _deed(record: Key, found: Expected) -> saying.Deed:
    return found.deeds.get(record, saying.Deed([record[1]]))


def _warnings(
    held: ValidatedEvent, holding: dict[Key, ValidatedEvent], found: Expected
) -> Iterator[Remark]:
    if held.kind in ("case", "rescue") or held.noted is None:
        return
    rescue = (held.noted["rescue_unit"], held.noted["rescue_id"])
    if ("rescue", *rescue) not in holding:
        yield {"field": "rescue_id", "code": "unknown-rescue"}
    elif held.unit not in _deed(("rescue", *rescue), found).ever:
        yield {"field": "unit", "code": "not-in-charge"}


def _take_letter(one: Accepted, found: Expected) -> None:
    letter = letter_of(one)
    if isinstance(letter, str):
        assert one.place is not None
        found.dead_letters[one.place] = letter
    else:
        state = (letter["agreement_id"], *agreements.version(letter))
        found.agreements[state] = letter["answer_within_hours"]


def _take_saying(one: Accepted, found: Expected) -> None:
    """Steps are in the order in which they were put on the broker."""
    said = saying.taken(one)
    if isinstance(said, str):
        assert one.place is not None
        found.dead_letters[one.place] = said
        return
    event, content = said
    if event == "NoticeAcknowledged":
        found.answers.append(content)
        return
    about = (content["kind"], content["record_unit"], content["record_id"])
    found.deeds.setdefault(about, saying.Deed([content["record_unit"]])).write(content)


def _take_triage(one: Accepted, found: Expected, triages: list[LogEntry]) -> None:
    assert one.place is not None
    try:
        triage = tips.triage_of(one.value, one.topic)
    except (Undecodable, Rejected) as refused:
        found.dead_letters[one.place] = refused.reason
    else:
        triages.append(LogEntry(triage, one.milliseconds, one.place[2]))


def letter_of(one: Accepted) -> AgreementRecorded | str:
    """An agreement as it was recorded, or the reason for which it is none."""
    try:
        _, record = codec.decode(one.value, topics.AGREEMENTS.schemas)
        agreements.check(cast(AgreementRecorded, record))
        return cast(AgreementRecorded, record)
    except (Undecodable, Rejected) as refused:
        return refused.reason


def verdict_of(one: Accepted) -> ValidatedEvent | str:
    try:
        event, record = codec.decode(one.value)
        ce_id = None if one.ce_id is None else one.ce_id.decode()
        return validate_event(event, record, topics.unit_of_topic(one.topic), ce_id, RECEIVED_ON)
    except (Undecodable, Rejected) as refused:
        return refused.reason


def _proposals(holding: dict[Key, ValidatedEvent]) -> tuple[list[MatchProposed], int]:
    """Each rescued person against every victim at once, no index between them.

    Returns: the proposals, and the number of pairs that blocking does not bring together.
    """
    cases = [one for (kind, _, _), one in holding.items() if kind == "case"]
    victims = [(case, known) for case in cases for known in _known(case)]
    if not victims:
        return [], 0
    rows = [known.row for _, known in victims]
    many = np.ascontiguousarray(np.array(rows, dtype=np.int32).T)
    found: list[MatchProposed] = []
    unblocked = 0
    for (kind, _, _), rescue in holding.items():
        if kind == "rescue":
            pairs = list(_pairs_of(rescue, victims, many))
            compared = [pair for pair, shares in pairs if shares]
            found += posterior_probabilities(compared, load())
            unblocked += len(pairs) - len(compared)
    return found, unblocked


def _pairs_of(
    rescue: ValidatedEvent, victims: list[tuple[ValidatedEvent, Known]], many: Whole
) -> Iterator[tuple[PairWeighed, bool]]:
    """Pairs that are stated or weigh enough, and whether the system is to compare them at all."""
    (rescued,) = _known(rescue)
    compared = PERSONS.compare(rescued.encoded, False, many)
    bits, rarity = SCALE.parts(compared)
    for number, weight in enumerate(total(bits, rarity).tolist()):
        case, victim = victims[number]
        stated = rescue.listed["stated_case_id"] == case.record_id
        if stated or weight >= load().keep_bits * THOUSANDTHS:
            evidence = SCALE.evidence(compared, bits, rarity, number)
            pair = _pair(case, victim, rescue, stated, weight / THOUSANDTHS, evidence)
            yield pair, stated or not victim.posted.isdisjoint(PERSONS.sought(rescued))


def _known(one: ValidatedEvent) -> tuple[Known, ...]:
    """Remembered, because a run asks again after every fault; an event's id names its content."""
    if one.event_id not in _remembered:
        persons = one.listed["persons"]
        _remembered[one.event_id] = tuple(PERSONS.known(person, one.listed) for person in persons)
    return _remembered[one.event_id]


PERSONS, SCALE = Persons(load()), Scale(load())
_remembered: dict[str, tuple[Known, ...]] = {}


def _pair(
    case: ValidatedEvent,
    victim: Known,
    rescue: ValidatedEvent,
    stated: bool,
    weight: float,
    evidence: list[Evidence],
) -> PairWeighed:
    return cast(
        PairWeighed,
        {
            "model": load().version,
            "case_id": case.record_id,
            "victim_id": victim.person_id,
            "rescue_id": rescue.record_id,
            "case_unit": case.unit,
            "rescue_unit": rescue.unit,
            "case_revision": case.revision,
            "rescue_revision": rescue.revision,
            "weight": weight,
            "stated": stated,
            "evidence": evidence,
        },
    )
