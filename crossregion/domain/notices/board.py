"""The desired and the published notices of every unit, as far as the log has been read.

The result does not depend on the order in which the topics were read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, cast

from crossregion.domain import agreements, decisions, flags
from crossregion.domain.acknowledgements import EARLY_SECONDS
from crossregion.domain.dates import day_of
from crossregion.domain.decisions import CONFIRMED
from crossregion.domain.events import (
    AgreementRecorded,
    BoundaryFlagged,
    FileNoted,
    HandoverRecorded,
    MatchDecided,
    MatchProposed,
    NoticeAcknowledged,
    NoticeIssued,
    NoticeReassigned,
    NoticeWithdrawn,
    RecordRemarked,
    TipTriaged,
)
from crossregion.domain.flags import Route
from crossregion.domain.handovers import Record, Steps
from crossregion.domain.notices import content
from crossregion.domain.notices.content import FILE_KINDS, OF_TIPS
from crossregion.domain.notices.escalation import OVERDUE, REASSIGN, Reassignments, Waiting
from crossregion.domain.notices.file_board import Files, Rescue
from crossregion.domain.notices.publications import Publication, Publications
from crossregion.domain.notices.sources import (
    DecisionSource,
    Name,
    RecordSource,
    References,
    Source,
    StatedCase,
)
from crossregion.domain.routing import is_urgent
from crossregion.domain.tips import LogEntry, Tip, TriageState

ANSWER = "answer"
"""The kind of source of what the office is sent because of answers, or of none."""


@dataclass(frozen=True, slots=True)
class Read:
    """An event as it was read: its name, the broker's time in seconds, its offset."""

    event: str
    seconds: float
    offset: int


