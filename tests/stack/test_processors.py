"""The workers as they really run, on a real Kafka and a real PostgreSQL.

The tests share one stack, in their order: the last one leaves garbage on its topics.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, MemberToRemove
from kafka.structs import OffsetAndMetadata

from consumers.registry import audit_chain, counts
from crossregion import installed_model
from crossregion.domain import identifiers
from crossregion.embedded.stack import Stack
from crossregion.embedded.supervisor import Supervisor, Worker
from crossregion.errors import StandsStill
from crossregion.flows import Lags, flows
from crossregion.installation import OPERATOR
from crossregion.kafka import subscription
from crossregion.kafka.connection import ADMIN
from crossregion.linkage.index import Index
from crossregion.linkage.model import load
from crossregion.process import WORKERS
from crossregion.services import dead_letters
from processors.intake import DISCARDED
from processors.linkage import Partitions
from processors.outputs import Outputs
from producers.publisher import publish
from producers.spool.store import Spool
from schemas import codec, topics
from tests.support.live import in_force, notices, read_all, send, wait_for_quiet, wait_until
from tests.support.stacks import DisposableStack

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "schemas/examples/CaseRecorded/1/example.json"
CASE: dict[str, Any] = json.loads(EXAMPLE.read_text("utf-8"))
UNIT = CASE["unit"]
TOPIC = topics.CASES.name(UNIT)
GROUPS = {"linkage": installed_model.group(load()), "notices": "crossregion-notices-teller"}
LISTED, WEIGHTS = topics.LINKAGE_RECORDS.name(), topics.PAIR_WEIGHTS.name()


@pytest.fixture(scope="module")
def stack(service_data: Path) -> Iterator[Stack]:
    with DisposableStack(service_data / "stack") as stack:
        yield stack


@pytest.fixture
def second(stack: Stack) -> Iterator[Supervisor]:
    """A second worker of each kind, not started yet."""
    supervisor = Supervisor(
        Worker(
            name,
            [sys.executable, "-m", module],
            {**stack.environment(name), "CROSSREGION_WORKER": "2"},
            stack.data / "log" / f"{name}-2.log",
        )
        for name, module in WORKERS.items()
    )
    try:
        yield supervisor
    finally:
        started = supervisor.pids()
        supervisor.stop()
        for name in started:
            forget_member(stack, name)


def forget_member(stack: Stack, name: str) -> None:
    """Take a stopped worker out of its group, which otherwise waits a minute for its return."""
    admin = KafkaAdminClient(**stack.kafka.options(ADMIN))
    member = MemberToRemove(group_instance_id=f"{name}-2")
    admin.remove_group_members(GROUPS[name], [member])
    admin.close()


def case(case_id: str, **changes: Any) -> dict[str, Any]:
    victims = [
        {**victim, "victim_id": f"{case_id}/{number}"}
        for number, victim in enumerate(CASE["victims"])
    ]
    return {**CASE, "case_id": case_id, "victims": victims, **changes}


def encoded(case_id: str, **changes: Any) -> bytes:
    return codec.encode("CaseRecorded", case(case_id, **changes))


def record(value: bytes | None, topic: str = TOPIC, **headers: bytes | None) -> dict[str, Any]:
    return {
        "topic": topic,
        "partition": 0,
        "key": b"k",
        "value": value,
        "headers": list(headers.items()),
    }


def huge_count(value: bytes, other: bytes) -> bytes:
    """An event that announces 2^60 items where two encodings begin to differ."""
    at = next(n for n, (a, b) in enumerate(zip(value, other, strict=False)) if a != b)
    return value[:at] + bytes([0x80] * 8 + [0x20]) + bytes(1000)


def letters(stack: Stack) -> dict[tuple[str, int, int], dict[str, Any]]:
    found = {}
    for one in read_all(stack.kafka, topics.DEAD_LETTERS.name()):
        _, letter = codec.decode(one.value)
        found[letter["topic"], letter["partition"], letter["offset"]] = letter
    return found


def flags(stack: Stack) -> dict[str, list[tuple[int, str]]]:
    found: dict[str, list[tuple[int, str]]] = {}
    for one in read_all(stack.kafka, topics.BOUNDARY_FLAGS.name()):
        event, flag = codec.decode(one.value)
        assert event == "BoundaryFlagged"
        found.setdefault(flag["case_id"], []).append((flag["revision"], flag["digest"]))
    return found


def test_what_cannot_be_used_is_a_dead_letter_and_holds_nothing_up(stack: Stack) -> None:
    whole = encoded("B1")
    empty, one = encoded("B1", exploitation=[]), encoded("B1", exploitation=["x"])
    bad: list[tuple[dict[str, Any], set[str]]] = [
        (record(random.Random(1).randbytes(500)), {"not-single-object"}),
        (record(b"\xc3\x01" + bytes(8) + whole[10:]), {"unknown-schema"}),
        (record(whole + b"\0"), {"trailing-bytes"}),
        (record(encoded("B1", exploitation=[""] * 800_000)), {"over-limit"}),
        (record(huge_count(empty, one)), {"torn"}),
        (record(whole, topics.CASES.name("220300")), {"another-unit"}),
        (record(whole, ce_id=b"something else"), {"wrong-id"}),
        (record(whole, ce_id=None), {"wrong-id"}),
        (record(None), {"no-value"}),
        (record(whole + bytes(1_000_000)), {"too-large"}),
        (record(codec.encode("MatchWithdrawn", example("MatchWithdrawn"))), {"wrong-event"}),
        *(
            (record(whole[:length]), {"torn", "not-single-object", "no-value"})
            for length in range(len(whole))
        ),
    ]
    sent = send(stack.kafka, [*(given for given, _ in bad), record(encoded("B2"))])
    wait_for_quiet(stack)
    found = letters(stack)
    for (given, reasons), where in zip(bad, sent[:-1], strict=True):
        letter = found[where.topic, where.partition, where.offset]
        assert letter["reason"] in reasons
        assert (letter["value"] or b"") == (given["value"] or b"")
        assert letter["key"] == b"k"
    assert (sent[-1].topic, sent[-1].partition, sent[-1].offset) not in found
    assert list(flags(stack)) == ["B2"]
    with psycopg.connect(stack.database) as connection:
        assert counts.revisions(connection) == {(UNIT, "case"): 1}
        listed = list(dead_letters.dead_letter_rows(connection))
    assert len(listed) == len(bad)


def example(event: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (ROOT / f"schemas/examples/{event}/1/example.json").read_text("utf-8")
    )
    return found


def test_the_same_winner_whatever_comes_late_or_twice(stack: Stack) -> None:
    contents = [case("W1", revision=2, venue=venue) for venue in ("one", "two")]
    digests = [identifiers.content_digest(content) for content in contents]  # type: ignore[arg-type]
    first, then = (codec.encode("CaseRecorded", content) for content in contents)
    send(stack.kafka, [record(first), record(encoded("W1", revision=1)), record(first)])
    wait_for_quiet(stack)
    quiet = in_force(stack.kafka)
    send(stack.kafka, [record(then), record(first), record(then)])
    wait_for_quiet(stack)
    with psycopg.connect(stack.database) as connection:
        held = connection.execute(
            "SELECT revision, digest FROM registry.record WHERE record_id = 'W1'"
        ).fetchall()
        assert counts.duplicates(connection)[UNIT, "case"] >= 3
    assert held == [(2, max(digests))]
    told = [notice for key, notice in in_force(stack.kafka).items() if key not in quiet]
    assert [(notice["unit"], notice["kind"], notice["cause"]) for notice in told] == [
        (UNIT, "remarks", "W1")
    ]
    assert {"field": "revision", "code": "conflicting-contents"} in told[0]["remarks"]


def test_a_dead_letter_is_put_back_or_discarded(stack: Stack) -> None:
    (first, second) = send(
        stack.kafka, [record(encoded("P1"), ce_id=b"wrong"), record(encoded("P2"), ce_id=b"wrong")]
    )
    wait_for_quiet(stack)
    found = letters(stack)
    repaired = {**found[first.topic, first.partition, first.offset], "headers": {}}
    refused = {**found[second.topic, second.partition, second.offset], "reason": DISCARDED}
    assert "P1" not in flags(stack)
    replays = topics.REPLAYS.name()
    send(
        stack.kafka,
        [record(codec.encode("DeadLettered", letter), replays) for letter in (repaired, refused)],
    )
    wait_for_quiet(stack)
    assert "P1" in flags(stack)
    assert "P2" not in flags(stack)
    with psycopg.connect(stack.database) as connection:
        outcomes = {
            row["dead_letter_id"]: row["outcome"]
            for row in dead_letters.dead_letter_rows(connection)
        }
    assert outcomes[repaired["dead_letter_id"]] == "replayed"
    assert outcomes[refused["dead_letter_id"]] == "discarded"


def test_registry_and_delivery_alone_enter_the_database_and_the_audit_is_passed_on(
    stack: Stack,
) -> None:
    with psycopg.connect(stack.dsn("postgres")) as connection:
        entered = connection.execute(
            "SELECT DISTINCT usename::text FROM pg_stat_activity"
            " WHERE application_name = 'crossregion'"
        ).fetchall()
    assert set(entered) == {("crossregion_registry",), ("crossregion_delivery",)}
    knows = {name for name in WORKERS if stack.environment(name)["CROSSREGION_DATABASE"]}
    assert knows == {"registry", "delivery"}
    (known, *_) = dead_letters.listed(stack.dsn(OPERATOR))
    dead_letters.find(stack.dsn(OPERATOR), known["dead_letter_id"])
    wait_until(lambda: bool(audit_chain.heads(stack.kafka)), stack)
    assert audit_chain.verify(stack.kafka, stack.dsn(OPERATOR)) == (1, 1)


def last_weights(stack: Stack) -> dict[tuple[str, ...], Any]:
    """The pairs that hold, by the log's last word on each."""
    newest: dict[tuple[str, ...], Any] = {}
    for one in read_all(stack.kafka, WEIGHTS):
        _, pair = codec.decode(one.value)
        newest[key_of(pair)] = pair
    return {key: pair for key, pair in newest.items() if pair["weight"] is not None}


