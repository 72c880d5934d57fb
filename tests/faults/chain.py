"""Harm to the audit, by a superuser and while records come and are read: it is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from consumers.registry import audit_chain
from consumers.registry.audit_chain import AuditBroken
from crossregion.installation import OPERATOR
from tests.faults import ways
from tests.faults.generate import UNITS
from tests.faults.rig import Rig, Scale
from tests.support import database_rights

READINGS = 6
FROM_THE_END = 2
"""Where the harm is done: there are rows behind it, the last of which is the head."""
HARM: dict[str, tuple[LiteralString, ...]] = {
    "changed": ("UPDATE audit.entry SET actor = 'another' WHERE number = {row}",),
    "removed": ("DELETE FROM audit.entry WHERE number = {row}",),
    "put in another order": (
        "UPDATE audit.entry SET number = -1 WHERE number = {row}",
        "UPDATE audit.entry SET number = {row} WHERE number = {row} + 1",
        "UPDATE audit.entry SET number = {row} + 1 WHERE number = -1",
    ),
    "cut off": ("DELETE FROM audit.entry WHERE number >= {row}",),
}
NEW = """
UPDATE audit.entry SET actor = %s, previous = %s, hash = %s WHERE number = %s
"""

Connection = psycopg.Connection[tuple[Any, ...]]


def harmed(rig: Rig, scale: Scale) -> None:
    """`audit verify` names the first bad row; a chain made anew is not the one of Kafka's head."""
    for _ in range(scale.times):
        _read_records(rig, scale)
        length, _ = _verified(rig)
        rig.end("registry")  # the one that is started now writes the head at once
        rig.wait(lambda: len(set(_verified(rig))) == 1, "the audit's head does not come to Kafka")
        rig.accept(rig.generator.batch(scale.events))
        bad = length - FROM_THE_END
        for name, statements in HARM.items():
            with _put_right(rig) as superuser:
                for statement in statements:
                    superuser.execute(sql.SQL(statement).format(row=sql.Literal(bad)))
                said = _said(rig)
            assert said.startswith(f"Row {bad} of the audit is "), (name, said)
        assert _verified(rig) == (length, length)
        _made_anew(rig, bad, length)


def _read_records(rig: Rig, scale: Scale) -> None:
    """A unit reads records of its own, which is a row each time."""
    unit = UNITS[0]
    rig.accept(ways.of_one_unit(rig, scale, unit))
    asked = "SELECT kind, unit, record_id FROM registry.own_records() LIMIT 1"
    with psycopg.connect(rig.dsn(f"unit_{unit}"), autocommit=True) as connection:
        rig.wait(lambda: bool(connection.execute(asked).fetchall()), "no record is stored")
        (key,) = connection.execute(asked).fetchall()
        for ticket in [database_rights.ask(connection, *key) for _ in range(READINGS)]:
            while database_rights.given(connection, ticket) is None:
                rig.rest(0.1)


def _verified(rig: Rig) -> tuple[int, int]:
    """How many rows there are, and the last whose head is on Kafka."""
    return audit_chain.verify(rig.kafka, rig.dsn(OPERATOR))


def _said(rig: Rig) -> str:
    try:
        _verified(rig)
    except AuditBroken as broken:
        return str(broken)
    return "nothing"


@contextmanager
def _put_right(rig: Rig) -> Iterator[Connection]:
    """A superuser whose harm is undone at the end, at one stroke."""
    with rig.superuser() as superuser:
        superuser.execute("CREATE TEMP TABLE kept AS TABLE audit.entry")
        yield superuser
        with superuser.transaction():
            superuser.execute("DELETE FROM audit.entry")
            superuser.execute("INSERT INTO audit.entry SELECT * FROM kept")


def _made_anew(rig: Rig, bad: int, length: int) -> None:
    """From a row on, so that it holds in itself; not committed, for its head would go to Kafka."""
    with rig.superuser() as superuser, superuser.transaction(force_rollback=True):
        known = list(audit_chain.entries(superuser))
        previous = known[bad - 1].previous
        for entry in known[bad - 1 :]:
            forged = replace(entry, actor="another", previous=previous)
            previous = forged.expected_hash()
            superuser.execute(NEW, [forged.actor, forged.previous, previous, forged.number])
        assert audit_chain.check(audit_chain.entries(superuser), {}) == length
        try:
            audit_chain.check(audit_chain.entries(superuser), audit_chain.heads(rig.kafka))
        except AuditBroken as broken:
            found = re.search(r"the head on Kafka of row (\d+) is another", str(broken))
            assert found is not None, broken
            assert bad <= int(found[1]) <= length
        else:
            raise AssertionError("a chain that was made anew is taken for the one on Kafka")
