"""Each person is normalised once, so that comparing two is cheap.

Names go to toneless pinyin (pypinyin, with the readings surnames have) and to sounds folded as
Chinese dialects fold them; an identity number stands in only for what is not given, so that
nothing counts twice.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from opencc import OpenCC

from crossregion.domain import fillers, identity_number
from crossregion.domain.dates import day, year
from crossregion.domain.events import Identity, ListedPerson, PersonsListed
from crossregion.domain.fillers import COMPOUND_SURNAMES
from crossregion.domain.regions import regions

SURNAME_READINGS = {
    "单": "shan",
    "解": "xie",
    "仇": "qiu",
    "曾": "zeng",
    "区": "ou",
    "查": "zha",
    "朴": "piao",
    "盖": "ge",
    "华": "hua",
    "任": "ren",
}
KOREAN_SURNAMES = {
    **dict.fromkeys(("kim", "gim"), "jin"),
    **dict.fromkeys(("lee", "rhee", "yi", "ri"), "li"),
    **dict.fromkeys(("park", "pak", "bak"), "piao"),
    **dict.fromkeys(("choi", "choe"), "cui"),
    **dict.fromkeys(("jung", "jeong", "chung"), "zheng"),
    **dict.fromkeys(("kang", "gang"), "jiang"),
    **dict.fromkeys(("cho", "jo"), "zhao"),
    **dict.fromkeys(("yoon", "youn"), "yin"),
    **dict.fromkeys(("jang",), "zhang"),
    **dict.fromkeys(("lim", "im", "rim"), "lin"),
    **dict.fromkeys(("shin", "sin"), "shen"),
    **dict.fromkeys(("seo", "suh"), "xu"),
    **dict.fromkeys(("kwon", "gwon"), "quan"),
    **dict.fromkeys(("hwang",), "huang"),
    **dict.fromkeys(("ahn",), "an"),
    **dict.fromkeys(("ryu", "yoo"), "liu"),
    **dict.fromkeys(("moon",), "wen"),
    **dict.fromkeys(("baek", "paek"), "bai"),
    **dict.fromkeys(("roh", "noh"), "lu"),
}
"""Romanised surnames of Koreans of Yanbian, as Chinese reads the same character."""
MARK_SYNONYMS = {
    "伤疤": "疤痕",
    "疤": "疤痕",
    "烫疤": "烫伤",
    "红斑": "胎记",
    "青记": "胎记",
    "黑痣": "痣",
    "刺青": "纹身",
    "断指": "缺指",
}
RELEASED = date(2026, 4, 1)
"""The day of the region tables: codes are compared as they were on it."""
DAYS_IN_YEAR = 365.25
EARLIEST_YEAR, LATEST_YEAR = 1880, 2100
"""A year of birth before, or after the loss or the rescue, says nothing."""
_MARK_WORDS = sorted({*MARK_SYNONYMS, *MARK_SYNONYMS.values()}, key=len, reverse=True)
_SIMPLIFIER = OpenCC("t2s")
_HAN = re.compile(r"[\u3400-\u9fff]")

Mark = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Name:
    """One name: characters if there are any, and its sounds syllable by syllable.

    Where the surname is all that is told, `surname` and `folded_surname` alone say something.
    """

    han: str | None
    surname: str
    given: tuple[str, ...]
    sounds: str
    folded_surname: str
    folded_given: tuple[str, ...]
    folded: str


@dataclass(frozen=True, slots=True)
class Person:
    """What comparing needs of one person.

    `happened` is the day of the loss or the rescue as a proleptic ordinal, `age` the years lived
    by then, `height` centimetres, `home` province, prefecture and county as far as known, a mark
    its side, its part of the body and its type. `number_born` is the birth that the identity number
    states, unless it stands in for `born`.
    """

    person_id: str
    name: Name | None
    others: tuple[Name, ...]
    sex: str | None
    born: date | None
    born_year: int | None
    birth_about: bool
    home: tuple[str | None, str | None, str | None]
    height: int | None
    marks: frozenset[Mark]
    id_number: str | None
    dna: str | None
    happened: int | None
    age: float | None
    number_born: date | None = None


def normalise(person: ListedPerson, listed: PersonsListed) -> Person:
    """One listed person of a case or rescue, ready to be compared; no filler of theirs counts."""
    identity = fillers.read_identity(person["identity"]).identity
    on = listed["happened_on"]
    happened = day(fillers.day_read(on)) if on else None
    number = identity["id_number"]
    number = unicodedata.normalize("NFKC", number).strip().upper() if number else None
    number = number if number and identity_number.well_formed(number) else None
    sex, born, born_year, about, number_born = _sex_and_birth(identity, number, happened)
    others = tuple(filter(None, (_name(text, None) for text in identity["other_names"])))
    return Person(
        person_id=person["person_id"],
        name=_name(identity["name"], identity["pinyin"]),
        others=others,
        sex=sex,
        born=born,
        born_year=born_year,
        birth_about=about,
        home=_home(identity["home"] or (number[:6] if number else None)),
        height=identity["height_cm"] if 30 <= (identity["height_cm"] or 0) <= 250 else None,
        marks=frozenset(_mark(mark) for mark in identity["marks"] if mark),
        id_number=number,
        dna=fillers.dna_folded(identity["dna_sample"]) if identity["dna_sample"] else None,
        happened=happened.toordinal() if happened else None,
        age=_age(happened, born, born_year),
        number_born=number_born,
    )


def _age(on: date | None, born: date | None, born_year: int | None) -> float | None:
    """Years lived by a day; where only the year of birth is known, from its middle."""
    if on is None or born_year is None:
        return None
    if born is not None:
        return (on - born).days / DAYS_IN_YEAR
    return on.year - born_year + (on.timetuple().tm_yday / DAYS_IN_YEAR) - 0.5


def _sex_and_birth(
    identity: Identity, number: str | None, happened: date | None
) -> tuple[str | None, date | None, int | None, bool, date | None]:
    """Sex, birth, its year, whether it is rough, and another birth that the number states."""
    stated = None
    sex = identity["sex"] if identity["sex"] in ("F", "M") else None
    exact = identity["birth_precision"] == "day"
    born = day(identity["birth_date"]) if exact else None
    if born is not None and fillers.year_alone(born.month, born.day):
        born = None
    born_year = year(identity["birth_date"])
    latest = happened.year if happened else LATEST_YEAR
    if born_year is not None and not EARLIEST_YEAR <= born_year <= latest:
        born, born_year = None, None
    about = identity["birth_precision"] == "about"
    if number is not None and identity_number.check_digit_right(number):
        sex = sex or identity_number.sex(number)
        stated = identity_number.birth_date(number)
        if stated is not None and not EARLIEST_YEAR <= stated.year <= latest:
            stated = None
        if born_year is None and stated is not None:
            born, born_year, stated = stated, stated.year, None
    return sex, born, born_year, about, stated


@functools.lru_cache(maxsize=65_536)
def _home(code: str | None) -> tuple[str | None, str | None, str | None]:
    """Province, prefecture and county of a home, as far as they are known."""
    place = regions().place(code, RELEASED)
    if place.country != "CN":
        return place.country, None, None
    return place.province, place.prefecture, place.county


@functools.lru_cache(maxsize=65_536)
def _mark(text: str) -> Mark:
    """A phrase such as 右手臂疤痕 as side, part and type; synonyms of a type are made one."""
    kept = unicodedata.normalize("NFKC", text).strip()
    side = next((letter for letter in "左右" if letter in kept), "")
    kept = kept.replace("左", "").replace("右", "")
    for word in _MARK_WORDS:
        if kept.endswith(word):
            return side, kept.removesuffix(word), MARK_SYNONYMS.get(word, word)
    return side, kept, ""


@functools.lru_cache(maxsize=4_096)
def _name(text: str | None, pinyin: str | None) -> Name | None:
    surname_told = fillers.surname_only(text) if text else None
    if surname_told:
        if pinyin:
            return _name(None, pinyin)
        told = _name(surname_told + "一", None)
        return (
            None if told is None else Name(None, told.surname, (), "", told.folded_surname, (), "")
        )
    han = "".join(_HAN.findall(unicodedata.normalize("NFKC", text))) if text else ""
    if han:
        han = "".join(map(_simplified, han))
        cut = 2 if han[:2] in COMPOUND_SURNAMES and len(han) > 2 else 1
        if len(han) == 1 or han[0] in "小阿" or (len(han) == 2 and han[0] == han[1]):
            return _made(han, (), _sounds(han))
        reading = SURNAME_READINGS.get(han[:cut])
        surname = (reading,) if reading else _sounds(han[:cut])
        return _made(han, surname, _sounds(han[cut:]))
    latin = unicodedata.normalize("NFKD", pinyin or text or "").lower()
    latin = "".join(c for c in latin.replace("u\u0308", "v") if not unicodedata.combining(c))
    written = re.findall(r"[a-z]+", latin)
    if len(written) > 1 and written[0] not in _legal_syllables():
        written[0] = KOREAN_SURNAMES.get(written[0], written[0])
    words = [_syllables(word) for word in written]
    if not words:
        return None
    first, rest = words[0], [syllable for word in words[1:] for syllable in word]
    if not rest:
        first, rest = first[:1], first[1:]
    elif len(first) == 1 and len(rest) > 1 and first[0] + rest[0] in _compound_sounds():
        first, rest = [first[0], rest[0]], rest[1:]
    return _made(None, tuple(first), tuple(rest))


def _sounds(han: str) -> tuple[str, ...]:
    """Character by character: a name is no word, whose characters tell each other's reading."""
    return tuple(map(_sound, han))


