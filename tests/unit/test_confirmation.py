"""A statement is checked, sent as whom its contract names, and looked for less and less often."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from crossregion.kafka import producer
from crossregion.kafka.connection import Kafka
from crossregion.postgres.connection import Connection
from crossregion.services import confirmation
from crossregion.services.confirmation import Actor, publish_statement, wait_recorded
from schemas import codec, topics
from tests.support.builders import example


class Session:
    """A connection that counts its transactions."""

    transactions = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.transactions += 1
        yield


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited each time, by a clock that nobody waits for."""
    slept: list[float] = []
    monkeypatch.setattr(time, "monotonic", lambda: sum(slept))
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def test_one_connection_looks_less_often_the_longer_it_takes(pauses: list[float]) -> None:
    session = Session()
    given = cast(Connection, session)
    assert wait_recorded(given, lambda _: None, 10.0) is None
    assert sum(pauses) == pytest.approx(10.0)
    assert pauses[0] == confirmation.FIRST_PAUSE
    assert pauses[:-1] == sorted(pauses[:-1])
    assert max(pauses) <= confirmation.LONGEST_PAUSE
    assert session.transactions == len(pauses) + 1 < 20


def test_what_is_there_is_found_at_once_and_what_comes_last_is_found_at_the_end(
    pauses: list[float],
) -> None:
    given = cast(Connection, Session())
    assert wait_recorded(given, lambda _: "recorded", 0.0) == "recorded"
    assert pauses == []
    assert wait_recorded(given, lambda _: sum(pauses) >= 2.0 or None, 2.0) is True
    assert sum(pauses) == pytest.approx(2.0)


STATEMENTS = (
    (topics.DECISIONS, "MatchDecided", "220000", "office", "decisions"),
    (topics.AGREEMENTS, "AgreementRecorded", "220000", "office", "agreements"),
    (topics.REASSIGNMENTS, "NoticeReassigned", "220000", "office", "reassignments"),
    (topics.TRIAGE, "TipTriaged", "220000", "unit-220000", "triage.220000"),
    (topics.HANDOVERS, "HandoverRecorded", "220300", "unit-220300", "handovers.220300"),
    (topics.ACKNOWLEDGEMENTS, "NoticeAcknowledged", "border", "unit-border",
     "acknowledgements.border"),
)  # fmt: skip


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Principal and topic of what was sent."""
    found: list[tuple[str, str]] = []

    class Producer:
        def __init__(self, principal: str, **_: Any) -> None:
            self.principal = principal

        def send(self, topic: str, **_: Any) -> Any:
            found.append((self.principal, topic))
            return self

        def get(self) -> None:
            pass

        def close(self) -> None:
            pass

    monkeypatch.setattr(Kafka, "options", lambda _, principal: {"principal": principal})
    monkeypatch.setattr(producer, "KafkaProducer", Producer)
    return found


@pytest.mark.parametrize(("topic", "event", "unit", "principal", "name"), STATEMENTS)
def test_every_statement_is_checked_and_sent_as_whom_its_contract_names(
    sent: list[tuple[str, str]],
    topic: topics.Topic,
    event: str,
    unit: str,
    principal: str,
    name: str,
) -> None:
    actor = Actor(unit, "officer", Kafka("localhost:9", Path()), None)
    record = example(event)
    publish_statement(actor, topic, event, record, key="k", event_id="e")
    assert sent == [(principal, name)]
    for wrong in ({**record, "revision": "1", "follows": 1}, dict.fromkeys(record)):
        with pytest.raises(codec.InvalidRecord):
            publish_statement(actor, topic, event, wrong, key="k", event_id="e")
    assert len(sent) == 1
