"""Who may do what on Kafka: drawn from `written_by` and `read_by` of `schemas/topics/*.toml`.

Besides, proposals may see how far linkage is. What is not granted here is refused. The right to
read or write includes the one to describe, and the right to write to any topic includes idempotent
writing.
"""

from __future__ import annotations

from dataclasses import dataclass

from crossregion.kafka import connection as kafka_connection
from schemas import topics
from schemas.units import NOTIFIED

PROCESSES = (*topics.workers(), kafka_connection.OPERATOR, kafka_connection.OFFICE)
"""Their consumer groups begin as `kafka_connection.group` says; a unit's with its principal."""


@dataclass(frozen=True, order=True)
class Grant:
    """One operation allowed to one principal; `prefixed`: on all whose name begins so."""

    principal: str
    operation: str
    resource: str
    name: str
    prefixed: bool = False


def units() -> dict[str, str]:
    """The principal of each unit and partner, with its code."""
    return {kafka_connection.unit(code): code for code in NOTIFIED}


def principals() -> tuple[str, ...]:
    """Everyone who has a password."""
    return (*units(), *PROCESSES, kafka_connection.ADMIN)


def wanted() -> frozenset[Grant]:
    """All that is allowed; the admin needs no grant."""
    found = {Grant(principal, "READ", "GROUP", principal, True) for principal in units()}
    for process in PROCESSES:
        found.add(Grant(process, "READ", "GROUP", kafka_connection.group(process), True))
    every_group, operator = kafka_connection.GROUPS, kafka_connection.OPERATOR
    for operation in ("DESCRIBE", "DELETE"):
        found.add(Grant(operator, operation, "GROUP", every_group, True))
    found.add(Grant("proposals", "DESCRIBE", "GROUP", kafka_connection.LINKAGE_GROUPS, True))
    found.add(Grant("proposals", "DESCRIBE", "TOPIC", topics.LINKAGE_RECORDS.name()))
    for topic in topics.TOPICS:
        for name in topic.names():
            for operation in ("DESCRIBE", "DESCRIBE_CONFIGS"):
                found.add(Grant(kafka_connection.OPERATOR, operation, "TOPIC", name))
            for operation, roles in (("WRITE", topic.written_by), ("READ", topic.read_by)):
                for role in roles:
                    of_unit = role == topics.UNIT
                    who = kafka_connection.unit(topics.unit_of_topic(name)) if of_unit else role
                    found.add(Grant(who, operation, "TOPIC", name))
    return frozenset(found)
