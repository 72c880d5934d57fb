"""A person as one row of whole numbers, so that one can be compared with thousands at once.

Texts are interned: two texts have the same number in one `Texts` if they are equal, and nothing
else is made of a number, so the order in which they came makes no difference. 0 stands for what is
not known. Of aliases, call names and marks a row holds the first few; whoever has more is marked,
and compared by the lists themselves.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

from borax.calendars.lunardate import InvalidLunarDateError, LCalendars, LunarDate

from crossregion.linkage.frequencies import Frequencies
from crossregion.linkage.normalisation import Person

SAME: Final = (
    *("han", "sounds", "folded", "surname", "first", "last", "given", "syllables"),
    *("sex", "dna", "province", "prefecture", "county", "month", "day", "spare"),
)
"""Columns of which only equality is asked: they come first, eight to a byte of flags."""
NAMES, CALLS, MARKS = 4, 3, 4
COLUMNS: Final = (
    *SAME,
    *("named", "only_called", "other_names", "more"),
    *("year", "precision", "born", "as_solar", "birth", "happened", "age_class"),
    *("number", "number_born", "height", "marks"),
    *("alias_1", "alias_2", "alias_3"),
    *("is_call_0", "is_call_1", "is_call_2", "is_call_3"),
    *("call_0", "call_1", "call_2"),
    *("mark_0", "mark_1", "mark_2", "mark_3"),
    *("place_0", "place_1", "place_2", "place_3"),
    *("kind_0", "kind_1", "kind_2", "kind_3"),
    *("of_han", "of_sounds", "of_folded", "of_surname", "of_first", "of_last", "of_given"),
    *("of_alias_1", "of_alias_2", "of_alias_3"),
    *("of_county", "of_prefecture", "of_year"),
)
AT: Final = {name: number for number, name in enumerate(COLUMNS)}
WIDTH: Final = len(COLUMNS)
EXACT, YEAR_ONLY, ABOUT = 0, 1, 2
FEMALE, MALE = 1, 2
AGES: Final = (3, 6, 10, 15)
"""An age class ends before each of these birthdays."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A person's row; and all names, call names and marks, whose row holds the first few.

    A name is its folded sounds, whether it is a call name, and the bits of its rarity; a mark is
    itself, without its side, and its type alone.
    """

    row: list[int]
    names: tuple[tuple[int, bool, int], ...]
    calls: tuple[int, ...]
    marks: tuple[tuple[int, int, int], ...]


class _Numbers(dict[str | None, int]):
    """Looking up what is known does not leave C, which halves its time."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__({None: 0, "": 0, "F": FEMALE, "M": MALE})
        self._texts = texts

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self._texts)
        self._texts.append(text)
        return number


class Texts:
    """Gives every text a number, from 1."""

    def __init__(self) -> None:
        self.texts: list[str] = ["", "F", "M"]
        self._numbers = _Numbers(self.texts)
        self.number: Callable[[str | None], int] = self._numbers.__getitem__

    def find(self, text: str) -> int:
        """The number of a text, 0 if it has none."""
        return self._numbers.get(text, 0)


def lunar_as_solar(read: date) -> int:
    """The ordinal of the day that has these numbers in the lunar calendar; 0 if there is none.

    Of two months with one number the first is meant, not the leap month. The calendar is known for
    the lunar years 1900 to 2100 (docs/adr/0018-lunar-calendar.md).
    """
    first, days = _lunar_month(read.year, read.month)
    return first + read.day - 1 if read.day <= days else 0


@lru_cache(maxsize=4_096)
def _lunar_month(year: int, month: int) -> tuple[int, int]:
    """The ordinal of a lunar month's first day, and how many days it has, of which 0 if none."""
    try:
        first = LunarDate(year, month, 1).to_solar_date().toordinal()
        return first, LCalendars.ndays(year, month)
    except InvalidLunarDateError:
        return 0, 0


def age_class(age: float | None) -> int:
    """0 unknown, then from the youngest up."""
    return 0 if age is None else 1 + bisect_right(AGES, age)


