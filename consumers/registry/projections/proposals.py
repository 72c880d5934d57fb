"""Proposals in the registry: the newest revision of each, open or withdrawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consumers.registry.projection import Consumed, Handler
from crossregion.postgres import queries
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row


@dataclass
class Proposals:
    """By id of the proposal."""

    rows: dict[str, Row] = field(default_factory=dict)

    def handlers(self) -> Mapping[str, Handler]:
        return {"MatchProposed": self._propose, "MatchWithdrawn": self._withdraw}

    def _propose(self, record: Row, _: Consumed) -> None:
        self._add({**record, "open": True})

    def _withdraw(self, record: Row, _: Consumed) -> None:
        self._add({**record, "open": False})

    def _add(self, row: Row) -> None:
        known = self.rows.get(row["proposal_id"])
        if known is None or known["revision"] < row["revision"]:
            self.rows[row["proposal_id"]] = row

    def write(self, connection: Connection, changed: Sequence[Row]) -> None:
        queries.put(connection, "put_proposals", list(self.rows.values()))
