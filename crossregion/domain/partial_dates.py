"""Days that are known in part: what the first and the last day are that a text can mean.

A text is read as a day, month or year in the forms that units write. Nothing is guessed: where a
form has two readings, both lie between the two days.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import date, timedelta

from crossregion.domain.dates import DAY, day, months_after
from crossregion.domain.numerals import figures, folded

ABOUT_DAYS = {"day": 31, "month": 183, "year": 731}
"""How far "about" reaches to both sides, by what it stands before."""
LUNAR_DAYS = 59
"""A day of the lunar calendar is so many days after the solar one of its name, at most."""
SERIAL_EPOCH = date(1899, 12, 30)
"""Day 0 of the numbers that spreadsheets keep days as."""
TWO_DIGITS_UNTIL = 2029

_ERAS = {"昭和": 1925, "平成": 1988, "令和": 2018, "民国": 1911, "主体": 1911}
"""Years before the first of an era whose years are written in papers of the border region."""
_ERA = re.compile(rf"({'|'.join(_ERAS)})(\d{{1,3}})年?")
_LUNAR_MONTHS = {"正月": "1月", "腊月": "12月", "冬月": "11月", "元月": "1月"}
_LUNAR = re.compile(r"农历|阴历|旧历|夏历|腊月|冬月|正月|闰|初")
_ABOUT = re.compile(
    r"约|左右|前后|上下|大概|可能|估|推断|推测|许$|\?|about|approx|around|circa|\bca?\.|~$"
)
_RANGE = re.compile(r"(?<!\d)(\d{4})年?[-~—–至到或/](\d{4})年?(?!\d)")
_DECADE = re.compile(r"(?<!\d)(\d{2}|\d{3}0)(?:年代|后)")
_WHOLE = re.compile(
    r"(?<!\d)(\d{4})[-/.年,。·:]{1,2}(\d{1,2})(?:[-/.月,。·:]{1,2}(\d{1,2}))?(?![\d岁歲个個])"
)
_DAY_FIRST = re.compile(r"(?<!\d)(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?!\d)")
_SHORT = re.compile(r"(?<!\d)(\d{2})[-/.年,。·](\d{1,2})(?:[-/.月,。·](\d{1,2}))?(?![\d岁歲个個])")
_SHORT_YEAR = re.compile(r"(?<!\d)(\d{2})年")
_YEAR = re.compile(r"(?<!\d)((?:18|19|20)\d{2})(?!\d)")
_YEAR_MONTH = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])")
_SERIAL = re.compile(r"([2-6]\d{4})(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Period:
    """The first and the last day that something can have been on; None is no bound."""

    first: date | None = None
    last: date | None = None


@functools.lru_cache(maxsize=65_536)
def period(text: str | None, latest: int | None = None, *, about: bool = False) -> Period | None:
    """The days that a text may mean; None if it names none.

    `latest` is the last year that two digits can mean; `about` says that the text is rough by
    years, whatever it says itself.
    """
    if text is None or not text.strip():
        return None
    found = day(text)
    if found is not None and not about:
        return Period(found, found)
    plain = figures(folded(text))
    lunar = _LUNAR.search(plain) is not None
    for name, month in _LUNAR_MONTHS.items():
        plain = plain.replace(name, month)
    unit, first, last = _span(plain.replace("公元", "").replace("初", ""), latest)
    if first is None or last is None:
        return None
    if lunar:
        last = _later(last, LUNAR_DAYS)
    if about or _ABOUT.search(plain):
        reach = ABOUT_DAYS["year" if about else unit]
        first, last = _later(first, -reach), _later(last, reach)
    return Period(first, last)


def _later(on: date, days: int) -> date:
    """So many days later, or the first or the last day that there is."""
    try:
        return on + timedelta(days=days)
    except OverflowError:
        return date.max if days > 0 else date.min


Span = tuple[str, date | None, date | None]
"""What a text names (day, month or year), its first and its last day."""
_NO_SPAN: Span = ("year", None, None)


def _span(plain: str, latest: int | None) -> Span:
    if era := _ERA.search(plain):
        plain = plain.replace(era[0], f"{_ERAS[era[1]] + int(era[2])}年")
    if DAY.match(plain):
        return _of(plain[:4], plain[5:7], plain[8:10])
    if re.fullmatch(r"\d{8}", plain):
        return _of(plain[:4], plain[4:6], plain[6:])
    if re.fullmatch(r"\d{6}", plain):
        if _YEAR_MONTH.fullmatch(plain):
            return _of(plain[:4], plain[4:])
        return _of(_century(plain[:2], latest), plain[2:4], plain[4:])
    if _SERIAL.fullmatch(plain):
        on = SERIAL_EPOCH + timedelta(days=int(plain[:5]))
        return "day", on, on
    if found := _RANGE.search(plain):
        return _years(int(found[1]), int(found[2]))
    if found := _DECADE.search(plain):
        first = int(found[1] if len(found[1]) == 4 else _century(found[1], latest)) // 10 * 10
        return _years(first, first + 9)
    if found := _WHOLE.search(plain):
        return _of(*found.groups())
    if found := _DAY_FIRST.search(plain):
        one, other, year = (int(part) for part in found.groups())
        days = [on for on in (_date(year, one, other), _date(year, other, one)) if on]
        return ("day", min(days), max(days)) if days else _of(found[3])
    if found := _SHORT.search(plain):
        return _of(_century(found[1], latest), found[2], found[3])
    if found := _YEAR.search(plain):
        return _of(found[1])
    if found := _SHORT_YEAR.search(plain):
        return _of(_century(found[1], latest))
    return _NO_SPAN


def _century(digits: str, latest: int | None) -> str:
    """The last year that ends in two digits and is not too late."""
    year = 2000 + int(digits)
    return str(year if year <= (latest or TWO_DIGITS_UNTIL) else year - 100)


def _of(year: str, month: str | None = None, day_of_month: str | None = None) -> Span:
    """The days of a day, month or year; of the wider one where the narrower does not exist."""
    if not 1 < int(year) < 9999:
        return _NO_SPAN
    if month is None or not 1 <= int(month) <= 12:
        return _years(int(year), int(year))
    start = date(int(year), int(month), 1)
    on = _date(start.year, start.month, int(day_of_month)) if day_of_month else None
    if on is not None:
        return "day", on, on
    return "month", start, months_after(start, 1) - timedelta(days=1)


def _years(one: int, other: int) -> Span:
    if not 1 < min(one, other) <= max(one, other) < 9999:
        return _NO_SPAN
    return "year", date(min(one, other), 1, 1), date(max(one, other), 12, 31)


def _date(year: int, month: int, day_of_month: int) -> date | None:
    try:
        return date(year, month, day_of_month)
    except ValueError:
        return None
