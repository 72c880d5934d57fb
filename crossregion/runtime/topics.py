"""Create the topics that `schemas/topics/*.toml` describe."""

from __future__ import annotations

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from crossregion.runtime.faults import ServiceUnavailable
from schemas import topics


def apply(bootstrap: str, replication: int = 1) -> list[str]:
    """Create every topic that is missing; one that exists is left as it is.

    Returns: the names of the topics created, sorted.
    Raises: ServiceUnavailable.
    """
    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    except KafkaError as error:
        raise ServiceUnavailable(
            f"Kafka does not answer at {bootstrap} ({type(error).__name__}): "
            "check CROSSREGION_KAFKA and that the broker runs."
        ) from None
    try:
        there = set(admin.list_topics())
        missing = [
            NewTopic(name, topic.partitions, replication, topic_configs=topic.config)
            for topic in topics.TOPICS
            for name in topic.names()
            if name not in there
        ]
        if missing:
            admin.create_topics(missing)
    except TopicAlreadyExistsError:
        return apply(bootstrap, replication)
    except KafkaError as error:
        raise ServiceUnavailable(
            f"Kafka at {bootstrap} did not create the topics ({type(error).__name__})."
        ) from None
    finally:
        admin.close()
    return sorted(topic.name for topic in missing)
