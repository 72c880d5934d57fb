"""What analysts and units have said on topics of their own: whether it can count at all.

Every reader judges by this one function, so they always agree.
"""

from __future__ import annotations

from typing import Any, cast

from crossregion.domain import acknowledgements, agreements, decisions, handovers, tips
from crossregion.domain.events import (
    AgreementRecorded,
    HandoverRecorded,
    MatchDecided,
    NoticeAcknowledged,
    NoticeReassigned,
    TipTriaged,
)
from schemas import topics
from schemas.units import NOTIFIED, UNITS


def validate_statement(event: str, record: dict[str, Any], topic: str, partition: int) -> None:
    """Check a decoded event by where it stands; what our own processes write is not asked.

    Raises: Rejected.
    """
    match event:
        case "MatchDecided":
            expected = topics.partition_of(record["rescue_id"], topics.DECISIONS)
            decisions.check(cast(MatchDecided, record), partition, expected)
        case "AgreementRecorded":
            agreements.check(cast(AgreementRecorded, record))
        case "NoticeAcknowledged":
            acknowledgements.check(cast(NoticeAcknowledged, record), topics.unit_of_topic(topic))
        case "NoticeReassigned":
            given = cast(NoticeReassigned, record)
            acknowledgements.check_reassignment(given, NOTIFIED)
        case "HandoverRecorded":
            step = cast(HandoverRecorded, record)
            handovers.check(step, topics.unit_of_topic(topic), UNITS)
        case "TipTriaged":
            tips.check(cast(TipTriaged, record), topics.unit_of_topic(topic), UNITS)
