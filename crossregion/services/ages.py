"""Persons whose record says nothing about their age, so that their urgency is unknown."""

from __future__ import annotations

from crossregion.postgres import queries
from crossregion.postgres.connection import connect
from crossregion.postgres.queries import Row


def not_told(dsn: str | None) -> list[Row]:
    """Kind, unit and id of each record that holds, with the field of each such person."""
    with connect(dsn) as connection:
        return list(queries.rows(connection, "ages_not_told"))
