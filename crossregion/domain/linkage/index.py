"""Cases and rescues held in memory; every put says all pairs that the record takes part in.

What holds after any sequence of puts and removals depends only on the set of records: a pair's
weight comes from two records and the model, and of several revisions of one record the highest
(revision, digest) is kept, whichever came first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from crossregion.domain.linkage.blocks import Key, keys
from crossregion.domain.linkage.compare import NO_LIMIT, weigh_from
from crossregion.domain.linkage.model import Model
from crossregion.domain.linkage.normalise import Person, normalise
from crossregion.domain.records import PairWeighed, PersonsListed

CASE, RESCUE = "case", "rescue"
_OTHER = {CASE: RESCUE, RESCUE: CASE}
RecordKey = tuple[str, str, str]
"""Kind, unit and id of a record; ids are a unit's own."""
PairKey = tuple[str, str, str, str, str]
"""Unit and id of the case, id of the victim, unit and id of the rescue."""


@dataclass(slots=True, eq=False)
class _Record:
    """A case or rescue at one revision; without members once it is erased."""

    kind: str
    unit: str
    record_id: str
    revision: int
    digest: str
    erased: bool = False
    stated_case_id: str | None = None
    members: list[_Member] = field(default_factory=list)

    @property
    def key(self) -> RecordKey:
        return self.kind, self.unit, self.record_id

    @property
    def version(self) -> tuple[int, str, bool]:
        return self.revision, self.digest, self.erased


@dataclass(slots=True, eq=False)
class _Member:
    """One person of a record."""

    record: _Record
    person: Person


class Index:
    """The records of one partition, found by blocking keys."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._records: dict[RecordKey, _Record] = {}
        self._posted: dict[str, dict[Key, list[_Member]]] = {CASE: {}, RESCUE: {}}
        self._cases: dict[str, list[_Record]] = defaultdict(list)
        self._stating: dict[str, list[_Record]] = defaultdict(list)

    def __len__(self) -> int:
        """Cases and rescues held, the erased left out."""
        return sum(not record.erased for record in self._records.values())

    def put(self, listed: PersonsListed) -> list[PairWeighed]:
        """Hold a case or rescue at this revision.

        Returns: every pair of the record that holds now, and without weight every pair that its
        former revision had and that holds no longer; nothing if a higher revision or its erasure
        is held. An equal revision gives its pairs again.
        Raises: ValueError if the kind is neither case nor rescue.
        """
        return self._say(_record(listed))

    def remove(
        self, kind: str, unit: str, record_id: str, revision: int, digest: str
    ) -> list[PairWeighed]:
        """Erase a record at this and all lower revisions.

        Returns: all its pairs, without weight; nothing if a higher revision is held.
        """
        return self._say(_erased(kind, unit, record_id, revision, digest))

    def restore(self, listed: PersonsListed) -> None:
        """Like `put`, for what has been said before: faster, because no pair is weighed."""
        self._hold(_record(listed))

    def forget(self, kind: str, unit: str, record_id: str, revision: int, digest: str) -> None:
        """Like `remove`, for what has been said before."""
        self._hold(_erased(kind, unit, record_id, revision, digest))

    def _say(self, record: _Record) -> list[PairWeighed]:
        held = self._records.get(record.key)
        before = self._pairs(held) if held and held.version < record.version else {}
        if not self._hold(record):
            return []
        now = self._pairs(record)
        gone = [_withdrawn(pair, record) for key, pair in before.items() if key not in now]
        return [*now.values(), *gone]

    def _hold(self, record: _Record) -> bool:
        """Whether this record is the one held; a lower version is not."""
        held = self._records.get(record.key)
        if held is not None and held.version >= record.version:
            return held.version == record.version
        if held is not None:
            self._unpost(held)
        self._records[record.key] = record
        posted = self._posted[record.kind]
        for member in record.members:
            for key in keys(member.person)[0]:
                posted.setdefault(key, []).append(member)
        for stated in self._by_stated(record):
            stated.append(record)
        return True

    def _unpost(self, record: _Record) -> None:
        posted = self._posted[record.kind]
        for member in record.members:
            for key in keys(member.person)[0]:
                posted[key].remove(member)
                if not posted[key]:
                    del posted[key]
        for stated in self._by_stated(record):
            stated.remove(record)

    def _by_stated(self, record: _Record) -> Iterator[list[_Record]]:
        if record.erased:
            return
        if record.kind == CASE:
            yield self._cases[record.record_id]
        elif record.stated_case_id:
            yield self._stating[record.stated_case_id]

    def _pairs(self, record: _Record) -> dict[PairKey, PairWeighed]:
        """Every pair of a record that holds, in the order of the pairs' keys."""
        found: dict[PairKey, PairWeighed] = {}
        for member in self._records[record.key].members:
            for other in self._candidates(member):
                victim, rescued = (member, other) if record.kind == CASE else (other, member)
                stated = rescued.record.stated_case_id == victim.record.record_id
                limit = NO_LIMIT if stated else self._model.keep_bits
                weighed = weigh_from(limit, victim.person, rescued.person, self._model)
                if weighed is None:
                    continue
                case, rescue = victim.record, rescued.record
                key = case.unit, case.record_id, victim.person.person_id, *rescue.key[1:]
                found[key] = {
                    "model": self._model.name,
                    "case_id": case.record_id,
                    "victim_id": victim.person.person_id,
                    "rescue_id": rescue.record_id,
                    "case_unit": case.unit,
                    "rescue_unit": rescue.unit,
                    "case_revision": case.revision,
                    "rescue_revision": rescue.revision,
                    "weight": weighed[0],
                    "stated": stated,
                    "evidence": weighed[1],
                }
        return dict(sorted(found.items()))

    def _candidates(self, member: _Member) -> set[_Member]:
        record = member.record
        posted = self._posted[_OTHER[record.kind]]
        found: set[_Member] = set()
        for key in keys(member.person)[1]:
            if key in posted:
                found.update(posted[key])
        stated = record.stated_case_id
        related = (
            self._stating.get(record.record_id, ())
            if record.kind == CASE
            else self._cases.get(stated, ())
            if stated
            else ()
        )
        for one in related:
            found.update(one.members)
        return found


def _record(listed: PersonsListed) -> _Record:
    if listed["kind"] not in _OTHER:
        raise ValueError("the kind of a record is case or rescue")
    record = _Record(
        kind=listed["kind"],
        unit=listed["unit"],
        record_id=listed["record_id"],
        revision=listed["revision"],
        digest=listed["digest"],
        stated_case_id=listed["stated_case_id"] if listed["kind"] == RESCUE else None,
    )
    record.members = [_Member(record, normalise(one, listed)) for one in listed["persons"]]
    return record


def _erased(kind: str, unit: str, record_id: str, revision: int, digest: str) -> _Record:
    if kind not in _OTHER:
        raise ValueError("the kind of a record is case or rescue")
    return _Record(kind, unit, record_id, revision, digest, erased=True)


def _withdrawn(pair: PairWeighed, record: _Record) -> PairWeighed:
    said = pair.copy()
    said["weight"], said["evidence"], said["stated"] = None, [], False
    if record.kind == CASE:
        said["case_revision"] = record.revision
    else:
        said["rescue_revision"] = record.revision
    return said
