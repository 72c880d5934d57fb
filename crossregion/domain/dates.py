"""Dates as units write them: partial, lunar, or impossible."""

from __future__ import annotations

import calendar
import functools
import re
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone

SHANGHAI = timezone(timedelta(hours=8))
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@functools.lru_cache(maxsize=65_536)
def day(text: str | None) -> date | None:
    """The day an ISO text names, in Shanghai if it has a zone; None if there is no such day."""
    if text is None or not DAY.match(text):
        return None
    try:
        found = date.fromisoformat(text[:10])
    except ValueError:
        return None
    with suppress(ValueError, OverflowError):
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time.astimezone(SHANGHAI).date()
    return found


def day_of(milliseconds: int) -> date:
    """The day, in Shanghai, of a time in milliseconds since 1970, as the broker gives it."""
    return datetime.fromtimestamp(milliseconds / 1000, SHANGHAI).date()


@functools.lru_cache(maxsize=65_536)
def year(text: str | None) -> int | None:
    """The year of an ISO date, whole or partial; None when there is none."""
    if text is None or not text[:4].isdecimal() or len(text) < 4:
        return None
    return int(text[:4])


def months_after(start: date, months: int) -> date:
    """The same day so many months later, or that month's last day where there is no such day."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(start.day, last))
