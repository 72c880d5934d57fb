"""One person compared with many at once, field by field, each field at one of a few named levels.

Missing is no evidence by itself: a field that either side lacks has level 0. The levels' weights
stand in the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import OSA

from crossregion.domain import fillers, identity_number
from crossregion.linkage.child_growth import GROWN_MONTHS, MEDIANS
from crossregion.linkage.encoding import AT, CALLS, EXACT, MALE, MARKS, NAMES, SAME, Encoded
from crossregion.linkage.model import Whole
from crossregion.linkage.weights import Compared

LEVELS: Final[dict[str, tuple[str, ...]]] = {
    "age_class": ("under-3", "3-5", "6-9", "10-14", "15-up"),
    "name_form": tuple(
        f"{victim}-{rescued}-{syllables}"
        for victim, rescued in product(("one", "more"), repeat=2)
        for syllables in ("unknown", "1-1", "1-2", "2-1", "2-2")
    ),
    "marks_known": tuple(f"{one}-{other}" for one, other in product(range(4), repeat=2)),
    "name": (
        *("equal", "sounds", "pinyin", "folded", "alias", "swapped", "close", "surname-last"),
        *("surname-first", "given", "alias-call", "nickname", "called", "surname", "different"),
    ),
    "birth": (
        *("equal", "year-1", "year-2", "swapped", "month-day", "lunar", "days", "days-after"),
        *("near", "same-day", "same-year", "years-2", "years-5", "different"),
        *("year", "year-off-1", "year-off-2", "year-off-5", "year-off"),
        *("about", "about-1", "about-2", "about-5", "about-off"),
    ),
    "sex": ("equal", "different"),
    "home": ("county", "other-county", "prefecture", "other-prefecture", "province", "different"),
    "id_number": ("equal", "near", "different"),
    "number_birth": ("equal", "confirms", "year", "different"),
    "time": (
        *("long-before", "before", "month-1", "quarter-1", "year-1", "years-2", "years-3"),
        *("years-5", "years-8", "later"),
    ),
    "height": (
        *("exact", "within-2", "within-4", "within-6", "within-8", "within-10", "within-12"),
        *("far", "child-2", "child-4", "child-7", "child-11", "child-16", "child-22", "child-far"),
    ),
    "marks": ("shared-3", "shared-2", "shared", "other-side", "same-type", "none-shared"),
    "dna": ("equal", "other"),
}
"""Every field's levels, the strongest agreement first where they have an order. The first three
are no evidence by themselves: they say under what circumstances the others were seen."""
SHARED: Final = ("name", "home", "birth")
"""The fields of which it is told how rare is what two persons share."""
NUMBER: Final = {
    field: {level: number for number, level in enumerate(levels, 1)}
    for field, levels in LEVELS.items()
}
FIELDS: Final = {field: number for number, field in enumerate(LEVELS)}
_DISAGREEING = ("years-5", "different", "year-off-5", "year-off", "about-5", "about-off")
_YEARS = (0, 1, 2, 5)
_TIMES = (-61, -1, 30, 90, 365, 730, 1_095, 1_825, 2_920)
_ADULT_BANDS, _CHILD_BANDS = (0, 20, 40, 60, 80, 100, 120), (20, 40, 70, 110, 160, 220)
"""Millimetres from what was to be expected."""
_SHORT, _LUNAR = 14, 56
"""Days: up to so many is a slip, beyond it and up to so many a lunar date read as a solar one."""

Side = Any
"""One person's row of numbers, or the columns of many."""


def _table(field: str, inputs: Sequence[int], level: Callable[..., str | None]) -> Whole:
    """The number of a level for every combination of inputs, the first one varying slowest."""
    numbers = (
        NUMBER[field].get(level(*values) or "", 0) for values in product(*map(range, inputs))
    )
    return np.fromiter(numbers, dtype=np.int32)


