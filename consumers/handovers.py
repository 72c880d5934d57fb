"""Hand-overs in the registry: who owns each record that has been offered, and who may read it.

Made anew from all steps on a record, so neither the order of the topics nor a second time changes
anything. A record of which no step holds has no row: anybody could write one about it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import cast

from consumers import database
from consumers.database import Connection, Row
from crossregion.domain import handover
from crossregion.domain.handover import Placed, Record
from crossregion.domain.records import HandoverRecorded


def write(connection: Connection, steps: Sequence[Row]) -> None:
    """Store steps, and make anew where their records stand; two workers take turns."""
    connection.execute(database.query("lock_handovers"))
    for step in steps:
        most = {"most": handover.MOST_STEPS}
        connection.execute(database.query("add_handover_step"), {**step, **most})
    placed: dict[Record, list[Placed]] = defaultdict(list)
    for row in database.put(connection, "handover_steps_of", steps):
        step, milliseconds, offset = row
        placed[handover.record_of(step)].append(
            Placed(cast(HandoverRecorded, step), milliseconds, offset)
        )
    standings = []
    for record, known in placed.items():
        standing = handover.trace(record, known)
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
    database.put(connection, "put_handovers", standings)
