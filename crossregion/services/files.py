"""Queries on the files of rescued persons, for the office and the units."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from crossregion.postgres import clock, queries, transactions
from crossregion.postgres.queries import Row
from crossregion.services import disclosure


def due(dsn: str | None, own: bool) -> list[Row]:
    """Due items of every file that this role may see, with their state today.

    `own`: the role is a unit's, else the office's.
    """
    with transactions.session(dsn) as connection:
        clock.look_from_today(connection)
        return list(queries.rows(connection, "own_file_items" if own else "file_items"))


def read(
    dsn: str | None, rescue: tuple[str, str], own: bool
) -> tuple[list[dict[str, Any]], list[Row]]:
    """The notes of one file, the rescue's among them, and its items due today."""
    unit, rescue_id = rescue
    asked = {"rescue_unit": unit, "rescue_id": rescue_id}
    with transactions.session(dsn) as connection:
        clock.look_from_today(connection)
        found = queries.rows(connection, "own_file_notes" if own else "file_notes", asked)
        notes = [row["note"] for row in found]
        name = "own_items_of_file" if own else "items_of_file"
        return notes, list(queries.rows(connection, name, asked))


def read_whole(dsn: str | None, notes: Iterable[dict[str, Any]], purpose: str = "") -> list[Row]:
    """The rescue and the entries themselves, each once the audit has recorded who reads it and why.

    Raises: ReadingNotNoted.
    """
    keys = [{name: note[name] for name in ("kind", "unit", "record_id")} for note in notes]
    return disclosure.read_records(dsn, keys, purpose)
