"""Who reads which topic stands in the contracts, and each reader has a handler for each event."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest

from consumers.registry import batch
from crossregion import event_validation, process
from crossregion.domain import validation
from crossregion.domain.notices import board
from crossregion.domain.validation import Rejected
from crossregion.embedded import stack
from crossregion.errors import UnhandledEvent
from crossregion.flows import flows
from crossregion.kafka import acls
from crossregion.linkage.model import load
from processors.proposals import Rescues
from schemas import codec, topics
from tests.support.builders import example

DAY_CLOSED: dict[str, Any] = example("DayClosed")


def test_every_file_of_a_contract_is_loaded() -> None:
    files = {
        file.name.removesuffix(".toml")
        for file in (resources.files("schemas") / "topics").iterdir()
        if file.name.endswith(".toml")
    }
    assert {topic.pattern.partition(".")[0] for topic in topics.TOPICS} == files
    assert len(topics.TOPICS) == len(files)


def test_workers_come_after_those_whose_topics_they_read() -> None:
    order = topics.workers()
    for topic in topics.TOPICS:
        for writer in {*topic.written_by} & {*order}:
            for reader in {*topic.read_by} & {*order} - {writer}:
                assert order.index(writer) < order.index(reader), (writer, reader)


def test_every_worker_of_the_contracts_is_run_and_watched_and_has_its_grants() -> None:
    assert process.WORKERS.keys() == {*topics.workers(), "sender"}
    assert {*stack.STOP_ORDER} == process.WORKERS.keys()
    assert len(flows()) == len(topics.workers())
    assert {*acls.PROCESSES} >= {*topics.workers()}
    for worker, flow in zip(topics.workers(), flows(), strict=True):
        assert flow.group.startswith(f"crossregion-{worker}")
        assert {*flow.topics} == {*topics.names_of(topics.read_by(worker))}


def test_a_worker_that_no_contract_names_reads_nothing() -> None:
    with pytest.raises(ValueError, match="regsitry"):
        topics.read_by("regsitry")


def test_the_registry_handles_each_event_that_it_may_read() -> None:
    assert batch.Batch().handlers.keys() == topics.events_of(batch.OTHERS)
    all_of_it = topics.names_of((*batch.OTHERS, *topics.INTAKE, topics.REPLAYS))
    assert sorted(all_of_it) == sorted(topics.names_of(topics.read_by("registry")))


def test_notices_handle_each_event_that_they_may_read() -> None:
    assert board.HANDLERS.keys() == topics.events_of(topics.read_by("notices"))


def test_proposals_take_in_each_topic_that_they_may_read() -> None:
    taken = Rescues(load())._takes.keys()
    assert taken == {*topics.names_of(topics.read_by("proposals"))}


def test_each_event_that_a_person_states_is_validated() -> None:
    assert event_validation.VALIDATORS.keys() == topics.events_of(topics.STATEMENTS)


@pytest.mark.parametrize("event", sorted(topics.events_of(topics.INTAKE)))
def test_intake_validates_each_event_of_a_unit(event: str) -> None:
    record = example(event)
    assert validation.validate_event(event, record, record["unit"], None).unit == record["unit"]


def test_an_event_of_no_intake_topic_is_refused() -> None:
    with pytest.raises(Rejected, match="wrong-event"):
        validation.validate_event("DayClosed", DAY_CLOSED, DAY_CLOSED["unit"], None)


def test_the_registry_does_not_call_stored_what_it_has_no_handler_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As if a contract allowed an event, and nobody had written what becomes of it."""
    monkeypatch.setitem(batch.ALLOWED, "notices.220100", ("NoticeIssued", "DayClosed"))
    monkeypatch.setattr(event_validation, "OWN_EVENTS", {*event_validation.OWN_EVENTS, "DayClosed"})
    made = batch.Batch()
    with pytest.raises(UnhandledEvent, match="registry has no handler for DayClosed"):
        made.take("notices.220100", 0, 0, codec.encode("DayClosed", DAY_CLOSED), {})
    assert made == batch.Batch()


def test_what_persons_state_is_not_let_through_without_a_validator() -> None:
    with pytest.raises(UnhandledEvent, match="DayClosed"):
        event_validation.validate_statement("DayClosed", DAY_CLOSED, "handovers.220100", 0)


def test_what_workers_write_is_not_validated_again() -> None:
    event_validation.validate_statement("MatchProposed", {}, "match-proposals", 0)


def test_notices_do_not_drop_what_they_have_no_handler_for() -> None:
    planner = board.NoticePlanner()
    with pytest.raises(LookupError, match="DayClosed"):
        planner.take("DayClosed", DAY_CLOSED, 0.0)
    assert not planner.unsettled
