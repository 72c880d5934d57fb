"""Flags of cases in the registry, as they were derived from what was reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consumers.registry.projection import Consumed, Handler
from crossregion.postgres import queries
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row


@dataclass
class Flags:
    """One flag for each accepted revision of a case."""

    rows: list[Row] = field(default_factory=list)

    def handlers(self) -> Mapping[str, Handler]:
        return {"BoundaryFlagged": self._add}

    def _add(self, record: Row, _: Consumed) -> None:
        self.rows.append(record)

    def write(self, connection: Connection, changed: Sequence[Row]) -> None:
        queries.put(connection, "add_flags", self.rows)
