"""Dates as units write them: partial, lunar, or impossible."""

from __future__ import annotations

import functools
from datetime import date


@functools.lru_cache(maxsize=65_536)
def day(text: str | None) -> date | None:
    """The day an ISO text names; None when it names none or an impossible one."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


@functools.lru_cache(maxsize=65_536)
def year(text: str | None) -> int | None:
    """The year of an ISO date, whole or partial; None when there is none."""
    if text is None or not text[:4].isdecimal() or len(text) < 4:
        return None
    return int(text[:4])
