"""Hand-overs in the registry: who owns each record that has been offered, and who may read it.

Made anew from all steps on a record, so neither the order of the topics nor a second time changes
anything. A record of which no step holds has no row: anybody could write one about it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from consumers.registry.projection import Consumed, Handler
from crossregion.domain import handovers
from crossregion.domain.events import HandoverRecorded
from crossregion.domain.handovers import LogEntry, Record
from crossregion.postgres import queries
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row


@dataclass
class Handovers:
    """Steps of hand-overs, each with its place in the log."""

    steps: list[Row] = field(default_factory=list)

    def handlers(self) -> Mapping[str, Handler]:
        return {"HandoverRecorded": self._add}

    def _add(self, record: Row, consumed: Consumed) -> None:
        self.steps.append({**record, **consumed.position})

    def write(self, connection: Connection, changed: Sequence[Row]) -> None:
        if self.steps:
            _write(connection, self.steps)


def _write(connection: Connection, steps: Sequence[Row]) -> None:
    """Store steps, and make anew where their records stand; two workers take turns."""
    connection.execute(queries.query("lock_handovers"))
    for step in steps:
        most = {"most": handovers.MOST_STEPS}
        connection.execute(queries.query("add_handover_step"), {**step, **most})
    placed: dict[Record, list[LogEntry]] = defaultdict(list)
    for row in queries.put(connection, "handover_steps_of", steps):
        step, milliseconds, offset = row
        placed[handovers.record_of(step)].append(
            LogEntry(cast(HandoverRecorded, step), milliseconds, offset)
        )
    standings = []
    for record, known in placed.items():
        standing = handovers.trace(record, known)
        if standing.head is None:
            continue
        taken = set(standing.taken)
        refused = {
            one.step["step_id"]
            for one in known
            if one.step["follows"] is None or one.step["follows"] in taken
        }
        kind, unit, record_id = record
        standings.append(
            {
                "kind": kind,
                "unit": unit,
                "record_id": record_id,
                "owner": standing.owner,
                "offered_to": standing.offered_to,
                "asked_back": standing.asked_back,
                "givers": list(standing.givers),
                "readers": sorted(standing.readers),
                "head": standing.head,
                "taken": list(standing.taken),
                "refused": sorted(refused - taken),
            }
        )
    queries.put(connection, "put_handovers", standings)
