"""Rows as they stand in a file, however the file was written or broken."""

from __future__ import annotations

import random
import zipfile
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.exports.tables import ExportUnreadable, Row, heading, read_table
from tests.support import exports

KNOWN = [frozenset(map(heading, ("编号", "姓名", "备注")))]
TABLE = "编号,姓名,备注\r\nC1,王红,左脸伤疤\r\nC2,李梅,\r\n"
ROWS = [["C1", "王红", "左脸伤疤"], ["C2", "李梅", ""]]


def rows_of(path: Path, data: bytes | str, encoding: str = "gb18030") -> list[Row]:
    path.write_bytes(data.encode(encoding) if isinstance(data, str) else data)
    headings, rows = read_table(path, KNOWN)
    assert headings == ["编号", "姓名", "备注"]
    return list(rows)


def cells_of(path: Path, data: bytes | str, encoding: str = "gb18030") -> list[list[str]]:
    rows = rows_of(path, data, encoding)
    assert not [row for row in rows if row.fault]
    return [row.cells for row in rows]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cases.csv"


@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encodings_line_ends_and_delimiters(
    path: Path, encoding: str, end: str, delimiter: str
) -> None:
    data = TABLE.replace("\r\n", end).replace(",", delimiter)
    assert cells_of(path, data, encoding) == ROWS


def test_mixed_line_ends_empty_lines_and_rows_of_nothing(path: Path) -> None:
    data = "\n编号,姓名,备注\rC1,王红,左脸伤疤\n\r\n ,,\n,,\r\nC2,李梅,"
    rows = rows_of(path, data)
    assert [row.cells for row in rows] == ROWS
    assert [row.line for row in rows] == [3, 7]


def test_headings_in_other_widths_cases_and_spaces() -> None:
    assert heading("\ufeff 身高（ＣＭ） ") == heading("身高(cm)")
    assert heading("DNA 样本编号") == heading("ＤＮＡ样本编号")


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b" \r\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n", b"a,b\r\n1,2\r\n"),
        *(bytes(100), TABLE.encode("utf-16"), random.Random(1).randbytes(999)),
    ],
)  # fmt: skip
def test_a_file_that_is_none(path: Path, data: bytes) -> None:
    with pytest.raises(ExportUnreadable, match=r"cases\.csv (is empty|has no heading row)"):
        rows_of(path, data)


def test_a_file_that_is_not_there(path: Path) -> None:
    with pytest.raises(ExportUnreadable, match="No such file"):
        read_table(path, KNOWN)
    with pytest.raises(ExportUnreadable, match="directory"):
        read_table(path.parent, KNOWN)


def test_a_row_in_another_encoding_costs_itself(path: Path) -> None:
    head, first, second = TABLE.encode("gb18030").splitlines(keepends=True)
    for wrong in ("C9,赵敏敏,胸口疤痕\r\n".encode(), b"C9,\xff\xff,x\r\n", b"C9,\x81,\r\n"):
        rows = rows_of(path, head + first + wrong + second)
        assert [row.fault for row in rows] == ["", "undecodable", ""]
        assert rows[1].cells[0] == "C9"
    utf8 = TABLE.encode() + "C9,赵敏,胸口疤痕\r\n".encode("gb18030")
    assert [row.fault for row in rows_of(path, utf8)] == ["", "", "undecodable"]


def test_quoted_cells_with_delimiters_quotes_and_lines(path: Path) -> None:
    data = '编号,姓名,备注\r\n"C1","王""红""","a,b\r\nc\nd"\r\nC2,李"梅,\r\n"第一\n行",x,y\r\n'
    assert cells_of(path, data) == [
        ["C1", '王"红"', "a,b\nc\nd"],
        ["C2", '李"梅', ""],
        ["第一\n行", "x", "y"],
    ]


@pytest.mark.parametrize(
    "stray", ['C8,"王红,x', 'C8,王"红,x,y', 'C8,王红,"x', '"C8,王红,x', '"C8","王红', 'C8,"a"b",']
)
@pytest.mark.parametrize("again", [True, False])
def test_a_stray_quote_swallows_no_other_row(path: Path, stray: str, again: bool) -> None:
    good = [f"C{number},李梅,备注" for number in range(3)]
    lines = ["编号,姓名,备注", good[0], stray, good[1], *([stray] if again else []), good[2]]
    rows = rows_of(path, "\r\n".join(lines))
    assert [row.cells for row in rows if not row.fault and row.cells[0] != "C8"] == [
        line.split(",") for line in good
    ]
    assert len(rows) == len(lines) - 1


