"""What is proposed of a rescue follows from its pairs and from what is decided of them."""

from __future__ import annotations

from typing import cast

from crossregion.domain import identifiers
from crossregion.domain.decisions import CONFIRMED, DISMISSED, MORE_NEEDED
from crossregion.domain.events import MatchDecided, PairWeighed
from crossregion.linkage.model import load
from crossregion.linkage.posterior import posterior_probabilities
from crossregion.linkage.proposals import confirmed, offer

MODEL = load()


def pair(case_id: str, bits: float, level: str = "equal") -> PairWeighed:
    return {
        "model": MODEL.version,
        "case_id": case_id,
        "victim_id": f"{case_id}/1",
        "rescue_id": "R1",
        "case_unit": "220200",
        "rescue_unit": "220300",
        "case_revision": 1,
        "rescue_revision": 1,
        "weight": bits,
        "stated": False,
        "evidence": [{"field": "name", "level": level, "bits": bits}],
    }


def decided(one: PairWeighed, verdict: str) -> dict[str, MatchDecided]:
    proposal = identifiers.proposal_id("220200", one["victim_id"], "220300", "R1")
    content = {"proposal_id": proposal, "verdict": verdict, "kind": "weighed"}
    return {proposal: cast(MatchDecided, {**content, "evidence": one["evidence"]})}


RIVALS = [pair("C1", 18.0), pair("C2", 17.0)]


def test_without_a_dismissal_everything_is_offered_as_it_weighs() -> None:
    expected = posterior_probabilities(RIVALS, MODEL)
    assert offer(RIVALS, {}, MODEL) == expected
    for verdict in (CONFIRMED, MORE_NEEDED):
        assert offer(RIVALS, decided(RIVALS[0], verdict), MODEL) == expected
    assert offer([*RIVALS, {**pair("C3", 0.0), "weight": None}], {}, MODEL) == expected


def test_the_rivals_of_a_dismissed_pair_are_weighed_without_it() -> None:
    assert offer(RIVALS, decided(RIVALS[0], DISMISSED), MODEL) == posterior_probabilities(
        RIVALS[1:], MODEL
    )


def test_a_dismissed_pair_that_became_stronger_is_a_candidate_with_what_is_new() -> None:
    dismissed = decided(pair("C1", 16.0, "sounds"), DISMISSED)
    first, second = offer(RIVALS, dismissed, MODEL)
    assert first["new_evidence"] == RIVALS[0]["evidence"]
    assert second["new_evidence"] == []
    assert [{**one, "new_evidence": []} for one in (first, second)] == posterior_probabilities(
        RIVALS, MODEL
    )


def test_only_confirmed_pairs_stay_whatever_is_offered() -> None:
    found = {**decided(RIVALS[0], CONFIRMED), **decided(RIVALS[1], DISMISSED)}
    assert confirmed(found) == set(decided(RIVALS[0], CONFIRMED))
