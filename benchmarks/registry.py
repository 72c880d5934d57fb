"""How fast one registry consumer is, beside a loop that only copies bytes into a table."""

from __future__ import annotations

from collections.abc import Callable

from kafka.admin import KafkaAdminClient

from benchmarks import harness
from benchmarks.harness import Ends, Services, Speed
from consumers.registry import worker
from crossregion.embedded.stack import ROLES
from crossregion.installation import OWNER
from crossregion.kafka.connection import ADMIN, Kafka

TARGET = 3_000


def committed(kafka: Kafka, group: str) -> Callable[[], int]:
    """How many records a group has finished."""
    admin = KafkaAdminClient(**kafka.options(ADMIN))

    def count() -> int:
        offsets = admin.list_group_offsets(group)[group]
        return sum(max(0, position.offset) for position in offsets.values())

    return count


def consumer(services: Services, argv: list[str], name: str, group: str, role: str) -> Speed:
    """One process over all that stands on the registry's topics, into a database of its own."""
    total = Ends(services.kafka, worker.TOPICS)()
    with harness.running(
        argv,
        services.home / "log" / f"{name}.log",
        **services.kafka.environment(),
        CROSSREGION_DATABASE=services.database(name, role),
    ) as one:
        return harness.measured(one, committed(services.kafka, group), total)


def run(services: Services) -> None:
    """Print the figure, over what intake has read and written before."""
    own = consumer(
        services, ["-m", "consumers.registry.worker"], "registry", worker.GROUP, ROLES["registry"]
    )
    copy = consumer(services, ["-m", "benchmarks.peers", "copy"], "copy", "bench-copy", OWNER)
    harness.line("registry, one consumer", f"{TARGET:,}/s", own.per_second >= TARGET, str(own))
    ratio = own.per_second / copy.per_second
    print(f"  beside {'kafka-python and COPY':<25} {copy}  registry is {ratio:.2f} of it")
