"""Events to measure with: the example feed's records under new ids, always the same for a seed."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from crossregion.domain import identifiers
from crossregion.domain.events import CaseRecorded, Identity, RescueRecorded
from producers.exports.reader import read_export
from producers.records import LocalRecord
from schemas import codec, envelope, topics

FEED = Path(__file__).parents[1] / "examples" / "feed"
SEED = 20260101


@dataclass(frozen=True, slots=True)
class Event:
    """One event as a unit's sender publishes it."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


@functools.cache
def _examples() -> tuple[tuple[str, LocalRecord], ...]:
    return tuple(
        (path.parent.name, exported)
        for path in sorted(FEED.glob("*/*.csv"))
        for exported in read_export(path, path.parent.name).records
    )


def exports(count: int, seed: int = SEED) -> Iterator[tuple[str, LocalRecord]]:
    """Records with their units: each a different one, in the proportions of the example feed."""
    rng = random.Random(seed)
    for number in range(count):
        unit, example = rng.choice(_examples())
        record = cast(dict[str, Any], {**example.record, "revision": 1})
        if example.event == "CaseRecorded":
            record_id = f"{unit}-CB{number:08d}"
            record["case_id"] = record_id
            record["victims"] = [
                {
                    **victim,
                    "victim_id": f"{record_id}/{place}",
                    "identity": _another(victim["identity"], rng),
                }
                for place, victim in enumerate(record["victims"], 1)
            ]
        else:
            record_id = f"{unit}-RB{number:08d}"
            person = record["person"]
            identity = _another(person["identity"], rng)
            record["rescue_id"] = record_id
            record["stated_case_id"] = None
            record["person"] = {**person, "identity": identity}
        made = cast(CaseRecorded | RescueRecorded, record)
        yield unit, LocalRecord(example.event, record_id, made, ())


def _another(identity: Identity, rng: random.Random) -> Identity:
    """Another person of the same kind: what would make two of them the same is drawn anew."""
    born = f"{rng.randint(1960, 2015)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    return {
        **identity,
        "birth_date": born,
        "birth_precision": "day",
        "height_cm": rng.randint(90, 185),
        "id_number": None,
        "dna_sample": None,
    }


def events(count: int, seed: int = SEED) -> Iterator[Event]:
    """The same records as events."""
    for unit, exported in exports(count, seed):
        record, record_id = exported.record, exported.record_id
        topic = topics.CASES if exported.event == "CaseRecorded" else topics.RESCUES
        event_id = identifiers.event_id(unit, record_id, 1, identifiers.content_digest(record))
        yield Event(
            topic.name(unit),
            record_id.encode(),
            codec.encode(exported.event, record),
            envelope.headers(event_id, exported.event, unit, record_id),
        )
