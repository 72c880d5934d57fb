"""Remarks on fields of a record: the field's path and a code, never the value."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from crossregion.domain.code_lists import code_list
from crossregion.domain.events import Remark
from crossregion.domain.regions import regions

EARLIEST = date(1900, 1, 1)


def date_remarks(
    field: str, text: str | None, on: date | None, received_on: date | None
) -> Iterator[Remark]:
    if text is not None and (on is None or not _is_time(text)):
        yield {"field": field, "code": "impossible-date"}
    elif on is not None and on < EARLIEST:
        yield {"field": field, "code": "implausible-date"}
    elif on is not None and received_on is not None and on > received_on:
        yield {"field": field, "code": "future-date"}


def word_remarks(field: str, said: str | list[str] | None, enum: str) -> Iterator[Remark]:
    words = [said] if isinstance(said, str) else said or ()
    if any(word not in code_list(enum) for word in words):
        yield {"field": field, "code": "unknown-word"}


def _is_time(text: str) -> bool:
    """Whether a text is a whole ISO day or time; `day` looks at its first ten characters only."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def place_remarks(field: str, code: str | None, on: date | None) -> Iterator[Remark]:
    if code is None:
        return
    status = regions().place(code, on).status
    if status == "unknown_code":
        yield {"field": field, "code": "unknown-place"}
    elif status == "not_valid_on_date":
        yield {"field": field, "code": "place-not-valid-on-date"}
