"""What is proposed of a rescue once analysts have decided: a pure function of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crossregion.domain import decisions, identifiers
from crossregion.domain.decisions import CONFIRMED, DISMISSED
from crossregion.domain.events import MatchDecided, PairWeighed
from crossregion.linkage.model import Model
from crossregion.linkage.posterior import Proposal, posterior_probabilities


def offer(
    pairs: Iterable[PairWeighed], in_force: Mapping[str, MatchDecided], model: Model
) -> list[Proposal]:
    """The proposals for one rescue; `in_force` is the decision on each proposal that has one.

    A dismissed pair is no candidate until it has become stronger.
    """
    offered, new = [], {}
    for pair in pairs:
        if pair["weight"] is None:
            continue
        decided = in_force.get(_proposal_of(pair)) if in_force else None
        if decided is not None and decided["verdict"] == DISMISSED:
            found = decisions.new_evidence(decided, pair)
            if found is None:
                continue
            new[decided["proposal_id"]] = found
        offered.append(pair)
    proposed = posterior_probabilities(offered, model)
    for one in proposed:
        one["new_evidence"] = new.get(one["proposal_id"], [])
    return proposed


def confirmed(in_force: Mapping[str, MatchDecided]) -> set[str]:
    """The proposals that stay as they were said, whatever is offered."""
    return {one for one, decided in in_force.items() if decided["verdict"] == CONFIRMED}


def _proposal_of(pair: PairWeighed) -> str:
    return identifiers.proposal_id(
        pair["case_unit"], pair["victim_id"], pair["rescue_unit"], pair["rescue_id"]
    )
