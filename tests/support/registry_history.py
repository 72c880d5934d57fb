"""A log of every kind of record that the registry reads: repeated, contradicting, torn and strange.

`history` gives the records with the offsets of a broker; the rest are its parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from crossregion.domain import events, handovers, identifiers, tips
from processors.intake import DISCARDED, Incoming, take
from processors.outputs import Outputs
from schemas import codec, topics
from tests.support.builders import CASE, RESCUE, example

Record = tuple[str, int, int, bytes | None, dict[str, bytes]]
UNIT = CASE["unit"]
CASES, RESCUES = topics.CASES.name(UNIT), topics.RESCUES.name(RESCUE["unit"])
STRANGER = topics.CASES.name("220300")
HOME = topics.partition_of(RESCUE["rescue_id"], topics.DECISIONS)
LETTERS, REPLAYS = topics.DEAD_LETTERS.name(), topics.REPLAYS.name()
NOTICE = {
    **example("NoticeIssued", 3),
    "unit": "220500",
    "case_unit": UNIT,
    "case_id": CASE["case_id"],
    "proposal_id": None,
}
"""To a unit that has nothing to do with the case but this notice."""
AGAIN = "2cc1b6b2-7a24-5d09-8f60-6a7a1e0a9c11"
TIP = example("TipRecorded")
TIPS = topics.TIPS.name(TIP["unit"])


def case(revision: int = 1, **changes: Any) -> bytes:
    return codec.encode("CaseRecorded", {**CASE, "revision": revision, **changes})


def claimed(revision: int = 1) -> dict[str, bytes]:
    record = cast(events.CaseRecorded, {**CASE, "revision": revision})
    digest = identifiers.content_digest(record)
    return {"ce_id": identifiers.event_id(UNIT, CASE["case_id"], revision, digest).encode()}


class Log:
    """Records with the offsets that the broker would give, and what intake makes of them."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._ends: dict[tuple[str, int], int] = {}

    def add(
        self,
        topic: str,
        value: bytes | None,
        headers: dict[str, bytes] | None = None,
        partition: int = 0,
    ) -> Record:
        place = (topic, partition)
        offset = self._ends.get(place, 0)
        self._ends[place] = offset + 1
        record = (topic, partition, offset, value, headers or {})
        self.records.append(record)
        return record

    def put(
        self, topic: str, value: bytes | None, headers: dict[str, bytes] | None = None
    ) -> dict[str, Any] | None:
        """Add a record with what intake makes of it; returns its dead letter, if that is one."""
        _, partition, offset, _, kept = self.add(topic, value, headers)
        outputs = Outputs()
        take(Incoming(topic, partition, offset, b"k", value, kept), outputs)
        letter = None
        for output, _, _, made in outputs:
            if output in (topics.BOUNDARY_FLAGS.name(), LETTERS):
                self.add(output, made)
            if output == LETTERS:
                letter = codec.decode(made)[1]
        return letter


def decided() -> list[dict[str, Any]]:
    """Two that know of nothing, a third that follows the first; and the second once more."""
    first = decision()
    late = decision(verdict="dismissed", reason="records-differ")
    undone = decision(previous=1, verdict="undone", reason="mistake")
    return [first, late, undone, late, decision(previous=2, reason="document")]


def decision(**changes: Any) -> dict[str, Any]:
    found = {**example("MatchDecided"), **changes}
    found["revision"] = found["previous"] + 1
    return {**found, "decision_id": identifiers.decision_id(cast(events.MatchDecided, found))}


def agreement(**changes: Any) -> dict[str, Any]:
    found = {**example("AgreementRecorded"), **changes}
    return {**found, "agreement_id": identifiers.agreement_id(found["units"], found["number"])}


def recorded() -> list[dict[str, Any]]:
    """A letter with two contents under its second revision, and one of another pair that ended."""
    over = {"valid_to": "2026-06-30", "status": "ended"}
    hours = (agreement(revision=2, answer_within_hours=number) for number in (24, 36))
    return [*hours, agreement(), agreement(units=["220100", "220200"], contacts=[], **over)]


