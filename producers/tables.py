"""Rows of an export file as they stand in it: CSV in any common encoding, or XLSX."""

from __future__ import annotations

import csv
import re
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

ENCODINGS = ("utf-8", "gb18030")
BOM = b"\xef\xbb\xbf"
DELIMITERS = ",;\t"
LINES_OF_A_CELL = 50
MAX_FILE_BYTES = 512 * 1024 * 1024


class ExportUnreadable(Exception):
    """The file as a whole cannot be read. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its line in the file, and its cells; None where it could not be read."""

    line: int
    cells: list[str] | None
    fault: str = ""


def heading(text: str) -> str:
    """A heading without differences that mean nothing: width, spaces, byte order mark."""
    return unicodedata.normalize("NFKC", text).strip().strip("\ufeff")


def read_table(path: Path, known: Sequence[frozenset[str]]) -> tuple[list[str], Iterator[Row]]:
    """The headings and the rows of a file.

    `known` are the required headings of each format; they tell the right encoding.
    Raises: ExportUnreadable.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ExportUnreadable(f"{path} cannot be read: {error.strerror}.") from None
    if not data.strip():
        raise ExportUnreadable(f"{path} is empty: export it again.")
    if len(data) > MAX_FILE_BYTES:
        raise ExportUnreadable(f"{path} is larger than 512 MiB: export it in parts.")
    if path.suffix.lower() == ".xlsx":
        return _xlsx(path)
    return _csv(path, data.removeprefix(BOM), known)


def _csv(
    path: Path, data: bytes, known: Sequence[frozenset[str]]
) -> tuple[list[str], Iterator[Row]]:
    raw = re.split(rb"\r\n|\n|\r", data)
    first = next(number for number, line in enumerate(raw) if line.strip())
    best: tuple[int, str, str, list[str]] | None = None
    for encoding in ENCODINGS:
        text = raw[first].decode(encoding, "replace")
        for delimiter in DELIMITERS:
            headings = [heading(cell) for cell in _parse([text], delimiter)]
            found = max(len(required & set(headings)) for required in known)
            if best is None or found > best[0]:
                best = (found, encoding, delimiter, headings)
    if best is None or best[0] == 0:
        raise ExportUnreadable(
            f"{path} has no heading row that is known: line {first + 1} must hold the headings, "
            "in GB18030 or UTF-8 (see producers/formats)."
        )
    _, encoding, delimiter, headings = best
    return headings, _csv_rows(raw, first + 1, encoding, delimiter, len(headings))


def _csv_rows(
    raw: list[bytes], start: int, encoding: str, delimiter: str, width: int
) -> Iterator[Row]:
    number = start
    while number < len(raw):
        line = number + 1
        lines = [_decode(raw[number], encoding)]
        if lines[0] is None:
            yield Row(line, None, "undecodable")
        elif lines[0].strip():
            cells, taken = _whole(raw, number, encoding, delimiter, width)
            yield Row(line, cells, "" if cells else "torn")
            number += taken - 1
        number += 1


def _whole(
    raw: list[bytes], number: int, encoding: str, delimiter: str, width: int
) -> tuple[list[str] | None, int]:
    """The cells of the row that begins at a line, and how many lines it takes.

    A quoted cell may go on in the next lines; a quote that is never closed costs its own line.
    """
    lines: list[str] = []
    for line in raw[number : number + LINES_OF_A_CELL]:
        text = _decode(line, encoding)
        if text is None:
            break
        lines.append(text)
        if sum(part.count('"') for part in lines) % 2 == 0:
            cells = _parse(lines, delimiter)
            if len(cells) == width:
                return cells, len(lines)
            break
    alone = _parse(lines[:1], delimiter)
    return (alone if len(alone) == width else None), 1


def _parse(lines: list[str], delimiter: str) -> list[str]:
    kept = [line + "\n" for line in lines[:-1]] + lines[-1:]
    csv.field_size_limit(MAX_FILE_BYTES)
    return next(csv.reader(kept, delimiter=delimiter), [])


def _decode(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None


def _xlsx(path: Path) -> tuple[list[str], Iterator[Row]]:
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        rows = list(book.worksheets[0].iter_rows(values_only=True))
        book.close()
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError):
        raise ExportUnreadable(f"{path} is no whole XLSX file: export it again.") from None
    texts = [[_text(cell) for cell in row] for row in rows]
    first = next((number for number, row in enumerate(texts) if any(row)), None)
    if first is None:
        raise ExportUnreadable(f"{path} is empty: export it again.")
    headings = [heading(cell) for cell in texts[first]]
    while headings and not headings[-1]:
        headings.pop()
    width = len(headings)

    def each() -> Iterator[Row]:
        for number, row in enumerate(texts[first + 1 :], first + 2):
            if any(row):
                cells = (row + [""] * width)[:width]
                torn = any(row[width:])
                yield Row(number, None if torn else cells, "torn" if torn else "")

    return headings, each()


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.isoformat(" ") if cell.time().isoformat() != "00:00:00" else _text(cell.date())
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
