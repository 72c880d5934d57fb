"""Two persons compared field by field, each field at one of a few named levels.

Missing is no evidence: a field that either side lacks has no level. The levels' weights stand in
`model.toml` (Fellegi and Sunter 1969: log2 of how much more often a level is seen between two
records of one person than between two of different ones).
"""

from __future__ import annotations

from bisect import bisect_left

from rapidfuzz.distance import OSA

from crossregion.domain.linkage.model import Model
from crossregion.domain.linkage.normalise import Name, Person
from crossregion.domain.records import Evidence

AGE_CLASSES = ("under-6", "6-14", "15-up")
LEVELS: dict[str, tuple[str, ...]] = {
    "name": (
        *("equal", "sounds", "folded", "alias", "swapped", "close", "surname-last"),
        *("surname-first", "given", "nickname", "surname", "different"),
    ),
    "birth": (
        *("equal", "year-1", "year-2", "swapped", "month-day", "days", "same-month", "same-day"),
        *("same-year", "years-2", "years-5", "different"),
        *("year", "year-off-1", "year-off-2", "year-off-5", "year-off"),
        *("about", "about-1", "about-2", "about-5", "about-off"),
    ),
    "sex": ("equal", "different"),
    "home": (
        *("county", "other-county", "prefecture", "other-prefecture", "province", "different"),
    ),
    "height": (
        *("close", "near", "apart", "far"),
        *("child-close", "child-near", "child-apart", "child-far"),
    ),
    "marks": ("shared-2", "shared", "other-side", "same-type", "none-shared"),
    "id_number": ("equal", "near", "different"),
    "dna": ("equal",),
    "time": ("long-before", "before", "year-1", "years-3", "years-8", "later"),
}
"""Every field's levels, the strongest agreement first where they have an order."""

SAME_NAME = frozenset({"equal", "sounds", "folded"})
AGE_AGREES = frozenset(LEVELS["birth"]) - {
    *("years-5", "different", "year-off-5", "year-off", "about-5", "about-off"),
}
"""Where the births agree so far, height is compared; elsewhere it would count age again."""

NO_LIMIT = float("-inf")
_LIKE = 0.75
_GROWN = 18
_GROWTH = {
    "M": (
        50,
        76,
        88,
        96,
        103,
        110,
        116,
        122,
        127,
        133,
        138,
        143,
        149,
        156,
        163,
        169,
        173,
        175,
        176,
    ),
    "F": (
        49,
        74,
        86,
        95,
        103,
        109,
        115,
        121,
        127,
        133,
        139,
        145,
        151,
        156,
        160,
        162,
        162,
        163,
        163,
    ),
}
"""Median height in centimetres at each birthday, WHO's child growth standards and reference."""
_CHILD_BANDS, _ADULT_BANDS = (4, 8, 14), (2, 5, 10)
_BEFORE_DAYS = 60
_TIMES = ((365, "year-1"), (1_095, "years-3"), (2_920, "years-8"))


def age_class(victim: Person, rescued: Person) -> str:
    """The class whose weights apply: by the age at the loss, else at the rescue."""
    age = victim.age if victim.age is not None else rescued.age
    if age is None or age >= 15:
        return AGE_CLASSES[2]
    return AGE_CLASSES[0] if age < 6 else AGE_CLASSES[1]


def compare(victim: Person, rescued: Person) -> dict[str, str]:
    """The level of each field that both sides have; fields in the order of `LEVELS`."""
    levels: dict[str, str] = {}
    name = _name_level(victim, rescued)
    if name:
        levels["name"] = name
    birth = _birth_level(victim, rescued)
    if birth:
        levels["birth"] = birth
    if victim.sex and rescued.sex:
        levels["sex"] = "equal" if victim.sex == rescued.sex else "different"
    home = _home_level(victim, rescued)
    if home:
        levels["home"] = home
    if birth in AGE_AGREES:
        height = _height_level(victim, rescued)
        if height:
            levels["height"] = height
    if victim.marks and rescued.marks:
        levels["marks"] = _marks_level(victim, rescued)
    if victim.id_number and rescued.id_number:
        levels["id_number"] = _number_level(victim.id_number, rescued.id_number)
    if victim.dna and victim.dna == rescued.dna:
        levels["dna"] = "equal"
    if victim.happened and rescued.happened:
        levels["time"] = _time_level(rescued.happened - victim.happened)
    return levels


def weigh(victim: Person, rescued: Person, model: Model) -> tuple[float, list[Evidence]]:
    """The weight of a pair in bits, and the evidence it is the sum of; never a value."""
    return _summed(victim, rescued, model, NO_LIMIT)


def weigh_from(
    limit: float, victim: Person, rescued: Person, model: Model
) -> tuple[float, list[Evidence]] | None:
    """Like `weigh`, but None for a weight below a limit: most pairs, so it is the faster."""
    weight, evidence = _summed(victim, rescued, model, limit)
    return (weight, evidence) if weight >= limit else None


def _summed(
    victim: Person, rescued: Person, model: Model, limit: float
) -> tuple[float, list[Evidence]]:
    table = model.bits[age_class(victim, rescued)]
    levels = compare(victim, rescued)
    rarity = _rarity(victim, rescued, model) if levels.get("name") in SAME_NAME else 0.0
    weight = rarity
    for field, level in levels.items():
        weight += table[field][level]
    weight = round(weight, 3)
    if weight < limit:
        return weight, []
    evidence: list[Evidence] = [
        {
            "field": field,
            "level": level,
            "bits": round(table[field][level] + (rarity if field == "name" else 0.0), 3),
        }
        for field, level in levels.items()
    ]
    return weight, evidence


