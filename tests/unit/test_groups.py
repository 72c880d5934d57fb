"""What Kafka says of a group in place of an answer, through kafka-python's own reading of it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from kafka import errors
from kafka.admin import KafkaAdminClient
from kafka.protocol.admin import DeleteGroupsResponse, DescribeGroupsResponse

from crossregion.errors import ServiceUnavailable
from crossregion.kafka import groups

GROUP = "crossregion-registry"
UNKNOWN_GROUP = errors.GroupIdNotFoundError.errno
OF_A_LATER_BROKER = 31_000
UNKNOWN = [
    *(code for code in errors.kafka_errors if code and code != UNKNOWN_GROUP),
    OF_A_LATER_BROKER,
]
"""The codes by which a broker says that it has not answered."""


class Admin(KafkaAdminClient):  # type: ignore[misc, unused-ignore]
    """A client whose broker gives one error for every group, or none."""

    def __init__(self, code: int) -> None:
        self.code = code
        self.asked = 0

    def describe_groups(self, group_ids: list[str]) -> Any:
        self.asked += 1
        described = [
            DescribeGroupsResponse.DescribedGroup(
                error_code=self.code, group_id=name, group_state="", members=[]
            )
            for name in group_ids
        ]
        return self._describe_groups_process_response(DescribeGroupsResponse(groups=described))

    def list_group_offsets(self, group: str) -> Any:
        return {group: {"a place": "an offset"}}

    def delete_groups(self, group_ids: list[str]) -> Any:
        result = DeleteGroupsResponse.DeletableGroupResult
        sent = DeleteGroupsResponse(results=[result(name, self.code) for name in group_ids])
        received = DeleteGroupsResponse.decode(sent.encode(version=2), version=2)
        return dict(self._convert_delete_groups_response(received))


@pytest.fixture(autouse=True)
def _do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "ANSWER_SECONDS", 0.0)
    monkeypatch.setattr(groups, "POLL_SECONDS", 0.0)


def test_a_group_without_members_and_one_that_kafka_does_not_know_have_none() -> None:
    assert groups.members(Admin(0), GROUP) == []
    assert groups.members(Admin(UNKNOWN_GROUP), GROUP) == []


def test_no_other_error_is_taken_for_a_group_without_members() -> None:
    for code in UNKNOWN:
        name = errors.for_code(code).__name__
        if issubclass(errors.for_code(code), groups.REFUSALS):
            with pytest.raises(errors.for_code(code)):
                groups.members(Admin(code), GROUP)
        else:
            with pytest.raises(ServiceUnavailable, match=rf"{GROUP} \({name}\)"):
                groups.members(Admin(code), GROUP)
    assert len(UNKNOWN) > 100


def test_a_coordinator_that_reads_what_it_knows_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(groups, "ANSWER_SECONDS", 60.0)
    loading = Admin(errors.CoordinatorLoadInProgressError.errno)

    def ready(seconds: float) -> None:
        loading.code = 0 if loading.asked == 3 else loading.code

    monkeypatch.setattr(time, "sleep", ready)
    assert groups.members(loading, GROUP) == []
    assert loading.asked == 4
    moved = Admin(errors.NotCoordinatorError.errno)
    with pytest.raises(ServiceUnavailable, match="NotCoordinatorError"):
        groups.members(moved, GROUP)
    assert moved.asked == 1


def test_offsets_that_are_not_deleted_are_told() -> None:
    for code in UNKNOWN:
        with pytest.raises(ServiceUnavailable, match=errors.for_code(code).__name__):
            groups.forget_offsets(Admin(code), GROUP)


def test_offsets_that_are_deleted_or_not_there_are_forgotten() -> None:
    groups.forget_offsets(Admin(0), GROUP)
    groups.forget_offsets(Admin(UNKNOWN_GROUP), GROUP)
