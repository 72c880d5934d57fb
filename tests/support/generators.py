"""Records as units might write them, right and wrong, for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

CODES = st.sampled_from(
    ["220200", "220202", "220381", "222401", "22CBS0", "130502", "KP", "HK", "999999", "", "22"]
)
DATES = st.sampled_from(
    ["2012-05-01", "2010-02-30", "1850-01-01", "2999-01-01", "1987", "1987-02", "five", ""]
)
NUMBERS = st.sampled_from(
    ["92022119850402793X", "920221200504027932", "920221850402793", "12", "X" * 18, ""]
)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


IDENTITIES = st.fixed_dictionaries(
    {
        "name": optional(TEXT),
        "pinyin": optional(TEXT),
        "other_names": st.lists(TEXT, max_size=3),
        "sex": optional(st.sampled_from(["F", "M", "?"])),
        "birth_date": optional(DATES),
        "birth_precision": st.sampled_from(["day", "year", "about", "unknown"]),
        "home": optional(CODES),
        "height_cm": optional(st.integers(-5, 400)),
        "marks": st.lists(TEXT, max_size=3),
        "id_number": optional(NUMBERS),
        "dna_sample": optional(TEXT),
    }
)
LEGS = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["taken_from", "transit", "taken_to", "exploited_at", "found_at"]),
        "code": optional(CODES),
        "certainty": st.sampled_from(["stated", "assumed"]),
    }
)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(1, 3))
    return {
        "case_id": draw(st.sampled_from(["C1", "C2"])),
        "unit": "220200",
        "revision": draw(st.integers(1, 3)),
        "reported_at": draw(optional(DATES)),
        "lost_on": draw(optional(DATES)),
        "legs": draw(st.lists(LEGS, max_size=4)),
        "status": draw(optional(TEXT)),
        "exploitation": draw(st.lists(TEXT, max_size=2)),
        "means": draw(st.lists(TEXT, max_size=2)),
        "intermediary": draw(optional(TEXT)),
        "venue": draw(optional(TEXT)),
        "victims": [
            {
                "victim_id": f"C/{number}",
                "age_band": "unknown",
                "sex": None,
                "identity": draw(IDENTITIES),
            }
            for number in range(count)
        ],
    }


@st.composite
def rescues(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "rescue_id": draw(st.sampled_from(["R1", "R2"])),
        "unit": "220200",
        "revision": draw(st.integers(1, 3)),
        "registered_at": draw(optional(DATES)),
        "found_on": draw(optional(DATES)),
        "found_at": draw(optional(CODES)),
        "stated_case_id": draw(optional(st.sampled_from(["C1", "C9"]))),
        "guardian": draw(optional(TEXT)),
        "person": {"age_band": "unknown", "sex": None, "identity": draw(IDENTITIES)},
    }
