"""Why a victim and a rescued person may be the same, for readers without statistics.

Only fields and levels are told, never a value: whoever may see the records can look them up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crossregion.domain.events import MatchProposed
from crossregion.linkage.model import UNKNOWN, Model
from crossregion.linkage.weights import RARITY

FIELDS: Final = {
    "age_class": "Age",
    "name": "Name",
    "birth": "Birth",
    "sex": "Sex",
    "home": "Home",
    "id_number": "Identity number",
    "number_birth": "Birth in the number",
    "time": "Time",
    "height": "Height",
    "marks": "Marks",
    "marks_known": "Marks known",
    "dna": "DNA",
}
WORDS: Final[dict[str, dict[str, str]]] = {
    "age_class": {
        "under-3": "what agrees says so much more or less at under 3",
        "3-5": "what agrees says so much more or less at 3 to 5",
        "6-9": "what agrees says so much more or less at 6 to 9",
        "10-14": "what agrees says so much more or less at 10 to 14",
        "15-up": "what agrees says so much more or less from 15 on",
    },
    "name": {
        "equal": "written the same",
        "sounds": "other characters, the same sounds",
        "pinyin": "one side has only pinyin, and it fits",
        "folded": "the same sounds as a dialect merges them",
        "alias": "one side's other name is the other's name",
        "swapped": "the same, with the surname last",
        "close": "the same surname, and one letter of the sounds differs",
        "surname-last": "the same surname and last sound",
        "surname-first": "the same surname and first sound of the given name",
        "given": "the same given name with another surname, as by the mother's",
        "alias-call": "the same call name",
        "nickname": "a call name made of a sound of the name",
        "called": "one side has only a call name, which tells nothing",
        "surname": "only the surname is the same",
        "different": "different names",
    },
    "birth": {
        "equal": "the same day",
        "year-1": "the same month and day, one year apart",
        "year-2": "the same month and day, two years apart",
        "swapped": "month and day are swapped",
        "month-day": "the same month and day, some years apart",
        "lunar": "one date is the other in the lunar calendar",
        "days": "the rescue's date is some weeks earlier, as a lunar date would be",
        "days-after": "the rescue's date is some weeks later",
        "near": "within two weeks",
        "same-day": "the same year and day, another month",
        "same-year": "the same year, another month and day",
        "years-2": "one or two years apart",
        "years-5": "three to five years apart",
        "different": "more than five years apart",
        "year": "the same year; more is not known",
        "year-off-1": "one year apart; more is not known",
        "year-off-2": "two years apart; more is not known",
        "year-off-5": "three to five years apart",
        "year-off": "more than five years apart",
        "about": "the estimated year is the same",
        "about-1": "the estimated year is one off",
        "about-2": "the estimated year is two off",
        "about-5": "the estimated year is three to five off",
        "about-off": "the estimated year is more than five off",
    },
    "sex": {"equal": "the same", "different": "not the same"},
    "home": {
        "county": "the same county",
        "other-county": "the same prefecture, another county",
        "prefecture": "the same prefecture; the county is not known",
        "other-prefecture": "the same province, another prefecture",
        "province": "the same province; more is not known",
        "different": "another province or country",
    },
    "id_number": {
        "equal": "the same number",
        "near": "the same number but for one or two digits",
        "different": "different numbers, of which one may be borrowed",
    },
    "number_birth": {
        "equal": "the date in the number is the other's birth",
        "confirms": "the date in the number is the same again",
        "year": "the year in the number is within one of the other's",
        "different": "the number has another date",
    },
    "time": {
        "long-before": "found more than two months before the loss",
        "before": "found before the day given for the loss",
        "month-1": "found within a month",
        "quarter-1": "found within three months",
        "year-1": "found within a year",
        "years-2": "found in the second year",
        "years-3": "found in the third year",
        "years-5": "found after three to five years",
        "years-8": "found after five to eight years",
        "later": "found after more than eight years",
    },
    "height": {
        "exact": "the same",
        **{f"within-{cm}": f"within {cm} cm" for cm in (2, 4, 6, 8, 10, 12)},
        "far": "more than 12 cm apart",
        **{
            f"child-{cm}": f"within {cm} cm of what the child would have grown to"
            for cm in (2, 4, 7, 11, 16, 22)
        },
        "child-far": "far from what the child would have grown to",
    },
    "marks": {
        "shared-3": "three or more are the same",
        "shared-2": "two are the same",
        "shared": "one is the same",
        "other-side": "one is the same on the other side of the body",
        "same-type": "one is of the same type elsewhere",
        "none-shared": "none is the same",
    },
    "dna": {"equal": "the laboratory found the same sample", "other": "two samples were taken"},
}
_TIMES_MORE, _TIMES_LESS = "{} times likelier", "{} times less likely"
_BAR_BITS, _LONGEST_BAR = 1.0, 16
NEARLY_SURE = 0.9999


@dataclass(frozen=True, slots=True)
class Step:
    """One field's part: what was seen, its bits, and the chance after it, rivals left out."""

    field: str
    seen: str
    bits: float
    chance: float


