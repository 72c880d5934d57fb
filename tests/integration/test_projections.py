"""The projections' tests over the registry's tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from psycopg import sql

from consumers.registry.batch import Batch
from crossregion.postgres import connection as postgres_connection
from crossregion.postgres import migrations
from crossregion.postgres.connection import Connection
from tests.support.projections import ProjectionTests, Record

TABLES = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = 'registry' AND table_type = 'BASE TABLE' ORDER BY 1
"""
READABLE = """
GRANT SELECT ON registry.{table} TO crossregion_registry;
CREATE POLICY read_by_this_test ON registry.{table} FOR SELECT TO crossregion_registry USING (true);
"""
ROWS = sql.SQL("SELECT to_jsonb(found)::text FROM registry.{} AS found ORDER BY 1")


class TestInPostgres(ProjectionTests):
    """All rows of all tables are compared.

    The worker's role may read each table here, so that what it wrote can be read before its
    transaction is rolled back: an empty registry costs nothing.
    """

    tables: Sequence[str]
    connection: Connection

    @pytest.fixture(scope="class")
    def dsn(self, new_database: Callable[[], str]) -> str:
        dsn = new_database()
        migrations.migrate(dsn)
        return dsn

    @pytest.fixture(scope="class")
    def readable(self, dsn: str) -> Sequence[str]:
        with postgres_connection.connect(dsn) as connection:
            tables = [str(name) for (name,) in connection.execute(TABLES)]
            for name in tables:
                connection.execute(sql.SQL(READABLE).format(table=sql.Identifier(name)))
        return tables

    @pytest.fixture(autouse=True)
    def worker(
        self, dsn: str, readable: Sequence[str], as_role: Callable[[str, str], str]
    ) -> Iterator[None]:
        self.tables = readable
        with postgres_connection.connect(as_role(dsn, "crossregion_registry")) as connection:
            self.connection = connection
            yield

    def content(self, batches: Sequence[Sequence[Record]]) -> object:
        with self.connection.transaction(force_rollback=True):
            for records in batches:
                batch = Batch()
                for record in records:
                    batch.take(*record)
                batch.write(self.connection)
            return {
                name: self.connection.execute(ROWS.format(sql.Identifier(name))).fetchall()
                for name in self.tables
            }
