"""Bring a cluster to what `schemas/topics/*.toml` describe: topics, users and grants."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic
from kafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from crossregion.catalogue import Message
from crossregion.errors import CrossregionError, ServiceUnavailable
from crossregion.kafka import acls, groups, subscription, users
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka.connection import Kafka
from schemas import topics

LEADER_SECONDS = 30.0
POLL_SECONDS = 0.05
SHOWN = 3


@dataclass(frozen=True)
class Made:
    """How a topic was made: its partitions, and the fewest copies that one of them has."""

    partitions: int
    copies: int


def apply(kafka: Kafka, replication: int | None = None) -> list[str]:
    """Create every topic that is missing, and give one that exists the configuration it shall have.

    `replication` is the replication factor; if None, that of the topics that exist, 1 on an empty
    cluster. Principals whose password files are in the secrets directory get these passwords, and
    all get their grants. Returns: the names of the topics created, sorted.
    Raises: CrossregionError, before anything is changed, where a topic was made otherwise in what
    cannot be fixed in place; ServiceUnavailable, also where there are topics of unknown units.
    """
    with administering(kafka) as admin:
        subscription.require_known_units(admin.list_topics())
        created = create(admin, replication)
        _configure(admin)
        here = [name for name in acls.principals() if (kafka.secrets / name).exists()]
        users.put(admin, kafka, here)
        users.grant_all(admin, kafka.secrets)
    return created


def check(kafka: Kafka, principal: str = kafka_connection.OPERATOR) -> None:
    """Compare the cluster's topics with their contracts.

    Raises: CrossregionError where one is missing, has another number of partitions, fewer copies
    than others or another configuration; ServiceUnavailable.
    """
    with administering(kafka, principal) as admin:
        compare(admin)


def compare(admin: KafkaAdminClient) -> None:
    """The same by an admin client.

    Raises: CrossregionError, KafkaError.
    """
    made = _made(admin, _contracts())
    absent = sorted(_contracts().keys() - made.keys())
    if absent:
        raise CrossregionError("topics.missing", some=_some(absent))
    _require_partitions(made)
    most = max(one.copies for one in made.values())
    _require_copies(made, most, Message("topics.others-have", {"copies": most}))
    different = sorted(resource.name for resource in _configured_otherwise(admin))
    if different:
        raise CrossregionError("topics.configured-otherwise", some=_some(different))


def check_partitions(admin: KafkaAdminClient, names: Iterable[str]) -> None:
    """Compare the partitions of those of the topics that are there with their contracts.

    Raises: CrossregionError.
    """
    wanted = _contracts()
    _require_partitions(_made(admin, {name: wanted[name] for name in names}))


def _contracts() -> dict[str, topics.Topic]:
    return {name: topic for topic in topics.TOPICS for name in topic.names()}


def _made(admin: KafkaAdminClient, names: Iterable[str]) -> dict[str, Made]:
    """How those of the topics were made that are there."""
    there = set(admin.list_topics())
    found = {}
    for one in admin.describe_topics([name for name in names if name in there]):
        if one["error_code"] == UnknownTopicOrPartitionError.errno:
            continue  # deleted since it was listed
        if one["error_code"]:
            raise for_code(one["error_code"])
        copies = [len(partition["replica_nodes"]) for partition in one["partitions"]]
        found[one["name"]] = Made(len(copies), min(copies, default=0))
    return found


def _require_partitions(made: Mapping[str, Made]) -> None:
    wanted = _contracts()
    wrong = [
        Message(
            "topics.partitions",
            {"name": name, "found": one.partitions, "wanted": wanted[name].partitions},
        )
        for name, one in sorted(made.items())
        if one.partitions != wanted[name].partitions
    ]
    if wrong:
        raise CrossregionError("topics.other-partitions", listed=_listed(wrong))


def _require_copies(made: Mapping[str, Made], copies: int, why: Message) -> None:
    wrong = [
        Message("topics.copies", {"name": name, "copies": one.copies})
        for name, one in sorted(made.items())
        if one.copies != copies
    ]
    if wrong:
        raise CrossregionError("topics.fewer-copies", listed=_listed(wrong), why=why)


def _listed(found: Sequence[Message]) -> list[Message]:
    further = len(found) - SHOWN
    more = [Message("topics.more-alike", {"count": further})] if further > 0 else []
    return [*found[:SHOWN], *more]


def _some(names: Sequence[str]) -> Message:
    if len(names) == 1:
        return Message("topics.one", {"name": names[0]})
    return Message("topics.several", {"count": len(names), "name": names[0]})


def create(admin: KafkaAdminClient, replication: int | None) -> list[str]:
    """Create the topics that are missing; returns their names, sorted.

    Raises: CrossregionError as `apply`, KafkaError.
    """
    wanted = _contracts()
    made = _made(admin, wanted)
    _require_partitions(made)
    if replication is not None:
        _require_copies(
            made, replication, Message("topics.replication-asked", {"copies": replication})
        )
    copies = replication or max((one.copies for one in made.values()), default=1)
    absent = {name: topic for name, topic in wanted.items() if name not in made}
    new = [
        NewTopic(name, topic.partitions, copies, topic_configs=topic.config)
        for name, topic in absent.items()
    ]
    try:
        if new:
            admin.create_topics(new)
            _wait_for_leaders(admin, [topic.name for topic in new])
    except TopicAlreadyExistsError:
        return create(admin, replication)
    return sorted(absent)


def _configure(admin: KafkaAdminClient) -> None:
    """What a topic is made with, a later release may add to; what is not described stays."""
    different = _configured_otherwise(admin)
    if not different:
        return
    for name, outcome in admin.alter_configs(different)["topic"].items():
        if outcome != "OK":
            raise ServiceUnavailable("topic-not-configured", name=name, outcome=outcome)


def _configured_otherwise(admin: KafkaAdminClient) -> list[ConfigResource]:
    """The described configuration of each topic that has another."""
    kind = ConfigResourceType.TOPIC
    wanted = {name: topic.config for name, topic in _contracts().items()}
    found = admin.describe_configs(
        [ConfigResource(kind, name, dict.fromkeys(config)) for name, config in wanted.items()],
        config_filter="all",
    )["topic"]
    return [
        ConfigResource(kind, name, config)
        for name, config in wanted.items()
        if any(found[name][key]["value"] != value for key, value in config.items())
    ]


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
            raise ServiceUnavailable("topics-without-leader", leader_seconds=LEADER_SECONDS)
        time.sleep(POLL_SECONDS)


def missing(kafka: Kafka) -> list[str]:
    """The names of the topics that are not there, sorted.

    Raises: ServiceUnavailable.
    """
    with administering(kafka, kafka_connection.OPERATOR) as admin:
        return sorted(_contracts().keys() - set(admin.list_topics()))


def read_again(kafka: Kafka, group: str) -> None:
    """Delete the offsets of a stopped group, so that it reads its topics from their beginning.

    Raises: CrossregionError while a member of it runs, or is waited for; ServiceUnavailable also
    when Kafka does not say whether one does.
    """
    with administering(kafka, kafka_connection.OPERATOR) as admin:
        if groups.members(admin, group):
            raise CrossregionError("groups.has-members", group=group)
        groups.forget_offsets(admin, group)


@contextmanager
def administering(
    kafka: Kafka, principal: str = kafka_connection.ADMIN
) -> Iterator[KafkaAdminClient]:
    """An admin client; errors of Kafka are raised as ServiceUnavailable.

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
        raise kafka.explain(error, principal) from None
