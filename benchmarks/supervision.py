"""What a whole report takes over a province's registry, beside the plainest query of one figure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import psutil
import psycopg

from benchmarks import feed, harness
from benchmarks.harness import Services
from consumers.registry.batch import Batch
from crossregion.domain.dates import SHANGHAI
from crossregion.embedded.stack import ROLES
from crossregion.installation import SUPERVISION
from crossregion.postgres.connection import Connection
from crossregion.postgres.transactions import Database
from crossregion.services import reports
from crossregion.services.reports import SECTIONS, Question

TARGET_SECONDS = 10.0
MADE = 2_000
TIMES = 3
BEGIN_MS = 1_730_000_000_000
PLAIN = """
SELECT unit, count(*), count(*) FILTER (WHERE status = 'SOLVED')
FROM (
    SELECT DISTINCT ON (unit, record_id) unit, record ->> 'status' AS status
    FROM registry.record_revision
    WHERE kind = 'case'
    ORDER BY unit, record_id, revision DESC, digest DESC
) AS held
GROUP BY unit
"""
"""Cases and solved ones as known now, over the records themselves."""

MULTIPLY = """
INSERT INTO registry.fact
SELECT (jsonb_populate_record(
    fact,
    jsonb_build_object('record_id', fact.record_id || '-' || n, 'event_id', fact.event_id || n)
)).*
FROM registry.fact CROSS JOIN generate_series(2, %(copies)s) AS n;
INSERT INTO registry.fact
SELECT (jsonb_populate_record(
    fact, jsonb_build_object('revision', 2, 'status', 'SOLVED', 'event_id', fact.event_id || '/2')
)).*
FROM registry.fact WHERE fact.revision = 1 AND hashtext(fact.record_id) > 0;
INSERT INTO registry.record_revision
    (kind, unit, record_id, revision, digest, event_id, record, remarks)
SELECT kind, unit, record_id || '-' || n, revision, digest, event_id || n, record, remarks
FROM registry.record_revision CROSS JOIN generate_series(2, %(copies)s) AS n;
INSERT INTO registry.notice_said
SELECT
    fact.event_id, 1, fact.event_id, fact.received_at, true, fact.to_unit, 'flag', fact.record_id,
    fact.unit, fact.record_id, 72
FROM registry.fact WHERE kind = 'case' AND revision = 1 AND fact.to_unit <> fact.unit;
INSERT INTO registry.acknowledgement
    (notice_id, unit, revision, digest, notice_revision, answer, role, "offset", received_at,
    event_id)
SELECT
    notice_id, unit, 1, '', 1, 'accepted', 'officer', 1, said_at + interval '40 hours', event_id
FROM registry.notice_said;
"""


def run(services: Services, events: int) -> None:
    """Print the figure for so many records."""
    worker = services.database("report", ROLES["registry"])
    batch = Batch()
    for number, event in enumerate(feed.events(MADE)):
        batch.take(
            event.topic, 0, number, event.value, dict(event.headers), BEGIN_MS + number * 3_600_000
        )
    held = Database(worker)
    held.transact(batch.write)
    held.close()
    superuser = services.postgres.dsn("report", "postgres")
    with psycopg.connect(superuser, autocommit=True) as connection:
        for statement in MULTIPLY.split(";\n"):
            if statement.strip():
                connection.execute(statement, {"copies": max(2, events // MADE)})
        connection.execute("VACUUM ANALYZE")
        connection.execute("SET work_mem = '64MB'")
        plain = _cpu_seconds(connection, lambda: connection.execute(PLAIN))
        ((rows,),) = connection.execute("SELECT count(*) FROM registry.fact").fetchall()
    dsn = services.postgres.dsn("report", SUPERVISION)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET work_mem = '64MB'")
        newest = reports.newest(connection)
        until = newest.astimezone(SHANGHAI).date()
        question = Question(until - timedelta(days=40 * 365), until, newest)
        each = {
            name: _cpu_seconds(connection, lambda: SECTIONS[name](connection, question))  # noqa: B023
            for name in SECTIONS
        }
    whole = sum(each.values())
    harness.line(
        f"report over {rows:,} revisions",
        f"{TARGET_SECONDS:.0f} s",
        whole <= TARGET_SECONDS,
        f"{whole:9.2f} s of CPU: {', '.join(f'{name} {took:.2f}' for name, took in each.items())}",
    )
    print(
        f"  beside {'one figure, as known now':<25} {plain:9.2f} s  "
        f"the report takes {whole / plain:.0f} times as much"
    )


def _cpu_seconds(connection: Connection, work: Callable[[], object]) -> float:
    """What the connection's server process needs for it, the least of a few times; alone."""
    connection.execute("SET max_parallel_workers_per_gather = 0")
    process = psutil.Process(connection.info.backend_pid)
    took = []
    for _ in range(TIMES):
        before = harness.cpu_seconds(process)
        work()
        took.append(harness.cpu_seconds(process) - before)
    return min(took)
