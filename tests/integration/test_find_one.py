"""Finding one row costs the same however many there are, and finds no row of another unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, LiteralString

import psycopg
import pytest

from crossregion.domain.regions import OFFICE
from crossregion.postgres import migrations, queries
from crossregion.postgres.connection import Connection
from crossregion.services import notices, tips
from crossregion.services.notices import NoticeUnknown
from crossregion.services.tips import TipUnknown

UNIT, OTHER = "220300", "220500"
MANY = 4_000
NUMBERS: LiteralString = "WITH numbers AS (SELECT n FROM generate_series(1, %(many)s) AS n) "
FILL: tuple[LiteralString, ...] = (
    "INSERT INTO registry.notice (notice_id, revision, issued, withdrawn, unit, kind, cause,"
    " contact) SELECT 'n' || n, 1, true, 0, %(unit)s, 'tip', 't' || n, %(unit)s FROM numbers",
    "INSERT INTO registry.handover SELECT 'case', %(unit)s, 'r' || n, %(unit)s, NULL, false, '[]',"
    " jsonb_build_array(%(unit)s::text), NULL, '[]', '[]' FROM numbers",
    "INSERT INTO registry.tip (unit, tip_id, revision, digest, urgent, duty, may, had, verdict,"
    " triages, taken, refused) SELECT %(unit)s, 't' || n, 1, '', false, %(unit)s, '[]', '[]',"
    " 'new', 0, '[]', '[]' FROM numbers",
    "INSERT INTO registry.tip_route SELECT %(unit)s, 't' || n, 1, 'd', NULL, false FROM numbers",
    "INSERT INTO registry.record SELECT 'case', %(unit)s, 'r' || n, 1, 'd' FROM numbers",
    "INSERT INTO registry.file_note SELECT 'rescue', %(unit)s, 'r' || n, 1, 'd', %(unit)s,"
    " 'r' || n, '{}' FROM numbers",
    "INSERT INTO registry.file_item SELECT %(unit)s, 'r' || n, 'item', %(unit)s, 'PSD', '[]', '1',"
    " '2026-01-01', '2026-01-02', '2026-01-03' FROM numbers",
    "INSERT INTO registry.proposal (proposal_id, revision, open, case_unit, case_id, victim_id,"
    " rescue_unit, rescue_id) SELECT md5(%(unit)s || n)::uuid, 1, true, %(unit)s, 'c', 'v',"
    " %(unit)s, 'r' || n FROM numbers",
    'INSERT INTO registry.decision (decision_id, partition, "offset", proposal_id, case_unit,'
    " case_id, victim_id, rescue_unit, rescue_id, proposal_revision, previous, revision, verdict,"
    " role, unit, reason, kind, evidence) SELECT md5(%(unit)s || n)::uuid, 0, n,"
    " md5(%(unit)s || n)::uuid, %(unit)s, 'c', 'v', %(unit)s, 'r', 1, 0, 1, 'confirmed',"
    " 'analyst', '220000', 'dna', 'weighed', '[]' FROM numbers",
)
ROWS_READ = """
SELECT relname, sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int
FROM pg_stat_xact_user_tables
WHERE schemaname = 'registry'
GROUP BY relname
HAVING sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) > 0
"""
FILE = {"rescue_unit": UNIT, "rescue_id": "r7"}
RECORD = {"kind": "case", "unit": UNIT, "record_id": "r7"}
TIP = {"unit": UNIT, "tip_id": "t7", "digest": "d"}
ASKED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (UNIT, "told_notice", {"notice_id": "n7"}),
    (UNIT, "handover", RECORD),
    (UNIT, "own_record", RECORD),
    (UNIT, "tip_state", TIP),
    (UNIT, "own_tip_content", TIP),
    (UNIT, "own_items_of_file", FILE),
    (UNIT, "own_file_notes", FILE),
    (OFFICE, "registered_notice", {"notice_id": "n7"}),
    (OFFICE, "registered_tip_state", TIP),
    (OFFICE, "registered_tip_content", TIP),
    (OFFICE, "items_of_file", FILE),
    (OFFICE, "file_notes", FILE),
)

AsRole = Callable[[str, str], str]


@pytest.fixture(scope="module")
def dsn(new_database: Callable[[], str], as_role: AsRole) -> Iterator[str]:
    """A registry of thousands of rows of one unit."""
    dsn = new_database()
    migrations.migrate(dsn)
    with psycopg.connect(as_role(dsn, "postgres")) as connection:
        for statement in FILL:
            connection.execute(NUMBERS + statement, {"unit": UNIT, "many": MANY})
    with psycopg.connect(as_role(dsn, "postgres"), autocommit=True) as connection:
        connection.execute("ANALYZE")
    yield dsn


def entrance(dsn: str, as_role: AsRole, unit: str) -> str:
    return as_role(dsn, "crossregion_office" if unit == OFFICE else f"unit_{unit}")


def rows_read(connection: Connection) -> dict[str, int]:
    """How many rows of each table this transaction has read, also inside of functions."""
    read: dict[str, int] = dict(connection.execute(ROWS_READ).fetchall())
    return read


@pytest.mark.parametrize(("unit", "name", "values"), ASKED)
def test_one_is_found_by_reading_no_more_than_itself(
    dsn: str, as_role: AsRole, unit: str, name: str, values: dict[str, Any]
) -> None:
    with psycopg.connect(entrance(dsn, as_role, unit)) as connection:
        assert queries.one(connection, name, values) is not None
        read = rows_read(connection)
    assert sum(read.values()) <= 5, read


def test_what_a_function_reads_is_counted(dsn: str, as_role: AsRole) -> None:
    """Else the other tests would see nothing; an index alone may tell, and counts for none."""
    with psycopg.connect(entrance(dsn, as_role, UNIT)) as connection:
        assert len(list(queries.rows(connection, "told_notices"))) == MANY
        assert rows_read(connection)["notice"] >= MANY


def test_a_proposal_is_found_with_what_competes_and_what_is_decided(
    dsn: str, as_role: AsRole
) -> None:
    with psycopg.connect(entrance(dsn, as_role, OFFICE)) as connection:
        (row,) = connection.execute("SELECT md5(%s)::uuid", [f"{UNIT}7"]).fetchall()
        asked = {"proposal_id": str(row[0])}
        connection.commit()
        assert queries.one(connection, "proposal", asked) is not None
        assert list(queries.rows(connection, "competing_proposals", asked)) == []
        assert len(list(queries.rows(connection, "decisions", asked))) == 1
        read = rows_read(connection)
    assert sum(read.values()) <= 6, read


@pytest.mark.parametrize(
    ("name", "values"), [(name, values) for unit, name, values in ASKED if unit == UNIT]
)
def test_another_unit_finds_nothing(
    dsn: str, as_role: AsRole, name: str, values: dict[str, Any]
) -> None:
    with psycopg.connect(entrance(dsn, as_role, OTHER)) as connection:
        assert queries.one(connection, name, values) is None


def test_the_services_find_one_and_say_so_of_what_is_none(dsn: str, as_role: AsRole) -> None:
    own, other = (entrance(dsn, as_role, unit) for unit in (UNIT, OTHER))
    assert notices.find(own, UNIT, "n7")["cause"] == "t7"
    assert tips.find(own, UNIT, (UNIT, "t7"))["duty"] == UNIT
    for notice_id in ("n0", "n\0", "\udcff"):
        with pytest.raises(NoticeUnknown):
            notices.find(own, UNIT, notice_id)
    with pytest.raises(NoticeUnknown):
        notices.find(other, OTHER, "n7")
    with pytest.raises(TipUnknown):
        tips.find(other, OTHER, (UNIT, "t7"))
