"""Create the topics that `schemas/topics/*.toml` describe."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from crossregion.runtime.address import kafka_at
from crossregion.runtime.faults import ServiceUnavailable
from schemas import topics

LEADER_SECONDS = 30.0
POLL_SECONDS = 0.05


def apply(bootstrap: str, replication: int = 1) -> list[str]:
    """Create every topic that is missing; one that exists is left as it is.

    Returns: the names of the topics created, sorted.
    Raises: ServiceUnavailable.
    """
    with _admin(bootstrap) as admin:
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
            return apply(bootstrap, replication)
        except KafkaError as error:
            raise ServiceUnavailable(
                f"Kafka at {bootstrap} did not create the topics ({type(error).__name__})."
            ) from None
    return sorted(absent)


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


def missing(bootstrap: str) -> list[str]:
    """The names of the topics that are not there, sorted.

    Raises: ServiceUnavailable.
    """
    with _admin(bootstrap) as admin:
        return sorted(_missing(admin))


def _missing(admin: KafkaAdminClient) -> dict[str, topics.Topic]:
    there = set(admin.list_topics())
    return {name: topic for topic in topics.TOPICS for name in topic.names() if name not in there}


@contextmanager
def _admin(bootstrap: str) -> Iterator[KafkaAdminClient]:
    kafka_at(bootstrap)
    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    except KafkaError as error:
        raise ServiceUnavailable(
            f"Kafka does not answer at {bootstrap} ({type(error).__name__}): "
            "check CROSSREGION_KAFKA and that the broker runs."
        ) from None
    try:
        yield admin
    finally:
        admin.close()
