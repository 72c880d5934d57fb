"""A report's cells, its files and its baseline, without a registry."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import spreadsheets
from crossregion.domain.reports.figures import (
    PATTERNS,
    Column,
    FigureFormat,
    Kind,
    Table,
    difference,
    parts,
    shown,
)
from crossregion.services import baseline
from crossregion.services.baseline import WHOLE, BaselineUnusable
from schemas.units import UNITS

HOSTILE = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =cmd|'/c calc'!A1",
    '=HYPERLINK("http://x.example")',
    'a,b\n"c"',
    "王红英",
    "\x07bell",
    "",
)
COLUMNS = (
    Column("key", Kind.KEY),
    Column("cases"),
    Column("share", Kind.SHARE),
    Column("hours", Kind.TIME),
    Column("points", Kind.POINTS),
)


def table(*keys: str) -> Table:
    rows = [[key, number, 1 / 3, None, -2.5] for number, key in enumerate(keys)]
    return Table("hostile", "A title", COLUMNS, rows)


def test_no_cell_of_a_csv_file_is_taken_for_a_formula() -> None:
    found = list(csv.reader(io.StringIO(spreadsheets.to_csv(table(*HOSTILE)), newline="")))
    assert found[0] == ["key", "cases", "share", "hours", "points"]
    for given_key, row in zip(HOSTILE, found[1:], strict=True):
        assert row[1:] == [row[1], "0.333333", "n/a", "-2.5"]
        assert not row[0].lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))
        assert row[0].removeprefix("'") == given_key


def test_no_cell_of_a_workbook_is_taken_for_a_formula(tmp_path: Path) -> None:
    path = tmp_path / "report.xlsx"
    spreadsheets.write_xlsx([table(*HOSTILE), Table("more", "More", COLUMNS, [])], path)
    assert path.stat().st_mode & 0o077 == 0
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["hostile", "more"]
    rows = list(book["hostile"].iter_rows(min_row=2))
    for given_key, row in zip(HOSTILE, rows, strict=True):
        key, *numbers = row
        assert key.data_type in ("s", "n", "inlineStr")
        assert str(key.value or "").replace("\ufffd", "\x07").replace("\r", "\n") == (
            given_key.replace("\r", "\n")
        )
        assert key.quotePrefix == given_key.startswith(spreadsheets.FORMULA)
        assert [cell.data_type for cell in numbers] == ["n", "n", "s", "n"]
        assert numbers[2].value == "n/a"
    assert spreadsheets.write_csv([table("a")], tmp_path / "new")[0].stat().st_mode & 0o077 == 0


def test_what_cannot_be_known_is_not_said_to_be_none() -> None:
    figure_format = FigureFormat()
    assert figure_format.share(0, 0) is None
    assert figure_format.share(None, None) is None
    assert figure_format.share(0, 3) == 0
    assert figure_format.count(None) is None
    assert difference(None, 0.5) is None
    assert [shown(None, kind) for kind in Kind] == ["n/a"] * len(Kind)
    assert (shown(0.255, Kind.SHARE), shown(-3.04, Kind.POINTS)) == ("25.5%", "-3.0")


@given(st.integers(0, 10_000))
def test_a_rounded_report_tells_nothing_of_a_few(number: int) -> None:
    rounded = FigureFormat(rounded=True)
    told = rounded.count(number)
    assert told is not None
    assert told % 5 == 0
    assert abs(told - number) <= 2
    if number < 23:
        assert rounded.share(1, number) is None
    if number < 8:
        assert rounded.time(3.5, number) is None
    assert FigureFormat().count(number) == number


@given(st.integers(23, 10_000), st.floats(0, 1))
def test_a_rounded_share_is_that_of_the_counts_beside_it(whole: int, of_it: float) -> None:
    """An exact one would say both counts: 0.093023 is 4 of 43 and of nothing near."""
    rounded, part = FigureFormat(rounded=True), int(whole * of_it)
    told, told_whole = rounded.count(part), rounded.count(whole)
    assert told is not None
    assert told_whole is not None
    assert rounded.share(part, whole) == told / told_whole <= 1


@given(st.dates(date(1990, 1, 1), date(2030, 12, 31)), st.integers(0, 1500))
def test_the_parts_of_a_period_are_those_of_its_days(since: date, length: int) -> None:
    days = [since + timedelta(days=number) for number in range(length + 1)]
    for by, name in {
        "year": lambda on: f"{on:%Y}",
        "quarter": lambda on: f"{on:%Y}-Q{(on.month - 1) // 3 + 1}",
        "month": lambda on: f"{on:%Y-%m}",
        "whole": lambda on: "whole",
    }.items():
        assert parts(days[0], days[-1], by) == list(dict.fromkeys(map(name, days)))
        assert by in PATTERNS


GOOD = "unit,reported,solved\n220200,40,10\n\n222400,0,0\n"


def test_a_baseline_says_what_it_knows_of_a_unit_and_of_all(tmp_path: Path) -> None:
    path = tmp_path / "2007.csv"
    path.write_text(GOOD, "utf-8-sig")
    found = baseline.read(path)
    assert (found.of("220200"), found.of("222400")) == ((40, 10), (0, 0))
    assert found.of("220300") is None
    assert found.of(WHOLE) is None
    path.write_text(GOOD + "all,90,30\n")
    assert baseline.read(path).of(WHOLE) == (90, 30)
    assert baseline.read(path).digest != found.digest
    every = "".join(f"{unit},10,3\n" for unit in UNITS)
    path.write_text(f"unit,reported,solved\n{every}")
    count = len(UNITS)
    assert baseline.read(path).of(WHOLE) == (10 * count, 3 * count)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "must begin with the line unit,reported,solved"),
        (b"unit;reported;solved\n", "must begin with the line"),
        (b"unit,reported,solved\n", "no line with a unit"),
        (b"unit,reported,solved\n220200,40\n", "line 2: 2 values, not 3"),
        (b"unit,reported,solved\n229999,40,1\n", "line 2: the unit must be one of 220000"),
        (b"unit,reported,solved\n220200,many,1\n", "line 2: reported must be a number"),
        (b"unit,reported,solved\n220200,40,-1\n", "line 2: solved must be a number"),
        (b"unit,reported,solved\n220200,1,2\n", "line 2: more cases solved than reported"),
        (b"unit,reported,solved\n220200,4,2\n220200,4,2\n", "line 3: 220200 stands twice"),
        (b'unit,reported,solved\n"220200,4,2\n', "no CSV table"),
        (b"PK\x03\x04\xff\xfe", "no UTF-8 text"),
        (b"x" * 100_001, "has more than 100000 bytes"),
    ],
)
def test_a_file_that_is_no_baseline_is_one_clear_line(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "2007.csv"
    path.write_bytes(content)
    with pytest.raises(BaselineUnusable) as refused:
        baseline.read(path)
    assert says in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(BaselineUnusable, match="No such file"):
        baseline.read(tmp_path / "nowhere.csv")
    with pytest.raises(BaselineUnusable, match="more than"):
        baseline.read(Path("/dev/zero"))