class NoticePlanner:
    """Derives the notices that are desired from the log, and compares them with the published ones.

    Pure: it knows neither Kafka nor the clock.
    """

    def __init__(self, hour_seconds: float = 3600.0) -> None:
        self._waiting = Waiting(hour_seconds)
        self._reassignments = Reassignments()
        self._steps = Steps()
        self._files = Files(self._steps)
        self._changed_files: set[Rescue] = set()
        self._tips = TriageState()
        self._agreements: dict[str, AgreementRecorded] = {}
        self._sources: dict[Name, Source] = {}
        self._records: dict[Record, RecordSource] = {}
        self._decisions: dict[str, DecisionSource] = {}
        self._stated_cases: dict[str, StatedCase] = defaultdict(StatedCase)
        self._publications = Publications()

    def take(self, event: str, record: dict[str, Any], seconds: float, offset: int = 0) -> None:
        """Read one event; `seconds` is the broker's time of it, `offset` its place there.

        Raises: LookupError for an event without a handler.
        """
        if event not in HANDLERS:
            raise LookupError(f"no handler for {event}")
        HANDLERS[event](self, record, Read(event, seconds, offset))

    @property
    def unsettled(self) -> bool:
        """Whether anything has changed since `pending` was asked."""
        return self._publications.unsettled or bool(self._changed_files)

    def pending(self) -> list[tuple[NoticeIssued | NoticeWithdrawn, float]]:
        """What must be published now, with the broker's time of what caused it."""
        self._desire_files()
        return self._publications.pending(self._with_terms)

    def due(self, now: float, today: date) -> bool:
        """Whether, since the last `tick`, a notice has waited for its answer too long, or a day has
        come on which a file owes something else.
        """
        self._desire_files()
        return self._waiting.due(now) or self._files.due(today)

    def tick(self, now: float, today: date) -> None:
        """Have it become that late."""
        for notice_id in self._waiting.tick(now):
            self._desire_at_office(notice_id, 0.0)
        self._changed_files.update(self._files.tick(today))
        self._desire_files()

    def forget(self, now: float) -> None:
        """Drop what can no longer matter, once all topics were read to their present end."""
        self._waiting.forget(now - 2 * EARLY_SECONDS)

    def _take_flag(self, record: Any, read: Read) -> None:
        flag = cast(BoundaryFlagged, record)
        source = self._source("flag", flag["unit"], flag["case_id"])
        if source.advance((flag["revision"], flag["digest"])):
            self._desire(source, content.of_flag(flag), read.seconds)

    def _take_proposal(self, record: Any, read: Read) -> None:
        source = self._source("proposal", record["proposal_id"])
        if source.advance((record["revision"], "")):
            source.rescue = _rescue_of(record)
            notices: Iterable[NoticeIssued] = ()
            if read.event == "MatchProposed":
                notices = content.of_proposal(cast(MatchProposed, record))
            self._desire(source, notices, read.seconds)

    def _take_file_note(self, record: Any, _: Read) -> None:
        note = cast(FileNoted, record)
        self._changed_files.update(self._files.take(note))
        self._warn((note["kind"], note["unit"], note["record_id"]))

    def _take_triage(self, record: Any, read: Read) -> None:
        entry = LogEntry(cast(TipTriaged, record), round(read.seconds * 1000), read.offset)
        self._desire_of_tip(self._tips.triage(entry), read.seconds)

    def _take_agreement(self, record: Any, _: Read) -> None:
        agreement = cast(AgreementRecorded, record)
        held = self._agreements.get(agreement["agreement_id"])
        if held is None or agreements.version(held) < agreements.version(agreement):
            self._agreements[agreement["agreement_id"]] = agreement

    def _take_notice(self, record: Any, read: Read) -> None:
        self._publications.observe(read.event, record)
        notice = cast(NoticeIssued | NoticeWithdrawn, record)
        self._desire_at_office(self._waiting.observe(read.event, notice, read.seconds), 0.0)

    def _take_answer(self, record: Any, read: Read) -> None:
        answer = cast(NoticeAcknowledged, record)
        self._desire_at_office(self._waiting.answer(answer, read.seconds), read.seconds)

    def _take_reassignment(self, record: Any, read: Read) -> None:
        given = cast(NoticeReassigned, record)
        source = self._publications.source(given["notice_id"])
        if self._reassignments.take(given) and source is not None:
            self._desire(source, source.stated, read.seconds)

    def _take_handover(self, record: Any, read: Read) -> None:
        step = cast(HandoverRecorded, record)
        about = self._steps.take(step, round(read.seconds * 1000))
        custody = self._steps.standing(about)
        source = self._source("handover", *about)
        kind, unit, record_id = about
        source.rescue = about if kind == "rescue" else None
        self._desire(source, content.of_handover(about, custody), read.seconds)
        if kind == "rescue":
            self._changed_files.add((unit, record_id))
        elif self._owner(about) != custody.owner:
            references = self._record(about).refer()
            references.owner = custody.owner
            for tip in references.tips:
                self._desire_of_tip(tip, read.seconds)

    def _take_remarks(self, record: Any, read: Read) -> None:
        remarked, seconds = cast(RecordRemarked, record), read.seconds
        source = self._record((remarked["kind"], remarked["unit"], remarked["record_id"]))
        source.digests[remarked["revision"]].add(remarked["digest"])
        if source.advance((remarked["revision"], remarked["digest"])):
            source.newest = remarked
            if remarked["stated_case_id"] is not None:
                self._stated_cases[remarked["stated_case_id"]].stated_by.add(_key(source))
            if source.references is not None:
                self._review(source.references, remarked, seconds)
        self._desire_of_record(source, seconds)
        if remarked["kind"] == "tip":
            self._desire_of_tip(self._tips.report(remarked), seconds)
        if remarked["kind"] == "case":
            self._report_case(remarked["record_id"], seconds)

    def _review(self, references: References, remarked: RecordRemarked, seconds: float) -> None:
        """A newer revision may bring a confirmed flag, or make notices about its case urgent."""
        for proposal_id in references.proposals:
            self._desire_of_decision(proposal_id, seconds)
        if is_urgent([person["age_band"] for person in remarked["persons"]]):
            for notice_id in references.notices:
                self._publications.review(notice_id, seconds)

    def _report_case(self, case_id: str, seconds: float) -> None:
        """Records that state a case which nobody had reported no longer do."""
        case = self._stated_cases[case_id]
        if not case.reported:
            case.reported = True
            for record in case.stated_by:
                self._desire_of_record(self._record(record), seconds)

    def _take_decision(self, record: Any, read: Read) -> None:
        decision = cast(MatchDecided, record)
        proposal_id = decision["proposal_id"]
        source = self._decision(proposal_id)
        source.rescue = _rescue_of(record)
        source.state, _ = decisions.step(source.state, decision)
        for one in self._records_of(decision):
            one.refer().proposals.add(proposal_id)
        self._desire_of_decision(proposal_id, read.seconds)

    def _desire_files(self) -> None:
        """Of each file that has changed once, however many entries were read since the last time.

        What is due is published by the day, so no event is what it waited for.
        """
        for rescue in self._changed_files:
            self._desire(self._source("file", *rescue), self._files.desired(rescue), 0.0)
            for record in self._files.take_changed_warnings(rescue):
                self._warn(record)
        self._changed_files.clear()

    def _warn(self, record: Record) -> None:
        kind, _, _ = record
        source = self._records.get(record)
        if kind != "rescue" and source is not None and source.newest is not None:
            self._desire_of_record(source, 0.0)

    def _desire_of_record(self, source: RecordSource, seconds: float) -> None:
        newest = source.newest
        if newest is None:
            return
        stated = newest["stated_case_id"]
        notices = content.of_remarks(
            newest,
            conflicting=source.conflicting,
            case_known=stated is not None and self._stated_cases[stated].reported,
            of_file=self._files.warnings(_key(source)),
        )
        self._desire(source, notices, seconds)

    def _desire_of_tip(self, tip: Tip, seconds: float) -> None:
        found = self._tips.standing(tip)
        if found is None:
            return
        _, state = found
        owner = None
        if state.case is not None:
            case: Record = ("case", *state.case)
            self._record(case).refer().tips.add(tip)
            owner = self._owner(case)
        self._desire(self._source("tip", *tip), content.of_tip(*found, owner), seconds)

    def _desire_of_decision(self, proposal_id: str, seconds: float) -> None:
        source = self._decision(proposal_id)
        decision = source.state.effective
        notices: Iterable[NoticeIssued] = ()
        if decision is not None and decision["verdict"] == CONFIRMED:
            case, rescue = (one.newest for one in self._records_of(decision))
            confirmed = None
            if case and rescue:
                confirmed = flags.confirmed(_route(case), flags.found_at(rescue["legs"]))
            notices = content.of_confirmation(decision, confirmed)
        self._desire(source, notices, seconds)

    def _desire_at_office(self, notice_id: str, seconds: float) -> None:
        """What is no longer desired is not overdue, also before its withdrawal stands there."""
        desired = self._publications.is_desired(notice_id)
        notices = self._waiting.desired(notice_id) if desired else ()
        self._desire(self._source(ANSWER, notice_id), notices, seconds)

    def _desire(self, source: Source, notices: Iterable[NoticeIssued], seconds: float) -> None:
        """Have these be the notices that follow from a source, and no others."""
        before = source.desired
        source.stated = list(notices)
        now = {}
        for notice in source.stated:
            for last in self._reassignments.follow(notice):
                self._publications.attribute(last["notice_id"], source)
            now[last["notice_id"]] = last
        for notice_id in before.keys() - now.keys():
            self._publications.drop(notice_id, seconds)
            for record in self._about(before[notice_id], source):
                record.refer().notices.discard(notice_id)
        for notice_id in now.keys() - before.keys():
            self._publications.desire(now[notice_id], seconds)
            for record in self._about(now[notice_id], source):
                record.refer().notices.add(notice_id)
        for notice_id in now.keys() & before.keys():
            if now[notice_id] != before[notice_id]:
                self._publications.update(now[notice_id], seconds)
        source.desired = now
        if source.kind != ANSWER:
            for notice_id in before.keys() ^ now.keys():
                self._desire_at_office(notice_id, seconds)

    def _with_terms(self, notice: NoticeIssued, known: Publication) -> NoticeIssued:
        """A notice as the agreements of the day since which it is desired have it published."""
        if notice["kind"] in (OVERDUE, REASSIGN, *FILE_KINDS):
            return notice
        on = day_of(int(known.since * 1000))
        if notice["kind"] in OF_TIPS:
            return content.with_terms(notice, None, (), on)
        case, *rescue = (one.newest for one in self._about(notice, known.source))
        found = rescue[0] if rescue else None
        return content.with_terms(notice, case, self._agreements.values(), on, found)

    def _source(self, *name: str) -> Source:
        """The source of this name, which begins with its kind."""
        found = self._sources.get(name)
        if found is None:
            found = self._sources[name] = Source(name)
        return found

    def _record(self, record: Record) -> RecordSource:
        found = self._records.get(record)
        if found is None:
            found = self._records[record] = RecordSource(record)
        return found

    def _decision(self, proposal_id: str) -> DecisionSource:
        found = self._decisions.get(proposal_id)
        if found is None:
            found = self._decisions[proposal_id] = DecisionSource(("decision", proposal_id))
        return found

    def _about(self, notice: NoticeIssued, source: Source | None) -> list[RecordSource]:
        """The case that a notice of this source is about, and the rescue, if any."""
        case = self._record(("case", notice["case_unit"] or "", notice["case_id"] or ""))
        if source is None or source.rescue is None:
            return [case]
        return [case, self._record(source.rescue)]

    def _records_of(self, decision: MatchDecided) -> tuple[RecordSource, RecordSource]:
        """The case and the rescue of a decision."""
        return (
            self._record(("case", decision["case_unit"], decision["case_id"])),
            self._record(_rescue_of(decision)),
        )

    def _owner(self, case: Record) -> str:
        """Who has a case: who reported it, until it is handed over."""
        _, reporter, _ = case
        known = self._records.get(case)
        references = known.references if known else None
        return (references.owner if references else None) or reporter