def answered(answer: str, revision: int, **changes: Any) -> dict[str, Any]:
    known = {"notice_id": NOTICE["notice_id"], "unit": NOTICE["unit"], "reason": None}
    return {**example("NoticeAcknowledged"), **known, "answer": answer, "revision": revision} | (
        changes
    )


def told() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """A notice that is accepted; one that is accepted and withdrawn; and what does not count."""
    inbox, answers = (one.name(NOTICE["unit"]) for one in (topics.NOTICES, topics.ACKNOWLEDGEMENTS))
    second = {**NOTICE, "notice_id": AGAIN, "case_id": "another"}
    withdrawn = {name: second[name] for name in ("notice_id", "unit", "kind", "cause")}
    yield inbox, "NoticeIssued", NOTICE
    yield answers, "NoticeAcknowledged", answered("received", 1)
    yield answers, "NoticeAcknowledged", answered("not-ours", 2)
    yield answers, "NoticeAcknowledged", answered("accepted", 3)
    yield inbox, "NoticeIssued", second
    yield answers, "NoticeAcknowledged", answered("accepted", 1, notice_id=AGAIN)
    yield inbox, "NoticeWithdrawn", {**withdrawn, "revision": 2}
    stranger = topics.ACKNOWLEDGEMENTS.name("220300")
    yield (
        stranger,
        "NoticeAcknowledged",
        answered("refused", 9, reason="no-capacity", unit="220300"),
    )
    yield stranger, "NoticeAcknowledged", answered("not-ours", 9)
    for revision in (2, 1):
        given = {**example("NoticeReassigned"), "revision": revision}
        yield topics.REASSIGNMENTS.name(), "NoticeReassigned", given


def handed(
    kind: str, unit: str, record_id: str, action: str, by: str, to: str | None, after: str | None
) -> dict[str, Any]:
    """One step of a hand-over."""
    known = {"kind": kind, "record_unit": unit, "record_id": record_id, "follows": after}
    does = {"action": action, "unit": by, "to_unit": to, "reason": None}
    step = cast(events.HandoverRecorded, {**example("HandoverRecorded"), **known, **does})
    return {**step, "step_id": handovers.step_id(step)}


def filed() -> list[tuple[str, str, dict[str, Any]]]:
    """One of each kind in two revisions; and aid by who took the person over, and by a stranger."""
    made = []
    for event in events.ENTRIES:
        made += [(event, example(event)), (event, {**example(event), "revision": 9})]
    legal = {**example("AssistanceRecorded"), "kind": "LEGAL_AID", "state": "NEEDED", "lead": None}
    for unit in ("220600", "220300"):
        made.append(("AssistanceRecorded", {**legal, "unit": unit, "assistance_id": f"{unit}-A9"}))
    return [(entry["unit"], event, entry) for event, entry in made]


def handed_over() -> list[dict[str, Any]]:
    """A rescue that goes to another unit, whose acceptance is there twice; and a step too many."""
    record = ("rescue", RESCUE["unit"], RESCUE["rescue_id"])
    offer = handed(*record, "offered", RESCUE["unit"], "220600", None)
    taken = handed(*record, "accepted", "220600", None, offer["step_id"])
    back = handed(*record, "withdrawn", RESCUE["unit"], None, taken["step_id"])
    stale = handed(*record, "returned", "220600", None, offer["step_id"])
    return [offer, taken, taken, back, stale]


