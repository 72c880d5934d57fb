"""Match proposals for analysts: list, read, decide.

A decision takes effect once the registry has recorded it: only then is it known which of several
that were sent at the same time came first.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from crossregion.domain import decisions, identifiers
from crossregion.domain.decisions import CONFIRMED, ProposalState
from crossregion.domain.events import MatchDecided, MatchProposed
from crossregion.errors import CrossregionError
from crossregion.postgres import audit, queries, transactions
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row
from crossregion.services import prefixes
from crossregion.services.confirmation import Actor, Recorded, publish_statement, wait_recorded
from schemas import topics

if TYPE_CHECKING:
    from crossregion.linkage.explanation import Explanation

PAIR = ("proposal_id", "case_id", "victim_id", "rescue_id", "case_unit", "rescue_unit")


class ProposalUnknown(CrossregionError):
    """No proposal has this id."""

    code = "proposal-unknown"


class NotToBeDecided(CrossregionError):
    """The verdict may not follow the decision in force, or its arguments are not valid."""

    code = "proposal-not-to-be-decided"


@dataclass(frozen=True)
class Found:
    """A proposal with the decisions on it, in their order."""

    proposal: Row
    rivals: list[Row]
    decisions: list[Row]

    @property
    def in_force(self) -> Row | None:
        return next((one for one in self.decisions if one["in_force"]), None)

    @property
    def state(self) -> ProposalState:
        """By what the registry has recorded so far."""
        state = ProposalState()
        for one in self.decisions:
            state, _ = decisions.step(state, cast(MatchDecided, one))
        return state

    def explanation(self) -> Explanation:
        """The evidence field by field; for a proposal that is in force."""
        from crossregion import installed_model
        from crossregion.linkage import explanation as explanation_linkage

        rivals = cast(list[MatchProposed], self.rivals)
        return explanation_linkage.explain(
            cast(MatchProposed, self.proposal), rivals, installed_model.chosen()
        )


def listed(
    dsn: str | None, unit: str | None, band: str | None, undecided: bool, purpose: str = ""
) -> list[Row]:
    """Every proposal in force or decided: those stated by a unit first, then by probability.

    `undecided` leaves those that wait for an analyst: offered, and not confirmed.
    """
    with transactions.session(dsn) as connection:
        audit.append_audit(connection, "list", "proposals", purpose)
        return [
            row
            for row in queries.rows(connection, "decided_proposals")
            if unit in (None, row["case_unit"], row["rescue_unit"])
            and band in (None, row["band"])
            and (not undecided or (row["open"] and row["verdict"] != CONFIRMED))
        ]


def find(dsn: str | None, proposal_id: str, purpose: str = "") -> Found:
    """A proposal with its decisions, once the audit has recorded who reads it and why.

    Raises: ProposalUnknown.
    """
    with transactions.session(dsn) as connection:
        found = _find(connection, proposal_id)
        subject = f"proposal {found.proposal['proposal_id']}"
        audit.append_audit(connection, "read", subject, purpose)
        return found


def _find(connection: Connection, proposal_id: str) -> Found:
    try:
        this = {"proposal_id": str(uuid.UUID(proposal_id))}
    except ValueError:
        raise _unknown(proposal_id) from None
    proposal = queries.one(connection, "proposal", this)
    if proposal is None:
        raise _unknown(proposal_id)
    competing = list(queries.rows(connection, "competing_proposals", this))
    return Found(proposal, competing, list(queries.rows(connection, "decisions", this)))


def _unknown(proposal_id: str) -> ProposalUnknown:
    return ProposalUnknown(proposal_id=proposal_id)


def decide(
    actor: Actor,
    proposal_id: str,
    verdict: str,
    reason: str,
    note: str | None = None,
    wait: float = 10.0,
) -> Recorded | None:
    """Send a decision; if another one was first, the returned row is that one.

    None if the registry has not recorded it within `wait` seconds. Raises: ProposalUnknown,
    NotToBeDecided, ServiceUnavailable.
    """
    _check(verdict, reason, actor.role, note)
    with transactions.session(actor.dsn) as connection:
        with connection.transaction():
            found = _find(connection, proposal_id)
            subject = f"proposal {found.proposal['proposal_id']}"
            actor.note(connection, "decide", subject, f"{verdict}: {reason}")
        decision = _decision(actor, found, verdict, reason, note)
        _, refused = decisions.step(found.state, decision)
        if refused is not None:
            if found.in_force is None:
                raise NotToBeDecided("nothing-to-undo", proposal_id=proposal_id)
            return Recorded(False, found.in_force)
        publish_statement(
            actor,
            topics.DECISIONS,
            "MatchDecided",
            decision,
            key=decision["proposal_id"],
            event_id=decision["decision_id"],
            partition=topics.partition_of(decision["rescue_id"], topics.DECISIONS),
        )

        def look(connection: Connection) -> Recorded | None:
            this = {"proposal_id": decision["proposal_id"]}
            recorded = list(queries.rows(connection, "decisions", this))
            for one in recorded:
                if one["decision_id"] == decision["decision_id"]:
                    if one["refused"] is None:
                        return Recorded(True, one)
                    return Recorded(False, next(other for other in recorded if other["last"]))
            return None

        return wait_recorded(connection, look, wait)


def _decision(
    actor: Actor, found: Found, verdict: str, reason: str, note: str | None
) -> MatchDecided:
    """What is decided, on the evidence as it is now or, of a pair no longer proposed, as it was.

    Raises: NotToBeDecided.
    """
    proposal = found.proposal
    looked_at = proposal if proposal["open"] else found.in_force
    if looked_at is None:
        raise NotToBeDecided("not-proposed", proposal_id=proposal["proposal_id"])
    previous = found.state.revision
    decision = cast(
        MatchDecided,
        {
            **{name: proposal[name] for name in PAIR},
            "proposal_revision": proposal["revision"],
            "previous": previous,
            "revision": previous + 1,
            "verdict": verdict,
            "role": actor.role,
            "unit": actor.unit,
            "reason": reason,
            "note": note,
            "kind": looked_at["kind"],
            "evidence": [{**one, "bits": float(one["bits"])} for one in looked_at["evidence"]],
            "decided_at": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
    decision["decision_id"] = identifiers.decision_id(decision)
    return decision


def _check(verdict: str, reason: str, role: str, note: str | None) -> None:
    if verdict not in decisions.REASONS:
        raise NotToBeDecided("no-verdict", verdict=verdict, known=decisions.REASONS)
    if reason not in decisions.REASONS[verdict]:
        raise NotToBeDecided(
            "no-reason", reason=reason, verdict=verdict, known=decisions.REASONS[verdict]
        )
    if role not in decisions.ROLES:
        raise NotToBeDecided("no-role", role=role, known=decisions.ROLES)
    if note is not None and (len(note) > decisions.MAX_NOTE or "\0" in note):
        raise NotToBeDecided("note", max_note=decisions.MAX_NOTE)


def complete_id(dsn: str | None, given: str) -> str:
    """The id of the proposal that begins as given.

    Raises: AmbiguousId.
    """
    return prefixes.complete_uuid(dsn, "proposal_ids", given)
