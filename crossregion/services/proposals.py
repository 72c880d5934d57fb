"""What an analyst does with proposals: look at them, and decide.

A decision counts once the registry has recorded it: only there it is known which of several that
were sent at the same time came first.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from crossregion import installed_model
from crossregion.domain import decisions, identifiers
from crossregion.domain.decisions import CONFIRMED, ProposalState
from crossregion.domain.events import MatchDecided, MatchProposed
from crossregion.domain.regions import OFFICE
from crossregion.errors import RuntimeFault
from crossregion.kafka import office
from crossregion.kafka.connection import Kafka
from crossregion.linkage import explanation as explanation_linkage
from crossregion.linkage.explanation import Explanation
from crossregion.postgres import audit, queries
from crossregion.postgres import connection as postgres_connection
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row
from schemas import topics

POLL_SECONDS = 0.1


class ProposalUnknown(RuntimeFault):
    """No proposal has this id."""


class NotToBeDecided(RuntimeFault):
    """The verdict cannot follow on what stands, or is not well given."""


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
    def standing(self) -> ProposalState:
        """By what the registry has recorded so far."""
        standing = ProposalState()
        for one in self.decisions:
            standing, _ = decisions.step(standing, cast(MatchDecided, one))
        return standing

    def explanation(self) -> Explanation:
        """The evidence field by field; of a proposal that stands."""
        rivals = cast(list[MatchProposed], self.rivals)
        return explanation_linkage.explain(
            cast(MatchProposed, self.proposal), rivals, installed_model.chosen()
        )


@dataclass(frozen=True)
class Outcome:
    """What became of a decision; `by` is the one that was there before it."""

    decided: bool
    by: Row | None = None


def listed(
    dsn: str | None, unit: str | None, band: str | None, undecided: bool, purpose: str = ""
) -> list[Row]:
    """Every proposal that stands or is decided, the stated and the likeliest first.

    `undecided` leaves those that wait for an analyst: offered, and not confirmed.
    """
    with postgres_connection.connect(dsn) as connection:
        audit.append_audit(connection, "list", "proposals", purpose)
        return [
            row
            for row in queries.rows(connection, "decided_proposals")
            if unit in (None, row["case_unit"], row["rescue_unit"])
            and band in (None, row["band"])
            and (not undecided or (row["open"] and row["verdict"] != CONFIRMED))
        ]


def find(dsn: str | None, proposal_id: str, action: str = "read", purpose: str = "") -> Found:
    """A proposal with its decisions, once the audit says who took it and what for.

    Raises: ProposalUnknown.
    """
    with postgres_connection.connect(dsn) as connection:
        found = _find(connection, proposal_id)
        if found is None:
            raise ProposalUnknown(
                f"There is no proposal {proposal_id}: see `crossregion proposals list`."
            )
        subject = f"proposal {found.proposal['proposal_id']}"
        audit.append_audit(connection, action, subject, purpose)
        return found


def _find(connection: Connection, proposal_id: str) -> Found | None:
    try:
        this = {"proposal_id": str(uuid.UUID(proposal_id))}
    except ValueError:
        return None
    for proposal in list(queries.rows(connection, "proposal", this)):
        rivals = list(queries.rows(connection, "rivals", this))
        return Found(proposal, rivals, list(queries.rows(connection, "decisions", this)))
    return None


def decide(
    kafka: Kafka,
    dsn: str | None,
    proposal_id: str,
    verdict: str,
    reason: str,
    role: str = decisions.ROLES[0],
    note: str | None = None,
    wait: float = 10.0,
) -> Outcome | None:
    """Send a decision and wait until the registry says what became of it; None if it has not.

    Raises: ProposalUnknown, NotToBeDecided, ServiceUnavailable.
    """
    _check(verdict, reason, role, note)
    found = find(dsn, proposal_id, "decide", f"{verdict}: {reason}")
    proposal, in_force = found.proposal, found.in_force
    looked_at = proposal if proposal["open"] else in_force
    if looked_at is None:
        raise NotToBeDecided(
            f"{proposal_id} is no longer proposed, and nothing of it is decided: there is nothing "
            "to decide."
        )
    pair = ("proposal_id", "case_id", "victim_id", "rescue_id", "case_unit", "rescue_unit")
    previous = found.standing.revision
    decision = cast(
        MatchDecided,
        {
            **{name: proposal[name] for name in pair},
            "proposal_revision": proposal["revision"],
            "previous": previous,
            "revision": previous + 1,
            "verdict": verdict,
            "role": role,
            "unit": OFFICE,
            "reason": reason,
            "note": note,
            "kind": looked_at["kind"],
            "evidence": [{**one, "bits": float(one["bits"])} for one in looked_at["evidence"]],
            "decided_at": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
    decision["decision_id"] = identifiers.decision_id(decision)
    _, refused = decisions.step(found.standing, decision)
    if refused is not None:
        if in_force is None:
            raise NotToBeDecided(f"Nothing is decided of {proposal_id}: there is nothing to undo.")
        return Outcome(False, in_force)
    _send(kafka, decision)
    return _outcome(dsn, decision, wait)


def _check(verdict: str, reason: str, role: str, note: str | None) -> None:
    if verdict not in decisions.REASONS:
        raise NotToBeDecided(f"{verdict} is no verdict: {', '.join(decisions.REASONS)}.")
    if reason not in decisions.REASONS[verdict]:
        codes = ", ".join(decisions.REASONS[verdict])
        raise NotToBeDecided(f"{reason} is no reason for {verdict}: {codes}.")
    if role not in decisions.ROLES:
        raise NotToBeDecided(f"{role} is no role: {', '.join(decisions.ROLES)}.")
    if note is not None and (len(note) > decisions.MAX_NOTE or "\0" in note):
        raise NotToBeDecided(f"The note must be plain text of {decisions.MAX_NOTE} characters.")


def _send(kafka: Kafka, decision: MatchDecided) -> None:
    office.send(
        kafka,
        topics.DECISIONS,
        "MatchDecided",
        decision,
        key=decision["proposal_id"],
        event_id=decision["decision_id"],
        unit=decision["unit"],
        partition=topics.partition_of(decision["rescue_id"], topics.DECISIONS),
    )


def _outcome(dsn: str | None, decision: MatchDecided, wait: float) -> Outcome | None:
    deadline = time.monotonic() + wait
    with postgres_connection.connect(dsn) as connection:
        while True:
            with connection.transaction():
                found = _find(connection, decision["proposal_id"])
            recorded = found.decisions if found else []
            for one in recorded:
                if one["decision_id"] == decision["decision_id"]:
                    if one["refused"] is None:
                        return Outcome(True)
                    return Outcome(False, next(other for other in recorded if other["last"]))
            if time.monotonic() > deadline:
                return None
            time.sleep(POLL_SECONDS)
