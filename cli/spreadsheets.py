"""A report as files: CSV and XLSX, in which no text is ever taken for a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import CommandError
from crossregion.domain.reports.figures import Cell, Kind, Table
from crossregion.private_files import write_private

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

ABOUT = "about"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
NOT_AVAILABLE = "n/a"
FORMATS = {Kind.SHARE: "0.0%", Kind.POINTS: "+0.0;-0.0;0.0", Kind.TIME: "0.0"}
DIGITS = {Kind.SHARE: 6, Kind.POINTS: 4, Kind.TIME: 4}


def harmless(text: str) -> str:
    """A text that a spreadsheet shows and does not compute."""
    return f"'{text}" if text.lstrip().startswith(FORMULA) or text.startswith(FORMULA) else text


def to_csv(table: Table) -> str:
    """One table as CSV; what is not available says so."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(column.name for column in table.columns)
    for row in table.rows:
        writer.writerow(
            _csv_cell(cell, column.kind) for cell, column in zip(row, table.columns, strict=True)
        )
    return out.getvalue()


def _csv_cell(cell: Cell, kind: Kind) -> str | int | float:
    if cell is None:
        return NOT_AVAILABLE
    if isinstance(cell, str):
        return harmless(cell)
    return round(cell, DIGITS[kind]) if kind in DIGITS else cell


def write_csv(tables: Sequence[Table], directory: Path) -> list[Path]:
    """Write a file for each table, mode 0600; returns them.

    Raises: CrossregionError.
    """
    written = [directory / f"{table.name}.csv" for table in tables]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for table, path in zip(tables, written, strict=True):
            write_private(path, to_csv(table).encode("utf-8-sig"))
    except OSError as error:
        raise CommandError("not-writable", path=directory, strerror=error.strerror) from None
    return written


def write_xlsx(tables: Sequence[Table], path: Path) -> None:
    """Write one workbook, a sheet for each table, mode 0600.

    Raises: CrossregionError.
    """
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for table in tables:
        _fill(book.create_sheet(table.name), table)
    out = io.BytesIO()
    book.save(out)
    try:
        write_private(path, out.getvalue())
    except OSError as error:
        raise CommandError("not-writable", path=path, strerror=error.strerror) from None


def _fill(sheet: Worksheet, table: Table) -> None:
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    sheet.append([column.name for column in table.columns])
    sheet.freeze_panes = "A2"
    for number, row in enumerate(table.rows, 2):
        for place, (given, column) in enumerate(zip(row, table.columns, strict=True), 1):
            cell = sheet.cell(number, place)
            if given is None:
                cell.value = NOT_AVAILABLE
            elif isinstance(given, str):
                cell.value = ILLEGAL_CHARACTERS_RE.sub("\ufffd", given)
                cell.data_type = "s"
                cell.quotePrefix = given.startswith(FORMULA)
            else:
                cell.value = given
                cell.number_format = FORMATS.get(column.kind, "General")
