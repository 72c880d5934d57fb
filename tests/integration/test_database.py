"""Migrations, and what is said and done when PostgreSQL cannot be used."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from consumers import database
from consumers.database import (
    Database,
    DatabaseOutdated,
    DatabaseRefused,
    DatabaseTooNew,
    DatabaseUnavailable,
)
from crossregion.runtime import EmbeddedPostgres

NewDatabase = Callable[[], str]


def count(dsn: str, table: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    assert row is not None
    return int(row[0])


def test_migrations_run_forwards_on_a_database_in_use(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = new_database()
    with pytest.raises(DatabaseOutdated, match="registry migrate"):
        database.require_current(dsn)
    assert database.migrate(dsn) == sorted(database.migrations())
    assert database.migrate(dsn) == []
    database.require_current(dsn)
    with psycopg.connect(database.as_role(dsn, "crossregion_registry")) as connection:
        connection.execute("INSERT INTO registry.sighting VALUES ('t', 0, 1, 'e', 'accepted')")

    known = database.migrations()
    next_one = max(known) + 1
    later = {**known, next_one: "ALTER TABLE registry.sighting ADD COLUMN more text"}
    monkeypatch.setattr(database, "migrations", lambda: later)
    with pytest.raises(DatabaseOutdated):
        database.require_current(dsn)
    assert database.migrate(dsn) == [next_one]
    office = database.as_role(dsn, "crossregion_office")
    assert count(dsn, "registry.sighting") == 0
    assert count(office, "registry.sighting") == 1

    broken = {**later, next_one + 1: "CREATE TABLE registry.half (); SELECT 1 / 0"}
    monkeypatch.setattr(database, "migrations", lambda: broken)
    with pytest.raises(psycopg.errors.DivisionByZero):
        database.migrate(dsn)
    assert count(dsn, "pg_tables WHERE tablename = 'half'") == 0
    assert count(dsn, "public.crossregion_migration") == next_one


def test_workers_that_start_together_migrate_once(new_database: NewDatabase) -> None:
    dsn = new_database()
    done: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda: done.append(database.migrate(dsn))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [[], [], [], sorted(database.migrations())]


def test_a_database_of_a_newer_version_is_left_alone(new_database: NewDatabase) -> None:
    dsn = new_database()
    database.migrate(dsn)
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO public.crossregion_migration VALUES (9999)")
    for refused in (database.migrate, database.require_current):
        with pytest.raises(DatabaseTooNew, match=r"9999.*install the newer version"):
            refused(dsn)


def test_what_cannot_be_reached_is_one_line_that_says_what_to_do(new_database: NewDatabase) -> None:
    right = new_database()
    parts = urlsplit(right)
    assert parts.password is not None
    for dsn, fault, says in [
        (None, DatabaseRefused, "Set CROSSREGION_DATABASE"),
        ("postgresql://x@127.0.0.1:9/x", DatabaseUnavailable, "does not answer"),
        (right.replace(parts.password, "wrong-secret"), DatabaseRefused, "password"),
        (right.rpartition("/")[0] + "/nosuch", DatabaseRefused, "no such database"),
        ("what is this", DatabaseRefused, "no connection string"),
    ]:
        with pytest.raises(fault, match=says) as refusal:
            database.connect(dsn)
        assert "\n" not in str(refusal.value)
        assert "wrong-secret" not in str(refusal.value)


def test_a_backend_killed_at_commit_leaves_one_effect(new_database: NewDatabase) -> None:
    dsn = new_database()
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE effect (value integer)")
        connection.execute("CREATE SEQUENCE commits")
        connection.execute(
            "CREATE FUNCTION die_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF nextval('commits') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid());"
            " END IF; RETURN NULL; END $$"
        )
        connection.execute(
            "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON effect DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION die_once()"
        )
    held = Database(dsn)
    held.transact(lambda connection: connection.execute("INSERT INTO effect VALUES (1)"))
    held.close()
    assert count(dsn, "effect") == 1
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT last_value FROM commits").fetchone() == (2,)


def test_work_waits_while_postgres_is_away_and_is_done_when_it_is_back(service_data: Path) -> None:
    postgres = EmbeddedPostgres(service_data / "away")
    try:
        dsn = postgres.start()
        held = Database(dsn)
        held.transact(lambda connection: connection.execute("CREATE TABLE effect (value integer)"))
        postgres.stop()
        with pytest.raises(DatabaseUnavailable):
            database.connect(dsn)
        work = threading.Thread(
            target=held.transact,
            args=[lambda connection: connection.execute("INSERT INTO effect VALUES (1)")],
        )
        work.start()
        work.join(1.0)
        assert work.is_alive()
        assert postgres.start() == dsn
        work.join(30.0)
        assert not work.is_alive()
        held.close()
        assert count(dsn, "effect") == 1
    finally:
        postgres.stop()
