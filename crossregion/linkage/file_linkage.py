"""Linkage over two files of persons, without Kafka: JSON Lines in, pairs out."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, TypedDict, TypeVar, cast

from crossregion.domain.events import Evidence, PersonsListed
from crossregion.linkage import default_days
from crossregion.linkage.index import Index
from crossregion.linkage.model import Model, load
from crossregion.linkage.posterior import posterior_probabilities

PRECISIONS = {"day": "day", "month": "month", "year": "year", "estimated": "about"}
T = TypeVar("T")
_ID = {"case": "case_id", "rescue": "rescue_id"}
_DAY = {"case": "missing_date", "rescue": "found_date"}


class BadLine(ValueError):
    """A line that is no record; the message names file and line, never a value."""


class LinkedPair(TypedDict):
    """One line of the result."""

    case_id: str
    rescue_id: str
    probability: float
    rank: int
    band: str
    evidence: list[Evidence]


def link(cases: Path, rescues: Path, out: Path, model: Model | None = None) -> int:
    """Write every pair worth an analyst's look, sorted by rescue and rank.

    Returns: the number of pairs. Raises: BadLine, OSError.
    """
    listed = (
        default_days.without_defaults(list(read_listed(path, kind)))
        for path, kind in ((cases, "case"), (rescues, "rescue"))
    )
    reported, rescued = listed
    return write_linked(reported, iter(rescued), out, model)


def write_linked(
    cases: list[PersonsListed],
    rescues: Iterator[PersonsListed],
    out: Path,
    model: Model | None = None,
) -> int:
    """The same for records that have been read. Raises: OSError."""
    found = linked(cases, rescues, model)
    _write(out, (json.dumps(pair) + "\n" for pair in found))
    return len(found)


def linked(
    cases: list[PersonsListed], rescues: Iterator[PersonsListed], model: Model | None = None
) -> list[LinkedPair]:
    """The pairs of two lists; the prior's number of victims is that of the cases given."""
    known = model or load()
    victims = max(sum(len(case["persons"]) for case in cases), 1)
    keep_bits = known.keep_bits + math.log2(victims / known.open_cases)
    used = replace(known, keep_bits=keep_bits)
    index = Index(used)
    for case in cases:
        index.restore(case)
    found: list[LinkedPair] = []
    for rescue in rescues:
        for one in posterior_probabilities(index.put(rescue), used, victims):
            found.append(
                {
                    "case_id": one["case_id"],
                    "rescue_id": one["rescue_id"],
                    "probability": one["probability"],
                    "rank": one["rank"],
                    "band": one["band"],
                    "evidence": one["evidence"],
                }
            )
    found.sort(key=lambda pair: (pair["rescue_id"], pair["rank"], pair["case_id"]))
    return found


def read_listed(path: Path, kind: str) -> Iterator[PersonsListed]:
    """The records of a file, plain or `.gz`; `kind` is case or rescue.

    Raises: BadLine for a line that isn't a JSON object with an id of its own, or that has a field
    of another type; OSError.
    """
    seen: dict[str, int] = {}
    for number, listed in _each(path, lambda row: _listed(row, kind)):
        before = seen.setdefault(listed["record_id"], number)
        if before != number:
            raise BadLine(f"{path}:{number}: {_ID[kind]} of line {before} again")
        yield listed


def read_truth(path: Path) -> Iterator[tuple[str, str, str]]:
    """Rescue, case and kind of name error of each true pair. Raises: BadLine, OSError."""
    for _, pair in _each(path, _true_pair):
        yield pair


def _true_pair(row: dict[str, Any]) -> tuple[str, str, str]:
    rescue_id, case_id = _text(row, _ID["rescue"]), _text(row, _ID["case"])
    if not (rescue_id and case_id):
        raise _WrongField("rescue_id or case_id is missing")
    return rescue_id, case_id, _text(row, "kind") or "unknown"


def _each(path: Path, read: Callable[[dict[str, Any]], T]) -> Iterator[tuple[int, T]]:
    """What is read of each line, with the line's number. Raises: BadLine, OSError."""
    for number, line in enumerate(_lines(path), 1):
        if line.strip():
            try:
                row = _parsed(line)
                if not isinstance(row, dict):
                    raise _WrongField("not a JSON object")
                found = read(row)
            except _WrongField as error:
                raise BadLine(f"{path}:{number}: {error}") from error
            yield number, found


def _lines(path: Path) -> Iterator[bytes]:
    count = 0
    try:
        with _opened(path) as stream:
            for line in stream:
                count += 1
                yield line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadLine(f"{path}:{count + 1}: not gzip, or torn") from error


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise _WrongField(f"not UTF-8, at byte {error.start + 1}") from error
    except json.JSONDecodeError as error:
        raise _WrongField(f"not JSON, at column {error.colno}") from error
    except (RecursionError, ValueError) as error:
        raise _WrongField("nested too deep, or a number too long") from error


class _WrongField(ValueError):
    pass


def _listed(row: dict[str, Any], kind: str) -> PersonsListed:
    record_id = _text(row, _ID[kind])
    if not record_id:
        raise _WrongField(f"{_ID[kind]} is missing")
    birth_year = _number(row, "birth_year")
    birth_date = _text(row, "birth_date")
    return {
        "kind": kind,
        "record_id": record_id,
        "unit": _text(row, "unit") or "",
        "revision": 1,
        "digest": "",
        "happened_on": _text(row, _DAY[kind]),
        "places": [],
        "stated_case_id": _text(row, "stated_case_id"),
        "persons": [
            {
                "person_id": record_id,
                "identity": {
                    "name": _text(row, "name_han"),
                    "pinyin": _text(row, "name_pinyin"),
                    "other_names": _texts(row, "aliases"),
                    "sex": _text(row, "sex"),
                    "birth_date": birth_date or (f"{birth_year:04}" if birth_year else None),
                    "birth_precision": PRECISIONS.get(_text(row, "dob_precision") or "", "unknown"),
                    "home": _text(row, "home_region"),
                    "height_cm": _number(row, "height_cm"),
                    "marks": _texts(row, "marks"),
                    "id_number": _text(row, "id_number"),
                    "dna_sample": _text(row, "dna_sample_id"),
                },
            }
        ],
    }


def _text(row: dict[str, Any], field: str) -> str | None:
    value = row.get(field)
    if value is not None and not isinstance(value, str):
        raise _WrongField(f"{field} is not text")
    return _unicode(value, field) if value else value


def _unicode(value: str, field: str) -> str:
    """JSON can say half a character, which no encoding can."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _WrongField(f"{field} is not Unicode text") from error
    return value


def _number(row: dict[str, Any], field: str) -> int | None:
    value = row.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _WrongField(f"{field} is not a number")
    return round(value)


def _texts(row: dict[str, Any], field: str) -> list[str]:
    value = row.get(field)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _WrongField(f"{field} is not a list of texts")
    return [_unicode(item, field) for item in value]


def _write(path: Path, lines: Iterable[str]) -> None:
    text = "".join(lines).encode()
    path.touch(0o600)
    if path.is_file():
        path.chmod(0o600)
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