def key_of(pair: Any) -> tuple[str, ...]:
    names = ("case_unit", "case_id", "victim_id", "rescue_unit", "rescue_id")
    return tuple(pair[name] for name in names)


def single_pass(stack: Stack, until: dict[int, int] | None = None) -> dict[tuple[str, ...], Any]:
    """The pairs that one index says of everything listed, or of what is before these offsets."""
    indexes = {number: Index(load()) for number in range(topics.LINKAGE_RECORDS.partitions)}
    found: dict[tuple[str, ...], Any] = {}
    for one in read_all(stack.kafka, LISTED):
        if until and one.offset >= until[one.partition]:
            continue
        index = indexes[one.partition]
        if one.value is None:
            kind, unit, record_id, revision, digest = one.key.decode().split("\n")
            pairs = index.remove(kind, unit, record_id, int(revision), digest)
        else:
            _, listed = codec.decode(one.value)
            pairs = index.put(listed)  # type: ignore[arg-type]
        found.update({key_of(pair): pair for pair in pairs})
    return {key: pair for key, pair in found.items() if pair["weight"] is not None}


def put_feed(stack: Stack, *units: str) -> None:
    for unit in units:
        files = sorted((ROOT / "examples/feed" / unit).iterdir())
        with Spool(stack.spools / f"{unit}.sqlite", unit) as spool:
            publish(files, spool, stack.kafka)


