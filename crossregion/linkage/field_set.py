"""What the index needs of a set of fields, and of one person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from crossregion.domain.events import ListedPerson, PersonsListed
from crossregion.linkage.blocking import Key
from crossregion.linkage.model import Whole
from crossregion.linkage.weights import Compared


@dataclass(frozen=True, slots=True)
class Known:
    """What the index needs of one person."""

    person_id: str
    person: Any
    encoded: Any
    row: list[int]
    posted: set[Key]
    more: bool
    """Whether the row doesn't hold everything that is to be compared."""


class Fields(Protocol):
    """A set of fields that records have."""

    width: int

    def known(self, person: ListedPerson, listed: PersonsListed) -> Known:
        """A person normalised and encoded."""

    def sought(self, known: Known) -> set[Key]:
        """The keys that a person is sought under."""

    def compare(self, one: Any, is_victim: bool, many: Whole) -> Compared:
        """One person against many of the other kind."""
