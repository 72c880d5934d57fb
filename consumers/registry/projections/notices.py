"""Notices and the units' answers in the registry: which answer holds, and what it lets a unit read.

All of it is computed anew from the rows that are there, so neither the order of the topics nor a
second time changes anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, cast

from crossregion.domain import acknowledgements
from crossregion.domain.acknowledgements import ACCEPTED, EARLY_SECONDS, Told
from crossregion.domain.events import NoticeAcknowledged
from crossregion.postgres import queries
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row

RECORD = "record"
"""How much a notice lets its unit know once it has accepted: the case itself, if it says so."""


def write(connection: Connection, told: Sequence[Row], answers: Sequence[Row]) -> None:
    """Store notices and answers, and make anew what follows from them.

    Two workers take turns: each must see what the other has written of a notice.
    """
    connection.execute(queries.query("lock_answers"))
    queries.put(connection, "put_notices", told)
    queries.put(connection, "withdraw_notices", told)
    queries.put(connection, "add_acknowledgements", answers)
    these = {"notices": sorted({row["notice_id"] for row in (*told, *answers)})}
    given: dict[str, list[NoticeAcknowledged]] = defaultdict(list)
    early = {"early": round(EARLY_SECONDS * 1000)}
    for row in queries.rows(connection, "acknowledgements_of", {**these, **early}):
        given[row["notice_id"]].append(cast(NoticeAcknowledged, row))
    settled, disclosed = [], []
    for notice in list(queries.rows(connection, "notices_of", these)):
        notice_id = notice["notice_id"]
        known = Told(*(notice[name] for name in ("unit", "revision", "issued", "withdrawn")))
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
