"""Agreements between units in the registry: each revision, as the broker had it first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from consumers.registry.projection import Consumed, Handler, first
from crossregion.domain import agreements
from crossregion.domain.events import AgreementRecorded
from crossregion.postgres import queries
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row


@dataclass
class Agreements:
    """By id, revision and digest of the agreement."""

    rows: dict[tuple[str, int, str], Row] = field(default_factory=dict)

    def handlers(self) -> Mapping[str, Handler]:
        return {"AgreementRecorded": self._add}

    def _add(self, record: Row, consumed: Consumed) -> None:
        revision, digest = agreements.version(cast(AgreementRecorded, record))
        row = {**record, "digest": digest, "received_at": consumed.received_at}
        first(self.rows, (row["agreement_id"], revision, digest), row)

    def write(self, connection: Connection, changed: Sequence[Row]) -> None:
        queries.put(connection, "add_agreements", list(self.rows.values()))
