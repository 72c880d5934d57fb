"""Decisions on proposals: which of several holds, and what a dismissal means for the pair.

The decisions on one proposal are in one partition and are applied in its order. Each names the
revision of the decision before it: the first that names the one in force takes effect, and any
later one that names the same is refused as stale.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from crossregion.domain import identifiers
from crossregion.domain.events import Evidence, MatchDecided, PairWeighed
from crossregion.domain.regions import OFFICE
from crossregion.domain.validation import MAX_ID, MAX_LIST, Rejected, check_texts

CONFIRMED, DISMISSED, MORE_NEEDED, UNDONE = "confirmed", "dismissed", "more-needed", "undone"
ROLES = ("analyst", "supervisor")
KINDS = ("stated", "weighed")
REASONS: dict[str, tuple[str, ...]] = {
    CONFIRMED: ("dna", "document", "recognised", "records-agree"),
    DISMISSED: ("dna", "document", "not-recognised", "records-differ"),
    MORE_NEEDED: ("dna-missing", "document-missing", "record-unclear"),
    UNDONE: ("mistake", "new-information"),
}
"""Code list decision_reason, by verdict."""
FOLLOWS: dict[str | None, tuple[str, ...]] = {
    None: (CONFIRMED, DISMISSED, MORE_NEEDED),
    MORE_NEEDED: (CONFIRMED, DISMISSED, MORE_NEEDED, UNDONE),
    DISMISSED: (CONFIRMED, DISMISSED, MORE_NEEDED, UNDONE),
    CONFIRMED: (UNDONE,),
}
"""What may follow what is in force. Units act on a confirmation, so it is only ever undone."""
MAX_NOTE = 500

HEAVIER_BITS = 3.0
"""A dismissed pair is offered again when it weighs so much more: eight times the odds,"""
STRONGER_BITS = 1.0
"""or when one field has another level that speaks so much more for it: twice the odds."""


@dataclass(frozen=True, slots=True)
class ProposalState:
    """Where one proposal stands: the decisions that hold, and the last that took effect."""

    held: tuple[MatchDecided, ...] = ()
    last: MatchDecided | None = None

    @property
    def revision(self) -> int:
        """What the next decision has to name as the previous one; 0 before the first."""
        return self.last["revision"] if self.last else 0

    @property
    def effective(self) -> MatchDecided | None:
        """The decision in force; once undone, the one before it."""
        return self.held[-1] if self.held else None

    @property
    def verdict(self) -> str | None:
        return self.effective["verdict"] if self.effective else None


def step(standing: ProposalState, decision: MatchDecided) -> tuple[ProposalState, str | None]:
    """The state after one more decision, and why that was refused, None when it took effect.

    Refusals: ``stale``, ``not-allowed`` by `FOLLOWS`, ``already-decided`` by the same verdict on
    the same or a newer revision of the proposal.
    """
    verdict, effective = decision["verdict"], standing.effective
    if decision["previous"] != standing.revision:
        return standing, "stale"
    if verdict not in FOLLOWS[standing.verdict]:
        return standing, "not-allowed"
    if verdict == UNDONE:
        return ProposalState(standing.held[:-1], decision), None
    known = effective is not None and effective["verdict"] == verdict
    if known and effective and decision["proposal_revision"] <= effective["proposal_revision"]:
        return standing, "already-decided"
    return ProposalState((*standing.held, decision), decision), None


def effective(proposal_id: str, decisions: Iterable[MatchDecided]) -> ProposalState:
    """The state of a proposal after a partition's decisions, given in their order."""
    standing = ProposalState()
    for decision in decisions:
        if decision["proposal_id"] == proposal_id:
            standing, _ = step(standing, decision)
    return standing


def check(decision: MatchDecided, partition: int, expected: int) -> None:
    """Check that a decision could take effect, whatever the proposal's state.

    `partition` is the partition it was read from, `expected` the one of its rescue's decisions.
    Raises: Rejected, whose detail names the field.
    """
    if partition != expected:
        raise Rejected("wrong-partition", "rescue_id")
    check_texts(decision, "")
    for name in ("case_id", "victim_id", "rescue_id", "case_unit", "rescue_unit"):
        if not 0 < len(str(decision[name])) <= MAX_ID:
            raise Rejected("over-limit", name)
    if len(decision["note"] or "") > MAX_NOTE or len(decision["evidence"]) > MAX_LIST:
        raise Rejected("over-limit", "note or evidence")
    if not all(math.isfinite(one["bits"]) for one in decision["evidence"]):
        raise Rejected("over-limit", "evidence.bits")
    if decision["unit"] != OFFICE:
        raise Rejected("another-unit", "unit")
    if decision["verdict"] not in REASONS:
        raise Rejected("unknown-code", "verdict")
    for name, codes in (
        ("reason", REASONS[decision["verdict"]]),
        ("role", ROLES),
        ("kind", KINDS),
    ):
        if decision[name] not in codes:  # type: ignore[literal-required]
            raise Rejected("unknown-code", name)
    if decision["previous"] < 0 or decision["revision"] != decision["previous"] + 1:
        raise Rejected("wrong-revision", "revision")
    if decision["proposal_revision"] < 1:
        raise Rejected("wrong-revision", "proposal_revision")
    pair = identifiers.proposal_id(
        decision["case_unit"],
        decision["victim_id"],
        decision["rescue_unit"],
        decision["rescue_id"],
    )
    if decision["proposal_id"] != pair:
        raise Rejected("wrong-id", "proposal_id does not follow from the persons")
    if decision["decision_id"] != identifiers.decision_id(decision):
        raise Rejected("wrong-id", "decision_id does not follow from the content")


def new_evidence(dismissed: MatchDecided, pair: PairWeighed) -> list[Evidence] | None:
    """Evidence for a dismissed pair that is new since the dismissal; None if it stays dismissed.

    It is offered again when it weighs `HEAVIER_BITS` more than what the analyst looked at, when a
    field at another level speaks for it by `STRONGER_BITS` more, or when an officer states it now.
    """
    then = {one["field"]: one for one in dismissed["evidence"]}
    found, gains = [], []
    for one in pair["evidence"]:
        before = then.get(one["field"])
        gain = one["bits"] - (before["bits"] if before else 0.0)
        if gain > 0 and (before is None or before["level"] != one["level"]):
            found.append(one)
            gains.append(gain)
    weighed = math.fsum(one["bits"] for one in dismissed["evidence"])
    heavier = pair["weight"] is not None and pair["weight"] >= weighed + HEAVIER_BITS
    stated = pair["stated"] and dismissed["kind"] != "stated"
    stronger = any(gain >= STRONGER_BITS for gain in gains)
    return found if heavier or stated or stronger else None