def test_two_linkage_workers_one_killed_say_what_one_would(
    stack: Stack, second: Supervisor
) -> None:
    second.start("linkage")
    log = stack.data / "log" / "linkage-2.log"
    wait_until(lambda: log.exists() and "Index rebuilt" in log.read_text(), stack)
    put_feed(stack, "220300", "220400")
    lags = Lags(stack.kafka)
    flow = next(flow for flow in flows() if flow.group == GROUPS["linkage"])
    wait_until(lambda: lags.lag(flow) > 0, stack)
    second.kill("linkage")
    wait_until(lambda: bool(second.poll()), stack)
    second.start("linkage")
    put_feed(stack, "220800")
    stack.supervisor.kill("linkage")
    wait_for_quiet(stack)
    lags.close()
    assert len(single_pass(stack)) > 10
    assert last_weights(stack) == single_pass(stack)

    erased = next(iter(last_weights(stack)))
    keys = {
        one.key: one.partition
        for one in read_all(stack.kafka, LISTED)
        if one.key.startswith("\n".join(("case", *erased[:2], "")).encode())
    }
    send(
        stack.kafka,
        [
            {"topic": LISTED, "partition": partition, "key": key, "value": None}
            for key, partition in keys.items()
        ],
    )
    wait_for_quiet(stack)
    assert not [key for key in last_weights(stack) if key[:2] == erased[:2]]
    assert last_weights(stack) == single_pass(stack)
    with psycopg.connect(stack.database) as connection:
        proposed = {row["case_id"] for row in counts.open_proposals(connection)}
    assert proposed
    assert erased[1] not in proposed


