"""Tips in the registry: whose each is to triage, and what was made of it.

Made anew from every revision of a tip and every triage of it, so neither the order of the topics
nor a second time changes anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from consumers.registry.projection import Accepted, Consumed, Handler
from crossregion.domain import tips
from crossregion.domain.events import TipTriaged
from crossregion.domain.tips import LogEntry, Route, Tip, TipState
from crossregion.postgres import queries
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row

KIND = "tip"


@dataclass
class Tips:
    """Whose each revision of a tip says that it is, and what was made of tips."""

    routes: list[Row] = field(default_factory=list)
    triages: list[Row] = field(default_factory=list)

    def handlers(self) -> Mapping[str, Handler]:
        return {"TipTriaged": self._add_triage}

    def add_record(self, accepted: Accepted) -> None:
        kind, unit, tip_id = accepted.key
        if kind != KIND:
            return
        route = tips.route_of(accepted.validated.remarked)
        self.routes.append(
            {
                "unit": unit,
                "tip_id": tip_id,
                "revision": route.revision,
                "digest": route.digest,
                "place": route.place,
                "urgent": route.urgent,
            }
        )

    def _add_triage(self, record: Row, consumed: Consumed) -> None:
        self.triages.append({**record, **consumed.position})

    def write(self, connection: Connection, changed: Sequence[Row]) -> None:
        if self.routes or self.triages:
            _write(connection, self.routes, self.triages)


def _write(connection: Connection, routes: Sequence[Row], triages: Sequence[Row]) -> None:
    """Store revisions and triages, and make anew where their tips stand; two workers take turns."""
    connection.execute(queries.query("lock_tips"))
    queries.put(connection, "add_tip_routes", routes)
    for triage in triages:
        connection.execute(queries.query("add_triage"), {**triage, "most": tips.MOST_TRIAGES})
    named = {(row["unit"], row["tip_id"]) for row in routes}
    named |= {(row["tip_unit"], row["tip_id"]) for row in triages}
    keys = [{"unit": unit, "tip_id": tip_id} for unit, tip_id in sorted(named)]
    queries.put(connection, "put_tips", list(follow_from(*_said_of(connection, keys)).values()))


def _said_of(connection: Connection, keys: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    routes, triages = (
        [row for (row,) in queries.put(connection, name, keys)]
        for name in ("tip_routes_of", "triages_of")
    )
    return routes, triages


def every(connection: Connection) -> tuple[list[Row], list[Row]]:
    """Every revision and every triage that is stored."""
    routes, triages = (
        [row["said"] for row in queries.rows(connection, name)]
        for name in ("every_tip_route", "every_triage")
    )
    return routes, triages


def follow_from(routes: Sequence[Row], triages: Sequence[Row]) -> dict[Tip, Row]:
    """The rows of the tips that follow from all that was said of them.

    What was made of a tip that has not come in yet waits for it.
    """
    reported: dict[Tip, list[Route]] = defaultdict(list)
    for row in routes:
        names = ("revision", "digest", "place", "urgent")
        reported[row["unit"], row["tip_id"]].append(Route(*(row[name] for name in names)))
    made: dict[Tip, list[LogEntry]] = defaultdict(list)
    for row in triages:
        triage = cast(TipTriaged, {name: row[name] for name in TipTriaged.__annotations__})
        made[tips.tip_of(triage)].append(LogEntry(triage, row["milliseconds"], row["offset"]))
    return {
        tip: _row(tip, known, tips.trace(known, made[tip]), made[tip])
        for tip, known in reported.items()
    }


def _row(tip: Tip, routes: Sequence[Route], standing: TipState, made: Sequence[LogEntry]) -> Row:
    newest = max(routes, key=lambda route: route.version)
    last: Mapping[str, Any] = standing.last or {}
    unit, tip_id = tip
    return {
        "unit": unit,
        "tip_id": tip_id,
        "revision": newest.revision,
        "digest": newest.digest,
        "place": newest.place,
        "urgent": newest.urgent,
        "duty": standing.unit,
        "may": sorted(standing.may),
        "had": sorted(standing.had),
        "verdict": standing.verdict,
        "case_unit": last.get("case_unit"),
        "case_id": last.get("case_id"),
        "reason": last.get("reason"),
        "triaged_by": last.get("unit"),
        "role": last.get("role"),
        "head": standing.head,
        "triages": standing.revision,
        "taken": list(standing.taken),
        "refused": sorted({one.triage["triage_id"] for one in made} - set(standing.taken)),
    }
