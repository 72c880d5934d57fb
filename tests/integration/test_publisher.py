"""Publishing to a real broker, to one that is away, and to one that does not answer."""

from __future__ import annotations

import re
import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError

from crossregion.domain import identifiers
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka import patches
from crossregion.kafka.connection import ADMIN, Kafka
from producers import publisher
from producers.exports.reader import read_export
from producers.spool.store import Counts, Spool, SpoolError
from schemas import codec, topics
from tests.support import exports
from tests.support.exports import UNIT, case, rescue
from tests.support.live import send

FEED = Path(__file__).parents[2] / "examples/feed"


@pytest.fixture
def own_topics(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Topics of this test alone; the contract's names get a prefix."""
    prefix = f"test-{uuid.uuid4().hex[:8]}-"
    own = {
        name: replace(topic, pattern=prefix + topic.pattern)
        for name, topic in vars(topics).items()
        if isinstance(topic, topics.Topic) and topic in topics.INTAKE
    }
    for name, topic in own.items():
        monkeypatch.setattr(topics, name, topic)
    monkeypatch.setattr(topics, "INTAKE", tuple(own.values()))
    create(kafka, *(topic.name(UNIT) for topic in own.values()))
    return topics.CASES.name(UNIT), topics.RESCUES.name(UNIT)


def create(kafka: Kafka, *names: str) -> None:
    admin = KafkaAdminClient(**kafka.options(ADMIN))
    admin.create_topics([NewTopic(name, 4, 1) for name in names])
    admin.close()


@pytest.fixture
def deaf() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address where nothing listens, and nothing else can begin to."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{kept.getsockname()[1]}"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / f"{UNIT}.sqlite", UNIT) as spool:
        yield spool


def send_all(spool: Spool, kafka: Kafka) -> int:
    producer = publisher.connect(kafka, spool.unit)
    sent = 0
    try:
        while went := publisher.send_unsent(spool, producer):
            sent += went
    finally:
        producer.close()
    return sent


