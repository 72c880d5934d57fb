"""Places by code and day."""

from __future__ import annotations

from datetime import date

import pytest

from crossregion.domain import code_lists
from crossregion.domain.code_lists import code_list
from crossregion.domain.regions import regions

TABLES = ("regions.csv", "regions_national.csv")


@pytest.mark.parametrize(
    ("code", "on", "status", "prefecture"),
    [
        ("220381", date(2012, 1, 1), "known", "220300"),
        ("220381", date(2021, 1, 1), "not_valid_on_date", "220100"),
        ("220184", date(2012, 1, 1), "not_valid_on_date", "220300"),
        ("220184", date(2020, 6, 5), "known", "220100"),
        ("220381", date(2020, 6, 4), "known", "220300"),
        ("220602", date(2009, 1, 1), "known", "220600"),
        ("220602", date(2020, 1, 1), "known", "220600"),
        ("22CBS0", date(2010, 1, 1), "known", "22CBS0"),
        ("22CBS1", date(2010, 1, 1), "known", "22CBS0"),
        ("229900", date(2010, 1, 1), "known", "22CBS0"),
        ("110103", date(2012, 1, 1), "not_valid_on_date", "110000"),
        ("220200", None, "known", "220200"),
        ("220000", date(2010, 1, 1), "known", None),
        ("999999", date(2010, 1, 1), "unknown_code", None),
        (None, None, "unknown_code", None),
    ],
)
def test_a_code_on_a_day(
    code: str | None, on: date | None, status: str, prefecture: str | None
) -> None:
    place = regions().place(code, on)
    assert (place.status, place.prefecture) == (status, prefecture)


@pytest.mark.parametrize(
    ("code", "country"),
    [
        ("KP", "KP"),
        ("HK", "HK"),
        ("810000", "HK"),
        ("820000", "MO"),
        ("710000", "TW"),
        ("830000", "TW"),
        ("220200", "CN"),
        ("440300", "CN"),
        ("XX", None),
    ],
)
def test_countries(code: str, country: str | None) -> None:
    assert regions().place(code, None).country == country


@pytest.mark.parametrize(
    ("code", "unit"),
    [
        ("220381", "220100"),
        ("220184", "220100"),
        ("220202", "220200"),
        ("220200", "220200"),
        ("220000", "220000"),
        ("222401", "222400"),
        ("22CBS2", "22CBS0"),
        ("22CBS0", "22CBS0"),
        ("130502", "220000"),
        ("HK", "220000"),
        ("710000", "220000"),
        ("KP", None),
        ("999999", None),
    ],
)
def test_the_unit_of_a_place_by_the_newest_row(code: str, unit: str | None) -> None:
    assert regions().unit_of(code) == unit


def test_hong_kong_is_not_abroad() -> None:
    assert [regions().is_abroad(code) for code in ("KP", "HK", "TW", "220200", None, "999999")] == [
        True,
        *[False] * 5,
    ]


def test_a_code_list() -> None:
    assert "FORCED_MARRIAGE" in code_list("exploitation_type")


def test_every_code_of_the_tables_has_a_place_on_every_day() -> None:
    """Also one whose successor stands in no table, such as 330204 after 2016."""
    known = {row["code"] for name in TABLES for row in code_lists._table(name)}
    days = (None, date(2005, 1, 1), date(2013, 6, 1), date(2021, 3, 1), date(2030, 1, 1))
    for code in sorted(known):
        for on in days:
            place = regions().place(code, on)
            assert place.status in ("known", "not_valid_on_date")
            assert place.province == code[:2] + "0000" or place.country != "CN"