def _name(
    han: int, sounds: int, folded: int, surname: int, first: int, last: int, given: int, _: int,
    whole: int, alias: int, swapped: int, close: int, alias_call: int, nickname: int, called: int,
) -> str:  # fmt: skip
    if folded:
        return "equal" if han else "folded" if not sounds else "sounds" if whole else "pinyin"
    if alias or swapped:
        return "alias" if alias else "swapped"
    if surname and (close or last or first):
        return "close" if close else "surname-last" if last else "surname-first"
    if given and not surname and not called:
        return "given"
    if alias_call or nickname:
        return "alias-call" if alias_call else "nickname"
    return "surname" if surname else "called" if called else "different"


def _birth(precision: int, years: int, swapped: int, lunar: int, days: int, md: int) -> str:
    if precision != EXACT:
        names = ("year", "year-off-1", "year-off-2", "year-off-5", "year-off")
        about = ("about", "about-1", "about-2", "about-5", "about-off")
        return (names if precision == 1 else about)[years]
    month, day = md >> 1, md & 1
    if month and day and years < 4:
        return ("equal", "year-1", "year-2", "month-day")[years]
    if swapped and years == 0:
        return "swapped"
    if lunar:
        return "lunar"
    if days:
        return ("", "days", "near", "days-after")[days]
    if years == 0:
        return "same-day" if day else "same-year"
    return ("", "years-2", "years-2", "years-5", "different")[years]


def _home(province: int, prefecture: int, county: int, known: int) -> str | None:
    if known == 0:
        return None
    if not province:
        return "different"
    if known == 1:
        return "province"
    if not prefecture:
        return "other-prefecture"
    return "prefecture" if known < 3 else "county" if county else "other-county"


_NAME = _table("name", (2,) * 15, _name)
_BIRTH = _table("birth", (3, 5, 2, 2, 4, 4), _birth)
_HOME = _table("home", (2, 2, 2, 4), _home)
_AGREES = np.array([False, *(level not in _DISAGREEING for level in LEVELS["birth"])])
"""Where the births agree so far, height is compared; elsewhere it would count age again."""
_SHARED_BY_NAME = {
    "equal": "of_han",
    "sounds": "of_sounds",
    "pinyin": "of_sounds",
    "folded": "of_folded",
    "swapped": "of_folded",
    "close": "of_folded",
    "surname-last": "of_last",
    "surname-first": "of_first",
    "given": "of_given",
    "surname": "of_surname",
}
_SHARED = np.zeros(len(LEVELS["name"]) + 1, dtype=np.int32)
for _level, _column in _SHARED_BY_NAME.items():
    _SHARED[NUMBER["name"][_level]] = 1 + AT[_column] - AT["of_han"]
_FIRST_NAME = [AT["folded"]]
_EVERY_NAME = [AT["folded"], *(AT["alias_1"] + n for n in range(NAMES - 1))]
_RARITIES = [AT["of_folded"], *(AT["of_alias_1"] + n for n in range(NAMES - 1))]
_SAME_YEAR = np.array([False, *(level in ("equal", "year", "about") for level in LEVELS["birth"])])
_SAME_PREFECTURE = np.array(
    [False, *(level in ("other-county", "prefecture") for level in LEVELS["home"])]
)


def compare(one: Encoded, is_victim: bool, many: Whole, texts: Sequence[str]) -> Compared:
    """A victim against many rescued persons, or a rescued person against many victims.

    `many` has a row of numbers for each of `columns.COLUMNS`.
    """
    row = one.row
    victim, rescued = (row, many) if is_victim else (many, row)
    mine = np.array(row[: len(SAME)], dtype=np.int32)[:, None]
    same = (many[: len(SAME)] == mine) & (mine != 0)
    flags = np.packbits(same, axis=0).astype(np.int32)
    levels = np.zeros((len(LEVELS), many.shape[1]), dtype=np.int32)
    _circumstances(levels, victim, rescued)
    by_name = _names(levels, one, is_victim, many, texts, same, flags[0])
    by_year = _births(levels, victim, rescued, flags[1])
    known = np.not_equal(many[AT["sex"]], 0) if row[AT["sex"]] else False
    levels[FIELDS["sex"]] = np.where(known, 2 - same[AT["sex"]], 0)
    by_home = _homes(levels, row, many, victim, flags[1])
    _numbers(levels, one, many, texts, victim, rescued)
    _times(levels, victim, rescued)
    _heights(levels, row, many, victim, rescued)
    _marks(levels, one, many)
    known = np.not_equal(many[AT["dna"]], 0) if row[AT["dna"]] else False
    levels[FIELDS["dna"]] = np.where(known, 2 - same[AT["dna"]], 0)
    return Compared(levels, dict(zip(SHARED, (by_name, by_home, by_year), strict=True)))


