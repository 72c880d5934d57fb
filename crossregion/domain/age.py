"""The age of a record's persons at the loss or the rescue, as bounds, and the published age band.

Records state an age in many forms: a day, month or year of birth, "about" one of them, an age at
the time, the birth in an identity number, a word. Each is a source that bounds the age; what all of
them allow is the age. A person who may be under 14 counts as a child, because missing a child is
worse than treating an adult as urgent. Pure, and from the record alone, so that
every reader of an event finds the same. See docs/adr/0020-age-bounds.md.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from crossregion.domain import identity_number
from crossregion.domain.dates import day
from crossregion.domain.events import (
    CaseRecorded,
    Identity,
    PersonSummary,
    RescueRecorded,
    TipRecorded,
)
from crossregion.domain.partial_dates import Period, period
from crossregion.domain.stated_ages import (
    ADULT_MONTHS,
    CHILD,
    CHILD_MONTHS,
    MINOR,
    Age,
    combined,
    kind_says,
    said_by_mark,
    said_by_name,
    said_of,
    tells_of_child,
)

UNDER_6, FROM_6, UNDER_14, PERHAPS_UNDER_14 = CHILD_BANDS = (
    *("under-6", "6-13", "under-14", "perhaps-under-14"),
)
"""Of a child, or of who may be one: `under-14` is known no finer, the last may be older too."""
MINOR_BAND, ADULT_BAND = OLDER_BANDS = ("14-17", "adult")
UNKNOWN = "unknown"
BANDS = frozenset((*CHILD_BANDS, *OLDER_BANDS, UNKNOWN))
SCHOOL_MONTHS = 72
OLDEST_MONTHS = 1_200
"""A birth that makes somebody a hundred years old is a program's default, such as 1900."""
NEWBORN_DAYS = 366
"""A birth so shortly after the report is a day that was written wrong, of a very young child."""
SAYS_CHILD = "says-child"
"""Code of a record's own remark on a name that was a word for a child."""
STATED_AGE = "age"
"""The birth precision of a birth date that is an age at the time, as the unit has written it."""


@dataclass(frozen=True, slots=True)
class Aged:
    """The band of one person of a record, and the bounds that were found beside a stated band."""

    band: str
    age: Age

    @property
    def full_band(self) -> str:
        """The band for a record that states none."""
        return self.band if self.band != UNKNOWN else band_of(self.age)

    @property
    def told(self) -> bool:
        """Whether the record says anything about the age."""
        return self.band != UNKNOWN or self.age.told


@dataclass(frozen=True, slots=True)
class Happened:
    """The days on which a loss or a rescue can have been; never after the day of its report."""

    period: Period
    reported: date | None

    @property
    def latest(self) -> int | None:
        return self.period.last.year if self.period.last else None


def happened(on: str | None, reported: str | None) -> Happened:
    """From the day that a record states for it, as far as it does, and that of its report."""
    then, told = period(on), period(reported)
    last = told.last if told else None
    if then is None or then.first is None or then.last is None:
        return Happened(Period(None, last), last)
    if last is None:
        return Happened(then, None)
    return Happened(Period(min(then.first, last), min(then.last, last)), last)


def of_case(case: CaseRecorded) -> list[Aged]:
    """The ages of a case's victims at the loss, in their order.

    A kind that only children meet says of those victims that they may be children of whose age
    nothing else is told; a birth shows more than the kind of a case.
    """
    then, on = happened(case["lost_on"], case["reported_at"]), case["lost_on"]
    aged = []
    for number, victim in enumerate(case["victims"], 1):
        said = (victim["sex"], own_word(victim["age_band"]))
        age = of_person(victim["identity"], then, said, _said_child(case, f"victims[{number}]"))
        aged.append(with_stated(age, victim["age_band"], on))
    if all(one.told for one in aged) or not says_child(case["exploitation"], case["means"]):
        return aged
    return [one if one.told else Aged(band_of(MINOR), MINOR) for one in aged]


def says_child(exploitation: Iterable[str], means: Iterable[str]) -> bool:
    """Whether a kind of exploitation or of means is one that only a child meets."""
    return any(kind_says(word, "exploitation_type") for word in exploitation) or any(
        kind_says(word, "means_type") for word in means
    )


def of_rescue(rescue: RescueRecorded) -> Aged:
    """The age of a rescued person on the day they were found."""
    person = rescue["person"]
    then = happened(rescue["found_on"], rescue["registered_at"])
    said = (person["sex"], own_word(person["age_band"]))
    age = of_person(person["identity"], then, said, _said_child(rescue, "person"))
    return with_stated(age, person["age_band"], rescue["found_on"])