def test_a_row_with_stray_quotes_that_still_has_its_cells_is_taken(path: Path) -> None:
    assert cells_of(path, '编号,姓名,备注\nC1,王"红,x\nC2,"王"红,"x"\nC3,李"梅,y') == [
        ["C1", '王"红', "x"],
        ["C2", "王红", "x"],
        ["C3", '李"梅', "y"],
    ]


def test_every_cut_leaves_the_whole_rows_and_at_most_one_torn(path: Path) -> None:
    data = TABLE.encode("gb18030")
    start = data.index(b"\n") + 1
    for length in range(start, len(data)):
        rows = rows_of(path, data[:length])
        whole = data[start:length].count(b"\n")
        assert [row.cells for row in rows[:whole]] == ROWS[:whole]
        assert len(rows) <= whole + 1


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_any_bytes_behind_the_headings_give_rows_that_fit_or_faults(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    rows = rows_of(path, "编号,姓名,备注\n".encode("gb18030") + b"\n".join(lines))
    assert all(row.fault or len(row.cells) == 3 for row in rows)
    numbers = [row.line for row in rows]
    assert numbers == sorted(set(numbers))


def test_xlsx_with_dates_numbers_and_gaps(tmp_path: Path) -> None:
    path = exports.write_xlsx(
        tmp_path / "cases.xlsx",
        {"编号": "C1", "姓名": "王红\r\n英", "备注": datetime(2012, 5, 1, 8, 30), "": None},
        {"编号": 7.0, "姓名": date(2012, 5, 1), "备注": datetime(2012, 5, 1), "": None},
        {"编号": None, "姓名": " ", "备注": None, "": None},
        {"编号": "C3", "姓名": 165.5, "备注": None, "": "too many"},
    )
    misnamed = tmp_path / "cases.csv"
    misnamed.write_bytes(path.read_bytes())
    for name in (path, misnamed):
        headings, rows = read_table(name, KNOWN)
        assert headings == ["编号", "姓名", "备注"]
        assert list(rows) == [
            Row(2, ["C1", "王红\n英", "2012-05-01 08:30:00"]),
            Row(3, ["7", "2012-05-01", "2012-05-01"]),
            Row(5, ["C3", "165.5", ""], "torn"),
        ]


def test_xlsx_with_a_wrong_dimension_is_read_whole(tmp_path: Path) -> None:
    right = exports.write_xlsx(
        tmp_path / "a.xlsx", *({"编号": f"C{n}", "姓名": "x"} for n in "123")
    )
    wrong = tmp_path / "b.xlsx"
    with zipfile.ZipFile(right) as source, zipfile.ZipFile(wrong, "w") as out:
        for part in source.infolist():
            out.writestr(part, source.read(part).replace(b'ref="A1:B4"', b'ref="A1:A1"'))
    assert len(list(read_table(wrong, KNOWN)[1])) == 3


def test_a_broken_xlsx_is_read_or_refused_clearly(tmp_path: Path) -> None:
    whole = exports.write_xlsx(tmp_path / "a.xlsx", {"编号": "C1", "姓名": "王红"}).read_bytes()
    chance = random.Random(4)
    path = tmp_path / "b.xlsx"
    refused = 0
    for number in range(120):
        data = bytearray(whole)
        if number % 3:
            for _ in range(3):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        else:
            del data[chance.randrange(len(data)) :]
        path.write_bytes(data)
        try:
            list(read_table(path, KNOWN)[1])
        except ExportUnreadable as error:
            refused += 1
            assert "export it again" in str(error)
    assert refused > 40


def test_an_xlsx_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = exports.write_xlsx(tmp_path / "a.xlsx", *[{"编号": "C1", "姓名": "x"}] * 2_000)
    monkeypatch.setattr("producers.exports.tables.MAX_FILE_BYTES", path.stat().st_size * 2)
    with pytest.raises(ExportUnreadable, match="unpacks to more"):
        read_table(path, KNOWN)
    monkeypatch.setattr("producers.exports.tables.MAX_FILE_BYTES", 100)
    with pytest.raises(ExportUnreadable, match="in parts"):
        read_table(path, KNOWN)
