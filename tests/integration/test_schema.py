"""The state of today in `schema/` is what the migrations lead to, from every state there was."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import psycopg
import pytest

from crossregion.embedded.postgres import SUPERUSER, EmbeddedPostgres, binaries
from crossregion.postgres import migrations
from crossregion.postgres.connection import DatabaseFailed, as_role
from tests.support import older_databases

NewDatabase = Callable[[], str]
Dump = Callable[[str], dict[str, str]]

LAST_OLD = 15
"""The last migration before there was a schema; those after it complete what these left out."""
OLD = [number for number in sorted(migrations.migrations()) if number <= LAST_OLD]


@pytest.fixture
def dump(postgres: EmbeddedPostgres) -> Dump:
    """What pg_dump says of a database, an entry for each object, its rights and its rows.

    Rows of the audit and of the registry are left out. Rights are sorted: the order in which they
    were given means nothing.
    """

    def dumped(dsn: str) -> dict[str, str]:
        name = dsn.rpartition("/")[2]
        command = [
            str(binaries() / "pg_dump"),
            *("--create", "--inserts", "--dbname", postgres.dsn(name, SUPERUSER)),
            *("--exclude-table-data=audit.entry", "--exclude-table-data=registry.*"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        text = re.sub(r"^\\(un)?restrict .*\n", "", done.stdout, flags=re.MULTILINE)
        entries = {}
        for entry in re.split(
            r"^--\n(?=-- (?:Name|Data for Name): )", text.replace(name, "it"), flags=re.MULTILINE
        ):
            heading, _, body = entry.partition("\n")
            assert heading not in entries
            ordered = "Type: ACL" in heading or "Type: TABLE DATA" in heading
            entries[heading] = "\n".join(sorted(body.splitlines())) if ordered else body
        return entries

    return dumped


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """The headings of the entries that are not the same in both."""
    return sorted(
        heading for heading in one.keys() | other.keys() if one.get(heading) != other.get(heading)
    )


def made(new_database: NewDatabase) -> str:
    """A database of today, made from the schema."""
    dsn = new_database()
    assert migrations.migrate(dsn) == sorted(migrations.migrations())
    return dsn


def test_the_schema_and_the_migrations_give_the_same_database(
    new_database: NewDatabase, dump: Dump
) -> None:
    fresh, migrated = made(new_database), new_database()
    older_databases.run_migrations(migrated)
    today = dump(fresh)
    assert len(today) > 500
    assert differences(today, dump(migrated)) == []
    for dsn in (fresh, migrated):
        migrations.drop_registry(dsn)
        assert differences(today, dump(dsn)) == []


@pytest.mark.parametrize(
    ("change", "noticed"),
    [
        ("GRANT SELECT ON registry.person TO crossregion_unit", "TABLE person; Type: ACL"),
        ("GRANT SELECT (identity) ON registry.person TO crossregion_summary", "Type: ACL"),
        ("REVOKE SELECT ON registry.tip FROM crossregion_own", "TABLE tip; Type: ACL"),
        ("GRANT CONNECT ON DATABASE {name} TO PUBLIC", "DATABASE it; Type: ACL"),
        ("ALTER POLICY own ON registry.notice USING (true)", "notice own; Type: POLICY"),
        ("DROP POLICY tip ON registry.record_revision", "record_revision tip; Type: POLICY"),
        ("ALTER TABLE registry.flag NO FORCE ROW LEVEL SECURITY", "Name: flag; Type: TABLE"),
        ("ALTER TABLE registry.flag DISABLE ROW LEVEL SECURITY", "flag; Type: ROW SECURITY"),
        ("ALTER FUNCTION registry.case_summary() OWNER TO postgres", "Type: FUNCTION"),
        ("ALTER FUNCTION registry.tips() SECURITY INVOKER", "tips(); Type: FUNCTION"),
        ("ALTER TABLE registry.proposal ALTER new_evidence DROP DEFAULT", "proposal; Type: TABLE"),
        ("DROP INDEX registry.tip_linked", "tip_linked; Type: INDEX"),
        ("ALTER VIEW registry.file_due SET (security_invoker = false)", "file_due; Type: VIEW"),
        ("DELETE FROM audit.turn", "Type: TABLE DATA"),
        ("DELETE FROM public.crossregion_migration WHERE number = 8", "Type: TABLE DATA"),
    ],
)
def test_one_difference_is_noticed(
    new_database: NewDatabase,
    dump: Dump,
    postgres: EmbeddedPostgres,
    change: str,
    noticed: str,
) -> None:
    dsn = made(new_database)
    today = dump(dsn)
    name = dsn.rpartition("/")[2]
    with psycopg.connect(postgres.dsn(name, SUPERUSER)) as connection:
        connection.execute(change.format(name=name).encode())
    found = differences(today, dump(dsn))
    assert found
    assert any(noticed in heading for heading in found)


def test_a_database_that_ran_older_texts_is_completed(
    new_database: NewDatabase, dump: Dump
) -> None:
    """0006 stands in its present text: on the older one 0008 does not run."""
    dsn = new_database()
    texts = older_databases.older_texts()
    del texts[6]
    older_databases.run_migrations(dsn, OLD, texts)
    today = dump(made(new_database))
    lacking = " ".join(differences(today, dump(dsn)))
    for name in ("topic", "dead_letter", "proposal", "notice", "acknowledgement_time", "ask("):
        assert name in lacking
    as_worker = as_role(dsn, "crossregion_registry")
    with psycopg.connect(as_worker) as connection:
        connection.execute(
            "INSERT INTO registry.proposal VALUES (gen_random_uuid(), 1, true, '', '', '', '', '')"
        )
    assert migrations.migrate(dsn) == [n for n in sorted(migrations.migrations()) if n > LAST_OLD]
    assert differences(today, dump(dsn)) == []
    with psycopg.connect(as_worker) as connection:
        assert connection.execute("SELECT new_evidence FROM registry.proposal").fetchall() == [
            ([],)
        ]


def test_what_completes_older_databases_changes_nothing_a_second_time(
    new_database: NewDatabase, dump: Dump
) -> None:
    dsn = made(new_database)
    today = dump(dsn)
    with psycopg.connect(dsn) as connection:
        for number in (16, 17):
            connection.execute(migrations.migrations()[number])
    assert differences(today, dump(dsn)) == []


def test_a_unit_loses_the_right_that_older_rebuilds_gave_it(
    new_database: NewDatabase, dump: Dump
) -> None:
    """They ran 0006 again: the functions that read for a unit could write the audit's chain."""
    dsn = new_database()
    older_databases.run_migrations(dsn, OLD)
    with psycopg.connect(dsn) as connection:
        connection.execute("SET ROLE crossregion_audit")
        connection.execute(
            "GRANT EXECUTE ON FUNCTION audit.append(text, text, text, text) TO crossregion_own"
        )
    migrations.migrate(dsn)
    assert differences(dump(made(new_database)), dump(dsn)) == []