def on_broker(kafka: Kafka, *names: str) -> list[tuple[str, str, int, dict[str, str]]]:
    """Everything on the topics, as (key, event, revision, headers)."""
    consumer = KafkaConsumer(
        **kafka.options(ADMIN), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    places = [
        TopicPartition(name, partition)
        for name in names
        for partition in consumer.partitions_for_topic(name) or ()
    ]
    consumer.assign(places)
    ends = consumer.end_offsets(places)
    found = []
    while any(consumer.position(place) < end for place, end in ends.items()):
        for polled in consumer.poll(timeout_ms=200).values():
            for record in polled:
                event, content = codec.decode(record.value)
                headers = {name: value.decode() for name, value in record.headers}
                digest = identifiers.content_digest(cast(Any, content))
                key = record.key.decode()
                assert headers["ce_id"] == identifiers.event_id(
                    content["unit"], key, content["revision"], digest
                )
                found.append((key, event, content["revision"], headers))
    consumer.close()
    return found


def test_a_file_is_published_once_however_often(
    kafka: Kafka, own_topics: tuple[str, str], opened: Spool, tmp_path: Path
) -> None:
    cases = exports.write(tmp_path / "cases.csv", case(), case(修订号="2", 案件状态="破案"))
    rescues = exports.write(tmp_path / "rescues.csv", rescue(修订号=""))
    first = publisher.publish([cases, rescues], opened, kafka)
    assert [(kind.published, kind.unchanged) for kind in first.kinds.values()] == [(2, 0), (1, 0)]
    assert send_all(opened, kafka) == 3
    found = on_broker(kafka, *own_topics)
    assert Counter((key, event, revision) for key, event, revision, _ in found) == Counter(
        [
            ("220200-C1", "CaseRecorded", 1),
            ("220200-C1", "CaseRecorded", 2),
            ("220200-R1", "RescueRecorded", 1),
        ]
    )
    headers = found[0][3]
    assert headers["ce_source"] == "/units/220200"
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", headers["traceparent"])
    again = publisher.publish([cases, rescues], opened, kafka)
    assert [(kind.published, kind.unchanged) for kind in again.kinds.values()] == [(0, 2), (0, 1)]
    assert send_all(opened, kafka) == 0
    assert len(on_broker(kafka, *own_topics)) == 3


def test_what_intake_sets_aside_is_not_taken_for_published(
    kafka: Kafka, own_topics: tuple[str, str], opened: Spool, tmp_path: Path
) -> None:
    """The same content under another's id, as a broken second sender would put it there."""
    file = exports.write(tmp_path / "cases.csv", case())
    with Spool(tmp_path / "elsewhere.sqlite", UNIT) as elsewhere:
        elsewhere.accept_all(read_export(file, UNIT).records)
        (event,) = elsewhere.unsent(10)
    wrong = {"topic": own_topics[0], "key": b"k", "value": event.value}
    send(kafka, [{**wrong, "headers": [("ce_id", b"00000000-0000-5000-8000-000000000000")]}])
    assert publisher.publish([file], opened, kafka).kinds["case"].published == 1
    assert send_all(opened, kafka) == 1


def test_a_new_spool_and_one_put_back_learn_from_the_topics(
    kafka: Kafka, own_topics: tuple[str, str], opened: Spool, tmp_path: Path
) -> None:
    def file(*rows: dict[str, str]) -> Path:
        return exports.write(tmp_path / "a.csv", *rows)

    first, second, third = (case(修订号="", 案件状态=word) for word in ("立案", "破案", "结案"))
    publisher.publish([file(first)], opened, kafka)
    send_all(opened, kafka)
    opened._database.execute("VACUUM INTO ?", [str(tmp_path / "copy.sqlite")])
    publisher.publish([file(second)], opened, kafka)
    send_all(opened, kafka)
    for path in (tmp_path / "new.sqlite", tmp_path / "copy.sqlite"):
        with Spool(path, UNIT) as other:
            report = publisher.publish([file(second)], other, kafka)
            assert report.kinds["case"].unchanged == 1
            assert other.counts("case") == Counts(2, 2)
    with Spool(tmp_path / "copy.sqlite", UNIT) as other:
        publisher.publish([file(third)], other, kafka)
        send_all(other, kafka)
    assert sorted(revision for _, _, revision, _ in on_broker(kafka, own_topics[0])) == [1, 2, 3]


def test_foreign_and_broken_events_on_the_topics_are_not_learnt(
    kafka: Kafka, own_topics: tuple[str, str], opened: Spool, tmp_path: Path
) -> None:
    with Spool(tmp_path / "other.sqlite", "220300") as other:
        publisher.accept([exports.write(tmp_path / "a.csv", case(承办单位="220300"))], other)
        (foreign,) = other.unsent(1)
    producer = KafkaProducer(**kafka.options(ADMIN))
    for value in (b"junk", None, foreign.value, foreign.value[:20]):
        producer.send(own_topics[0], key=b"x", value=value)
    producer.close()
    publisher.catch_up(opened, kafka)
    assert opened.counts("case") == Counts(0, 0)
    assert sum(opened.places().values()) == 4


@pytest.mark.parametrize("away", ["nowhere", "deaf"])
def test_a_broker_that_is_away_delays_and_loses_nothing(
    away: str,
    kafka: Kafka,
    own_topics: tuple[str, str],
    opened: Spool,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher, "CONNECT_MS", 500)
    monkeypatch.setattr(patches, "HANDSHAKE_SECONDS", 0.5)
    monkeypatch.setattr(kafka_connection, "CONNECT_SECONDS", 0.5)
    address = Kafka(request.getfixturevalue(away), kafka.secrets)
    file = exports.write(tmp_path / "a.csv", case(修订号=""), case(案件编号="A"))
    assert publisher.publish([file], opened, address).kinds["case"].published == 2
    with pytest.raises(KafkaError):
        publisher.connect(address, UNIT)
    assert opened.counts("case") == Counts(2, 0)
    publisher.catch_up(opened, kafka)
    assert send_all(opened, kafka) == 2
    assert {key for key, *_ in on_broker(kafka, *own_topics)} == {"220200-C1", "A"}


def test_topics_that_are_missing_are_not_taken_for_empty(
    kafka: Kafka, opened: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = replace(topics.CASES, pattern="test-missing-{unit}")
    monkeypatch.setattr(topics, "INTAKE", (missing, topics.RESCUES))
    with pytest.raises(KafkaError):
        publisher.catch_up(opened, kafka)
    assert opened.places() == {}


def test_topics_that_were_made_anew_are_told_and_not_sent_to(
    kafka: Kafka, own_topics: tuple[str, str], opened: Spool, tmp_path: Path
) -> None:
    publisher.publish([exports.write(tmp_path / "a.csv", case())], opened, kafka)
    send_all(opened, kafka)
    publisher.catch_up(opened, kafka)
    admin = KafkaAdminClient(**kafka.options(ADMIN))
    admin.delete_topics([own_topics[0]])
    gone = wait_until(lambda: own_topics[0] not in admin.list_topics())
    admin.close()
    assert gone
    create(kafka, own_topics[0])
    with pytest.raises(SpoolError, match="move the spool away"):
        publisher.publish([], opened, kafka)


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_windows_failure_marks_only_what_was_acknowledged(
    kafka: Kafka, own_topics: tuple[str, str], opened: Spool, tmp_path: Path
) -> None:
    """The rescues' topic is gone: cases arrive, rescues wait."""
    admin = KafkaAdminClient(**kafka.options(ADMIN))
    admin.delete_topics([own_topics[1]])
    admin.close()
    file = exports.write(tmp_path / "a.csv", case(), case(案件编号="A"))
    other = exports.write(tmp_path / "b.csv", rescue())
    publisher.accept([file, other], opened)
    producer = publisher.connect(kafka, UNIT)
    producer.config["max_block_ms"] = 500
    with pytest.raises(KafkaError):
        publisher.send_unsent(opened, producer)
    producer.close()
    assert (opened.counts("case").sent, opened.counts("rescue").sent) == (2, 0)
    assert len(on_broker(kafka, own_topics[0])) == 2


def test_a_units_whole_export_arrives(
    kafka: Kafka, own_topics: tuple[str, str], tmp_path: Path
) -> None:
    files = sorted((FEED / UNIT).glob("*.csv"))
    with Spool(tmp_path / "s.sqlite", UNIT) as opened:
        report = publisher.publish(files, opened, kafka)
        published = sum(kind.published for kind in report.kinds.values())
        read = sum(kind.records_read for kind in report.kinds.values())
        assert published == read > 100
        assert send_all(opened, kafka) == published
        assert len(on_broker(kafka, *own_topics)) == published