def _rarity(victim: Person, rescued: Person, model: Model) -> float:
    for name in (victim.name, rescued.name):
        if name and name.han and name.surname:
            cut = len(name.han) - len(name.given)
            return round(model.rarity(name.han[:cut], name.han[cut:]), 3)
    return 0.0


def _name_level(victim: Person, rescued: Person) -> str | None:
    one, other = victim.name, rescued.name
    direct = _two_names(one, other) if one and other else None
    if direct in SAME_NAME:
        return direct
    ours = (one, *victim.others) if one else victim.others
    theirs = (other, *rescued.others) if other else rescued.others
    if not ours or not theirs:
        return None
    if len(ours) + len(theirs) > 2:
        for mine in ours:
            for yours in theirs:
                if mine.folded == yours.folded:
                    return "alias"
    if direct and direct not in ("surname", "different"):
        return direct
    return "nickname" if _nickname(ours, theirs) else direct or "different"


def _two_names(one: Name, other: Name) -> str:
    if one.sounds == other.sounds:
        return "equal" if one.han and one.han == other.han else "sounds"
    if one.folded == other.folded:
        return "folded"
    mine, yours = one.folded_given, other.folded_given
    same_surname = one.folded_surname == other.folded_surname != ""
    if not mine or not yours:
        return "surname" if same_surname else "different"
    if same_surname:
        if len(mine) == len(yours) and OSA.distance(one.folded, other.folded, score_cutoff=1) <= 1:
            return "close"
        if mine[-1] == yours[-1]:
            return "surname-last"
        return "surname-first" if mine[0] == yours[0] else "surname"
    if one.folded_surname and "".join(mine) + one.folded_surname == other.folded:
        return "swapped"
    if mine == yours and len(mine) > 1:
        return "given"
    if mine[-1] != yours[-1] and mine[0] != yours[0]:
        return "different"
    alike = OSA.normalized_similarity(one.folded, other.folded) >= _LIKE
    return "close" if alike else "different"


def _nickname(ours: tuple[Name, ...], theirs: tuple[Name, ...]) -> bool:
    """Whether a name is a call name made of a sound of the other side's: 小香, 阿香, 香香."""
    for mine in ours:
        for yours in theirs:
            if mine.surname and not yours.surname:
                call, whole = yours, mine
            elif yours.surname and not mine.surname:
                call, whole = mine, yours
            else:
                continue
            if call.folded_given and call.folded_given[-1] in whole.folded_given:
                return True
    return False


def _birth_level(victim: Person, rescued: Person) -> str | None:
    if victim.born_year is None or rescued.born_year is None:
        return None
    years = abs(victim.born_year - rescued.born_year)
    one, other = victim.born, rescued.born
    if victim.birth_about or rescued.birth_about:
        return ("about", "about-1", "about-2", "about-5", "about-off")[_upto(years)]
    if one is None or other is None:
        return ("year", "year-off-1", "year-off-2", "year-off-5", "year-off")[_upto(years)]
    if one == other:
        return "equal"
    same_month, same_day = one.month == other.month, one.day == other.day
    if same_month and same_day:
        return ("", "year-1", "year-2", "month-day", "different")[_upto(years)]
    if years == 0 and one.month == other.day and one.day == other.month:
        return "swapped"
    if 15 <= abs((one - other).days) <= 56:
        return "days"
    if years == 0:
        return "same-month" if same_month else "same-day" if same_day else "same-year"
    return ("", "years-2", "years-2", "years-5", "different")[_upto(years)]


def _upto(years: int) -> int:
    return bisect_left((0, 1, 2, 5), years)


def _home_level(victim: Person, rescued: Person) -> str | None:
    mine, yours = victim.home, rescued.home
    if mine[0] is None or yours[0] is None:
        return None
    if mine[0] != yours[0]:
        return "different"
    if mine[1] is None or yours[1] is None:
        return "province"
    if mine[1] != yours[1]:
        return "other-prefecture"
    if mine[2] is None or yours[2] is None:
        return "prefecture"
    return "county" if mine[2] == yours[2] else "other-county"


def _height_level(victim: Person, rescued: Person) -> str | None:
    if not victim.height or not rescued.height or victim.age is None or rescued.age is None:
        return None
    expected, bands, prefix = float(victim.height), _ADULT_BANDS, ""
    if victim.age < _GROWN:
        sex = victim.sex or rescued.sex or "F"
        expected *= _median(sex, rescued.age) / _median(sex, victim.age)
        bands, prefix = _CHILD_BANDS, "child-"
    return prefix + LEVELS["height"][bisect_left(bands, abs(rescued.height - expected))]


def _median(sex: str, age: float) -> float:
    table = _GROWTH[sex]
    if age >= _GROWN:
        return table[_GROWN]
    years = int(max(age, 0.0))
    return table[years] + (table[years + 1] - table[years]) * (max(age, 0.0) - years)


def _marks_level(victim: Person, rescued: Person) -> str:
    shared = len(victim.marks & rescued.marks)
    if shared:
        return "shared-2" if shared > 1 else "shared"
    level = "none-shared"
    for _, part, kind in victim.marks:
        for _, other_part, other_kind in rescued.marks:
            if kind == other_kind:
                if part == other_part:
                    return "other-side"
                level = "same-type"
    return level


def _number_level(one: str, other: str) -> str:
    if one == other:
        return "equal"
    if len(one) != len(other):
        old, new = sorted((one, other), key=len)
        return "equal" if new[:6] + new[8:17] == old else "different"
    return "near" if OSA.distance(one, other, score_cutoff=2) <= 2 else "different"


def _time_level(days: int) -> str:
    if days < 0:
        return "before" if days >= -_BEFORE_DAYS else "long-before"
    return next((name for limit, name in _TIMES if days <= limit), "later")
