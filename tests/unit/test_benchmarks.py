"""What the benchmarks measure with is right: their events, their peers and their arithmetic."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import demo, peers
from benchmarks.feed import events
from benchmarks.harness import Speed
from processors.intake import Incoming, take
from processors.outputs import Outputs
from schemas import topics

OURS = (
    topics.BOUNDARY_FLAGS,
    topics.RECORD_REMARKS,
    topics.LINKAGE_RECORDS,
    topics.FILE_NOTES,
)
OF_PEER = {peer: topic.name() for peer, topic in zip(peers.bare_topics("bare"), OURS, strict=True)}


def test_events_are_the_same_for_a_seed_and_each_another_record() -> None:
    made = list(events(200))
    assert [event.value for event in events(200)] == [event.value for event in made]
    assert len({event.key for event in made}) == 200
    assert {event.topic.partition(".")[0] for event in made} == {"cases", "rescues"}


def test_intake_accepts_every_event_and_a_peer_writes_as_many_to_the_same_partitions() -> None:
    for number, event in enumerate(events(200)):
        outputs = Outputs()
        one = Incoming(event.topic, 0, number, event.key, event.value, dict(event.headers))
        assert take(one, outputs) == "accepted"
        own = Counter((topic, partition) for topic, partition, _, _ in outputs)
        beside = peers.places("bare", event.topic, event.key)
        assert own == Counter((OF_PEER[topic], partition) for topic, partition in beside)


def test_speed_is_by_the_clock_and_by_the_core() -> None:
    speed = Speed(events=1_000, seconds=0.5, cpu_seconds=0.2)
    assert speed.per_second == 2_000
    assert speed.cpu_micros == pytest.approx(200)


def test_a_demo_is_measured_against_the_truth(tmp_path: Path) -> None:
    truth, out = tmp_path / "truth", tmp_path / "out"
    truth.mkdir()
    out.mkdir()
    (truth / "flags.csv").write_text(
        "case_id,revision,source,destination,boundary\nA,1,220723,,unknown\nA,2,220723,KR,border\n"
    )
    (truth / "pairs.csv").write_text("case_id,rescue_id\nA,R\nB,S\n")
    said = {"case_id": "A", "revision": 1, "source": "220723", "destination": None}
    flags = [
        {**said, "boundary": "unknown"},
        {**said, "revision": 2, "destination": "KR", "boundary": "province"},
    ]
    proposals = [
        {"case_id": "A", "rescue_id": "R", "probability": 0.9},
        {"case_id": "A", "rescue_id": "S", "probability": 0.6},
        {"case_id": "B", "rescue_id": "S", "probability": 0.5},
    ]
    for name, rows in (("flags", flags), ("proposals", proposals)):
        (out / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert demo.flags(tmp_path, out) == (2, 1)
    assert demo.proposals(tmp_path, out) == (0.5, 0.5)