@functools.cache
def _simplified(character: str) -> str:
    """A traditional character as the simplified one; one by one, because a name is no word."""
    return str(_SIMPLIFIER.convert(character))


@functools.cache
def _compound_sounds() -> frozenset[str]:
    return frozenset("".join(_sounds(surname)) for surname in COMPOUND_SURNAMES)


@functools.cache
def pinyin() -> Callable[[str], list[str]]:
    """The syllables of Han characters, by pypinyin, whose tables take a quarter of a second."""
    from pypinyin import lazy_pinyin

    return lazy_pinyin


@functools.cache
def _sound(character: str) -> str:
    (found,) = pinyin()(character)
    return found


def _made(han: str | None, surname: tuple[str, ...], given: tuple[str, ...]) -> Name:
    folded_surname = "".join(map(fold, surname))
    folded_given = tuple(map(fold, given))
    return Name(
        han=han,
        surname="".join(surname),
        given=given,
        sounds="".join((*surname, *given)),
        folded_surname=folded_surname,
        folded_given=folded_given,
        folded=folded_surname + "".join(folded_given),
    )


@functools.cache
def _legal_syllables() -> frozenset[str]:
    """Every syllable that pypinyin gives to the characters of GB 2312."""
    rows = (bytes((high, low)) for high in range(0xB0, 0xF8) for low in range(0xA1, 0xFF))
    text = "".join(row.decode("gb2312", "ignore") for row in rows)
    return frozenset(pinyin()(text))


