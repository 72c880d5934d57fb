"""Whole records with personal data, read by a permitted unit after the audit has recorded it."""

from __future__ import annotations

import functools
import time
import uuid
from collections.abc import Sequence

from crossregion.errors import CrossregionError
from crossregion.postgres import audit, queries, transactions
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row
from crossregion.services.confirmation import wait_recorded


class ReadingNotNoted(CrossregionError):
    """The audit has not recorded the reading yet; a retry can help."""

    code = "reading-not-noted"


def read_disclosed(dsn: str | None, basis: str, purpose: str = "", wait: float = 10.0) -> list[Row]:
    """The records that a notice discloses since the unit of this role has accepted it.

    Raises: ReadingNotNoted.
    """
    with transactions.session(dsn) as connection:
        keys = list(queries.rows(connection, "readable_records", {"basis": basis}))
    return read_records(dsn, keys, purpose, wait)


def read_records(
    dsn: str | None, keys: Sequence[Row], purpose: str = "", wait: float = 10.0
) -> list[Row]:
    """Whole records that the unit of this role may read; others are left out.

    Each is returned once the registry worker has written to the audit who reads it and why.
    Raises: ReadingNotNoted.
    """
    found: list[Row] = []
    deadline = time.monotonic() + wait
    with transactions.session(dsn) as connection:
        with connection.transaction():
            asked = [_ask(connection, key, purpose) for key in keys]
        for key, ticket in zip(keys, asked, strict=True):
            if ticket is None:
                continue
            left = deadline - time.monotonic()
            given = wait_recorded(connection, functools.partial(_given, ticket=ticket), left)
            if given is None:
                raise ReadingNotNoted()
            found.append({**key, **given})
    return found


def _given(connection: Connection, ticket: uuid.UUID) -> Row | None:
    return queries.one(connection, "read_record", {"ticket": ticket})


def _ask(connection: Connection, key: Row, purpose: str) -> uuid.UUID | None:
    asked = {**key, "actor": audit.user(), "purpose": purpose}
    (row,) = queries.rows(connection, "ask_record", asked)
    ticket: uuid.UUID | None = row["ticket"]
    return ticket
