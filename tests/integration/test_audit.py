"""The audit: what is written there, and that nobody can change it unnoticed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, LiteralString

import psycopg
import pytest

from consumers.registry import audit_chain
from consumers.registry.audit_chain import AuditBroken, Entry, HeadWriter
from consumers.registry.batch import INTAKE, Batch
from crossregion.kafka import admin as broker
from crossregion.kafka.connection import Kafka
from crossregion.postgres import audit, migrations
from crossregion.postgres.connection import DatabaseFailed
from crossregion.postgres.transactions import Database
from crossregion.services import dead_letters
from tests.support.command import assert_one_clear_line, run
from tests.support.live import read_all
from tests.support.registry_history import history

ROWS = 12
AsRole = Callable[[str, str], str]
Connection = psycopg.Connection[tuple[Any, ...]]


def audited(new_database: Callable[[], str], as_role: AsRole, rows: int) -> str:
    """A database with some rows in its audit; returns its operator's DSN."""
    dsn = new_database()
    migrations.migrate(dsn)
    operator = as_role(dsn, "crossregion_operator")
    with psycopg.connect(operator) as connection:
        for number in range(rows):
            audit.append_audit(connection, "read", f"记录 {number}", "why,\n1:x")
    return operator


@pytest.fixture(scope="module")
def operator(new_database: Callable[[], str], as_role: AsRole) -> str:
    return audited(new_database, as_role, ROWS)


@pytest.fixture
def superuser(operator: str, as_role: AsRole) -> Iterator[Connection]:
    """May do anything, and is taken back at the end."""
    with psycopg.connect(as_role(operator, "postgres")) as connection:
        yield connection
        connection.rollback()


def rows(connection: Connection) -> list[Entry]:
    return list(audit_chain.entries(connection))


def test_a_row_says_who_did_what_to_which_record_and_what_for(operator: str) -> None:
    with psycopg.connect(operator) as connection:
        first, *others = rows(connection)
    assert (first.number, first.previous) == (1, b"")
    assert (first.login, first.role) == ("crossregion_operator", "crossregion_operator")
    assert first.actor
    assert (first.action, first.subject, first.purpose) == ("read", "记录 0", "why,\n1:x")
    assert len(others) == ROWS - 1
    assert audit_chain.check([first, *others], {}) == ROWS


