"""The flag of basis `confirmed`: a pure function of the case, the decision and the rescue."""

from __future__ import annotations

import pytest

from crossregion.domain import flags
from crossregion.domain.events import Leg
from crossregion.domain.flags import Route
from crossregion.domain.routing import ABROAD_ONLY

DIGEST = "d"


def route(taken_from: str | None, taken_to: str | None, *between: str) -> Route:
    legs: list[Leg] = [
        {"role": role, "code": code, "certainty": "stated"}
        for role, code in (
            ("taken_from", taken_from),
            *(("transit", code) for code in between),
            ("taken_to", taken_to),
        )
    ]
    return Route("C1", "220200", 3, DIGEST, legs, "2020-01-02", ["adult"])


@pytest.mark.parametrize(
    ("case", "found", "expected"),
    [
        (route("220202", None), "220302", ("prefecture", ["220300"])),
        (route("220202", None), "220203", ("county", ["220000"])),
        (route("220202", None), "220202", ("none", [])),
        (route("220302", None), "220582", ("prefecture", ["220300", "220500"])),
        (route("220202", None), "110101", ("province", ["220000"])),
        (route("220202", None, "KP"), "220302", ("border", ["220000", "220300", "border"])),
        (route(None, None), "220302", ("unknown", [])),
        (route("220202", "999999"), "220302", ("prefecture", ["220300"])),
    ],
)
def test_where_a_person_was_found_is_the_destination_that_was_not_known(
    case: Route, found: str, expected: tuple[str, list[str]]
) -> None:
    said = flags.confirmed(case, found)
    assert not said.contradicts
    assert said.flag is not None
    told = [unit for unit in said.flag["told"] if unit not in ABROAD_ONLY]
    assert (said.flag["boundary"], told) == expected
    assert (said.flag["destination"], said.flag["source"]) == (found, case.legs[0]["code"])
    assert (said.flag["revision"], said.flag["digest"]) == (3, DIGEST)


@pytest.mark.parametrize(
    ("stated", "found", "contradicts"),
    [
        ("220302", "220302", False),
        ("220302", "220322", False),
        ("220302", "220582", True),
        ("220302", "110101", True),
        ("KP", "220302", True),
        ("220000", "220302", False),
    ],
)
def test_a_destination_that_the_unit_states_takes_precedence(
    stated: str, found: str, contradicts: bool
) -> None:
    said = flags.confirmed(route("220202", stated), found)
    assert said.flag is None
    assert said.contradicts is contradicts


@pytest.mark.parametrize("found", [None, "999999", ""])
def test_who_was_found_at_no_known_place_makes_nothing_known(found: str | None) -> None:
    for stated in (None, "220302"):
        said = flags.confirmed(route("220202", stated), found)
        assert (said.flag, said.contradicts) == (None, False)


def test_the_case_itself_is_left_as_it_is() -> None:
    case = route("220202", None)
    before = [dict(leg) for leg in case.legs]
    flags.confirmed(case, "220302")
    assert [dict(leg) for leg in case.legs] == before