def triaged(
    verdict: str, unit: str, after: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """What a unit makes of the tip, after what was made of it before."""
    nothing = dict.fromkeys(("case_unit", "case_id", "to_unit", "reason"))
    does = {"verdict": verdict, "unit": unit, **nothing}
    does["follows"] = after["triage_id"] if after else None
    does["revision"] = after["revision"] + 1 if after else 1
    if verdict == tips.LINKED:
        does |= {"case_unit": UNIT, "case_id": CASE["case_id"]}
    made = {**example("TipTriaged"), **does, **changes}
    return {**made, "triage_id": tips.triage_id(made)}


def triages() -> list[dict[str, Any]]:
    """Referred and then linked, twice; a stranger's, one too late, and one of a tip not known."""
    referred = triaged(tips.REFERRED, "220200", to_unit="220600")
    linked = triaged(tips.LINKED, "220600", referred)
    stranger = triaged(tips.DISMISSED, "220700", referred, reason="unfounded")
    late = triaged(tips.DISMISSED, "220200", reason="unfounded")
    unknown = triaged(tips.LINKED, "220200", tip_id="no such tip")
    return [referred, linked, linked, stranger, late, unknown]


def history() -> list[Record]:
    log = Log()
    log.put(CASES, case(), claimed())
    log.put(CASES, case(), claimed())
    log.put(CASES, case(2, venue="other"))
    log.put(CASES, case(2, venue="another"))
    log.put(CASES, case(3, victims=CASE["victims"][:1]))
    log.put(RESCUES, codec.encode("RescueRecorded", RESCUE))
    for unit, event, entry in filed():
        log.put(topics.FILES.name(unit), codec.encode(event, entry))
    log.put(STRANGER, case(), claimed())
    log.put(STRANGER, case(), claimed())
    torn = log.put(CASES, case(4)[:-3], {"ce_id": claimed(4)["ce_id"]})
    junk = log.put(CASES, b"junk")
    nothing = log.put(CASES, None)
    assert torn and junk and nothing
    log.put(REPLAYS, codec.encode("DeadLettered", {**torn, "value": case(4)}))
    log.put(REPLAYS, codec.encode("DeadLettered", {**torn, "reason": DISCARDED}))
    log.put(REPLAYS, codec.encode("DeadLettered", {**junk, "reason": DISCARDED}))
    log.put(REPLAYS, b"junk")
    proposed = example("MatchProposed")
    log.add(topics.MATCH_PROPOSALS.name(), codec.encode("MatchProposed", proposed))
    stronger = {**proposed, "revision": proposed["revision"] + 1, "probability": 0.99}
    log.add(topics.MATCH_PROPOSALS.name(), codec.encode("MatchProposed", stronger))
    other = {**proposed, "proposal_id": identifiers.proposal_id("220100", "V", "220300", "R")}
    log.add(topics.MATCH_PROPOSALS.name(), codec.encode("MatchProposed", other))
    withdrawn = {**example("MatchWithdrawn"), "proposal_id": other["proposal_id"], "revision": 9}
    log.add(topics.MATCH_PROPOSALS.name(), codec.encode("MatchWithdrawn", withdrawn))
    for decision in decided():
        log.add(topics.DECISIONS.name(), codec.encode("MatchDecided", decision), partition=HOME)
    log.add(topics.DECISIONS.name(), b"junk", partition=HOME)
    elsewhere = codec.encode("MatchDecided", decided()[0])
    log.add(topics.DECISIONS.name(), elsewhere, partition=(HOME + 1) % topics.DECISIONS.partitions)
    for letter in (*recorded(), agreement(units=["220200", "229999"])):
        log.add(topics.AGREEMENTS.name(), codec.encode("AgreementRecorded", letter))
    log.add(topics.AGREEMENTS.name(), b"junk")
    for topic, event, record in told():
        log.add(topic, codec.encode(event, record))
    for step in handed_over():
        value = codec.encode("HandoverRecorded", step)
        log.add(topics.HANDOVERS.name(step["unit"]), value)
    for tip in (TIP, TIP, {**TIP, "revision": 2, "place": "220203"}):
        log.put(TIPS, codec.encode("TipRecorded", tip))
    for triage in triages():
        log.add(topics.TRIAGE.name(triage["unit"]), codec.encode("TipTriaged", triage))
    log.add(topics.BOUNDARY_FLAGS.name(), b"junk")
    log.add(topics.MATCH_PROPOSALS.name(), codec.encode("CaseRecorded", CASE))
    return log.records