@dataclass(frozen=True, slots=True)
class Rival:
    """Another candidate for the same rescued person."""

    case_id: str
    victim_id: str
    probability: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """The way from how many victims are sought to the probability proposed."""

    proposal: MatchProposed
    start: float
    steps: tuple[Step, ...]
    rivals: tuple[Rival, ...]
    model: str
    """Whose number of victims sought it begins with."""


def explain(
    proposal: MatchProposed,
    rivals: Sequence[MatchProposed],
    model: Model,
    open_cases: int | None = None,
) -> Explanation:
    """Take a proposal apart; `rivals` are the rescue's proposals, with or without this one."""
    odds = model.share / max(1.0 - model.share, 1e-9) / max(open_cases or model.open_cases, 1)
    start, steps = odds / (1 + odds), []
    for item in sorted(proposal["evidence"], key=lambda item: -abs(item["bits"])):
        odds *= 2.0 ** item["bits"]
        seen = _seen(item["field"], item["level"])
        steps.append(Step(_field(item["field"]), seen, item["bits"], odds / (1 + odds)))
    others = sorted(
        (one for one in rivals if one["proposal_id"] != proposal["proposal_id"]),
        key=lambda one: (-one["probability"], one["case_id"], one["victim_id"]),
    )
    return Explanation(
        proposal,
        start,
        tuple(steps),
        tuple(Rival(one["case_id"], one["victim_id"], one["probability"]) for one in others),
        model.version,
    )


def lines(explanation: Explanation) -> Iterator[str]:
    """The explanation as a waterfall of text."""
    proposal = explanation.proposal
    yield (
        f"Case {proposal['case_id']}, victim {proposal['victim_id']}; "
        f"rescue {proposal['rescue_id']}; model {proposal['model']}"
    )
    if proposal["model"] != explanation.model:
        yield f"It begins as model {explanation.model} does, which is in use now."
    if proposal["kind"] == "stated":
        yield "An officer states that they are the same."
    yield f"{'Before anything is compared':58}{'':18}  chance {_chance(explanation.start)}"
    for step in explanation.steps:
        bar = ("+" if step.bits > 0 else "-") * min(round(abs(step.bits) / _BAR_BITS), _LONGEST_BAR)
        yield (
            f"{step.field:20} {step.seen:60} {bar:{_LONGEST_BAR}} "
            f"{_times(step.bits):>28}  chance {_chance(step.chance)}"
        )
    for rival in explanation.rivals:
        yield (
            f"Rival: case {rival.case_id}, victim {rival.victim_id}, "
            f"with a chance of {_chance(rival.probability)}"
        )
    yield f"Among all candidates and none of them: {_chance(proposal['probability'])}"
    yield _advice(proposal)


def _field(field: str) -> str:
    name = FIELDS.get(field.removesuffix(RARITY), field.removesuffix(RARITY).replace("_", " "))
    return f"{name}, rarity" if field.endswith(RARITY) else name


def _seen(field: str, level: str) -> str:
    if field.endswith(RARITY):
        return f"one in {int(level.removeprefix('1-in-')):,} has what they share"
    if level == UNKNOWN:
        return "one side does not tell"
    if field == "marks_known":
        victim, rescued = level.split("-")
        return f"the case tells {_count(victim)}, the rescue {_count(rescued)}"
    return WORDS.get(field, {}).get(level, level)


def _count(marks: str) -> str:
    return {"0": "none", "3": "three or more"}.get(marks, marks)


def _times(bits: float) -> str:
    times = 2.0 ** abs(bits)
    if times < 1.05:
        return "says nothing"
    number = f"{times:,.0f}" if times >= 10 else f"{times:.1f}"
    return (_TIMES_MORE if bits > 0 else _TIMES_LESS).format(number)


def _chance(chance: float) -> str:
    if chance > NEARLY_SURE:
        return "over 99.99 in 100"
    if chance >= 0.01:
        return f"{100 * chance:.2f} in 100"
    return f"1 in {1 / max(chance, 1e-12):,.0f}"


def _advice(proposal: MatchProposed) -> str:
    by_dna = any(
        item["field"] == "dna" and item["level"] == "equal" for item in proposal["evidence"]
    )
    if by_dna:
        return "The laboratory's hit decides: have it confirmed."
    if proposal["probability"] >= 0.99:
        return "Very likely the same person: confirm it by a second sign or by DNA."
    if proposal["probability"] >= 0.5:
        return "Rather the same person than not: review both records, and compare DNA."
    return "Not enough to say: compare DNA before anything is told to a family."
