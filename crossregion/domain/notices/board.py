"""What every unit is to be told and has been told, as far as the log has been read.

Whoever has read the same knows the same, whatever order the topics were read in.
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
from crossregion.domain.decisions import CONFIRMED, ProposalState
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
from crossregion.domain.notices.file_board import Source as FileSource
from crossregion.domain.routing import is_urgent
from crossregion.domain.tips import LogEntry, Tip, TriageState

Source = tuple[str, ...]
Version = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Read:
    """An event as it was read: its name, the broker's time in seconds, its offset."""

    event: str
    seconds: float
    offset: int


class NoticePlanner:
    """What is to be told and what has been told, as far as the log has been read. Pure."""

    def __init__(self, hour_seconds: float = 3600.0) -> None:
        self._waiting = Waiting(hour_seconds)
        self._reassignments = Reassignments()
        self._steps = Steps()
        self._files = Files(self._steps)
        self._changed_files: set[Rescue] = set()
        self._tips = TriageState()
        self._linked: dict[Record, set[Tip]] = defaultdict(set)
        self._owners: dict[Record, str] = {}
        self._versions: dict[Source, Version] = {}
        self._digests: dict[Source, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        self._remarked: dict[Source, RecordRemarked] = {}
        self._cases: set[str] = set()
        self._stating: dict[str, set[Source]] = defaultdict(set)
        self._standings: dict[str, ProposalState] = {}
        self._paired: dict[Source, set[str]] = defaultdict(set)
        self._asked: dict[Source, list[NoticeIssued]] = {}
        self._sources: dict[str, Source] = {}
        self._wanted: dict[Source, dict[str, NoticeIssued]] = {}
        self._in_force: dict[str, tuple[NoticeIssued, float]] = {}
        self._agreements: dict[str, AgreementRecorded] = {}
        self._of_record: dict[Source, set[str]] = defaultdict(set)
        self._rescues: dict[str, Source] = {}
        self._sent: dict[str, tuple[int, NoticeIssued | None]] = {}
        self._due: dict[str, float] = {}

    def take(self, event: str, record: dict[str, Any], seconds: float, offset: int = 0) -> None:
        """Read one event; `seconds` is the broker's time of it, `offset` its place there.

        Raises: LookupError for an event without a handler.
        """
        if event not in HANDLERS:
            raise LookupError(f"no handler for {event}")
        HANDLERS[event](self, record, Read(event, seconds, offset))

    def _take_flag(self, record: Any, read: Read) -> None:
        flag = cast(BoundaryFlagged, record)
        source: Source = ("flag", flag["unit"], flag["case_id"])
        if self._newer(source, (flag["revision"], flag["digest"])):
            self._want(source, content.of_flag(flag), read.seconds)

    def _take_proposal(self, record: Any, read: Read) -> None:
        source: Source = ("proposal", record["proposal_id"])
        if self._newer(source, (record["revision"], "")):
            told: Iterable[NoticeIssued] = ()
            self._rescues[record["proposal_id"]] = _rescue_of(record)
            if read.event == "MatchProposed":
                told = content.of_proposal(cast(MatchProposed, record))
            self._want(source, told, read.seconds)

    def _take_file_note(self, record: Any, _: Read) -> None:
        note = cast(FileNoted, record)
        self._changed_files.update(self._files.take(note))
        self._warn((note["kind"], note["unit"], note["record_id"]))

    def _take_triage(self, record: Any, read: Read) -> None:
        entry = LogEntry(cast(TipTriaged, record), round(read.seconds * 1000), read.offset)
        self._want_tip(self._tips.triage(entry), read.seconds)

    def _take_agreement(self, record: Any, _: Read) -> None:
        agreement = cast(AgreementRecorded, record)
        agreement_id = agreement["agreement_id"]
        if self._newer(("agreement", agreement_id), agreements.version(agreement)):
            self._agreements[agreement_id] = agreement

    def _take_notice(self, record: Any, read: Read) -> None:
        self._sent_before(read.event, record)
        notice = cast(NoticeIssued | NoticeWithdrawn, record)
        self._want_at_office(self._waiting.say(read.event, notice, read.seconds), 0.0)

    def _take_answer(self, record: Any, read: Read) -> None:
        answer = cast(NoticeAcknowledged, record)
        self._want_at_office(self._waiting.answer(answer, read.seconds), read.seconds)

    def _take_handover(self, record: Any, read: Read) -> None:
        step = cast(HandoverRecorded, record)
        self._hand_over(self._steps.take(step, round(read.seconds * 1000)), read.seconds)

    def _take_reassignment(self, record: Any, read: Read) -> None:
        given = cast(NoticeReassigned, record)
        source = self._sources.get(given["notice_id"], ())
        if self._reassignments.take(given) and source:
            self._want(source, self._asked[source], read.seconds)

    def due(self, now: float, today: date) -> bool:
        """Whether, since the last `tick`, a notice has waited for its answer too long, or a day has
        come on which a file owes something else.
        """
        self._want_files()
        return self._waiting.due(now) or self._files.due(today)

    def tick(self, now: float, today: date) -> None:
        """Have it become that late."""
        for notice_id in self._waiting.tick(now):
            self._want_at_office(notice_id, 0.0)
        self._changed_files.update(self._files.tick(today))
        self._want_files()

    def _want_files(self) -> None:
        """Of each file that has changed once, however many entries were read since the last time.

        What is due is told by the day, so no event is what it waited for.
        """
        for rescue in self._changed_files:
            self._want(("file", *rescue), self._files.wanted(rescue), 0.0)
            for source in self._files.doubted(rescue):
                self._warn(source)
        self._changed_files.clear()

    def _warn(self, source: FileSource) -> None:
        if source[0] != "rescue" and ("remarks", *source) in self._remarked:
            self._want_remarks(("remarks", *source), 0.0)

    def forget(self, now: float) -> None:
        """Let go of what can no longer count, once all has been read that stood there by now."""
        self._waiting.forget(now - 2 * EARLY_SECONDS)

    def _want_at_office(self, notice_id: str, seconds: float) -> None:
        """What no longer is to be told is not overdue, also before its withdrawal stands there."""
        told = self._waiting.wanted(notice_id) if notice_id in self._in_force else ()
        self._want(("answer", notice_id), told, seconds)

    def _take_remarks(self, record: Any, read: Read) -> None:
        remarked, seconds = cast(RecordRemarked, record), read.seconds
        source = ("remarks", remarked["kind"], remarked["unit"], remarked["record_id"])
        self._digests[source][remarked["revision"]].add(remarked["digest"])
        if self._newer(source, (remarked["revision"], remarked["digest"])):
            self._remarked[source] = remarked
            if remarked["stated_case_id"] is not None:
                self._stating[remarked["stated_case_id"]].add(source)
            for proposal_id in self._paired.get(source, ()):
                self._want_decided(proposal_id, seconds)
            if is_urgent([person["age_band"] for person in remarked["persons"]]):
                for notice_id in self._of_record.get(source, ()):
                    self._due.setdefault(notice_id, seconds)
        self._want_remarks(source, seconds)
        if remarked["kind"] == "tip":
            self._want_tip(self._tips.report(remarked), seconds)
        if remarked["kind"] == "case" and remarked["record_id"] not in self._cases:
            self._cases.add(remarked["record_id"])
            for waiting in self._stating.get(remarked["record_id"], ()):
                self._want_remarks(waiting, seconds)

    def _want_remarks(self, source: Source, seconds: float) -> None:
        newest = self._remarked[source]
        told = content.of_remarks(
            newest,
            conflicting=len(self._digests[source][newest["revision"]]) > 1,
            case_known=newest["stated_case_id"] in self._cases,
            of_file=self._files.warnings((newest["kind"], newest["unit"], newest["record_id"])),
        )
        self._want(source, told, seconds)

    def _want_tip(self, tip: Tip, seconds: float) -> None:
        found = self._tips.standing(tip)
        if found is None:
            return
        _, standing = found
        owner = None
        if standing.case is not None:
            case: Record = ("case", *standing.case)
            self._linked[case].add(tip)
            owner = self._owner(case)
        self._want(("tip", *tip), content.of_tip(*found, owner), seconds)

    def _hand_over(self, about: Record, seconds: float) -> None:
        standing = self._steps.standing(about)
        self._want(("handover", *about), content.of_handover(about, standing), seconds)
        kind, unit, record_id = about
        if kind == "rescue":
            self._changed_files.add((unit, record_id))
        elif self._owner(about) != standing.owner:
            self._owners[about] = standing.owner
            for tip in self._linked.get(about, ()):
                self._want_tip(tip, seconds)

    def _owner(self, case: Record) -> str:
        """Who has a case: who reported it, until it is handed over."""
        _, reporter, _ = case
        return self._owners.get(case, reporter)

    def _take_decision(self, record: Any, read: Read) -> None:
        decision = cast(MatchDecided, record)
        proposal_id = decision["proposal_id"]
        known = self._standings.get(proposal_id, ProposalState())
        self._rescues[proposal_id] = _rescue_of(decision)
        self._standings[proposal_id], _ = decisions.step(known, decision)
        for source in _records_of(decision):
            self._paired[source].add(proposal_id)
        self._want_decided(proposal_id, read.seconds)

    def _want_decided(self, proposal_id: str, seconds: float) -> None:
        decision = self._standings[proposal_id].effective
        told: Iterable[NoticeIssued] = ()
        if decision is not None and decision["verdict"] == CONFIRMED:
            case, rescue = map(self._remarked.get, _records_of(decision))
            second = None
            if case and rescue:
                second = flags.confirmed(_route(case), flags.found_at(rescue["legs"]))
            told = content.of_confirmation(decision, second)
        self._want(("decision", proposal_id), told, seconds)

    def _newer(self, source: Source, version: Version) -> bool:
        if self._versions.get(source, (0, "")) >= version:
            return False
        self._versions[source] = version
        return True

    def _want(self, source: Source, told: Iterable[NoticeIssued], seconds: float) -> None:
        before = self._wanted.get(source, {})
        self._asked[source] = list(told)
        now = {}
        for notice in self._asked[source]:
            for last in self._reassignments.follow(notice):
                self._sources[last["notice_id"]] = source
            now[last["notice_id"]] = last
        for notice_id in before.keys() - now.keys():
            del self._in_force[notice_id]
            for record in self._about(before[notice_id], source):
                self._of_record[record].discard(notice_id)
            self._due.setdefault(notice_id, seconds)
        for notice_id in now.keys() - before.keys():
            self._in_force[notice_id] = (now[notice_id], seconds)
            for record in self._about(now[notice_id], source):
                self._of_record[record].add(notice_id)
            self._due.setdefault(notice_id, seconds)
        for notice_id in now.keys() & before.keys():
            if now[notice_id] != before[notice_id]:
                self._in_force[notice_id] = (now[notice_id], self._in_force[notice_id][1])
                self._due.setdefault(notice_id, seconds)
        self._wanted[source] = now
        if source[0] != "answer":
            for notice_id in before.keys() ^ now.keys():
                self._want_at_office(notice_id, seconds)

    def _sent_before(self, event: str, record: dict[str, Any]) -> None:
        notice_id = record["notice_id"]
        if self._sent.get(notice_id, (0, None))[0] >= record["revision"]:
            return
        issued = cast(NoticeIssued, record) if event == "NoticeIssued" else None
        self._sent[notice_id] = (record["revision"], issued)
        self._due.setdefault(notice_id, 0.0)

    @property
    def unsettled(self) -> bool:
        """Whether anything has changed since `difference` was asked."""
        return bool(self._due or self._changed_files)

    def difference(self) -> list[tuple[NoticeIssued | NoticeWithdrawn, float]]:
        """What must be sent now, with the broker's time of what caused it.

        A notice keeps the terms it was issued with, whatever becomes of an agreement; but one
        that has become urgent since is stated again.
        """
        self._want_files()
        found: list[tuple[NoticeIssued | NoticeWithdrawn, float]] = []
        for notice_id, seconds in self._due.items():
            wanted = self._wanted_now(notice_id)
            revision, issued = self._sent.get(notice_id, (0, None))
            if wanted is not None and (issued is None or wanted["urgent"] > issued["urgent"]):
                issue: NoticeIssued = {**wanted, "revision": revision + 1}
                self._sent[notice_id] = (revision + 1, issue)
                found.append((issue, seconds))
            elif wanted is None and issued is not None:
                self._sent[notice_id] = (revision + 1, None)
                withdrawn: NoticeWithdrawn = {
                    "notice_id": notice_id,
                    "unit": issued["unit"],
                    "revision": revision + 1,
                    "kind": issued["kind"],
                    "cause": issued["cause"],
                }
                found.append((withdrawn, seconds))
        self._due.clear()
        return found

    def _wanted_now(self, notice_id: str) -> NoticeIssued | None:
        if notice_id not in self._in_force:
            return None
        notice, since = self._in_force[notice_id]
        if notice["kind"] in (OVERDUE, REASSIGN, *FILE_KINDS):
            return notice
        on = day_of(int(since * 1000))
        if notice["kind"] in OF_TIPS:
            return content.with_terms(notice, None, (), on)
        case, *rescue = map(self._remarked.get, self._about(notice, self._sources[notice_id]))
        found = rescue[0] if rescue else None
        return content.with_terms(notice, case, self._agreements.values(), on, found)

    def _about(self, notice: NoticeIssued, source: Source) -> tuple[Source, ...]:
        """The case that a notice is about, and the rescue, if any, as `_remarked` names them."""
        if source[0] in ("proposal", "decision"):
            return _case_of(notice), self._rescues[source[1]]
        if source[:2] == ("handover", "rescue"):
            return _case_of(notice), ("remarks", *source[1:])
        return (_case_of(notice),)


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


def _case_of(notice: NoticeIssued) -> Source:
    """The case that a notice is about, as `_remarked` names it."""
    return ("remarks", "case", notice["case_unit"] or "", notice["case_id"] or "")


def _rescue_of(pair: Mapping[str, Any]) -> Source:
    return ("remarks", "rescue", pair["rescue_unit"], pair["rescue_id"])


def _records_of(decision: MatchDecided) -> tuple[Source, Source]:
    """The case and the rescue of a decision, as `_remarked` names them."""
    return (
        ("remarks", "case", decision["case_unit"], decision["case_id"]),
        _rescue_of(decision),
    )


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
