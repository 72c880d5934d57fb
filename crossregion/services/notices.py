"""What a unit does with its notices: look at them, answer, and read what its acceptance discloses.

An answer counts once the registry has recorded it: the notice may have been withdrawn meanwhile.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from crossregion.domain import acknowledgements, decisions, handovers, identifiers
from crossregion.domain.acknowledgements import ACCEPTED, ANSWERED, RECEIVED
from crossregion.domain.events import NoticeAcknowledged, NoticeReassigned
from crossregion.domain.notices.content import TIP
from crossregion.domain.regions import OFFICE
from crossregion.errors import RuntimeFault
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka import producer
from crossregion.kafka.connection import Kafka
from crossregion.postgres import audit, queries, transactions
from crossregion.postgres.queries import Row
from schemas import codec, envelope, topics
from schemas.units import NOTIFIED

POLL_SECONDS = 0.1


class NoticeUnknown(RuntimeFault):
    """The unit was told no such notice."""


class NotToBeAnswered(RuntimeFault):
    """The notice does not stand, or the answer is not well given."""


@dataclass(frozen=True)
class Outcome:
    """What became of an answer: whether it holds, and the notice with the answer in force."""

    holds: bool
    notice: Row


def listed(dsn: str | None) -> list[Row]:
    """Every notice that the unit of this role was told, the oldest first."""
    with transactions.session(dsn) as connection:
        return list(queries.rows(connection, "told_notices"))


def of_all_units(dsn: str | None, purpose: str = "") -> list[Row]:
    """The same of every unit, for the office, which knows the case of a mere reference."""
    with transactions.session(dsn) as connection:
        audit.append_audit(connection, "list", "notices", purpose)
        found = list(queries.rows(connection, "registered_notices"))
        cases = {
            identifiers.case_reference(row["unit"], row["record_id"]): row["record_id"]
            for row in queries.rows(connection, "every_case")
        }
    return [{**row, "cause": cases.get(row["cause"], row["cause"])} for row in found]


def find(dsn: str | None, unit: str, notice_id: str) -> Row:
    """One of them.

    Raises: NoticeUnknown.
    """
    for notice in listed(dsn):
        if notice["notice_id"] == notice_id:
            return notice
    raise NoticeUnknown(
        f"{unit} was told no notice {notice_id}: see `crossregion notices list --unit {unit}`. "
        "What another unit was told is that unit's to answer."
    )


def due(notice: Row) -> datetime | None:
    """By when an answer is expected; None when none is, or there is one."""
    if not notice["issued"] or notice["answer"] in ANSWERED:
        return None
    until: datetime | None = notice["answer_until"]
    return until


def acknowledge(
    kafka: Kafka,
    dsn: str | None,
    unit: str,
    notice_id: str,
    answer: str,
    reason: str | None = None,
    role: str = acknowledgements.ROLES[0],
    wait: float = 10.0,
) -> Outcome | None:
    """Send a unit's answer and wait until the registry has recorded it; None if it has not.

    Raises: NoticeUnknown, NotToBeAnswered, ServiceUnavailable.
    """
    _check(answer, reason, role)
    notice = _standing(dsn, unit, notice_id)
    _check_kind(notice)
    given = (notice["answer"], notice["answer_reason"])
    if given == (answer, reason) or (answer == RECEIVED and notice["answer"] in ANSWERED):
        return Outcome(False, notice)
    made: NoticeAcknowledged = {
        "notice_id": notice_id,
        "notice_revision": notice["revision"],
        "unit": unit,
        "revision": (notice["answer_revision"] or 0) + 1,
        "answer": answer,
        "reason": reason,
        "role": role,
        "acknowledged_at": _now(),
    }
    value = codec.encode("NoticeAcknowledged", made)
    digest = f"{notice_id}\n{made['revision']}\n{answer}"
    headers = envelope.caused(digest, "NoticeAcknowledged", unit, notice_id)
    name = topics.ACKNOWLEDGEMENTS.name(unit)
    producer.send(kafka, kafka_connection.unit(unit), name, notice_id, value, headers)
    deadline = time.monotonic() + wait
    while True:
        notice = _standing(dsn, unit, notice_id)
        if (notice["answer_revision"] or 0) >= made["revision"]:
            held = (notice["answer_revision"], notice["answer"], notice["answer_reason"])
            return Outcome(held == (made["revision"], answer, reason), notice)
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL_SECONDS)


def _standing(dsn: str | None, unit: str, notice_id: str) -> Row:
    notice = find(dsn, unit, notice_id)
    if not notice["issued"]:
        raise NotToBeAnswered(f"The notice {notice_id} was withdrawn: there is nothing to answer.")
    if notice["kind"] == handovers.NOTICE:
        raise NotToBeAnswered(
            f"The notice {notice_id} is about a hand-over, which is answered by what is done: "
            f"`crossregion handover list --unit {unit}`."
        )
    return notice


def _check_kind(notice: Row) -> None:
    if notice["kind"] == TIP:
        raise NotToBeAnswered(
            "A tip is not answered: link, refer or dismiss it by `crossregion tip triage`."
        )


def _check(answer: str, reason: str | None, role: str) -> None:
    if answer not in acknowledgements.REASONS:
        raise NotToBeAnswered(f"{answer} is no answer: {', '.join(acknowledgements.REASONS)}.")
    reasons = acknowledgements.REASONS[answer]
    if reason not in reasons:
        codes = ", ".join(code for code in reasons if code)
        raise NotToBeAnswered(
            f"{answer} needs --reason: {codes}." if codes else f"{answer} takes no reason."
        )
    if role not in acknowledgements.ROLES:
        raise NotToBeAnswered(f"{role} is no role: {', '.join(acknowledgements.ROLES)}.")


def reassign(
    kafka: Kafka,
    dsn: str | None,
    notice_id: str,
    to_unit: str,
    role: str = decisions.ROLES[0],
    purpose: str = "",
) -> Row:
    """Give a notice that stands and is not accepted to another unit; returns it as it was.

    Raises: NoticeUnknown, NotToBeAnswered, ServiceUnavailable.
    """
    if to_unit not in NOTIFIED:
        raise NotToBeAnswered(f"{to_unit} is no unit: {', '.join(NOTIFIED)}.")
    if role not in decisions.ROLES:
        raise NotToBeAnswered(f"{role} is no role: {', '.join(decisions.ROLES)}.")
    with transactions.session(dsn) as connection:
        found = list(queries.rows(connection, "registered_notice", {"notice_id": notice_id}))
        if not found:
            raise NoticeUnknown(f"There is no notice {notice_id}: see `crossregion notices list`.")
        audit.append_audit(connection, "reassign", f"notice {found[0]['notice_id']}", purpose)
    (notice,) = found
    _check_kind(notice)
    if not notice["issued"]:
        raise NotToBeAnswered(f"The notice {notice_id} was withdrawn or has gone elsewhere.")
    if notice["answer"] == ACCEPTED:
        raise NotToBeAnswered(
            f"The notice {notice_id} is already accepted at revision {notice['answer_revision']} "
            f"by the {notice['answer_role']} of {notice['unit']}."
        )
    if notice["kind"] == handovers.NOTICE:
        raise NotToBeAnswered(
            f"The notice {notice_id} is about a hand-over, which goes to whom its owner offers it."
        )
    if notice["unit"] in (to_unit, OFFICE):
        raise NotToBeAnswered(
            f"The notice {notice_id} is told to {notice['unit']}: only another unit's notice can "
            "go elsewhere."
        )
    given: NoticeReassigned = {
        "notice_id": notice_id,
        "revision": (notice["reassigned"] or 0) + 1,
        "to_unit": to_unit,
        "unit": OFFICE,
        "role": role,
        "reassigned_at": _now(),
    }
    value = codec.encode("NoticeReassigned", given)
    headers = envelope.caused(f"{notice_id}\n{to_unit}", "NoticeReassigned", OFFICE, notice_id)
    name = topics.REASSIGNMENTS.name()
    producer.send(kafka, kafka_connection.OFFICE, name, notice_id, value, headers)
    return notice


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
