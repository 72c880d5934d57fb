"""Harder data of the same kind: sparser and noisier, made of labelled records.

New persons are put together from parts of many: no record is used twice as it is.
"""

from __future__ import annotations

import copy
import random
from collections import defaultdict
from dataclasses import replace

from crossregion.domain import identity_number
from crossregion.domain.events import Identity, PersonsListed
from crossregion.linkage.training.labelled import Labelled

SAME_FASHION_YEARS = 5
"""Names are of their time: parts of a name come from persons born within so many years."""


def sparse(data: Labelled, cases: int, seed: int = 1) -> Labelled:
    """The same rescues among so many cases, the added ones of persons who are not sought for."""
    chance = random.Random(seed)
    by_fashion = defaultdict[tuple[str | None, int], list[Identity]](list)
    known = [case["persons"][0]["identity"] for case in data.cases]
    for one in known:
        by_fashion[_fashion(one)].append(one)
    added = []
    for number in range(cases - len(data.cases)):
        case = chance.choice(data.cases)
        identity = _stranger(case["persons"][0]["identity"], known, by_fashion, chance)
        record_id = f"S{number:08}"
        other = chance.choice(data.cases)
        added.append(
            PersonsListed(
                **{
                    **case,
                    "record_id": record_id,
                    "happened_on": other["happened_on"]
                    if _fashion(other["persons"][0]["identity"]) == _fashion(identity)
                    else case["happened_on"],
                    "persons": [{"person_id": record_id, "identity": identity}],
                }
            )
        )
    return replace(data, cases=[*data.cases, *added])


def _fashion(one: Identity) -> tuple[str | None, int]:
    return one["sex"], int((one["birth_date"] or "1980")[:4]) // SAME_FASHION_YEARS


def _stranger(
    like: Identity,
    known: list[Identity],
    by_fashion: dict[tuple[str | None, int], list[Identity]],
    chance: random.Random,
) -> Identity:
    one = copy.copy(like)
    named, first, last = chance.choice(known), *chance.choices(by_fashion[_fashion(like)], k=2)
    surname = (named["name"] or "王")[:1]
    given = [(first["name"] or "")[1:2], (last["name"] or "")[-1:]]
    if len(like["name"] or "") < 3:
        given.pop(0)
    one["name"], one["pinyin"] = surname + "".join(given), None
    one["other_names"] = [
        name if name[:1] in "小阿" or len(set(name)) == 1 else surname + name[1:]
        for name in like["other_names"]
    ]
    one["home"] = chance.choice(known)["home"]
    one["marks"] = [
        chance.choice(marks) for _ in like["marks"] if (marks := chance.choice(known)["marks"])
    ]
    birth = like["birth_date"] or ""
    if len(birth) == 10:
        one["birth_date"] = f"{birth[:4]}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
    if like["id_number"] and one["birth_date"] and one["home"]:
        day = one["birth_date"].replace("-", "")
        one["id_number"] = _number(one["home"][:6], day, like["sex"], chance)
    if like["dna_sample"]:
        one["dna_sample"] = f"D{chance.randrange(10**10):010}"
    return one


def _number(home: str, day: str, sex: str | None, chance: random.Random) -> str | None:
    if len(day) != 8:
        return None
    order = chance.randrange(0, 1000, 2) + (sex == "M")
    body = f"{home}{day}{order:03}"
    total = sum(
        int(digit) * weight for digit, weight in zip(body, identity_number.WEIGHTS, strict=True)
    )
    return body + identity_number.CHECK[total % 11]


def noisy(data: Labelled, share: float = 0.15, seed: int = 2) -> Labelled:
    """Each field of each rescue loses or blurs what it says, with this probability."""
    chance = random.Random(seed)
    rescues = []
    for rescue in data.rescues:
        person = copy.deepcopy(rescue["persons"][0])
        identity = person["identity"]
        if chance.random() < share:
            identity["name"] = identity["pinyin"] = None
        elif identity["name"] and len(identity["name"]) > 2 and chance.random() < share:
            identity["name"] = identity["name"][0] + identity["name"][-1]
            identity["pinyin"] = None
        if identity["birth_date"] and chance.random() < share:
            year = int(identity["birth_date"][:4]) + chance.choice((-1, 0, 1))
            identity["birth_date"], identity["birth_precision"] = f"{year:04}", "about"
        if identity["home"] and chance.random() < share:
            identity["home"] = chance.choice((None, identity["home"][:2] + "0000"))
        if identity["height_cm"] and chance.random() < share:
            identity["height_cm"] += chance.randint(-8, 8)
        identity["marks"] = [mark for mark in identity["marks"] if chance.random() >= share]
        for field in ("id_number", "dna_sample"):
            if chance.random() < share:
                identity[field] = None  # type: ignore[literal-required]
        rescues.append(PersonsListed(**{**rescue, "persons": [person]}))
    return replace(data, rescues=rescues)
