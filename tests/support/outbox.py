"""A unit's own PostgreSQL with the example's tables and their outbox, for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from crossregion.embedded.postgres import SUPERUSER, EmbeddedPostgres
from producers.outbox.relay import outbox_sql
from tests.support.exports import UNIT

PASSWORD = "relay of a test"
NAME = "杨淑兰"
OFFICER = """
DO $$ BEGIN CREATE ROLE officer; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON cases, victims TO officer;
"""
SAVE_CASE = (
    "INSERT INTO cases (case_no, lost_on, taken_from, status) VALUES (%s, %s, '220202', '立案')"
)
SAVE_VICTIM = (
    "INSERT INTO victims (case_no, number, name, born_on) VALUES (%s, %s, %s, '1990-02-03')"
)


class Office:
    """The database of one unit, as its administrator, an officer and the relay see it."""

    def __init__(self, postgres: EmbeddedPostgres, name: str, port: int | None = None) -> None:
        postgres.create_database(name)
        self.administrator = postgres.dsn(name, SUPERUSER)
        with psycopg.connect(self.administrator) as connection:
            connection.execute(outbox_sql(example=False))
            connection.execute(outbox_sql(example=True))
            connection.execute(OFFICER)
            connection.execute(f"ALTER ROLE outbox_relay PASSWORD '{PASSWORD}'")
        to_relay = {"user": "outbox_relay", "password": PASSWORD}
        self.relay = make_conninfo(
            self.administrator, **to_relay, **({"port": port} if port else {})
        )

    @contextmanager
    def officer(self) -> Iterator[psycopg.Connection]:
        """A transaction of an officer, committed at its end."""
        with psycopg.connect(self.administrator, options="-c role=officer") as connection:
            yield connection

    def save(self, case_no: str, name: str = NAME) -> None:
        """Save a new case with one victim, as an officer's form does."""
        with self.officer() as connection:
            connection.execute(SAVE_CASE, [case_no, "2012-05-01"])
            connection.execute(SAVE_VICTIM, [case_no, 1, name])

    def emit(self, event: str, record_id: str, record: Any) -> None:
        """Have a record reported, as another trigger might."""
        text = record if isinstance(record, str) else json.dumps(record)
        with psycopg.connect(self.administrator) as connection:
            connection.execute("SELECT crossregion.emit(%s, %s, %s)", [event, record_id, text])

    def rows(self) -> list[tuple[str, str | None]]:
        """What stands in the outbox: record and reason."""
        with psycopg.connect(self.administrator) as connection:
            found = connection.execute(
                "SELECT record_id, reason FROM crossregion.outbox ORDER BY number"
            )
            return found.fetchall()


def start_relay(office: Office, data: Path, log: Path, **settings: Any) -> subprocess.Popen[bytes]:
    """A relay as a process."""
    chosen = {"OUTBOX": office.relay, "DATA": data, **settings}
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "producers.outbox.relay", "--unit", UNIT],
            env={**os.environ, **{f"CROSSREGION_{n}": str(v) for n, v in chosen.items()}},
            stderr=out,
        )
