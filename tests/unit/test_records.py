"""Ids are made from causes: the same row makes the same id, another content another."""

import copy

from crossregion.domain.records import content_digest, event_id, proposal_id
from tests.contract.test_schemas import example


def test_the_digest_ignores_revision_nulls_and_empty_lists() -> None:
    case = example("CaseRecorded")
    other = copy.deepcopy(case) | {"revision": 9}
    del other["intermediary"]
    assert content_digest(case) == content_digest(other)  # type: ignore[arg-type]


def test_the_digest_follows_the_content() -> None:
    case = example("CaseRecorded")
    other = copy.deepcopy(case)
    other["victims"][0]["identity"]["name"] = "王红鹰"
    assert content_digest(case) != content_digest(other)  # type: ignore[arg-type]


def test_ids_are_stable_and_differ_by_cause() -> None:
    assert event_id("220200", "C1", 1, "d") == event_id("220200", "C1", 1, "d")
    assert event_id("220200", "C1", 1, "d") != event_id("220200", "C1", 2, "d")
    assert proposal_id("a", "v", "b", "r") != proposal_id("b", "v", "a", "r")
