"""Ids are made from causes: the same row makes the same id, another content another."""

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crossregion.domain.identifiers import canonical, content_digest, event_id, proposal_id
from tests.support.builders import newest_example as example


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


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
FIELDS = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
SOMETHING = st.recursive(
    st.one_of(TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1)),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3),
        st.dictionaries(FIELDS, inner, min_size=1, max_size=3),
    ),
    max_leaves=12,
)


@given(st.dictionaries(FIELDS, SOMETHING, max_size=5))
def test_the_canonical_text_is_that_of_the_standard_library(content: dict[str, Any]) -> None:
    """Digests made before must stay those that they are."""
    plain = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert canonical(content) == plain
