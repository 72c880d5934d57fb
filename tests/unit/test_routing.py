"""Who is told of a flag: a test for each row of the table."""

from __future__ import annotations

import pytest

from crossregion.domain.routing import TOLD, told

ROWS = [
    ("none", None, ()),
    ("unknown", None, ()),
    ("unknown", "none", ()),
    ("unknown", "province", ("220000", "220300")),
    ("county", None, ("220300",)),
    ("prefecture", None, ("220300",)),
    ("province", None, ("220000", "220300")),
    ("border", None, ("220000", "220300", "border", "foreign-affairs")),
]


@pytest.mark.parametrize(("boundary", "at_least", "recipients"), ROWS)
def test_a_row_each(boundary: str, at_least: str | None, recipients: tuple[str, ...]) -> None:
    assert told("220200", "220300", boundary, at_least, "220200", abroad=True) == recipients


def test_every_row_of_the_table_is_tested() -> None:
    assert {boundary for boundary, _, _ in ROWS} == set(TOLD)


def test_hong_kong_macao_and_taiwan_are_not_told_to_foreign_affairs() -> None:
    found = told("220200", "220000", "border", None, "220200", abroad=False)
    assert found == ("220000", "border")


def test_the_reporter_is_not_told() -> None:
    assert told("220000", "220200", "province", None, "220000", abroad=False) == ("220200",)


def test_both_ends_are_told_by_a_third() -> None:
    assert told("220200", "220300", "prefecture", None, "220100", abroad=False) == (
        "220200",
        "220300",
    )


def test_what_reaches_nobody_goes_to_the_office() -> None:
    assert told("220200", "220200", "county", None, "220200", abroad=False) == ("220000",)
    assert told("220000", "220000", "province", None, "220000", abroad=False) == ()
