"""What notices follow from: one object for each flag, proposal, record, file and so on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from crossregion.domain import identifiers
from crossregion.domain.decisions import ProposalState
from crossregion.domain.events import NoticeIssued, RecordRemarked
from crossregion.domain.tips import Tip

Name = tuple[str, ...]
Version = tuple[int, str]


@dataclass(eq=False, slots=True)
class Source:
    """One thing and the notices that are desired because of it; its name begins with its kind."""

    name: Name
    version: Version = (0, "")
    stated: list[NoticeIssued] = field(default_factory=list)
    """To whom the rules address them."""
    desired: dict[str, NoticeIssued] = field(default_factory=dict)
    """By id; to whom they go once reassignments are followed."""
    rescue: tuple[str, str, str] | None = None
    """The rescue that they are about, beside their case: its kind, unit and id."""

    @property
    def kind(self) -> str:
        return self.name[0]

    def advance(self, version: Version) -> bool:
        """Keep the highest version; returns whether this is it."""
        if self.version >= version:
            return False
        self.version = version
        return True


@dataclass(slots=True)
class References:
    """What refers to a record."""

    proposals: set[str] = field(default_factory=set)
    """Those with a decision on a pair that the record belongs to."""
    notices: set[str] = field(default_factory=set)
    """Those about the case or rescue that are desired."""
    tips: set[Tip] = field(default_factory=set)
    """Those that were linked to the case."""
    owner: str | None = None
    """Whom the case was handed over to."""


@dataclass(eq=False, slots=True)
class RecordSource(Source):
    """A record of a unit, of whatever kind, which notices, decisions and tips refer to."""

    newest: RecordRemarked | None = None
    """None while it is only referred to."""
    digests: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The contents that each revision came with."""
    references: References | None = None
    """None for most records."""

    @property
    def conflicting(self) -> bool:
        """Whether its newest revision came with several contents by its newest reading.

        The same row read better is another content and no conflict (ADR 19).
        """
        digests = self.digests[self.newest["revision"]] if self.newest is not None else ()
        if len(digests) < 2:
            return False
        newest = max(map(identifiers.reading_of, digests))
        return sum(identifiers.reading_of(one) == newest for one in digests) > 1

    def refer(self) -> References:
        """Its references, to add one."""
        if self.references is None:
            self.references = References()
        return self.references


@dataclass(eq=False, slots=True)
class DecisionSource(Source):
    """The decisions on a proposal."""

    state: ProposalState = field(default_factory=ProposalState)


@dataclass(slots=True)
class StatedCase:
    """A case by its bare id, as other records state it."""

    reported: bool = False
    stated_by: set[tuple[str, str, str]] = field(default_factory=set)