HANDLERS: dict[str, Callable[[NoticePlanner, Any, Read], None]] = {
    "RecordRemarked": NoticePlanner._take_remarks,
    "BoundaryFlagged": NoticePlanner._take_flag,
    "MatchProposed": NoticePlanner._take_proposal,
    "MatchWithdrawn": NoticePlanner._take_proposal,
    "FileNoted": NoticePlanner._take_file_note,
    "MatchDecided": NoticePlanner._take_decision,
    "TipTriaged": NoticePlanner._take_triage,
    "AgreementRecorded": NoticePlanner._take_agreement,
    "NoticeIssued": NoticePlanner._take_notice,
    "NoticeWithdrawn": NoticePlanner._take_notice,
    "NoticeAcknowledged": NoticePlanner._take_answer,
    "HandoverRecorded": NoticePlanner._take_handover,
    "NoticeReassigned": NoticePlanner._take_reassignment,
}
"""By event: what the planner makes of it."""


def _rescue_of(pair: Mapping[str, Any]) -> Record:
    return "rescue", pair["rescue_unit"], pair["rescue_id"]


def _key(source: RecordSource) -> Record:
    kind, unit, record_id = source.name
    return kind, unit, record_id


def _route(case: RecordRemarked) -> Route:
    return Route(
        case["record_id"],
        case["unit"],
        case["revision"],
        case["digest"],
        case["legs"],
        case["happened_on"],
        [person["age_band"] for person in case["persons"]],
    )