def _circumstances(levels: Whole, victim: Side, rescued: Side) -> None:
    age, form = AT["age_class"], AT["syllables"]
    levels[0] = np.where(np.equal(victim[age], 0), rescued[age], victim[age])
    ours, theirs = np.minimum(victim[form], 2), np.minimum(rescued[form], 2)
    syllables = np.where((ours * theirs) == 0, 0, 2 * ours + theirs - 2)
    levels[1] = 1 + 10 * victim[AT["other_names"]] + 5 * rescued[AT["other_names"]] + syllables
    levels[2] = 1 + 4 * np.minimum(victim[AT["marks"]], 3) + np.minimum(rescued[AT["marks"]], 3)


def _names(
    levels: Whole,
    one: Encoded,
    is_victim: bool,
    many: Whole,
    texts: Sequence[str],
    same: npt.NDArray[np.bool_],
    flags: Whole,
) -> Whole:
    row = one.row
    victim = row if is_victim else many
    if not row[AT["named"]]:
        return np.zeros_like(flags)
    whole = np.not_equal(many[AT["han"]], 0) if row[AT["han"]] else np.False_
    alias, alias_call, of_alias = _aliases(one, is_victim, many)
    swapped = np.zeros_like(alias)
    if row[AT["given"]]:
        swapped = many[AT["given"]] == row[AT["surname"]]
        swapped &= many[AT["surname"]] == row[AT["given"]]
    close = np.zeros_like(alias)
    if row[AT["surname"]]:
        undecided = same[AT["surname"]] & same[AT["syllables"]] & ~same[AT["folded"]]
        at = np.flatnonzero(undecided)
        if at.size:
            theirs = [texts[number] for number in many[AT["folded"], at].tolist()]
            mine = [texts[row[AT["folded"]]]]
            far = process.cdist(mine, theirs, scorer=OSA.distance, score_cutoff=1, dtype=np.uint8)
            close[at] = far[0] <= 1
    nickname = _nicknames(one, many)
    called = np.not_equal(many[AT["only_called"]], row[AT["only_called"]])
    index = flags
    for flag in (whole, alias, swapped, close, alias_call, nickname, called):
        index = 2 * index + flag
    level = _NAME[index]
    if not many[AT["named"]].all():
        level = np.where(many[AT["named"]] != 0, level, 0)
    levels[FIELDS["name"]] = level
    return np.where(
        (level == NUMBER["name"]["alias"]) | (level == NUMBER["name"]["alias-call"]),
        of_alias,
        _chosen(level, victim),
    )


def _chosen(level: Whole, victim: Side) -> Whole:
    """The rarity of what a name's level says is shared, as the victim's name has it."""
    first = AT["of_han"]
    table = np.empty((8, level.size), dtype=np.int32)
    table[0] = 0
    for n in range(7):
        table[n + 1] = victim[first + n]
    found: Whole = table[_SHARED[level], np.arange(level.size)]
    return found


