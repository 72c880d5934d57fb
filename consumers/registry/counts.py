"""What the registry holds, counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from consumers.registry.worker import KINDS
from crossregion.postgres import queries
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row


def _by_unit_and_kind(rows: Iterable[tuple[str, int]]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for topic, count in rows:
        name, _, unit = topic.partition(".")
        if name in KINDS:
            counts[unit, KINDS[name]] += count
    return dict(counts)


def revisions(connection: Connection) -> dict[tuple[str, str], int]:
    """Accepted revisions by (unit, kind)."""
    rows = connection.execute(queries.query("count_revisions")).fetchall()
    return {(unit, kind): count for unit, kind, count in rows}


def duplicates(connection: Connection) -> dict[tuple[str, str], int]:
    """Records on the unit's topics whose event stands there before, by (unit, kind)."""
    return _by_unit_and_kind(connection.execute(queries.query("count_duplicates")).fetchall())


def dead_letters(connection: Connection) -> dict[tuple[str, str], int]:
    """Events that cannot be used, each counted once, by (unit of the topic, kind)."""
    return _by_unit_and_kind(connection.execute(queries.query("count_dead_letters")).fetchall())


def flags(connection: Connection) -> Iterator[Row]:
    """One row for each accepted revision of a case."""
    return queries.rows(connection, "flags")


def open_proposals(connection: Connection) -> Iterator[Row]:
    """Proposals in force: stated ones first, then by probability."""
    return queries.rows(connection, "open_proposals")


def content(connection: Connection) -> str:
    """A hash of all that the registry says, to compare a rebuilt one with."""
    row = connection.execute(queries.query("content")).fetchone()
    return str(row[0]) if row else ""
