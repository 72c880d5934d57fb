"""Whose urgency nobody can tell: persons of whose age their record says nothing."""

from __future__ import annotations

from crossregion.postgres import transactions
from crossregion.postgres.transactions import Row


def not_told(dsn: str | None) -> list[Row]:
    """Kind, unit and id of each record that holds, with the field of each such person."""
    with transactions.connect(dsn) as connection:
        return list(transactions.rows(connection, "ages_not_told"))
