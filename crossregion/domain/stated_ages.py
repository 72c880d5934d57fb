"""Ages as records state them: years or months at the time, and words for a child.

Ages are in completed months. `data/child_words.toml` has the words, and what makes a word say
nothing of the person's own age.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

from crossregion.domain.numerals import FIGURES, figure, figures, folded

CHILD_MONTHS, ADULT_MONTHS = 168, 216
"""Under 14 (刑法 240, 262) and under 18 (民法典 17)."""
ABOUT_MONTHS, ABOUT_MONTHS_OF_SMALL, SMALL_MONTHS = 24, 12, 60
"""How far "about" reaches to both sides of an age, and of one under five years."""
MOST_YEARS = 120


@dataclass(frozen=True, slots=True)
class Age:
    """Bounds in completed months; None is no bound, both None is nothing told."""

    lower: int | None = None
    upper: int | None = None

    @property
    def told(self) -> bool:
        return self.lower is not None or self.upper is not None

    @property
    def may_be_child(self) -> bool:
        """Whether anything is told of the age, and nothing shows that it is 14 or more."""
        return self.told and (self.lower or 0) < CHILD_MONTHS

    @property
    def is_child(self) -> bool:
        """Whether it is shown to be under 14."""
        return self.upper is not None and self.upper < CHILD_MONTHS


CHILD, MINOR = Age(None, CHILD_MONTHS - 1), Age(None, ADULT_MONTHS - 1)


def combined(sources: Iterable[Age]) -> Age:
    """What all sources allow; where they exclude each other, what any of them allows."""
    told = [source for source in sources if source.told]
    if len(told) == 1:
        return told[0]
    lower = max((one.lower for one in told if one.lower is not None), default=None)
    upper = min((one.upper for one in told if one.upper is not None), default=None)
    if lower is None or upper is None or lower <= upper:
        return Age(lower, upper)
    uppers = [one.upper for one in told if one.upper is not None]
    widest = max(uppers) if len(uppers) == len(told) else None
    return Age(min(one.lower or 0 for one in told), widest)


@functools.lru_cache(maxsize=65_536)
def said_of(text: str | None, *, bare: bool = False) -> Age | None:
    """The age that a text about a person states; None if it states none.

    `bare` is for a field that holds ages only: a number alone is then years.
    """
    if text is None or not (bare or _may_say().search(text)):
        return None
    plain = folded(text)
    found = [age for age, _ in _ages(plain)]
    if bare and not found:
        number = _BARE.fullmatch(figures(plain))
        found = [age for age, _ in _ages(f"{number[0].strip('+')}岁")] if number else []
        if number and number[0].endswith("+"):
            found = [Age(age.lower, None) for age in found]
    return _with_word(found, _called_any(plain))


@functools.lru_cache(maxsize=65_536)
def said_by_name(text: str | None) -> Age | None:
    """What a name says of the age: words for a child stand where nobody knows the name."""
    if text is None or not _may_say().search(text):
        return None
    plain = folded(text)
    if plain.isascii():
        return _called_any(plain) if _only_words(plain) else None
    found = [age for age, end in _ages(plain) if not _PAST.match(plain, end)]
    called = _called_any(plain)
    if called is None and plain.endswith(_words().child_of):
        called = MINOR
    return _with_word(found, called)


@functools.lru_cache(maxsize=65_536)
def said_by_mark(text: str) -> Age | None:
    """What a bodily mark says of the age: 约3岁 does, a scar from the age of three does not."""
    if not _may_say().search(text):
        return None
    plain = folded(text)
    found = [age for age, end in _ages(plain) if _MARK.match(plain) and _REST.fullmatch(plain, end)]
    called = None
    if not any(word in plain for word in _words().never_in_mark):
        called = _called_any(plain, in_mark=True)
    return _with_word(found, called)


@functools.lru_cache(maxsize=4_096)
def tells_of_child(text: str | None) -> bool:
    """Whether somebody's words are of a child under 14; girls and boys may be older."""
    plain = folded(text or "")
    return _called_any(plain) is CHILD or any(
        age.is_child and not _PAST.match(plain, end) for age, end in _ages(plain, years_only=True)
    )


