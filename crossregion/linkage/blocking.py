"""Blocking keys: two persons are compared if one is sought under a key the other is posted under.

Every relation between posting and seeking is symmetric, so that it makes no difference which of
two records comes first. A key whose block would grow large is refined by the year of birth, sought
in the years around it, and by the sex. Whoever has no year is posted as such and sought in every
year for names, and not at all for weaker keys, which could never weigh enough alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from crossregion.linkage.encoding import Texts
from crossregion.linkage.model import KeyRule
from crossregion.linkage.normalisation import Name, Person

Key = int
"""What a key is made of, year and sex in one whole number; no two share one."""
Number = Callable[[str], int]
Parts = tuple[int, ...]
Values = Iterator[tuple[Parts, Parts]]

FIRST_YEAR, LAST_YEAR = 1900, 2100
"""Years outside are taken as the nearest one."""
_SEXES: Final = {"F": 1, "M": 2}
_PLACE_BITS, _PART_BITS = 14, 34
"""Of a place twelve for the year and two for the sex; of a part as many as it may need."""
_CALL, _WHOLE = 1, 2
_EVERY_YEAR: Final = (0, *(year << 2 for year in range(FIRST_YEAR, LAST_YEAR + 1)))


def posted(person: Person, rules: Iterable[KeyRule], texts: Texts) -> set[Key]:
    """The keys a person is posted under."""
    year, sexes, found = _year(person), _sexes(person), set[Key]()
    for number, rule in enumerate(rules):
        if rule.years is None:
            places: tuple[int, ...] = (0,)
        elif rule.sex:
            places = () if year is None else tuple(year << 2 | sex for sex in sexes)
        else:
            places = ((year or 0) << 2,)
        for parts, _ in VALUES[rule.of](person, texts.number) if places else ():
            start = _start(number, parts)
            for place in places:
                found.add(start | place)
    return found


def sought(person: Person, rules: Iterable[KeyRule], texts: Texts) -> set[Key]:
    """The keys a person is sought under."""
    year, sexes, found = _year(person), _sexes(person), set[Key]()
    for number, rule in enumerate(rules):
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
            for _, parts in VALUES[rule.of](person, texts.number):
                start = _start(number, parts)
                found.update([start | place for place in places])
    return found


def _start(rule: int, parts: Parts) -> Key:
    key = rule
    for part in parts:
        key = key << _PART_BITS | part
    return key << _PLACE_BITS


def _year(person: Person) -> int | None:
    born = person.born_year
    return None if born is None else min(max(born, FIRST_YEAR), LAST_YEAR)


def _sexes(person: Person) -> tuple[int, ...]:
    return (_SEXES[person.sex],) if person.sex else tuple(_SEXES.values())


def _names(person: Person) -> tuple[Name, ...]:
    return (person.name, *person.others) if person.name else person.others


def _whole_names(person: Person) -> Iterator[Name]:
    """Without those of which only the surname is told."""
    return (name for name in _names(person) if name.folded)


def _dna(person: Person, number: Number) -> Values:
    if person.dna:
        yield from _same(number(person.dna))


def _number(person: Person, number: Number) -> Values:
    """An identity number in three parts, each left out once, so that one of them may be wrong."""
    text = person.id_number
    if not text:
        return
    if len(text) == 15:
        text = f"{text[:6]}19{text[6:]}"
        yield from _same(0, int(text[:10]), int(text[10:14]))
        return
    place_and_year, month_and_day, rest = int(text[:10]), int(text[10:14]), int(text[14:17])
    yield from _same(0, place_and_year, month_and_day)
    yield from _same(1, place_and_year, rest)
    yield from _same(2, month_and_day, rest)


def _same(*parts: int) -> Values:
    yield parts, parts


def _whole(person: Person, number: Number, short: bool) -> Values:
    """A whole name; sought also with the surname last."""
    for name in _whole_names(person):
        if (len(name.folded_given) < 2) == short:
            mine = number(name.folded)
            yield from _same(mine)
            turned = number("".join(name.folded_given) + name.folded_surname)
            if turned != mine:
                yield (mine,), (turned,)


def _given(person: Person, number: Number) -> Values:
    for name in _names(person):
        if len(name.folded_given) > 1:
            yield from _same(number("".join(name.folded_given)))


def _part(person: Person, number: Number) -> Values:
    for name in _names(person):
        if name.surname:
            surname = number(name.folded_surname)
            for syllable in set(name.folded_given):
                yield from _same(surname, number(syllable))


def _surname_county(person: Person, number: Number) -> Values:
    if person.home[2]:
        for name in _names(person):
            if name.surname:
                yield from _same(number(name.folded_surname), number(person.home[2]))


def _surname_day(person: Person, number: Number) -> Values:
    for name in _names(person):
        if name.surname:
            for day, _ in _day(person, number):
                yield from _same(number(name.folded_surname), *day)


def _day(person: Person, _: Number) -> Values:
    """Month and day in ascending order, so that swapping them makes no difference."""
    if person.born:
        low, high = sorted((person.born.month, person.born.day))
        yield from _same(low * 32 + high)


def _home(person: Person, number: Number, part: int) -> Values:
    code = person.home[part]
    if code:
        yield from _same(number(code))


def _marks(person: Person, number: Number) -> Values:
    for _, part, kind in person.marks:
        yield from _same(number(f"{part}\n{kind}"))


def _called(person: Person, number: Number) -> Values:
    """Call names are posted as such and sought among whole names, and the other way round."""
    for name in _names(person):
        if name.surname:
            for syllable in map(number, set(name.folded_given)):
                yield (_WHOLE, syllable), (_CALL, syllable)
        elif name.folded_given:
            syllable = number(name.folded_given[-1])
            yield (_CALL, syllable), (_WHOLE, syllable)


VALUES: Final[dict[str, Callable[[Person, Number], Values]]] = {
    "dna": _dna,
    "number": _number,
    "name": lambda person, number: _whole(person, number, short=False),
    "short-name": lambda person, number: _whole(person, number, short=True),
    "given": _given,
    "part": _part,
    "surname-county": _surname_county,
    "surname-day": _surname_day,
    "day": _day,
    "county": lambda person, number: _home(person, number, 2),
    "prefecture": lambda person, number: _home(person, number, 1),
    "mark": _marks,
    "call": _called,
}
"""What a key may be made of: parts posted and parts sought."""
