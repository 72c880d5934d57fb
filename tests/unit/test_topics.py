"""Topics as a cluster of several brokers may hold them: the copies of their partitions."""

from __future__ import annotations

from typing import Any, cast

import pytest
from kafka.admin import KafkaAdminClient

from crossregion.errors import CrossregionError
from crossregion.kafka import admin as kafka_admin
from schemas import topics as contracts

NAMES = {name: topic for topic in contracts.TOPICS for name in topic.names()}


class Cluster:
    """An admin client of a cluster that has every topic but those that are absent.

    Each partition has three copies; the last one of `short` has fewer.
    """

    def __init__(self, absent: str = "", short: str = "") -> None:
        self.absent, self.short = absent, short
        self.created: dict[str, int] = {}

    def list_topics(self) -> list[str]:
        return [name for name in NAMES if name != self.absent or name in self.created]

    def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        found = []
        for name in names:
            copies = [3] * NAMES[name].partitions
            copies[-1] -= name == self.short
            partitions = [{"leader_id": 1, "replica_nodes": list(range(n))} for n in copies]
            found.append({"error_code": 0, "name": name, "partitions": partitions})
        return found

    def create_topics(self, new: list[Any]) -> None:
        self.created |= {one.name: one.replication_factor for one in new}


def admin(cluster: Cluster) -> KafkaAdminClient:
    return cast(KafkaAdminClient, cluster)


def test_a_new_topic_gets_as_many_copies_as_those_that_exist_have() -> None:
    cluster = Cluster(absent="decisions")
    assert kafka_admin.create(admin(cluster), None) == ["decisions"]
    assert cluster.created == {"decisions": 3}


def test_no_topic_is_made_with_other_copies_than_those_that_exist_have() -> None:
    cluster = Cluster(absent="decisions")
    with pytest.raises(CrossregionError, match=r"replication factor 3, .*--replication says 1: "):
        kafka_admin.create(admin(cluster), 1)
    assert cluster.created == {}


def test_a_partition_with_fewer_copies_than_others_is_named() -> None:
    cluster = Cluster(short="decisions")
    with pytest.raises(CrossregionError, match=r"^decisions has replication factor 2, and others"):
        kafka_admin.compare(admin(cluster))


def test_the_first_few_topics_are_named_and_the_others_counted() -> None:
    with pytest.raises(
        CrossregionError, match=f"and {len(NAMES) - 3} more alike, and --replication"
    ):
        kafka_admin.create(admin(Cluster()), 2)
