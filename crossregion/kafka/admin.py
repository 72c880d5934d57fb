"""Bring a cluster to what `schemas/topics/*.toml` describe: topics, users and grants."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from crossregion.errors import RuntimeFault, ServiceUnavailable
from crossregion.kafka import acls, groups, users
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka.connection import Kafka
from schemas import topics

LEADER_SECONDS = 30.0
POLL_SECONDS = 0.05


def apply(kafka: Kafka, replication: int = 1) -> list[str]:
    """Create every topic that is missing, and give one that exists the configuration it shall have.

    Principals whose password files are in the secrets directory get these passwords, and all get
    their grants. Returns: the names of the topics created, sorted. Raises: ServiceUnavailable.
    """
    with administering(kafka) as admin:
        created = _create(admin, replication)
        _configure(admin)
        here = [name for name in acls.principals() if (kafka.secrets / name).exists()]
        users.put(admin, kafka, here)
        users.grant_all(admin, kafka.secrets)
    return created


def _create(admin: KafkaAdminClient, replication: int) -> list[str]:
    absent = _missing(admin)
    new = [
        NewTopic(name, topic.partitions, replication, topic_configs=topic.config)
        for name, topic in absent.items()
    ]
    try:
        if new:
            admin.create_topics(new)
            _wait_for_leaders(admin, [topic.name for topic in new])
    except TopicAlreadyExistsError:
        return _create(admin, replication)
    return sorted(absent)


def _configure(admin: KafkaAdminClient) -> None:
    """What a topic is made with, a later release may add to; what is not described stays."""
    kind = ConfigResourceType.TOPIC
    wanted = {name: topic.config for topic in topics.TOPICS for name in topic.names()}
    found = admin.describe_configs(
        [ConfigResource(kind, name, dict.fromkeys(config)) for name, config in wanted.items()],
        config_filter="all",
    )["topic"]
    different = [
        ConfigResource(kind, name, config)
        for name, config in wanted.items()
        if any(found[name][key]["value"] != value for key, value in config.items())
    ]
    if not different:
        return
    for name, outcome in admin.alter_configs(different)["topic"].items():
        if outcome != "OK":
            raise ServiceUnavailable(f"Kafka did not configure {name}: {outcome}")


def _wait_for_leaders(admin: KafkaAdminClient, names: list[str]) -> None:
    """Wait until the broker knows the new topics: a worker that joins before is given nothing."""
    deadline = time.monotonic() + LEADER_SECONDS
    while True:
        described = admin.describe_topics(names)
        if all(
            topic["partitions"] and all(one["leader_id"] >= 0 for one in topic["partitions"])
            for topic in described
        ):
            return
        if time.monotonic() > deadline:
            raise ServiceUnavailable(
                f"Kafka created the topics, but they have no leader after {LEADER_SECONDS:g} s: "
                "see the broker's log."
            )
        time.sleep(POLL_SECONDS)


def missing(kafka: Kafka) -> list[str]:
    """The names of the topics that are not there, sorted.

    Raises: ServiceUnavailable.
    """
    with administering(kafka, kafka_connection.OPERATOR) as admin:
        return sorted(_missing(admin))


def read_again(kafka: Kafka, group: str) -> None:
    """Have a group that is stopped read its topics from their beginning.

    Raises: RuntimeFault while a member of it runs, or is waited for; ServiceUnavailable also when
    Kafka does not say whether one does.
    """
    with administering(kafka, kafka_connection.OPERATOR) as admin:
        if groups.members(admin, group):
            raise RuntimeFault(
                f"{group} has members: stop its processes and wait until their session ends (60 s)."
            )
        groups.forget_offsets(admin, group)


def _missing(admin: KafkaAdminClient) -> dict[str, topics.Topic]:
    there = set(admin.list_topics())
    return {name: topic for topic in topics.TOPICS for name in topic.names() if name not in there}


@contextmanager
def administering(
    kafka: Kafka, principal: str = kafka_connection.ADMIN
) -> Iterator[KafkaAdminClient]:
    """An admin client; what Kafka refuses is one clear line.

    Raises: ServiceUnavailable.
    """
    kafka.require_reachable()
    try:
        admin = KafkaAdminClient(**kafka.options(principal))
        try:
            yield admin
        finally:
            admin.close()
    except KafkaError as error:
        raise ServiceUnavailable(kafka.explain(error, principal)) from None
