"""A whole stack of a made-up province, in a process of its own: units are known from the start.

    CROSSREGION_UNITS=tests/data/province/units.toml python -m tests.support.province DATA EXPORTS

It publishes `EXPORTS/<unit>/*.csv`, and prints as JSON what the registry and the units then have.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from crossregion.embedded.stack import Stack
from crossregion.kafka import admin as kafka_admin
from producers import publisher
from producers.spool.store import Spool
from schemas.units import ENTERING
from tests.support.live import in_force, wait_for_quiet

OWN = sql.SQL("SELECT record_id FROM registry.own_records() ORDER BY 1")
FLAGS = sql.SQL(
    "SELECT case_id, source_unit, destination_unit, boundary FROM registry.flag ORDER BY 1"
)
ENDS = sql.SQL("SELECT case_id, from_unit, to_unit FROM registry.case_ends ORDER BY 1")


def rows(dsn: str, statement: sql.SQL) -> list[Any]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement).fetchall()


def main() -> None:
    data, exports = map(Path, sys.argv[1:])
    with Stack(data) as stack:
        for unit in sorted(path.name for path in exports.iterdir()):
            with Spool(stack.spools / f"{unit}.sqlite", unit) as spool:
                report = publisher.accept(sorted((exports / unit).iterdir()), spool)
                assert not (report.refusals or report.unreadable), report
        wait_for_quiet(stack)
        with kafka_admin.administering(stack.kafka) as admin:
            names = sorted(admin.list_topics())
        found = {
            "topics": names,
            "flags": rows(stack.database, FLAGS),
            "ends": rows(stack.database, ENDS),
            "own": {unit: rows(stack.dsn(f"unit_{unit}"), OWN) for unit in ENTERING},
            "notices": sorted(
                (one["unit"], one["kind"], one["case_id"]) for one in in_force(stack.kafka).values()
            ),
        }
        json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
