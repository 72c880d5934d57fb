"""Blocking keys: two persons are compared if one is sought under a key the other is posted under.

Every relation between posting and seeking is symmetric, so that it makes no difference which of
two records comes first. A key whose block would grow large is refined by the year of birth
(sought in the years around it) and by the sex; a person without year is posted and sought under a
wildcard for names, and not at all for the weaker keys, where it could never weigh enough.
"""

from __future__ import annotations

from collections.abc import Iterator

from crossregion.domain.linkage.normalise import Name, Person

Key = int
"""Hash of a key's parts; a collision only makes one comparison more."""

NAME_YEARS = 5
PART_YEARS = 2
HOME_YEARS = 1


def keys(person: Person) -> tuple[frozenset[Key], frozenset[Key]]:
    """The keys a person is posted under, and those it is sought under."""
    posted = {hash(block) for block in _exact(person)}
    sought = set(posted)
    born = person.born_year
    for block, years in _named(person):
        posted.add(hash((block, "any")))
        posted.add(hash((block, born)))
        if born is None:
            sought.add(hash((block, "any")))
        else:
            sought.add(hash((block, None)))
            sought.update(hash((block, year)) for year in range(born - years, born + years + 1))
    if born is not None:
        for sex in (person.sex,) if person.sex else ("F", "M"):
            for block, years in _weak(person):
                posted.add(hash((block, sex, born)))
                around = range(born - years, born + years + 1)
                sought.update(hash((block, sex, year)) for year in around)
        for mine, theirs in _called(person):
            posted.add(hash((mine, born)))
            around = range(born - PART_YEARS, born + PART_YEARS + 1)
            sought.update(hash((theirs, year)) for year in around)
    return frozenset(posted), frozenset(sought)


def _exact(person: Person) -> Iterator[tuple[str, ...]]:
    """Keys selective enough by themselves."""
    if person.dna:
        yield "dna", person.dna
    number = person.id_number
    if number and len(number) == 18:
        place_and_year, month_and_day, rest = number[:10], number[10:14], number[14:]
        yield "number", place_and_year, month_and_day, ""
        yield "number", place_and_year, "", rest
        yield "number", "", month_and_day, rest
    elif number:
        yield "number", f"{number[:6]}19{number[6:8]}", number[8:12], ""
    for name in _names(person):
        if len(name.folded_given) > 1:
            yield "name", *sorted((name.folded_surname, *name.folded_given))


def _named(person: Person) -> Iterator[tuple[tuple[str, ...], int]]:
    """Keys of names, each with the years of birth around it that it is sought in."""
    for name in _names(person):
        if len(name.folded_given) < 2:
            yield ("name", *sorted((name.folded_surname, *name.folded_given))), NAME_YEARS
        else:
            yield ("given", *name.folded_given), PART_YEARS
        if name.surname:
            for syllable in set(name.folded_given):
                yield ("part", name.folded_surname, syllable), PART_YEARS
            if person.home[2]:
                yield ("home", name.folded_surname, person.home[2]), NAME_YEARS
            if person.born:
                yield ("day", name.folded_surname, *_month_and_day(person)), NAME_YEARS


def _weak(person: Person) -> Iterator[tuple[tuple[str, ...], int]]:
    """Keys without a name, refined by sex and year of birth."""
    if person.born:
        yield ("day", *_month_and_day(person)), PART_YEARS
    _, prefecture, county = person.home
    if county:
        yield ("county", county), PART_YEARS
    if prefecture:
        yield ("prefecture", prefecture), HOME_YEARS
    for _, part, kind in person.marks:
        yield ("mark", part, kind), PART_YEARS


def _called(person: Person) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Call names are posted as such and sought among whole names, and the other way round."""
    for name in _names(person):
        if name.surname:
            for syllable in set(name.folded_given):
                yield ("whole", syllable), ("call", syllable)
        elif name.folded_given:
            yield ("call", name.folded_given[-1]), ("whole", name.folded_given[-1])


def _names(person: Person) -> tuple[Name, ...]:
    return (person.name, *person.others) if person.name else person.others


def _month_and_day(person: Person) -> tuple[str, str]:
    """Month and day in ascending order, so that swapping them makes no difference."""
    if person.born is None:
        return "", ""
    low, high = sorted((person.born.month, person.born.day))
    return str(low), str(high)