def _syllables(word: str) -> list[str]:
    """A run of pinyin cut into the fewest legal syllables; the whole if it cannot be cut."""
    legal = _legal_syllables()
    best: list[tuple[int, int] | None] = [(0, 0), *[None] * len(word)]
    """For each place how few syllables end there, and where the last of them begins."""
    for start in range(len(word)):
        before = best[start]
        if before is None:
            continue
        for end in range(start + 1, min(start + 6, len(word)) + 1):
            known = best[end]
            if word[start:end] in legal and (known is None or before[0] + 1 < known[0]):
                best[end] = before[0] + 1, start
    cut, end = list[str](), len(word)
    while end and (last := best[end]):
        cut.append(word[last[1] : end])
        end = last[1]
    return cut[::-1] or [word]


@functools.lru_cache(maxsize=4_096)
def fold(syllable: str) -> str:
    """A syllable as dialects that merge sounds say it: zh/z, ch/c, sh/s, n/l/r, f/h, -ng/-n."""
    for long, short in (("zh", "z"), ("ch", "c"), ("sh", "s")):
        if syllable.startswith(long):
            syllable = short + syllable[2:]
    if syllable[:1] in "nr" and syllable != "er":
        syllable = "l" + syllable[1:]
    if syllable.startswith("f"):
        syllable = "h" + syllable[1:]
    if (syllable.endswith("ng") and len(syllable) > 3) or syllable.endswith(("ing", "eng", "ang")):
        syllable = syllable[:-1]
    return syllable
