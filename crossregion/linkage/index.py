"""Cases and rescues held in memory; every put says all pairs that the record takes part in.

What holds after any sequence of puts and removals depends only on the set of records: a pair's
weight comes from two records and the model, and of several revisions of one record the highest
(revision, digest) is kept, whichever came first.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from crossregion.domain.events import Evidence, Identity, PairWeighed, PersonsListed
from crossregion.domain.fillers import is_filler
from crossregion.linkage.candidate_store import Slot, Store
from crossregion.linkage.field_set import Known
from crossregion.linkage.field_sets import fields_of
from crossregion.linkage.model import Model, Whole
from crossregion.linkage.weights import THOUSANDTHS, Compared, Scale, total

CASE, RESCUE = "case", "rescue"
_OTHER = {CASE: RESCUE, RESCUE: CASE}
RecordKey = tuple[str, str, str]
"""Kind, unit and id of a record; ids are a unit's own."""
PairKey = tuple[str, str, str, str, str]
"""Unit and id of the case, id of the victim, unit and id of the rescue."""
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
CROWD = 5_000
"""More candidates than this make a person slow to compare; still none is left out."""


@dataclass(slots=True, eq=False)
class _Record:
    """A case or rescue at one revision; without content once it is erased.

    What was made of its persons is made again when it is needed: text is smaller. Only of who has
    more than a row holds the numbers are kept, for each of their candidates needs them.
    """

    kind: str
    unit: str
    record_id: str
    revision: int
    digest: str
    erased: bool = False
    stated_case_id: str | None = None
    content: bytes = b""
    shape: tuple[str, ...] = ()
    slots: tuple[Slot, ...] = ()

    @property
    def key(self) -> RecordKey:
        return self.kind, self.unit, self.record_id

    @property
    def version(self) -> tuple[int, str, bool]:
        return self.revision, self.digest, self.erased