def test_a_late_word_of_a_proposals_worker_that_is_dead_is_answered(stack: Stack) -> None:
    """It withdraws what holds, under the revision that comes next."""
    name = topics.MATCH_PROPOSALS.name()
    proposed = {}
    for one in read_all(stack.kafka, name):
        event, said = codec.decode(one.value)
        proposed[said["proposal_id"]] = (event, said, one.partition)
    said, partition = next(rest for event, *rest in proposed.values() if event == "MatchProposed")
    fields = [one["name"] for one in codec.schema("MatchWithdrawn")["fields"]]
    late = {**{field: said[field] for field in fields}, "revision": said["revision"] + 1}
    value = codec.encode("MatchWithdrawn", late)
    send(stack.kafka, [{**record(value, name), "partition": partition}])
    wait_for_quiet(stack)
    with psycopg.connect(stack.database) as connection:
        standing = {
            row["proposal_id"]: row["revision"] for row in counts.open_proposals(connection)
        }
    assert standing[said["proposal_id"]] == said["revision"] + 2


def test_linkage_that_was_away_for_longer_than_the_log_keeps_things_says_all_again(
    stack: Stack,
) -> None:
    done = {one.partition: one.offset for one in read_all(stack.kafka, LISTED)}
    group, admin = "crossregion-linkage-away", KafkaAdminClient(**stack.kafka.options(ADMIN))
    places = {
        TopicPartition(LISTED, one): OffsetAndMetadata(at, "", -1) for one, at in done.items()
    }
    admin.alter_group_offsets(group, places)
    admin.close()

    def said_again(days: float) -> dict[tuple[str, ...], Any]:
        pairs: dict[tuple[str, ...], Any] = {}

        async def send(outputs: Outputs) -> None:
            for *_, value in outputs:
                _, pair = codec.decode(value or b"")
                pairs[key_of(pair)] = pair

        now = time.time() + days * 86_400
        away = Partitions(load()).rebuild(stack.kafka.options(ADMIN), group, done, send, now)
        asyncio.run(away)
        return {key: pair for key, pair in pairs.items() if pair["weight"] is not None}

    assert said_again(days=13.9) == {}
    assert len(said_again(days=14.1)) > 10
    assert said_again(days=14.1) == single_pass(stack, done)


