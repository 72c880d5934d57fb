"""Migrations, and what is said and done when PostgreSQL cannot be used."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from crossregion import logs
from crossregion.embedded.postgres import EmbeddedPostgres
from crossregion.postgres import connection as postgres_connection
from crossregion.postgres import migrations, transactions
from crossregion.postgres.connection import DatabaseFailed, DatabaseRefused, DatabaseUnavailable
from crossregion.postgres.migrations import (
    DatabaseOfAnotherProvince,
    DatabaseOutdated,
    DatabaseTooNew,
)
from crossregion.postgres.transactions import Database

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
    with pytest.raises(DatabaseOutdated, match="not of this version yet"):
        migrations.require_current(dsn)
    assert migrations.migrate(dsn) == sorted(migrations.migrations())
    assert migrations.migrate(dsn) == []
    migrations.require_current(dsn)
    with psycopg.connect(postgres_connection.as_role(dsn, "crossregion_registry")) as connection:
        connection.execute("INSERT INTO registry.sighting VALUES ('t', 0, 1, 'e', 'accepted')")

    known = migrations.migrations()
    next_one = max(known) + 1
    later = {**known, next_one: "ALTER TABLE registry.sighting ADD COLUMN more text"}
    monkeypatch.setattr(migrations, "migrations", lambda: later)
    with pytest.raises(DatabaseOutdated):
        migrations.require_current(dsn)
    assert migrations.migrate(dsn) == [next_one]
    office = postgres_connection.as_role(dsn, "crossregion_office")
    assert count(dsn, "registry.sighting") == 0
    assert count(office, "registry.sighting") == 1

    broken = {**later, next_one + 1: "CREATE TABLE registry.half (); SELECT 1 / 0"}
    monkeypatch.setattr(migrations, "migrations", lambda: broken)
    with pytest.raises(DatabaseFailed, match="SQLSTATE 22012"):
        migrations.migrate(dsn)
    assert count(dsn, "pg_tables WHERE tablename = 'half'") == 0
    assert count(dsn, "public.crossregion_migration") == len(later)


@pytest.mark.parametrize("directory", ["migrations", "schema"])
def test_each_way_to_a_database_holds_all_that_the_scheduling_library_has(directory: str) -> None:
    """A new version with more fails here: a migration of ours has to name these, and the schema."""
    named = [
        file.name
        for one in sorted((migrations.SQL / directory).iterdir(), key=lambda file: file.name)
        for found in migrations.PROCRASTINATE.finditer(one.read_text("utf-8"))
        for file in migrations.library_steps(*found.groups())
    ]
    assert named == [file.name for file in migrations.library_steps("00", "99")]
    assert len(named) == 38


def test_workers_that_start_together_migrate_once(new_database: NewDatabase) -> None:
    dsn = new_database()
    done: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda: done.append(migrations.migrate(dsn))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [[], [], [], sorted(migrations.migrations())]


def test_a_database_of_a_newer_version_is_left_alone(new_database: NewDatabase) -> None:
    dsn = new_database()
    migrations.migrate(dsn)
    with psycopg.connect(dsn) as connection:
        connection.execute("INSERT INTO public.crossregion_migration VALUES (9999)")
    for refused in (migrations.migrate, migrations.require_current):
        with pytest.raises(DatabaseTooNew, match=r"9999.*install the newer version"):
            refused(dsn)


def test_a_database_of_another_province_is_left_alone(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = new_database()
    migrations.migrate(dsn)
    monkeypatch.setattr(migrations, "OFFICE", "990000")
    for refused in (migrations.migrate, migrations.require_current):
        with pytest.raises(DatabaseOfAnotherProvince, match=r"province 220000.*names 990000"):
            refused(dsn)


def test_a_database_from_before_provinces_were_named_is_jilins(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = new_database()
    migrations.migrate(dsn)
    newest = max(migrations.migrations())
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP FUNCTION public.crossregion_office() CASCADE")
        connection.execute("DELETE FROM public.crossregion_migration WHERE number = %s", [newest])
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "OFFICE", "990000")
        with pytest.raises(DatabaseOfAnotherProvince, match="province 220000"):
            migrations.migrate(dsn)
    with psycopg.connect(dsn) as connection:
        there = "SELECT to_regprocedure('public.crossregion_office()')"
        assert connection.execute(there).fetchone() == (None,)
    assert migrations.migrate(dsn) == [newest]
    with psycopg.connect(postgres_connection.as_role(dsn, "crossregion_office")) as connection:
        found = connection.execute("SELECT public.crossregion_office()").fetchone()
    assert found == ("220000",)


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
            postgres_connection.connect(dsn)
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
            postgres_connection.connect(dsn)
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


CANARY = "金丝雀"
FAILING = {
    "INSERT INTO person VALUES (%s, 1)": "23505, constraint person_pkey",
    "INSERT INTO person VALUES (%s || ' 2', -1)": "23514, constraint person_age_check",
    "INSERT INTO person VALUES (%s || ' 3', NULL)": "23502",
    "INSERT INTO remark VALUES (%s || ' 4')": "23503, constraint remark_name_fkey",
    "SELECT %s::date": "22007",
    "SELECT 金丝雀, %s": "42703",
    "SELECT public.complain(%s)": "P0001",
    "SELECT '金丝雀' FROM person WHERE name = %s AND 1 / (age - age) = 1": "22012",
}


def test_a_refused_statement_leaves_its_values_in_no_log(
    new_database: NewDatabase,
    postgres: EmbeddedPostgres,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    logs.configure()
    caplog.set_level(logging.DEBUG)
    dsn = new_database()
    with transactions.session(dsn) as connection:
        connection.execute(
            "CREATE TABLE person (name text PRIMARY KEY, age integer NOT NULL CHECK (age > 0));"
            "CREATE TABLE remark (name text REFERENCES person);"
            "CREATE FUNCTION complain(text) RETURNS void LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no %', $1; END $$"
        )
        connection.execute("INSERT INTO person VALUES (%s, 1)", [CANARY])
    for statement, says in FAILING.items():
        held = Database(dsn)
        with pytest.raises(DatabaseFailed, match=f"SQLSTATE {says}") as in_worker:
            held.transact(partial(psycopg.Connection.execute, query=statement, params=[CANARY]))
        held.close()
        with (
            pytest.raises(DatabaseFailed, match=f"SQLSTATE {says}") as in_command,
            transactions.session(dsn) as connection,
        ):
            connection.execute(statement, [CANARY])
        for fault in (in_worker.value, in_command.value):
            assert CANARY not in "".join(traceback.format_exception(fault))
    logged = "".join(capfd.readouterr())
    assert logged.count("PostgreSQL refused a statement") == 2 * len(FAILING)
    assert CANARY not in logged + caplog.text
    assert CANARY not in postgres.log.read_text("utf-8")


def test_the_server_is_told_to_log_no_value(new_database: NewDatabase) -> None:
    with transactions.session(new_database()) as connection:
        for name, value in {
            "log_error_verbosity": "terse",
            "log_parameter_max_length_on_error": "0",
            "log_parameter_max_length": "0",
            "log_statement": "none",
            "log_min_error_statement": "panic",
            "log_min_duration_statement": "-1",
            "password_encryption": "scram-sha-256",
        }.items():
            assert connection.execute("SELECT current_setting(%s)", [name]).fetchone() == (value,)


@pytest.mark.parametrize(
    ("dsn", "mode"),
    [
        ("postgresql://role@127.0.0.1:5432/name", None),
        ("postgresql://role@localhost/name", None),
        ("postgresql:///name?host=/run/postgresql", None),
        ("dbname=name", None),
        ("postgresql://role@registry.example/name", "verify-full"),
        ("host=localhost,registry.example dbname=name", "verify-full"),
        ("hostaddr=10.1.2.3 dbname=name", "verify-full"),
        ("postgresql://role@registry.example/name?sslmode=require", "require"),
    ],
)
def test_another_machines_database_is_spoken_to_under_its_certificate(
    dsn: str, mode: str | None
) -> None:
    assert conninfo_to_dict(transactions.protected(dsn)).get("sslmode") == mode


def test_a_server_without_a_certificate_is_one_clear_line(new_database: NewDatabase) -> None:
    with pytest.raises(DatabaseRefused, match="sslrootcert") as refused:
        postgres_connection.connect(make_conninfo(new_database(), sslmode="require"))
    assert "\n" not in str(refused.value)