@functools.lru_cache(maxsize=4_096)
def kind_says(word: str, enum: str) -> bool:
    """Whether a kind is one that only a child meets, by its code or by the unit's own word."""
    return word in _words().kinds[enum] or _called_any(folded(word)) is not None


def _with_word(found: list[Age], called: Age | None) -> Age | None:
    sources = found if called is None else [*found, called]
    return combined(sources) if sources else None


# Ages in years, months, weeks and days.

_N = r"(\d{1,3}(?:\.\d+)?)"
_NOMINAL = "虚毛"
_YEARS = (
    r"(?:(?:[虚毛周週足实]?[岁歲]|虚龄|周年|살|세(?![가-힣]))|"
    r"[- ]?(?:years?|yrs?)\b(?:[- ]olds?\b)?| ?y/?o?\b)"
)
_MONTHS = (
    r"(?:[个個](?:多|半)?月[大龄]?|月龄|月大|月婴|개월|"
    r"[- ]?(?:months?|mths?|mos?)\b(?:[- ]olds?\b)?)"
)
_WEEKS = r"(?:周龄|周大|个?星期大?|[- ]?(?:weeks?|wks?)\b(?:[- ]olds?\b)?)"
_DAYS = r"(?:天大?|日龄|[- ]?days?\b(?:[- ]olds?\b)?)"
_BELOW = r"(?:未满|不满|不到|不足|小于|低于|未到|没满|<|under|below|less than)"
_TO = r"(?:[-~—–至到、或]|to)"
_PREFIXED = re.compile(
    r"(?<!\d)(虚岁|虚龄|年龄|周岁|岁数|虚|age|aged)[:为是 ]{0,2}(\d{1,3})(?![\d.个個])岁?"
)
_UP_TO = re.compile(rf"{_BELOW} ?{_N} ?(?:({_YEARS})|({_MONTHS})|$)")
_FROM = re.compile(rf"(?:满|大于|超过|>|over|above) ?{_N} ?{_YEARS}")
_BETWEEN = re.compile(rf"{_N} ?(?:{_YEARS}|{_MONTHS})? ?{_TO} ?{_N} ?(?:({_YEARS})|{_MONTHS})")
_TENS = re.compile(rf"(\d?\d0) ?[多几余来] ?个?{_YEARS}")
_COMPOUND = re.compile(
    rf"{_N} ?({_YEARS})(半)?(?:[零又、, ]|and)*(?:{_N} ?(?:{_MONTHS}|月))?"
    r"(以下|以内|之内|之下|以上|之上)?"
)
_IN_MONTHS = re.compile(rf"{_N} ?({_MONTHS})(以下|以内|之内|之下)?")
_IN_DAYS = re.compile(rf"{_N} ?(?:({_WEEKS})|{_DAYS})")
_MONTHS_ALONE = re.compile(r"(\d{1,3})[月m]")
_WEEKS_OR_YEARS = re.compile(rf"{_N}周$")
_NEIGHBOURS = re.compile(
    r"([一二两三四五六七八九]?十)?([一二两三四五六七八九])、?([一二三四五六七八九])"
    r"(?=[个個]月|月大|周?[岁歲])"
)
_NEIGHBOUR_TENS = re.compile(r"([一二三四五六七八九])([二三四五六七八九])十(?=[多几]?[岁歲])")
_FIXED = (
    (re.compile(r"(?<![一二两三四五六七八九\d])半周?[岁歲]"), Age(5, 7)),
    (re.compile(r"(?<![一二三四五六七八九])十[几多来余]个?周?[岁歲]"), Age(132, 239)),
    (re.compile(r"(?<![\d十])[几数]个?周?[岁歲]"), Age(12, 119)),
    (re.compile(r"(?<![\d十])[几数]个月"), Age(1, 11)),
    (re.compile(r"^(?:刚满?|满)?周岁$"), Age(12, 23)),
    (re.compile(r"^(?:刚|未|不到)?满?(?:月|百天|百日)$"), Age(0, 4)),
)
_BARE = re.compile(rf"(?:[约~]|大约)?(?:{_N}{_TO})?{_N}(?:左右|上下|[~?+])?")
_ABOUT = re.compile(r"约|左右|上下|大概|可能|估|许|看似|似|目测|~|\?|about|approx|around|circa")
_PAST = re.compile(r"(?:左右|上下|多|半)*(?:时|前|后|起|那年|开始|以来|的时候|上学|结婚|离|因)")
_MARK = re.compile(
    r"[(,;、.]?(?:[一-鿿]{0,4}[,;、:(])?(?:年龄|现年|年|约|大约|大概|看似|估计|目测|看上去|实际|仅|"
    r"未满|不满|不到|不足|虚岁|周岁|[男女]性?[,:]?)*[\d一二两三四五六七八九十半几]"
)
_REST = re.compile(r"(?:左右|上下|多|半|许|大|的|一?名|[,(]?[男女]|[性童孩婴幼儿子小)。.])*")