def encode(person: Person, texts: Texts, frequencies: Frequencies) -> Encoded:
    """The row of a person."""
    number = texts.number
    row = [0] * WIDTH
    name = person.name
    if name:
        given = "".join(name.folded_given)
        row[0] = number(name.han)
        row[1] = number(name.sounds)
        row[2] = number(name.folded)
        if name.surname:
            row[3] = number(name.folded_surname)
            row[6] = number(given)
            row[7] = len(name.folded_given)
            if name.folded_given:
                row[4] = number(name.folded_given[0])
                row[5] = number(name.folded_given[-1])
        at = AT["of_han"]
        row[at : at + 7] = frequencies.of_name(name)
    province, prefecture, county = person.home
    row[8:13] = (
        number(person.sex),
        number(person.dna),
        number(province),
        number(prefecture),
        number(county),
    )
    row[AT["of_county"]] = frequencies.of_home(county)
    row[AT["of_prefecture"]] = frequencies.of_home(prefecture)
    _birth(row, person, frequencies)
    row[AT["number"]] = number(person.id_number)
    row[AT["happened"]] = person.happened or 0
    row[AT["height"]] = person.height or 0
    names, calls = _names(person, texts, frequencies), _calls(person, texts)
    marks = _marks(person, texts)
    if names or name:
        row[AT["named"]] = 1
        row[AT["only_called"]] = bool(names) and all(is_call for _, is_call, _ in names)
        row[AT["is_call_0"]] = bool(name and name.folded) and names[0][1]
    others = names[1:] if name and name.folded else names
    if others:
        row[AT["other_names"]] = 1
        for n, (folded, is_call, rarity) in enumerate(others[: NAMES - 1]):
            row[AT["alias_1"] + n] = folded
            row[AT["is_call_1"] + n] = is_call
            row[AT["of_alias_1"] + n] = rarity
    if calls:
        row[AT["call_0"] : AT["call_0"] + min(len(calls), CALLS)] = calls[:CALLS]
    row[AT["marks"]] = len(marks)
    for n, (whole, place, kind) in enumerate(marks[:MARKS]):
        row[AT["mark_0"] + n] = whole
        row[AT["place_0"] + n] = place
        row[AT["kind_0"] + n] = kind
    row[AT["more"]] = len(others) >= NAMES or len(calls) > CALLS or len(marks) > MARKS
    return Encoded(row, names, calls, marks)


def _birth(row: list[int], person: Person, frequencies: Frequencies) -> None:
    row[AT["age_class"]] = age_class(person.age)
    if person.number_born:
        row[AT["number_born"]] = person.number_born.toordinal()
    if person.born_year is None:
        return
    born = person.born
    row[AT["year"]] = person.born_year
    row[AT["of_year"]] = frequencies.of_year(person.born_year)
    row[AT["precision"]] = ABOUT if person.birth_about else YEAR_ONLY if born is None else EXACT
    row[AT["birth"]] = (born or date(person.born_year, 7, 1)).toordinal()
    if born is not None and not person.birth_about:
        row[AT["month"]], row[AT["day"]] = born.month, born.day
        row[AT["born"]] = born.toordinal()
        row[AT["as_solar"]] = lunar_as_solar(born)


def _names(
    person: Person, texts: Texts, frequencies: Frequencies
) -> tuple[tuple[int, bool, int], ...]:
    """All names, each once, the first one first; none of which the surname is all that is told."""
    found: dict[int, tuple[int, bool, int]] = {}
    for name in (person.name, *person.others):
        if name and name.folded:
            folded = texts.number(name.folded)
            if folded not in found:
                found[folded] = folded, not name.surname, frequencies.of_name(name)[2]
    return tuple(found.values())


def _calls(person: Person, texts: Texts) -> tuple[int, ...]:
    """The sounds that call names are made of: the last syllable of each."""
    names = (person.name, *person.others) if person.name else person.others
    called = (name.folded_given[-1] for name in names if not name.surname and name.folded_given)
    return tuple(dict.fromkeys(map(texts.number, called)))


def _marks(person: Person, texts: Texts) -> tuple[tuple[int, int, int], ...]:
    number = texts.number
    return tuple(
        (number(f"{side}\n{part}\n{kind}"), number(f"{part}\n{kind}"), number(f"\n{kind}"))
        for side, part, kind in sorted(person.marks)
    )