def _aliases(
    one: Encoded, is_victim: bool, many: Whole
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], Whole]:
    """Where any two names but the first two are equal: whole ones, call names, their rarity."""
    n = many.shape[1]
    alias, call = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    rarity = np.zeros(n, dtype=np.int32)
    first = one.row[AT["folded"]]
    theirs = many[_FIRST_NAME if not many[AT["other_names"]].any() else _EVERY_NAME]
    for folded, is_call, of in one.names:
        found = theirs == folded
        if folded == first and not is_call:
            found[0] = False
        if not found.any():
            continue
        (call if is_call else alias)[found.any(axis=0)] = True
        for number in np.flatnonzero(found.any(axis=1)).tolist():
            shared = of if is_victim else many[_RARITIES[number]]
            rarity = np.where(found[number], np.maximum(rarity, shared), rarity)
    return alias, call, rarity


def _nicknames(one: Encoded, many: Whole) -> npt.NDArray[np.bool_]:
    """Where a call name is made of a sound of the other side's name: 小香, 阿香, 香香."""
    row = one.row
    found = np.zeros(many.shape[1], dtype=np.bool_)
    for call in one.calls:
        found |= (many[AT["first"]] == call) | (many[AT["last"]] == call)
    calls = many[AT["call_0"] : AT["call_0"] + CALLS]
    if row[AT["last"]] and calls[0].any():
        found |= ((calls == row[AT["first"]]) | (calls == row[AT["last"]])).any(axis=0)
    return found


def _births(levels: Whole, victim: Side, rescued: Side, flags: Whole) -> Whole:
    year, born = AT["year"], AT["born"]
    known = np.logical_and(victim[year], rescued[year])
    years = np.searchsorted(_YEARS, np.abs(victim[year] - rescued[year]))
    days = np.asarray(rescued[born] - victim[born])
    apart = np.abs(days)
    slip = np.where(apart <= _SHORT, 2, np.where(apart > _LUNAR, 0, np.where(days < 0, 1, 3)))
    swapped = np.equal(victim[AT["month"]], rescued[AT["day"]])
    swapped &= np.equal(victim[AT["day"]], rescued[AT["month"]])
    lunar = np.equal(victim[AT["as_solar"]], rescued[born])
    lunar |= np.equal(victim[born], rescued[AT["as_solar"]])
    index = np.maximum(victim[AT["precision"]], rescued[AT["precision"]]) * 5 + years
    index = ((index * 2 + swapped) * 2 + lunar) * 4 + slip
    level = np.where(known, _BIRTH[index * 4 + ((flags >> 1) & 3)], 0)
    levels[FIELDS["birth"]] = level
    return np.where(_SAME_YEAR[level], victim[AT["of_year"]], 0)


def _homes(levels: Whole, row: Sequence[int], many: Whole, victim: Side, flags: Whole) -> Whole:
    known = np.zeros_like(flags)
    for column in ("province", "prefecture", "county"):
        if row[AT[column]]:
            known += many[AT[column]] != 0
    level = _HOME[((flags >> 3) & 7) * 4 + known]
    levels[FIELDS["home"]] = level
    prefecture = np.where(_SAME_PREFECTURE[level], victim[AT["of_prefecture"]], 0)
    return np.where(level == NUMBER["home"]["county"], victim[AT["of_county"]], prefecture)


def _numbers(
    levels: Whole,
    one: Encoded,
    many: Whole,
    texts: Sequence[str],
    victim: Side,
    rescued: Side,
) -> None:
    """The identity numbers; and where they don't agree, the date in one against the other's."""
    number, stated, born = AT["number"], AT["number_born"], AT["born"]
    if not (one.row[number] or one.row[stated] or many[stated].any()):
        return
    level = levels[FIELDS["id_number"]]
    if one.row[number]:
        at = np.flatnonzero(many[number])
        if at.size:
            mine = texts[one.row[number]]
            theirs = (texts[other] for other in many[number, at].tolist())
            level[at] = [_number_level(mine, other) for other in theirs]
    by_rescued = np.not_equal(rescued[stated], 0) & np.not_equal(victim[AT["year"]], 0)
    by_victim = np.not_equal(victim[stated], 0) & np.not_equal(rescued[AT["year"]], 0)
    date = np.where(by_rescued, rescued[stated], victim[stated])
    other = np.where(by_rescued, victim[born], rescued[born])
    year = np.where(by_rescued, victim[AT["year"]], rescued[AT["year"]])
    equal = date == other
    near = np.abs((date - 183) / 365.2425 + 1 - year) <= 1
    agreeing = np.where(levels[FIELDS["birth"]] == NUMBER["birth"]["equal"], 2, 1)
    found = np.where(equal, agreeing, np.where(near, 3, 4))
    wanted = (by_rescued | by_victim) & ((level == 0) | ((level == 3) & equal))
    levels[FIELDS["number_birth"]] = np.where(wanted, found, 0)