def _ages(plain: str, *, years_only: bool = False) -> Iterator[tuple[Age, int]]:
    """Every age in a text, each with its end in the text as it was given.

    `years_only` leaves out what may be a span of time: three months, a week.
    """
    for pattern, age in _FIXED:
        for found in pattern.finditer(plain):
            if not years_only or "月" not in found[0]:
                yield age, found.end()
    digits = _PREFIXED.sub(_behind, figures(_in_ranges(plain)))
    left = len(digits)
    if not any(character.isdigit() for character in digits):
        return
    about = _ABOUT.search(digits) is not None
    taken: list[tuple[int, int]] = []
    for found, age in _matches(digits, years_only=years_only):
        if all(found.end() <= start or stop <= found.start() for start, stop in taken):
            taken.append(found.span())
            yield _rough(age) if about else age, len(plain) - (left - found.end())


def _in_ranges(plain: str) -> str:
    plain = _NEIGHBOURS.sub(_neighbours, plain)
    return _NEIGHBOUR_TENS.sub(lambda tens: f"{FIGURES[tens[1]]}0-{FIGURES[tens[2]]}9", plain)


def _neighbours(found: re.Match[str]) -> str:
    """三四 before a unit is 3 to 4, 十三四 is 13 to 14; what does not rise is a number."""
    low, high = FIGURES[found[2]], FIGURES[found[3]]
    if low >= high:
        return found[0]
    tens = int(figure(found[1])) if found[1] else 0
    return f"{tens + low}-{tens + high}"


def _behind(found: re.Match[str]) -> str:
    """The unit behind its number: 虚岁15 is 15虚岁, and what else names an age is in years."""
    return f"{found[2]}{'虚岁' if found[1].startswith('虚') else '岁'}"


def _rough(age: Age) -> Age:
    reach = ABOUT_MONTHS
    if (age.upper or age.lower or 0) < SMALL_MONTHS:
        reach = ABOUT_MONTHS_OF_SMALL
    lower = None if age.lower is None else max(0, age.lower - reach)
    return Age(lower, None if age.upper is None else age.upper + reach)


