"""What the words of an export mean: days, times, births, heights."""

from __future__ import annotations

import re
from collections.abc import Mapping

from crossregion.domain.age import STATED_AGE
from crossregion.domain.stated_ages import said_of

_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T](.*))?", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?", re.ASCII)


def date_of(text: str) -> str | None:
    """An ISO day where the text names one, also an impossible one; else the text."""
    if re.fullmatch(r"\d{8}", text, re.ASCII):
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    found = _DATE.fullmatch(text)
    if found is None:
        return text or None
    return f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}"


def time_of(text: str) -> str | None:
    """An ISO time; a clock without a zone is Asia/Shanghai's, and midnight only a day."""
    found = _DATE.fullmatch(text)
    clock = _CLOCK.fullmatch((found[4] or "").strip()) if found else None
    if found is None or clock is None:
        return text if found and found[4] else date_of(text)
    hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
    if hour > 23 or minute > 59 or second > 59:
        return text
    if not (hour or minute or second):
        return date_of(text)
    return f"{date_of(text)}T{hour:02}:{minute:02}:{second:02}+08:00"


def birth_of(cells: Mapping[str, str]) -> tuple[str | None, str]:
    """The birth date and its precision: day, month, year, about, age or unknown.

    An age at the time is kept as it is written, and so is what only says that it is a child.
    """
    text = date_of(cells.get("birth_date", ""))
    if text is not None:
        if _is_day(text):
            return text, "day"
        if re.fullmatch(r"\d{4}[-/.年]\d{1,2}月?", text, re.ASCII):
            return f"{text[:4]}-{int(re.split('[-/.年月]', text)[1]):02}", "month"
        if re.fullmatch(r"\d{4}年?", text, re.ASCII):
            return text[:4], "year"
        about = re.search(r"(?<!\d)(1[89]|20)\d{2}(?!\d)", text)
        if about:
            return about[0], "about"
        return text, "day" if said_of(text) is None else STATED_AGE
    for name, precision in (("birth_year", "year"), ("assumed_birth_year", "about")):
        found = re.search(r"\d{4}", cells.get(name, ""), re.ASCII)
        if found:
            exact = re.fullmatch(r"\d{4}年?", cells[name], re.ASCII) is not None
            return found[0], precision if exact else "about"
    for name in ("age", "birth_year", "assumed_birth_year"):
        stated = cells.get(name, "")
        if said_of(stated) is not None:
            return stated, STATED_AGE
        if name == "age" and said_of(stated, bare=True) is not None:
            return f"{stated}岁", STATED_AGE  # elsewhere a bare number is no age, and 0 a filler
    return None, "unknown"


def _is_day(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII) is not None


def height_of(text: str) -> int | None:
    """Centimetres; metres where they are named or written with two decimals; else None."""
    metres = re.fullmatch(r"([0-2])\.(\d{2})|(\d)(?:\.(\d{1,2}))?\s*(?:m|M|米)", text, re.ASCII)
    if metres:
        return int((metres[1] or metres[3]) + (metres[2] or metres[4] or "").ljust(2, "0"))
    found = re.fullmatch(r"(-?\d{1,6})(?:\.\d*)?\s*(?:cm|CM|厘米)?", text, re.ASCII)
    return int(found[1]) if found else None