def _number_level(one: str, other: str) -> int:
    """A slip of the pen never passes the check: two numbers that pass it are two persons'.

    A number that does not pass it shows nothing by being equal: a sheet that loses digits gives
    many persons one.
    """
    names = NUMBER["id_number"]
    right = [_passes(number) for number in (one, other)]
    if one == other:
        return names["equal"] if all(right) else 0
    if len(one) != len(other):
        old, new = sorted((one, other), key=len)
        return names["equal" if new[:6] + new[8:17] == old else "different"]
    if all(right) and len(one) == 18:
        return names["different"]
    near = OSA.distance(one, other, score_cutoff=2) <= 2
    return (names["near"] if any(right) else 0) if near else names["different"]


def _passes(number: str) -> bool:
    return identity_number.check_digit_right(number) and not fillers.may_lack_digits(number)


def _times(levels: Whole, victim: Side, rescued: Side) -> None:
    day = AT["happened"]
    known = np.logical_and(victim[day], rescued[day])
    later = np.searchsorted(_TIMES, np.asarray(rescued[day] - victim[day])) + 1
    levels[FIELDS["time"]] = np.where(known, later, 0)


def _heights(levels: Whole, row: Sequence[int], many: Whole, victim: Side, rescued: Side) -> None:
    height, day, birth = AT["height"], AT["happened"], AT["birth"]
    if not (row[height] and row[day]):
        return
    known = _AGREES[levels[FIELDS["birth"]]]
    for column in (height, day):
        known = known & (many[column] != 0)
    if not known.any():
        return
    unsure = np.equal(victim[AT["born"]], 0) & np.not_equal(rescued[AT["born"]], 0)
    born = np.where(unsure, rescued[birth], victim[birth])
    sex = np.where(np.equal(victim[AT["sex"]], 0), rescued[AT["sex"]], victim[AT["sex"]])
    boy = (sex == MALE).astype(np.int64)
    then, now = (
        np.minimum(np.maximum((side[day] - born) * 12 // 365, 0), GROWN_MONTHS)
        for side in (victim, rescued)
    )
    expected = 10 * MEDIANS[boy, now] * victim[height] // MEDIANS[boy, then]
    apart = np.abs(10 * np.asarray(rescued[height]) - expected)
    adult = np.searchsorted(_ADULT_BANDS, apart) + 1
    child = np.searchsorted(_CHILD_BANDS, apart) + 2 + len(_ADULT_BANDS)
    levels[FIELDS["height"]] = np.where(known, np.where(then < GROWN_MONTHS, child, adult), 0)


def _marks(levels: Whole, one: Encoded, many: Whole) -> None:
    if not one.marks:
        return
    n = many.shape[1]
    shared = np.zeros(n, dtype=np.int32)
    other_side, same_type = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    whole, places, kinds = (
        many[AT[column] : AT[column] + MARKS] for column in ("mark_0", "place_0", "kind_0")
    )
    for mark, place, kind in one.marks:
        shared += (whole == mark).any(axis=0)
        other_side |= (places == place).any(axis=0)
        same_type |= (kinds == kind).any(axis=0)
    some = np.where(other_side, 4, np.where(same_type, 5, 6))
    level = np.where(shared > 0, np.maximum(4 - shared, 1), some)
    levels[FIELDS["marks"]] = np.where(many[AT["marks"]] != 0, level, 0)