def test_migrations_that_came_in_another_order_leave_another_order_of_columns_only(
    new_database: NewDatabase, dump: Dump
) -> None:
    """0011 to 0013 were committed before 0008, and 0014 before 0010."""
    dsn = new_database()
    older_databases.run_migrations(dsn, [*range(1, 8), 11, 12, 13, 8, 14, 10, 15])
    migrations.migrate(dsn)
    today, found = (
        {
            heading: "\n".join(sorted(line.rstrip(",;") for line in body.splitlines()))
            for heading, body in dump(each).items()
        }
        for each in (made(new_database), dsn)
    )
    assert differences(today, found) == []


def test_a_registry_that_cannot_be_migrated_is_rebuilt(
    new_database: NewDatabase, dump: Dump
) -> None:
    today = dump(made(new_database))
    before_handovers, before_roles = new_database(), new_database()
    older_databases.run_migrations(before_handovers, range(1, 8), older_databases.older_texts())
    older_databases.run_migrations(before_roles, [1], {1: older_databases.first_registry()})
    for dsn in (before_handovers, before_roles):
        with pytest.raises(DatabaseFailed, match="SQLSTATE 42"):
            migrations.migrate(dsn)
        migrations.drop_registry(dsn, "older than hand-overs")
        migrations.require_current(dsn)
        assert differences(today, dump(dsn)) == []


def test_an_empty_database_can_be_rebuilt(new_database: NewDatabase, dump: Dump) -> None:
    dsn = new_database()
    migrations.drop_registry(dsn)
    assert differences(dump(made(new_database)), dump(dsn)) == []