CHANGES: dict[LiteralString, int] = {
    "UPDATE audit.entry SET at = at + interval '1 second' WHERE number = 5": 5,
    "UPDATE audit.entry SET login = 'postgres' WHERE number = 5": 5,
    "UPDATE audit.entry SET role = 'unit_220200' WHERE number = 5": 5,
    "UPDATE audit.entry SET actor = 'another' WHERE number = 5": 5,
    "UPDATE audit.entry SET action = 'list' WHERE number = 5": 5,
    "UPDATE audit.entry SET subject = 'another' WHERE number = 5": 5,
    "UPDATE audit.entry SET purpose = '' WHERE number = 1": 1,
    "UPDATE audit.entry SET previous = hash WHERE number = 7": 7,
    "UPDATE audit.entry SET hash = previous WHERE number = 12": 12,
    "DELETE FROM audit.entry WHERE number = 1": 1,
    "DELETE FROM audit.entry WHERE number IN (6, 9)": 6,
    "DELETE FROM audit.entry WHERE number = 12": 12,
    "DELETE FROM audit.entry": 1,
    "TRUNCATE audit.entry": 1,
    "INSERT INTO audit.entry"
    " SELECT 13, at, login, role, actor, action, subject, purpose, hash, hash"
    " FROM audit.entry WHERE number = 12": 13,
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_first_row_changed_removed_or_added_is_named(
    superuser: Connection, change: LiteralString
) -> None:
    heads = {ROWS: {rows(superuser)[-1].hash.hex()}}
    superuser.execute(change)
    with pytest.raises(AuditBroken, match=rf"^Row {CHANGES[change]} of the audit"):
        audit_chain.check(rows(superuser), heads)


def test_rows_put_in_another_order_are_found(superuser: Connection) -> None:
    swap: tuple[LiteralString, ...] = (
        "UPDATE audit.entry SET number = 100 WHERE number = 4",
        "UPDATE audit.entry SET number = 4 WHERE number = 8",
        "UPDATE audit.entry SET number = 8 WHERE number = 100",
    )
    for statement in swap:
        superuser.execute(statement)
    with pytest.raises(AuditBroken, match=r"^Row 4 of the audit is not"):
        audit_chain.check(rows(superuser), {})


def test_a_chain_made_anew_from_a_row_on_is_found_by_a_head(superuser: Connection) -> None:
    """Whoever can write the whole table can make a chain that holds in itself."""
    known = rows(superuser)
    forged = known[:6]
    for entry in known[6:]:
        made = replace(entry, actor="another", previous=forged[-1].hash)
        forged.append(replace(made, hash=made.expected_hash()))
    assert audit_chain.check(forged, {}) == ROWS
    heads = {number: {known[number - 1].hash.hex()} for number in (3, 5, 10)}
    with pytest.raises(AuditBroken, match=r"^Row 6 of the audit, or a row from there to 10,"):
        audit_chain.check(forged, heads)
    both = {5: {known[4].hash.hex(), known[5].hash.hex()}}
    with pytest.raises(AuditBroken, match=r"^Row 1 of the audit, or a row from there to 5,"):
        audit_chain.check(known, both)


def test_rows_written_at_once_are_one_chain(
    new_database: Callable[[], str], as_role: AsRole
) -> None:
    operator = audited(new_database, as_role, 0)

    def write() -> None:
        for _ in range(10):
            with psycopg.connect(operator) as connection:
                audit.append_audit(connection, "read", "record", "")

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with psycopg.connect(operator) as connection:
        assert audit_chain.check(rows(connection), {}) == 40


def test_what_is_read_and_rebuilt_is_noted_and_outlives_the_registry(
    new_database: Callable[[], str], as_role: AsRole, kafka: Kafka
) -> None:
    broker.apply(kafka)
    operator = audited(new_database, as_role, 0)
    owner, worker = as_role(operator, "crossregion"), as_role(operator, "crossregion_registry")
    batch = Batch()
    for record in history():
        batch.take(*record)
    held = Database(worker)
    held.transact(batch.write)
    held.close()
    letters = dead_letters.listed(operator)
    letter_id = next(one["dead_letter_id"] for one in letters if one["topic"] in INTAKE)
    dead_letters.find(operator, letter_id, purpose="call of 24 November")
    dead_letters.discard(kafka, operator, letter_id)
    dead_letters.replay(kafka, operator, letter_id)
    with pytest.raises(dead_letters.DeadLetterUnknown):
        dead_letters.find(operator, "00000000-0000-0000-0000-000000000000")
    migrations.drop_registry(owner, "new columns")
    assert dead_letters.listed(operator) == []
    subject = f"dead letter {letter_id}"
    with psycopg.connect(operator) as connection:
        found = rows(connection)
    assert [(row.login, row.action, row.subject, row.purpose) for row in found] == [
        ("crossregion_operator", "read", subject, "call of 24 November"),
        ("crossregion_operator", "discard", subject, ""),
        ("crossregion_operator", "replay", subject, ""),
        ("crossregion", "rebuild", "registry", "new columns"),
    ]
    assert audit_chain.check(found, {}) == 4


def test_what_cannot_be_noted_is_not_read(new_database: Callable[[], str], as_role: AsRole) -> None:
    """The operator's own wish is no way around: the letter stays where it is."""
    operator = audited(new_database, as_role, 0)
    batch = Batch()
    for record in history():
        batch.take(*record)
    held = Database(as_role(operator, "crossregion_registry"))
    held.transact(batch.write)
    held.close()
    letter_id = dead_letters.listed(operator)[0]["dead_letter_id"]
    with pytest.raises(DatabaseFailed, match="23514, constraint entry_purpose_check"):
        dead_letters.find(operator, letter_id, purpose="x" * 201)


def test_heads_go_to_kafka_when_they_move_and_the_command_compares_with_them(
    operator: str, as_role: AsRole, kafka: Kafka
) -> None:
    broker.apply(kafka)
    held = Database(as_role(operator, "crossregion_registry"))
    writer = HeadWriter(kafka, held)
    for _ in range(3):
        writer.write()
    with psycopg.connect(operator) as connection:
        audit.append_audit(connection, "read", "record", "")
    writer.step()
    with psycopg.connect(operator) as connection:
        audit.append_audit(connection, "read", "record", "")
    writer.step()
    assert len(read_all(kafka, "audit-heads")) == 2
    writer.close()
    held.close()
    assert sorted(audit_chain.heads(kafka)) == [ROWS, ROWS + 1, ROWS + 2]
    variables = {**kafka.environment(), "CROSSREGION_DATABASE": operator}
    answer = run("audit", "verify", **variables)
    assert answer.stdout == (
        f"{ROWS + 2} rows, each as it was written; the newest head on Kafka is row {ROWS + 2}.\n"
    )
    with psycopg.connect(as_role(operator, "postgres")) as connection:
        connection.execute("DELETE FROM audit.entry WHERE number >= %s", [ROWS + 1])
    assert_one_clear_line(run("audit", "verify", **variables), f"Row {ROWS + 1} of the audit")