class Index:
    """The records of one partition, found by blocking keys."""

    def __init__(self, model: Model) -> None:
        """Raises: BadModel if the model is of fields that this version does not know."""
        self._version = model.version
        self._fields = fields_of(model)
        self._scale = Scale(model)
        self._limit = round(model.keep_bits * THOUSANDTHS)
        self._records: dict[RecordKey, _Record] = {}
        self._stores = {kind: Store(self._fields.width) for kind in _OTHER}
        self._at: dict[str, list[_Record]] = {kind: [] for kind in _OTHER}
        self._ids: dict[str, list[str]] = {kind: [] for kind in _OTHER}
        self._shapes: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._more: dict[str, dict[Slot, Known]] = {kind: {} for kind in _OTHER}
        self._cases: dict[str, list[_Record]] = defaultdict(list)
        self._stating: dict[str, list[_Record]] = defaultdict(list)
        self.crowded = 0
        """Persons that had more than `CROWD` candidates."""

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
        return self._say(*self._record(listed))

    def remove(
        self, kind: str, unit: str, record_id: str, revision: int, digest: str
    ) -> list[PairWeighed]:
        """Erase a record at this and all lower revisions.

        Returns: all its pairs, without weight; nothing if a higher revision is held.
        """
        return self._say(_erased(kind, unit, record_id, revision, digest), [])

    def restore(self, listed: PersonsListed) -> None:
        """Like `put`, for what has been said before: faster, because no pair is weighed."""
        self._hold(*self._record(listed))

    def forget(self, kind: str, unit: str, record_id: str, revision: int, digest: str) -> None:
        """Like `remove`, for what has been said before."""
        self._hold(_erased(kind, unit, record_id, revision, digest), [])

    def candidates(self, listed: PersonsListed) -> list[tuple[list[str], Compared]]:
        """For training: each person's candidates by their ids, however little they weigh."""
        found = []
        for one in self._record(listed)[1]:
            slots = self._stores[_OTHER[listed["kind"]]].found(self._fields.sought(one))
            found.append(self._against(listed["kind"], one, slots))
        return found

    def sample(
        self, listed: PersonsListed, choose: Callable[[int], Whole]
    ) -> list[tuple[list[str], Compared]]:
        """For training: each person against others chosen by number, of so many."""
        count = len(self._at[_OTHER[listed["kind"]]])
        return [
            self._against(listed["kind"], one, choose(count)) for one in self._record(listed)[1]
        ]

    def _against(self, kind: str, one: Known, slots: Whole) -> tuple[list[str], Compared]:
        other = _OTHER[kind]
        many = self._stores[other].columns(slots)
        ids = [self._ids[other][slot] for slot in slots.tolist()]
        return ids, self._fields.compare(one.encoded, kind == CASE, many)

    def _record(self, listed: PersonsListed) -> tuple[_Record, list[Known]]:
        if listed["kind"] not in _OTHER:
            raise ValueError("the kind of a record is case or rescue")
        record = _Record(
            kind=listed["kind"],
            unit=listed["unit"],
            record_id=listed["record_id"],
            revision=listed["revision"],
            digest=listed["digest"],
            stated_case_id=_stated(listed) if listed["kind"] == RESCUE else None,
        )
        persons = listed["persons"]
        if persons:
            shape = tuple(persons[0]["identity"])
            record.shape = self._shapes.setdefault(shape, shape)
            told = [[one["person_id"], *map(one["identity"].get, shape)] for one in persons]
            record.content = _ENCODE([listed["happened_on"], told]).encode()
        return record, [self._fields.known(one, listed) for one in persons]

    def _known(self, record: _Record) -> list[Known]:
        """What was made of a record's persons, made again."""
        if not record.content:
            return []
        happened_on, told = json.loads(record.content)
        listed = cast(PersonsListed, {"happened_on": happened_on})
        return [
            self._fields.known(
                {
                    "person_id": person_id,
                    "identity": cast(Identity, dict(zip(record.shape, values, strict=True))),
                },
                listed,
            )
            for person_id, *values in told
        ]

    def _say(self, record: _Record, known: list[Known]) -> list[PairWeighed]:
        held = self._records.get(record.key)
        older = held is not None and held.version < record.version
        before = self._pairs(held, self._known(held)) if held and older else {}
        if not self._hold(record, known):
            return []
        now = self._pairs(self._records[record.key], known)
        gone = [_withdrawn(pair, record) for key, pair in before.items() if key not in now]
        return [*now.values(), *gone]

    def _hold(self, record: _Record, known: list[Known]) -> bool:
        """Whether this record is the one held; a lower version is not."""
        held = self._records.get(record.key)
        if held is not None and held.version >= record.version:
            return held.version == record.version
        if held is not None:
            self._let_go(held)
        self._records[record.key] = record
        store, at, ids = self._stores[record.kind], self._at[record.kind], self._ids[record.kind]
        record.slots = tuple(store.add(one.row, one.posted) for one in known)
        for slot, one in zip(record.slots, known, strict=True):
            if slot == len(at):
                at.append(record)
                ids.append(one.person_id)
            at[slot], ids[slot] = record, one.person_id
            if one.more:
                self._more[record.kind][slot] = replace(one, person=None, posted=set())
        for stated in self._by_stated(record):
            stated.append(record)
        return True

    def _let_go(self, record: _Record) -> None:
        store = self._stores[record.kind]
        for slot, one in zip(record.slots, self._known(record), strict=True):
            store.remove(slot, one.posted)
            self._more[record.kind].pop(slot, None)
        for stated in self._by_stated(record):
            stated.remove(record)

    def _by_stated(self, record: _Record) -> Iterator[list[_Record]]:
        if record.erased:
            return
        if record.kind == CASE:
            yield self._cases[record.record_id]
        elif record.stated_case_id:
            yield self._stating[record.stated_case_id]

    def _pairs(self, record: _Record, known: list[Known]) -> dict[PairKey, PairWeighed]:
        """Every pair of a record that holds, in the order of the pairs' keys."""
        found: dict[PairKey, PairWeighed] = {}
        at, ids = self._at[_OTHER[record.kind]], self._ids[_OTHER[record.kind]]
        for one in known:
            for slot, stated, weight, evidence in self._weighed(record, one):
                if record.kind == CASE:
                    case, victim_id, rescue = record, one.person_id, at[slot]
                else:
                    case, victim_id, rescue = at[slot], ids[slot], record
                found[case.unit, case.record_id, victim_id, rescue.unit, rescue.record_id] = {
                    "model": self._version,
                    "case_id": case.record_id,
                    "victim_id": victim_id,
                    "rescue_id": rescue.record_id,
                    "case_unit": case.unit,
                    "rescue_unit": rescue.unit,
                    "case_revision": case.revision,
                    "rescue_revision": rescue.revision,
                    "weight": weight / THOUSANDTHS,
                    "stated": stated,
                    "evidence": evidence,
                }
        return dict(sorted(found.items()))

    def _weighed(
        self, record: _Record, one: Known
    ) -> Iterator[tuple[Slot, bool, int, list[Evidence]]]:
        """The candidates of one person that weigh enough or are stated."""
        kind = _OTHER[record.kind]
        stated = {slot for other in self._related(record) for slot in other.slots}
        slots = self._stores[kind].found(self._fields.sought(one))
        if stated:
            slots = np.union1d(slots, np.array(sorted(stated), dtype=np.int32))
        if not slots.size:
            return
        self.crowded += slots.size > CROWD
        is_victim = record.kind == CASE
        compared = self._fields.compare(one.encoded, is_victim, self._stores[kind].columns(slots))
        bits, rarity = self._scale.parts(compared)
        weights = total(bits, rarity)
        wanted = weights >= self._limit
        if stated:
            wanted |= np.isin(slots, list(stated))
        crowd = self._more[kind]
        if crowd:
            wanted |= np.fromiter((slot in crowd for slot in slots.tolist()), np.bool_, slots.size)
        for pair in np.flatnonzero(wanted).tolist():
            slot = int(slots[pair])
            weight = int(weights[pair])
            evidence = self._scale.evidence(compared, bits, rarity, pair)
            if slot in crowd:
                weighed = self._by_all(crowd[slot], not is_victim, one.row)
                ways = [weighed, (weight, is_victim, evidence)] if one.more else [weighed]
                weight, _, evidence = max(ways, key=lambda way: way[:2])
            if weight >= self._limit or slot in stated:
                yield slot, slot in stated, weight, evidence

    def _by_all(
        self, stored: Known, is_victim: bool, row: list[int]
    ) -> tuple[int, bool, list[Evidence]]:
        """A stored side that has more than its row holds, by its lists, against the other's row.

        Where neither row holds everything, the better of the two ways to compare counts, so that
        it makes no difference which of the two came first.
        """
        many = np.ascontiguousarray(np.array([row], dtype=np.int32).T)
        compared = self._fields.compare(stored.encoded, is_victim, many)
        bits, rarity = self._scale.parts(compared)
        evidence = self._scale.evidence(compared, bits, rarity, 0)
        return int(total(bits, rarity)[0]), is_victim, evidence

    def _related(self, record: _Record) -> list[_Record]:
        """Records of the other kind that are stated to belong to this one."""
        if record.kind == CASE:
            return self._stating.get(record.record_id, [])
        return self._cases.get(record.stated_case_id, []) if record.stated_case_id else []


def _stated(listed: PersonsListed) -> str | None:
    """The case that a rescue states, unless it says in words that it states none."""
    stated = listed["stated_case_id"]
    return stated if stated and not is_filler("text", stated) else None


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