def test_a_consumer_that_gets_nothing_of_what_there_is_ends_its_worker(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = KafkaConsumer(**stack.kafka.options(ADMIN), enable_auto_commit=False)
    places = [TopicPartition(LISTED, one) for one in consumer.partitions_for_topic(LISTED)]
    consumer.assign(places)
    consumer.seek_to_end()
    watch, now = subscription.ProgressWatchdog(consumer), time.monotonic()

    def look(came: bool = False) -> None:
        nonlocal now
        now += StandsStill.after(1.0)
        watch.look(came)

    monkeypatch.setattr("crossregion.kafka.subscription.time.monotonic", lambda: now)
    for _ in range(3):
        look()
    consumer.seek_to_beginning()
    look()
    look(came=True)
    look()
    with pytest.raises(StandsStill):
        look()
    consumer.close()


def test_a_faust_worker_that_gets_nothing_of_what_there_is_ends(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from processors.engine import watchdog

    def end(error: BaseException) -> None:
        raise error

    monkeypatch.setattr(watchdog, "end_process", end)
    send(stack.kafka, [record(encoded("K0"))])
    wait_for_quiet(stack)
    mine = {(LISTED, one) for one in range(topics.LINKAGE_RECORDS.partitions)}
    connection = stack.kafka.options(ADMIN)

    def looks(group: str) -> None:
        app: Any = SimpleNamespace(
            consumer=SimpleNamespace(assignment=lambda: mine), conf=SimpleNamespace(id=group)
        )

        async def thrice() -> None:
            watch = watchdog.ProgressWatchdog(app, connection, StandsStill.after(1.0))
            for _ in range(3):
                await watch.look()

        asyncio.run(thrice())

    looks(GROUPS["linkage"])
    with pytest.raises(StandsStill):
        looks("crossregion-linkage-away")


CANCELLED_ONCE_IT_SEEKS = """
import asyncio
from faust.transport.drivers.aiokafka import Consumer
from crossregion.errors import StandsStill
from processors.engine import app as engine

async def cancelled(consumer):
    raise asyncio.CancelledError

Consumer.seek_to_committed = cancelled
StandsStill.after = lambda timeout_factor: 0.5
app = engine.make_app("admin", "test-cancelled")

@app.agent(app.topic("{topic}", key_serializer="raw", value_serializer="raw"))
async def read(stream):
    async for _ in stream:
        pass

engine.run(app)
"""


def test_a_faust_worker_whose_seeking_was_cancelled_ends(stack: Stack) -> None:
    """Faust stops reading then, for good, and lives on; before it has started any timer."""
    send(stack.kafka, [record(encoded("K1"))])
    done = subprocess.run(
        [sys.executable, "-c", CANCELLED_ONCE_IT_SEEKS.format(topic=TOPIC)],
        env={**os.environ, **stack.kafka.environment()},
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )
    assert (done.returncode, "Consumer stalled" in done.stderr) == (70, True), done.stderr[-2_000:]


def test_a_frozen_notice_worker_is_replaced_and_tells_nothing_when_it_wakes(
    stack: Stack, second: Supervisor
) -> None:
    before = notices(stack.kafka)
    second.start("notices")
    log = stack.data / "log" / "notices-2.log"
    wait_until(lambda: log.exists() and "Metrics" in log.read_text(), stack)
    put_feed(stack, "220500")
    wait_for_quiet(stack)
    both = notices(stack.kafka)
    assert len(both) > len(before)
    first = stack.supervisor.pids()["notices"]
    os.kill(first, signal.SIGSTOP)
    put_feed(stack, "220700")
    wait_for_quiet(stack)
    taken_over = notices(stack.kafka)
    assert len(taken_over) > len(both)
    send(stack.kafka, [record(encoded("N1"))])
    os.kill(first, signal.SIGCONT)
    wait_for_quiet(stack)
    assert notices(stack.kafka).keys() > taken_over.keys()


def test_what_others_compress_our_workers_can_read(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On every topic that is not only our own processes' to write."""
    monkeypatch.setattr("kafka.codec.snappy", SimpleNamespace(compress=snappy_of_runs))
    producer = KafkaProducer(**stack.kafka.options(ADMIN), compression_type="snappy")
    before = stack.supervisor.pids()
    for topic in topics.TOPICS:
        if not WORKERS.keys() & topic.written_by:
            producer.send(topic.names()[0], bytes(1_000), partition=0).get()
    producer.send(TOPIC, encoded("Z1", venue="x" * 1_000), partition=0).get()
    sent = producer.metrics()["producer-metrics"]["compression-rate-avg"]
    assert sent < 1.0
    producer.close()
    wait_for_quiet(stack)
    assert "Z1" in flags(stack)
    assert stack.supervisor.pids() == before


def snappy_of_runs(data: bytes) -> bytes:
    """Snappy's format, where only runs of a byte grow short; no library of it is needed."""
    size, made = len(data), bytearray()
    while size > 127:
        made.append(size & 127 | 128)
        size >>= 7
    made.append(size)
    for byte, run in groupby(data):
        made += bytes([0, byte])
        left = len(list(run)) - 1
        while left:
            copied = min(left, 64)
            made += bytes([(copied - 1) << 2 | 2, 1, 0])
            left -= copied
    return bytes(made)


def test_a_letter_that_no_unit_sent_is_not_put_back(stack: Stack) -> None:
    (where,) = send(stack.kafka, [record(b"junk", topics.REPLAYS.name())])
    wait_for_quiet(stack)
    letter_id = identifiers.dead_letter_id(where.topic, where.partition, where.offset)
    with pytest.raises(dead_letters.NotReplayable, match=topics.REPLAYS.name()):
        dead_letters.replay(stack.kafka, stack.dsn(OPERATOR), letter_id)
    count = len(letters(stack))
    dead_letters.discard(stack.kafka, stack.dsn(OPERATOR), letter_id)
    wait_for_quiet(stack)
    listed = dead_letters.listed(stack.dsn(OPERATOR))
    outcomes = {row["dead_letter_id"]: row["outcome"] for row in listed}
    assert (outcomes[letter_id], len(letters(stack))) == ("discarded", count)


def test_garbage_between_our_own_processes_stops_none_of_them(stack: Stack) -> None:
    before = stack.supervisor.pids()
    inner = (topics.BOUNDARY_FLAGS, topics.RECORD_REMARKS, topics.LINKAGE_RECORDS)
    names = [topic.name() for topic in (*inner, topics.PAIR_WEIGHTS, topics.MATCH_PROPOSALS)]
    values = [b"junk", encoded("G0"), codec.encode("PersonsListed", odd_listed())]
    send(
        stack.kafka,
        [record(value, name) for name in [*names, "notices.220100"] for value in values],
    )
    send(stack.kafka, [record(encoded("G1"))])
    wait_for_quiet(stack)
    assert stack.supervisor.pids() == before
    with psycopg.connect(stack.database) as connection:
        listed = [row["topic"] for row in dead_letters.dead_letter_rows(connection)]
        known = connection.execute("SELECT 1 FROM registry.flag WHERE case_id = 'G1'").fetchall()
    assert (listed.count("boundary-flags"), listed.count("match-proposals")) == (3, 3)
    assert known == [(1,)]


def odd_listed() -> dict[str, Any]:
    return {**example("PersonsListed"), "kind": "neither"}