def persons_of_tip(tip: TipRecorded) -> list[PersonSummary]:
    """Whom a tip concerns: as stated, and a child if its words tell of one.

    Of the words no more leaves them. The child is the first whose age is not stated, or one more.
    """
    persons: list[PersonSummary] = []
    for person in tip["persons"]:
        stated = person["age_band"]
        band = stated if stated in BANDS else band_of(said_of(stated, bare=True) or Age())
        persons.append({"age_band": band, "sex": person["sex"]})
    if any(one["age_band"] in CHILD_BANDS for one in persons):
        return persons
    if not tells_of_child(tip["identity"]["text"]):
        return persons
    for one in persons:
        if one["age_band"] == UNKNOWN:
            one["age_band"] = UNDER_14
            return persons
    return [*persons, {"age_band": UNDER_14, "sex": None}]


def _said_child(record: Mapping[str, Any], path: str) -> bool:
    """Whether the name was a word for a child, which the reading of the record left out."""
    return any(
        (remark["field"], remark["code"]) == (f"{path}.identity.name", SAYS_CHILD)
        for remark in record.get("remarks") or ()
    )


def of_person(
    identity: Identity,
    then: Happened,
    said: Iterable[str | None] = (),
    said_child: bool = False,
) -> Age:
    """The bounds of a person's age at the time, by all that the record says of the person.

    `said` are further words that stand with the person, such as one for the sex; `said_child` that
    one for a child stood there.
    """
    text, precision = identity["birth_date"], identity["birth_precision"]
    birth = None
    if text is not None and precision != STATED_AGE:
        birth = period(text, then.latest, about=precision == "about")
    stated = text if text is not None and day(text) is None else None
    sources = [
        CHILD if said_child else None,
        by_birth(birth, then),
        None if stated is None else said_of(stated, bare=birth is None),
        by_birth(_born_by_number(identity["id_number"]), then),
        said_of(identity["sex"]),
        said_by_name(identity["name"]),
        *map(said_by_name, identity["other_names"]),
        *map(said_by_mark, identity["marks"]),
        *map(said_of, said),
    ]
    return combined([source for source in sources if source is not None])


def by_birth(birth: Period | None, then: Happened) -> Age | None:
    """The age at the time of who was born in a period; None where that cannot be."""
    if birth is None or birth.first is None or birth.last is None:
        return None
    first, last = then.period.first, then.period.last
    if last is None:
        return Age(0, None)
    if birth.first > last and then.reported is not None and birth.first <= then.reported:
        first, last = None, then.reported
    if birth.first > last:
        return Age(0, 0) if (birth.first - last).days <= NEWBORN_DAYS else None
    lower = None if first is None else max(0, _months(birth.last, first))
    upper = _months(birth.first, last)
    if min(upper, upper if lower is None else lower) >= OLDEST_MONTHS:
        return None
    return Age(lower, upper)


def _born_by_number(number: str | None) -> Period | None:
    """The birth that a valid identity number states."""
    if number is None:
        return None
    if not number.isascii():
        number = unicodedata.normalize("NFKC", number)
    number = number.strip()
    if not identity_number.well_formed(number) or not identity_number.check_digit_right(number):
        return None
    found = identity_number.birth_date(number)
    return Period(found, found) if found else None


def _months(start: date, end: date) -> int:
    """Completed months from one day to another; negative before it."""
    months = (end.year - start.year) * 12 + end.month - start.month
    return months - (end.day < start.day)


def band_of(age: Age) -> str:
    """The band that both bounds lie in, or one that says how far that is not known.

    Between minors and adults the middle decides, as nothing is hurried by that.
    """
    if not age.told:
        return UNKNOWN
    lower, upper = age.lower or 0, age.upper
    if age.is_child and upper is not None:
        return UNDER_6 if upper < SCHOOL_MONTHS else FROM_6 if lower >= SCHOOL_MONTHS else UNDER_14
    if lower < CHILD_MONTHS:
        return PERHAPS_UNDER_14
    if upper is None:
        return ADULT_BAND if lower >= ADULT_MONTHS else UNKNOWN
    return MINOR_BAND if lower + upper < 2 * ADULT_MONTHS else ADULT_BAND


def with_stated(age: Age, stated: str, on: str | None) -> Aged:
    """The computed bounds combined with the band that the record states.

    A stated band holds unless the person is or may be a child by what is told: it may have been
    made of the same fields by a reader that saw less in them. But without a whole day, `on` which
    it happened, none could be made: then it is the unit's own word that the person was no child.
    """
    if stated in CHILD_BANDS or not age.may_be_child:
        return Aged(stated if stated in BANDS else UNKNOWN, age)
    if stated in OLDER_BANDS and day(on) is None and not age.is_child:
        return Aged(stated, age)
    return Aged(band_of(age), age)


def own_word(band: str) -> str | None:
    """A stated band that is no code, as a word of the unit's own."""
    return None if band in BANDS else band
