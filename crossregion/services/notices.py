"""Notices for units: list, answer, and read what acceptance discloses.

An answer takes effect once the registry has recorded it: the notice may have been withdrawn before.
"""

from __future__ import annotations

from datetime import UTC, datetime

from crossregion.domain import acknowledgements, decisions, handovers, identifiers
from crossregion.domain.acknowledgements import ACCEPTED, ANSWERED, RECEIVED
from crossregion.domain.events import NoticeAcknowledged, NoticeReassigned
from crossregion.domain.notices.content import TIP
from crossregion.domain.regions import OFFICE
from crossregion.errors import CrossregionError
from crossregion.postgres import audit, queries, transactions
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row
from crossregion.services import prefixes
from crossregion.services.confirmation import Actor, Recorded, publish_statement, wait_recorded
from schemas import envelope, topics
from schemas.units import NOTIFIED


class NoticeUnknown(CrossregionError):
    """The unit has no such notice."""

    code = "notice-unknown"


class NotToBeAnswered(CrossregionError):
    """The notice is not in force, or the answer's arguments are not valid."""

    code = "notice-not-to-be-answered"


def listed(dsn: str | None) -> list[Row]:
    """Every notice of the unit of this role, the oldest first."""
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
    """One notice of the unit of this role.

    Raises: NoticeUnknown.
    """
    with transactions.session(dsn) as connection:
        return _told(connection, unit, notice_id)


def _told(connection: Connection, unit: str, notice_id: str) -> Row:
    notice = queries.one(connection, "told_notice", {"notice_id": notice_id})
    if notice is None:
        raise NoticeUnknown(unit=unit, notice_id=notice_id)
    return notice


def due(notice: Row) -> datetime | None:
    """By when an answer is expected; None when none is, or there is one."""
    if not notice["issued"] or notice["answer"] in ANSWERED:
        return None
    until: datetime | None = notice["answer_until"]
    return until


def acknowledge(
    actor: Actor, notice_id: str, answer: str, reason: str | None = None, wait: float = 10.0
) -> Recorded | None:
    """Send a unit's answer; the notice with the answer in force, once the registry has recorded it.

    None if it has not within `wait` seconds. Raises: NoticeUnknown, NotToBeAnswered,
    ServiceUnavailable.
    """
    _check(answer, reason, actor.role)
    with transactions.session(actor.dsn) as connection:
        with connection.transaction():
            notice = _answerable(connection, actor.unit, notice_id)
        _check_kind(notice)
        given = (notice["answer"], notice["answer_reason"])
        if given == (answer, reason) or (answer == RECEIVED and notice["answer"] in ANSWERED):
            return Recorded(False, notice)
        revision = (notice["answer_revision"] or 0) + 1
        made: NoticeAcknowledged = {
            "notice_id": notice_id,
            "notice_revision": notice["revision"],
            "unit": actor.unit,
            "revision": revision,
            "answer": answer,
            "reason": reason,
            "role": actor.role,
            "acknowledged_at": _now(),
        }
        event_id = envelope.named_id(f"{notice_id}\n{revision}\n{answer}\nNoticeAcknowledged")
        publish_statement(
            actor,
            topics.ACKNOWLEDGEMENTS,
            "NoticeAcknowledged",
            made,
            key=notice_id,
            event_id=event_id,
        )

        def look(connection: Connection) -> Recorded | None:
            now = _answerable(connection, actor.unit, notice_id)
            if (now["answer_revision"] or 0) < revision:
                return None
            held = (now["answer_revision"], now["answer"], now["answer_reason"])
            return Recorded(held == (revision, answer, reason), now)

        return wait_recorded(connection, look, wait)


def _answerable(connection: Connection, unit: str, notice_id: str) -> Row:
    notice = _told(connection, unit, notice_id)
    if not notice["issued"]:
        raise NotToBeAnswered("withdrawn", notice_id=notice_id)
    if notice["kind"] == handovers.NOTICE:
        raise NotToBeAnswered("of-a-handover", notice_id=notice_id, unit=unit)
    return notice


def _check_kind(notice: Row) -> None:
    if notice["kind"] == TIP:
        raise NotToBeAnswered("of-a-tip")


def _check(answer: str, reason: str | None, role: str) -> None:
    if answer not in acknowledgements.REASONS:
        raise NotToBeAnswered("no-answer", answer=answer, known=acknowledgements.REASONS)
    reasons = acknowledgements.REASONS[answer]
    if reason not in reasons:
        known = [code for code in reasons if code]
        if not known:
            raise NotToBeAnswered("takes-no-reason", answer=answer)
        raise NotToBeAnswered("needs-a-reason", answer=answer, known=known)
    if role not in acknowledgements.ROLES:
        raise NotToBeAnswered("no-role", role=role, known=acknowledgements.ROLES)


def reassign(actor: Actor, notice_id: str, to_unit: str) -> Row:
    """Give a notice that stands and is not accepted to another unit; returns it as it was.

    Raises: NoticeUnknown, NotToBeAnswered, ServiceUnavailable.
    """
    if to_unit not in NOTIFIED:
        raise NotToBeAnswered("no-unit", to_unit=to_unit, known=NOTIFIED)
    if actor.role not in decisions.ROLES:
        raise NotToBeAnswered("no-role", role=actor.role, known=decisions.ROLES)
    with transactions.session(actor.dsn) as connection:
        notice = queries.one(connection, "registered_notice", {"notice_id": notice_id})
        if notice is None:
            raise NoticeUnknown("at-the-office", notice_id=notice_id)
        actor.note(connection, "reassign", f"notice {notice_id}")
    _check_reassignable(notice, to_unit)
    given: NoticeReassigned = {
        "notice_id": notice_id,
        "revision": (notice["reassigned"] or 0) + 1,
        "to_unit": to_unit,
        "unit": actor.unit,
        "role": actor.role,
        "reassigned_at": _now(),
    }
    event_id = envelope.named_id(f"{notice_id}\n{to_unit}\nNoticeReassigned")
    publish_statement(
        actor, topics.REASSIGNMENTS, "NoticeReassigned", given, key=notice_id, event_id=event_id
    )
    return notice


def _check_reassignable(notice: Row, to_unit: str) -> None:
    notice_id = notice["notice_id"]
    _check_kind(notice)
    if not notice["issued"]:
        raise NotToBeAnswered("elsewhere", notice_id=notice_id)
    if notice["answer"] == ACCEPTED:
        raise NotToBeAnswered(
            "accepted-already",
            notice_id=notice_id,
            answer_revision=notice["answer_revision"],
            answer_role=notice["answer_role"],
            unit=notice["unit"],
        )
    if notice["kind"] == handovers.NOTICE:
        raise NotToBeAnswered("of-an-offer", notice_id=notice_id)
    if notice["unit"] in (to_unit, OFFICE):
        raise NotToBeAnswered("not-of-another", notice_id=notice_id, unit=notice["unit"])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def complete_id(dsn: str | None, given: str) -> str:
    """The id of the notice of this role's unit that begins as given.

    Raises: AmbiguousId.
    """
    return prefixes.complete_uuid(dsn, "told_notice_ids", given)


def complete_registered_id(dsn: str | None, given: str) -> str:
    """The same of every unit's notices, for the office.

    Raises: AmbiguousId.
    """
    return prefixes.complete_uuid(dsn, "notice_ids", given)
