"""What a model of persons is made of: fields, keys, terms, and frequency tables from records."""

from __future__ import annotations

from collections import Counter
from typing import Final

from crossregion.domain.events import PersonsListed
from crossregion.linkage.comparison import LEVELS
from crossregion.linkage.model import KeyRule, Model
from crossregion.linkage.normalisation import normalise
from crossregion.linkage.training.estimate import Design, Group
from crossregion.linkage.training.labelled import Labelled

CIRCUMSTANCES: Final = ("age_class", "name_form", "marks_known")
EVIDENCE: Final = tuple(field for field in LEVELS if field not in CIRCUMSTANCES)
KEYS: Final = (
    KeyRule("dna"),
    KeyRule("number"),
    KeyRule("name"),
    KeyRule("short-name", 5),
    KeyRule("given", 2),
    KeyRule("part", 2),
    KeyRule("surname-county", 5),
    KeyRule("surname-day", 5),
    KeyRule("day", 2, sex=True),
    KeyRule("county", 2, sex=True),
    KeyRule("prefecture", 1, sex=True),
    KeyRule("mark", 2, sex=True),
    KeyRule("call", 2, sex=True),
)
WHOLE_NAMES: Final = ("equal", "sounds", "pinyin", "folded", "alias", "swapped", "close")
PARTS: Final = ("surname-last", "surname-first", "given", "surname")
DESIGN: Final = Design(
    offsets=(("age_class",),),
    terms=tuple(("age_class", field) for field in (*EVIDENCE, "marks_known")),
    together=(
        ("marks_known", "marks"),
        ("name_form", "name"),
        ("birth", "number_birth"),
        ("time", "height"),
        ("birth", "height"),
    ),
    groups=(
        Group("name", WHOLE_NAMES, slope=0.8, mean=19.5),
        Group("name", PARTS, slope=0.5, mean=12.0),
        Group("name", ("alias-call",), slope=0.5, mean=12.0),
        Group("home", ("county", "other-county", "prefecture"), slope=0.8, mean=8.0),
        Group("birth", ("equal", "year", "about"), slope=0.8, mean=5.0),
    ),
    silence=("name", "birth", "home", "height", "marks"),
    limits=dict.fromkeys(LEVELS, (-8.0, 14.0)) | {"id_number": (-4.0, 16.0), "dna": (-2.0, 20.0)},
)
"""No field decides alone, except a laboratory's hit; different samples mean next to nothing."""
KEEP_BITS: Final = 6.0
NEVER: Final = 0.001
SMOOTH_YEARS: Final = {-2: 1, -1: 2, 0: 3, 1: 2, 2: 1}
LEAST_COUNT: Final = 2
"""What is seen less often is not told apart from what is never seen, nor stands in the model."""


def untrained(name: str, data: Labelled) -> Model:
    """A model without weights: what can be counted without knowing the truth, and the prior."""
    reported = [
        data.truth[one["record_id"]] for one in data.rescues if one["record_id"] in data.truth
    ]
    return Model(
        name=name,
        kind="persons",
        share=_possible(len(reported) / len(data.rescues)),
        reported_twice=_possible(sum(len(cases) > 1 for cases in reported) / len(reported)),
        open_cases=sum(len(case["persons"]) for case in data.cases),
        keep_bits=KEEP_BITS,
        fields=dict(LEVELS),
        terms=(),
        rarity={},
        frequencies=frequencies(data.cases),
        keys=KEYS,
        trained={},
    )


def _possible(share: float) -> float:
    """What never or always happened here may yet be otherwise."""
    return round(min(max(share, NEVER), 1.0 - NEVER), 3)


def frequencies(cases: list[PersonsListed]) -> dict[str, dict[str, float]]:
    """Shares of surnames, of given names' characters, of homes and of years of birth."""
    surnames, characters, homes, years = (Counter[str]() for _ in range(4))
    for case in cases:
        for one in case["persons"]:
            person = normalise(one, case)
            name = person.name
            if name and name.han and name.surname:
                cut = len(name.han) - len(name.given)
                surnames[name.han[:cut]] += 1
                characters.update(name.han[cut:])
            homes.update(code for code in person.home[1:] if code)
            if person.born_year:
                for step, times in SMOOTH_YEARS.items():
                    years[str(person.born_year + step)] += times
    of_homes = sum(count for code, count in homes.items() if code.endswith("00")) or 1
    return {
        "surnames": _shares(surnames, surnames.total()),
        "characters": _shares(characters, characters.total()),
        "homes": _shares(homes, of_homes),
        "years": _shares(years, years.total()),
    }


def _shares(counts: Counter[str], total: int) -> dict[str, float]:
    return {
        text: float(f"{count / total:.3g}")
        for text, count in sorted(counts.items())
        if count >= LEAST_COUNT
    }
