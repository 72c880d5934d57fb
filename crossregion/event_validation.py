"""What units and the office state on topics of their own: whether it can count at all.

Every reader validates by this one function, so they always agree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crossregion.domain import acknowledgements, agreements, decisions, handovers, tips
from crossregion.errors import UnhandledEvent
from schemas import topics
from schemas.units import NOTIFIED, UNITS

Validator = Callable[[Any, str, int], None]
"""Takes the record, its topic and its partition. Raises: Rejected."""


def _decision(record: Any, _: str, partition: int) -> None:
    expected = topics.partition_of(record["rescue_id"], topics.DECISIONS)
    decisions.check(record, partition, expected)


def _agreement(record: Any, _: str, __: int) -> None:
    agreements.check(record)


def _acknowledgement(record: Any, topic: str, _: int) -> None:
    acknowledgements.check(record, topics.unit_of_topic(topic))


def _reassignment(record: Any, _: str, __: int) -> None:
    acknowledgements.check_reassignment(record, NOTIFIED)


def _handover(record: Any, topic: str, _: int) -> None:
    handovers.check(record, topics.unit_of_topic(topic), UNITS)


def _triage(record: Any, topic: str, _: int) -> None:
    tips.check(record, topics.unit_of_topic(topic), UNITS)


VALIDATORS: dict[str, Validator] = {
    "MatchDecided": _decision,
    "AgreementRecorded": _agreement,
    "NoticeAcknowledged": _acknowledgement,
    "NoticeReassigned": _reassignment,
    "HandoverRecorded": _handover,
    "TipTriaged": _triage,
}
"""By event: each that the contracts let a unit or the office state."""

OWN_EVENTS = topics.events_of(
    topic for topic in topics.TOPICS if topics.PERSONS.isdisjoint(topic.written_by)
)
"""What workers alone write is not validated again."""


def validate_statement(event: str, record: dict[str, Any], topic: str, partition: int) -> None:
    """Check a decoded event by where it stands.

    Raises: Rejected; UnhandledEvent for one that persons write and nothing here validates.
    """
    if event in VALIDATORS:
        VALIDATORS[event](record, topic, partition)
    elif event not in OWN_EVENTS:
        raise UnhandledEvent(event, "validate_statement")
