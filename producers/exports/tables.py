"""Rows of an export file as they stand in it: CSV in any common encoding, or XLSX."""

from __future__ import annotations

import csv
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any

from crossregion.errors import CrossregionError

ENCODINGS = ("utf-8", "gb18030")
BOM = b"\xef\xbb\xbf"
ZIP = b"PK\x03\x04"
DELIMITERS = ",;\t"
LINES_OF_A_CELL = 50
MOST_OF_A_SHEET = 1e15
"""A sheet keeps fifteen digits of a number: of one from here on the last are lost."""
MAX_FILE_BYTES = 512 * 1024 * 1024
NOT_XLSX = (
    *(zipfile.BadZipFile, zlib.error, struct.error, SyntaxError, EOFError),
    *(OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError, AssertionError),
)
"""What openpyxl, and zip and XML below it, raise on a damaged or encrypted file."""


def printable(name: str) -> str:
    """A file's name, or a text with one in it: an older system's need not be UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class ExportUnreadable(CrossregionError):
    """The file as a whole cannot be read."""

    code = "export-unreadable"

    def __init__(self, detail: str, /, path: Path, **fields: Any) -> None:
        super().__init__(detail, path=printable(str(path)), **fields)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its line in the file and its cells; those of a faulty row are a guess."""

    line: int
    cells: list[str]
    fault: str = ""


def heading(text: str) -> str:
    """A heading without differences that mean nothing: width, case, spaces, byte order mark."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\s\ufeff]", "", folded)


def read_table(path: Path, known: Sequence[frozenset[str]]) -> tuple[list[str], Iterator[Row]]:
    """The headings and the rows of a file.

    `known` are the headings of each format; they tell encoding and delimiter.
    Raises: ExportUnreadable.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ExportUnreadable("too-large", path=path)
        data = path.read_bytes().removeprefix(BOM)
    except OSError as error:
        raise ExportUnreadable("unreadable", path=path, strerror=error.strerror) from None
    if not data.strip():
        raise ExportUnreadable("empty", path=path)
    csv.field_size_limit(MAX_FILE_BYTES)
    if data.startswith(ZIP) or path.suffix.lower() == ".xlsx":
        return _xlsx(path)
    return _csv(path, data, known)


def _csv(
    path: Path, data: bytes, known: Sequence[frozenset[str]]
) -> tuple[list[str], Iterator[Row]]:
    raw = re.split(rb"\r\n|\n|\r", data)
    first = next(number for number, line in enumerate(raw) if line.strip())
    found, encoding, delimiter, headings = 0, "", "", list[str]()
    for each in ENCODINGS:
        text = raw[first].decode(each, "replace")
        for mark in DELIMITERS:
            names = [heading(cell) for cell in _parse(text, mark)]
            count = max(len(headings_of & set(names)) for headings_of in known)
            if count > found:
                found, encoding, delimiter, headings = count, each, mark, names
    if not found:
        raise ExportUnreadable("no-known-heading", path=path, line=first + 1)
    return headings, _csv_rows(raw, first + 1, encoding, delimiter, len(headings))


def _csv_rows(
    raw: list[bytes], start: int, encoding: str, delimiter: str, width: int
) -> Iterator[Row]:
    number = start
    while number < len(raw):
        row, taken = _csv_row(raw, number, encoding, delimiter, width)
        if row.fault or any(map(str.strip, row.cells)):
            yield row
        number += taken


def _csv_row(
    raw: list[bytes], number: int, encoding: str, delimiter: str, width: int
) -> tuple[Row, int]:
    """The row that begins at a line, and how many lines it takes; a faulty one takes its own."""
    line = number + 1
    text = _decode(raw[number], encoding)
    if text is None:
        guess = raw[number].decode(encoding, "replace")
        return Row(line, _parse(guess, delimiter), "undecodable"), 1
    if not text.strip():
        return Row(line, []), 1
    cells, taken = text.split(delimiter), 1
    if '"' in text:
        cells, taken = _quoted(raw, number, encoding, delimiter, width)
    if taken and len(cells) == width:
        return Row(line, cells), taken
    return Row(line, cells[:-1], "torn"), max(taken, 1)  # the last cell may be cut


def _quoted(
    raw: list[bytes], number: int, encoding: str, delimiter: str, width: int
) -> tuple[list[str], int]:
    """The cells of a row with quotes, which may go on in the next lines, and its lines.

    0 lines when a quote is never closed: then no other row is swallowed.
    """
    lines: list[str] = []

    def ahead() -> Iterator[str]:
        for line in raw[number : number + LINES_OF_A_CELL]:
            text = _decode(line, encoding)
            if text is None:
                break
            lines.append(text + "\n")
            yield lines[-1]
        yield "\n"

    reader = csv.reader(ahead(), delimiter=delimiter)
    cells = next(reader)
    taken = reader.line_num
    if taken == 1:
        return cells, 1
    if taken > len(lines) or _swallows(lines, delimiter, width):
        return _parse(lines[0], delimiter), 0
    return cells, taken


def _swallows(lines: list[str], delimiter: str, width: int) -> bool:
    """Whether lines that a quoted cell joins are rather rows: whole ones, or badly quoted."""
    try:
        next(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return True
    inner = lines[1:-1] if lines[0].startswith('"') else lines[1:]
    return any(len(_parse(line, delimiter)) == width for line in inner)


def _parse(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _decode(line: bytes, encoding: str) -> str | None:
    """The text of a line; None in another encoding, also where UTF-8 happens to be GB18030."""
    try:
        if encoding == "gb18030" and not line.isascii() and _looks_like_utf8(line):
            return None
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None


def _looks_like_utf8(line: bytes) -> bool:
    try:
        return max(line.decode()) >= "\u0800"
    except UnicodeDecodeError:
        return False


def _xlsx(path: Path) -> tuple[list[str], Iterator[Row]]:
    import openpyxl  # most exports are no XLSX, and it takes a seventh of a second
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(path) as parts:
            if sum(part.file_size for part in parts.infolist()) > MAX_FILE_BYTES:
                raise ExportUnreadable("unpacks-too-large", path=path)
        with path.open("rb") as file:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # some exporters state them wrong
            texts = [[_text(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
    except ExportUnreadable:
        raise
    except (InvalidFileException, *NOT_XLSX):
        raise ExportUnreadable("no-whole-xlsx", path=path) from None
    first = next((number for number, row in enumerate(texts) if any(map(str.strip, row))), None)
    if first is None:
        raise ExportUnreadable("empty", path=path)
    headings = [heading(cell) for cell in texts[first]]
    while headings and not headings[-1]:
        headings.pop()
    return headings, _xlsx_rows(texts, first + 1, len(headings))


def _xlsx_rows(texts: list[list[str]], start: int, width: int) -> Iterator[Row]:
    for number, row in enumerate(islice(texts, start, None), start + 1):
        if any(map(str.strip, row)):
            cells = (row + [""] * width)[:width]
            yield Row(number, cells, "torn" if any(map(str.strip, row[width:])) else "")


def _text(cell: object) -> str:
    """A cell's value as text; a number that a sheet cannot hold whole shows that it lost digits."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return _text(cell.date()) if cell.time() == time() else cell.isoformat(" ", "seconds")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float) and abs(cell) >= MOST_OF_A_SHEET:
        return f"{cell:.14E}"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).replace("\r\n", "\n").replace("\r", "\n")
