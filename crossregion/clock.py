"""Which day it is: by the clock, in Shanghai, unless a test has turned it."""

from __future__ import annotations

from datetime import date, datetime

from crossregion.domain.dates import SHANGHAI
from crossregion.settings import settings


def today() -> date:
    """Today; with `CROSSREGION_TODAY_FILE` the day that stands in that file, read each time."""
    turned = settings().today_file
    if turned is not None:
        return date.fromisoformat(turned.read_text().strip())
    return datetime.now(SHANGHAI).date()
