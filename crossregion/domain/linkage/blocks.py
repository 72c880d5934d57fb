"""Blocking keys: two persons are compared if one is sought under a key the other is posted under.

Every relation between posting and seeking is symmetric, so that it makes no difference which of
two records comes first. A key whose block would grow large is refined by the year of birth, sought
in the years around it, and by the sex. Whoever has no year is posted as such and sought in every
year for names, and not at all for weaker keys, which could never weigh enough alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from crossregion.domain.linkage.columns import Texts
from crossregion.domain.linkage.model import KeyRule
from crossregion.domain.linkage.normalise import Name, Person

Key = int
"""Number of what a key is made of, year and sex in one whole number; no two share one."""

FIRST_YEAR, LAST_YEAR = 1900, 2100
"""Years outside are taken as the nearest one."""
_SEXES: Final = {"F": 1, "M": 2}
_PLACE_BITS: Final = 14
"""Twelve for the year, two for the sex."""
_EVERY_YEAR: Final = (0, *(year << 2 for year in range(FIRST_YEAR, LAST_YEAR + 1)))


def posted(person: Person, rules: Iterable[KeyRule], texts: Texts) -> set[Key]:
    """The keys a person is posted under."""
    year, sexes, found = _year(person), _sexes(person), set[Key]()
    for rule in rules:
        if rule.years is None:
            places: tuple[int, ...] = (0,)
        elif rule.sex:
            places = () if year is None else tuple(year << 2 | sex for sex in sexes)
        else:
            places = ((year or 0) << 2,)
        if places:
            for mine, _ in VALUES[rule.of](person):
                number = texts.number(f"{rule.of}\n{mine}") << _PLACE_BITS
                found.update([number | place for place in places])
    return found


def sought(person: Person, rules: Iterable[KeyRule], texts: Texts) -> set[Key]:
    """The keys a person is sought under."""
    year, sexes, found = _year(person), _sexes(person), set[Key]()
    for rule in rules:
        if rule.years is None:
            places: Iterable[int] = (0,)
        elif year is None:
            places = () if rule.sex else _EVERY_YEAR
        else:
            years = range(year - rule.years, year + rule.years + 1)
            if rule.sex:
                places = [one << 2 | sex for one in years for sex in sexes]
            else:
                places = [0, *(one << 2 for one in years)]
        if places:
            for _, theirs in VALUES[rule.of](person):
                number = texts.number(f"{rule.of}\n{theirs}") << _PLACE_BITS
                found.update([number | place for place in places])
    return found


def _year(person: Person) -> int | None:
    born = person.born_year
    return None if born is None else min(max(born, FIRST_YEAR), LAST_YEAR)


def _sexes(person: Person) -> tuple[int, ...]:
    return (_SEXES[person.sex],) if person.sex else tuple(_SEXES.values())


def _names(person: Person) -> tuple[Name, ...]:
    return (person.name, *person.others) if person.name else person.others


def _dna(person: Person) -> Iterator[tuple[str, str]]:
    if person.dna:
        yield person.dna, person.dna


def _number(person: Person) -> Iterator[tuple[str, str]]:
    """An identity number in three parts, each left out once, so that one of them may be wrong."""
    number = person.id_number
    if number and len(number) == 18:
        place_and_year, month_and_day, rest = number[:10], number[10:14], number[14:]
        yield from _same(f"{place_and_year}-{month_and_day}-", f"{place_and_year}--{rest}")
        yield from _same(f"-{month_and_day}-{rest}")
    elif number:
        yield from _same(f"{number[:6]}19{number[6:8]}-{number[8:12]}-")


def _same(*values: str) -> Iterator[tuple[str, str]]:
    for value in values:
        yield value, value


def _whole(person: Person, short: bool) -> Iterator[tuple[str, str]]:
    for name in _names(person):
        if (len(name.folded_given) < 2) == short:
            yield from _same(" ".join(sorted((name.folded_surname, *name.folded_given))))


def _given(person: Person) -> Iterator[tuple[str, str]]:
    for name in _names(person):
        if len(name.folded_given) > 1:
            yield from _same(" ".join(name.folded_given))


def _part(person: Person) -> Iterator[tuple[str, str]]:
    for name in _names(person):
        if name.surname:
            for syllable in set(name.folded_given):
                yield from _same(f"{name.folded_surname} {syllable}")


def _surname_county(person: Person) -> Iterator[tuple[str, str]]:
    if person.home[2]:
        for name in _names(person):
            if name.surname:
                yield from _same(f"{name.folded_surname} {person.home[2]}")


def _surname_day(person: Person) -> Iterator[tuple[str, str]]:
    for name in _names(person):
        if name.surname:
            for day, _ in _day(person):
                yield from _same(f"{name.folded_surname} {day}")


def _day(person: Person) -> Iterator[tuple[str, str]]:
    """Month and day in ascending order, so that swapping them makes no difference."""
    if person.born:
        low, high = sorted((person.born.month, person.born.day))
        yield from _same(f"{low}-{high}")


def _home(person: Person, part: int) -> Iterator[tuple[str, str]]:
    code = person.home[part]
    if code:
        yield code, code


def _marks(person: Person) -> Iterator[tuple[str, str]]:
    for _, part, kind in person.marks:
        yield from _same(f"{part} {kind}")


def _called(person: Person) -> Iterator[tuple[str, str]]:
    """Call names are posted as such and sought among whole names, and the other way round."""
    for name in _names(person):
        if name.surname:
            for syllable in set(name.folded_given):
                yield f"whole {syllable}", f"call {syllable}"
        elif name.folded_given:
            yield f"call {name.folded_given[-1]}", f"whole {name.folded_given[-1]}"


VALUES: Final[dict[str, Callable[[Person], Iterable[tuple[str, str]]]]] = {
    "dna": _dna,
    "number": _number,
    "name": lambda person: _whole(person, short=False),
    "short-name": lambda person: _whole(person, short=True),
    "given": _given,
    "part": _part,
    "surname-county": _surname_county,
    "surname-day": _surname_day,
    "day": _day,
    "county": lambda person: _home(person, 2),
    "prefecture": lambda person: _home(person, 1),
    "mark": _marks,
    "call": _called,
}
"""What a key may be made of: values posted and values sought."""
