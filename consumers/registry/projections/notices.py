"""Notices and the units' answers in the registry: which answer holds, and what it lets a unit read.

All of it is computed anew from the rows that are there, so neither the order of the topics nor a
second time changes anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from consumers.registry.projection import Consumed, Handler, first, moment
from crossregion.domain import acknowledgements
from crossregion.domain.acknowledgements import ACCEPTED, EARLY_SECONDS, NoticeState
from crossregion.domain.events import NoticeAcknowledged, NoticeReassigned
from crossregion.postgres import queries
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row

HOUR_MS = 3_600_000
RECORD = "record"
"""How much a notice lets its unit know once it has accepted: the case itself, if it says so."""


@dataclass
class Notices:
    """Notices as they stand and as they were published, the answers to them, and reassignments."""

    notices: dict[str, Row] = field(default_factory=dict)
    history: dict[tuple[str, int], Row] = field(default_factory=dict)
    answers: dict[tuple[str, str, int, str], Row] = field(default_factory=dict)
    reassignments: dict[str, Row] = field(default_factory=dict)

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "NoticeIssued": self._issue,
            "NoticeWithdrawn": self._withdraw,
            "NoticeAcknowledged": self._answer,
            "NoticeReassigned": self._reassign,
        }

    def _issue(self, record: Row, consumed: Consumed) -> None:
        self._add(record, consumed, issued=True)

    def _withdraw(self, record: Row, consumed: Consumed) -> None:
        self._add(record, consumed, issued=False)

    def _add(self, record: Row, consumed: Consumed, *, issued: bool) -> None:
        received = consumed.received
        published = {**record, "event_id": consumed.event_id, "issued": issued}
        published["said_at"] = consumed.received_at
        notice_id, revision = record["notice_id"], record["revision"]
        first(self.history, (notice_id, revision), published, "said_at")
        known = self.notices.get(notice_id, {"revision": 0, "withdrawn": 0})
        withdrawn = max(known["withdrawn"], 0 if issued else revision)
        first_at = known.get("told_at_milliseconds", received)
        if known["revision"] < revision:
            until = [known["answer_until"]] if issued and known.get("issued") else []
            if issued and received is not None and record["answer_within_hours"] is not None:
                until.append(moment(received + record["answer_within_hours"] * HOUR_MS))
            earliest = min((one for one in until if one is not None), default=None)
            known = {**published, "answer_until": earliest}
        times = {"withdrawn": withdrawn, "told_at_milliseconds": first_at}
        self.notices[notice_id] = {**known, **times}

    def _answer(self, record: Row, consumed: Consumed) -> None:
        revision, digest = acknowledgements.version(cast(NoticeAcknowledged, record))
        key = (record["notice_id"], record["unit"], revision, digest)
        known = self.answers.get(key)
        if known is None or consumed.offset < known["offset"]:
            self.answers[key] = {
                **record,
                **consumed.position,
                "event_id": consumed.event_id,
                "received_at": consumed.received_at,
                "digest": digest,
            }

    def _reassign(self, record: Row, _: Consumed) -> None:
        revision, digest = acknowledgements.reassignment_version(cast(NoticeReassigned, record))
        known = self.reassignments.get(record["notice_id"])
        if known is None or (known["revision"], known["digest"]) < (revision, digest):
            self.reassignments[record["notice_id"]] = {**record, "digest": digest}

    def write(self, connection: Connection, changed: Sequence[Row]) -> None:
        if self.notices or self.answers:
            _write(connection, list(self.notices.values()), list(self.answers.values()))
            queries.put(connection, "add_notice_history", list(self.history.values()))
        queries.put(connection, "put_reassignments", list(self.reassignments.values()))


def _write(connection: Connection, published: Sequence[Row], answers: Sequence[Row]) -> None:
    """Store notices and answers, and make anew what follows from them.

    Two workers take turns: each must see what the other has written of a notice.
    """
    connection.execute(queries.query("lock_answers"))
    queries.put(connection, "put_notices", published)
    queries.put(connection, "withdraw_notices", published)
    queries.put(connection, "add_acknowledgements", answers)
    these = {"notices": sorted({row["notice_id"] for row in (*published, *answers)})}
    given: dict[str, list[NoticeAcknowledged]] = defaultdict(list)
    early = {"early": round(EARLY_SECONDS * 1000)}
    for row in queries.rows(connection, "acknowledgements_of", {**these, **early}):
        given[row["notice_id"]].append(cast(NoticeAcknowledged, row))
    settled, disclosed = [], []
    for notice in list(queries.rows(connection, "notices_of", these)):
        notice_id = notice["notice_id"]
        known = NoticeState(*(notice[name] for name in ("unit", "revision", "issued", "withdrawn")))
        held: dict[str, Any] = {**(acknowledgements.in_force(known, given[notice_id]) or {})}
        settled.append(
            {
                "notice_id": notice_id,
                "answer": held.get("answer"),
                "answer_revision": held.get("revision"),
                "answer_reason": held.get("reason"),
                "answer_role": held.get("role"),
            }
        )
        if held.get("answer") == ACCEPTED and notice["disclosure"] == RECORD:
            disclosed.append({**notice, "reader": notice["unit"]})
    queries.put(connection, "settle_answers", settled)
    connection.execute(queries.query("remove_disclosures"), these)
    queries.put(connection, "add_disclosures", disclosed)


def forget(connection: Connection, now: float) -> None:
    """Remove answers of long ago to what nobody was told, once all notices are stored."""
    before = {"before": round((now - 2 * EARLY_SECONDS) * 1000)}
    connection.execute(queries.query("forget_answers"), before)
