"""Labelled records, and which part each rescued person is in."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crossregion.domain.events import PersonsListed
from crossregion.linkage.file_linkage import read_listed, read_truth

TRAINING, CHOOSING, LAST_LOOK = "training", "choosing", "last look"
_TENTHS = {**dict.fromkeys(range(6), TRAINING), 6: CHOOSING}


@dataclass(frozen=True)
class Labelled:
    """Cases, rescues, and the true victims of each rescue with the kind of its name's error."""

    cases: list[PersonsListed]
    rescues: list[PersonsListed]
    truth: dict[str, dict[str, str]]

    def only(self, wanted: Callable[[str], bool]) -> Labelled:
        """The same cases, and of the rescues those whose part is wanted."""
        rescues = [one for one in self.rescues if wanted(part(one["record_id"]))]
        return Labelled(self.cases, rescues, self.truth)


def part(rescue_id: str) -> str:
    """The part a rescue is in: six tenths for training, one for choosing, three for a last look."""
    tenth = hashlib.sha256(rescue_id.encode()).digest()[0] % 10
    return _TENTHS.get(tenth, LAST_LOOK)


def read(directory: Path) -> Labelled:
    """`cases`, `rescues` and `truth` of a directory, as JSON Lines, plain or `.gz`.

    Raises: BadLine, OSError.
    """
    return Labelled(
        list(read_listed(_file(directory, "cases"), "case")),
        list(read_listed(_file(directory, "rescues"), "rescue")),
        _truth(_file(directory, "truth")),
    )


def _file(directory: Path, name: str) -> Path:
    plain = directory / f"{name}.jsonl"
    return plain if plain.exists() else directory / f"{name}.jsonl.gz"


def _truth(path: Path) -> dict[str, dict[str, str]]:
    truth: dict[str, dict[str, str]] = defaultdict(dict)
    for rescue_id, case_id, kind in read_truth(path):
        truth[rescue_id][case_id] = kind
    return dict(truth)