def _matches(digits: str, *, years_only: bool) -> Iterator[tuple[re.Match[str], Age]]:
    """The ages by each pattern, those first that say more: a limit, a range, a number."""
    nominal = any(one in digits for one in _NOMINAL)
    for found in _UP_TO.finditer(digits):
        yield found, Age(0, int(float(found[1]) * (1 if found[3] else 12)) - 1)
    for found in _FROM.finditer(digits):
        yield found, Age(_years(found[1]), None)
    for found in _BETWEEN.finditer(digits):
        low, high = sorted((float(found[1]), float(found[2])))
        if high > MOST_YEARS:
            continue
        if found[3]:
            yield found, Age(max(0, int(12 * (low - 2 * nominal))), int(12 * high) + 11)
        else:
            yield found, Age(int(low), int(high))
    for found in _TENS.finditer(digits):
        yield found, Age(_years(found[1]), _years(found[1]) + 119)
    for found in _COMPOUND.finditer(digits):
        if float(found[1]) <= MOST_YEARS:
            yield found, _of_years(found, nominal=nominal)
    if years_only:
        return
    for found in _IN_MONTHS.finditer(digits):
        months = int(float(found[1]))
        more = any(one in found[2] for one in "多半")
        yield found, Age(0 if found[3] else months, months + more)
    for found in _IN_DAYS.finditer(digits):
        yield found, Age(0, int(float(found[1])) // (4 if found[2] else 28) + 1)
    if alone := _MONTHS_ALONE.fullmatch(digits):
        yield alone, Age(int(alone[1]), int(alone[1]))
    for found in _WEEKS_OR_YEARS.finditer(digits):
        yield found, Age(0, _years(found[1]) + 11)


def _years(number: str) -> int:
    return int(12 * float(number))


def _of_years(found: re.Match[str], *, nominal: bool) -> Age:
    """An age in years; a nominal one (虚岁) is one or two more than the years lived."""
    number, _, half, months, limit = found.groups()
    lower = _years(number)
    if limit:
        return Age(0, lower + 11) if limit[1] in "下内" else Age(lower, None)
    if nominal:
        return Age(max(0, lower - 24), max(0, lower - 1))
    if months:
        return Age(lower + int(float(months)), lower + int(float(months)))
    if half:
        return Age(lower + 5, lower + 7)
    if lower % 12 or "." in number.rstrip("0").rstrip("."):
        return Age(lower - 1, lower + 1)
    return Age(lower, lower + 11)


# Words.


@dataclass(frozen=True, slots=True)
class _Words:
    child: re.Pattern[str]
    minor: re.Pattern[str]
    latin: frozenset[str]
    beside_latin: frozenset[str]
    child_of: tuple[str, ...]
    not_before: tuple[str, ...]
    not_behind: tuple[str, ...]
    not_after_in_mark: tuple[str, ...]
    never_in_mark: tuple[str, ...]
    kinds: dict[str, frozenset[str]]


@functools.cache
def _data() -> dict[str, Any]:
    file = resources.files("crossregion.domain") / "data/child_words.toml"
    return tomllib.loads(file.read_text("utf-8"))


@functools.cache
def _words() -> _Words:
    data = _data()
    behind = "|".join(map(re.escape, data["not_behind_latin"]))

    def pattern(name: str) -> re.Pattern[str]:
        words = "|".join(map(re.escape, sorted(data[name], key=len, reverse=True)))
        latin = "|".join(map(re.escape, data[f"{name}_latin"]))
        return re.compile(rf"{words}|\b(?:{latin})s?\b(?![- ]?(?:{behind}))")

    return _Words(
        pattern("child"),
        pattern("minor"),
        frozenset((*data["child_latin"], *data["minor_latin"])),
        frozenset(data["beside_latin"]),
        tuple(data["child_of"]),
        tuple(data["not_before"]),
        tuple(data["not_behind"]),
        tuple(data["not_after_in_mark"]),
        tuple(data["never_in_mark"]),
        {enum: frozenset(words) for enum, words in data["kinds"].items()},
    )


@functools.cache
def _may_say() -> re.Pattern[str]:
    """One character of whatever can state an age: most names and marks have none, and are done."""
    data, units = _data(), "岁歲月周週天日龄살세개之的"
    firsts = {word[0] for word in (*data["child"], *data["minor"])}
    widths = "0-9A-Za-z\uff00-\uffef\u2e80-\u2fdf\uf900-\ufaff"
    return re.compile(f"[{widths}{units}{''.join(sorted(firsts))}]")


def _only_words(plain: str) -> bool:
    """Whether a Latin name is made of words for a child and of what stands beside them."""
    tokens = re.findall(r"[a-z]+", plain.partition(" of ")[0])
    latin = _words().latin
    return any(token in latin for token in tokens) and all(
        token in latin or token in _words().beside_latin for token in tokens
    )


def _called_any(plain: str, *, in_mark: bool = False) -> Age | None:
    """By which word for a child or a minor a person is called, as bounds."""
    for pattern, age in ((_words().child, CHILD), (_words().minor, MINOR)):
        if any(_stands(plain, found, in_mark) for found in pattern.finditer(plain)):
            return age
    return None


def _stands(text: str, found: re.Match[str], in_mark: bool) -> bool:
    """Whether a word is said of the person, as far as what stands beside it shows."""
    before = text[: found.start()]
    if before.endswith(_words().not_before) or text.startswith(_words().not_behind, found.end()):
        return False
    return not (in_mark and any(word in before for word in _words().not_after_in_mark))
