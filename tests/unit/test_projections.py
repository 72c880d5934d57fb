"""The projections' tests over what a batch collects in memory."""

from __future__ import annotations

from collections.abc import Sequence

from consumers.registry.batch import Batch
from tests.support.projections import ProjectionTests, Record


class TestInMemory(ProjectionTests):
    """All batches are one here; a row that is collected twice is one row, as in a table."""

    def content(self, batches: Sequence[Sequence[Record]]) -> object:
        batch = Batch()
        for records in batches:
            for record in records:
                batch.take(*record)
        return {
            (type(projection).__name__, name): frozenset(
                map(repr, rows.items() if isinstance(rows, dict) else rows)
            )
            for projection in (batch.records, *batch.projections)
            for name, rows in vars(projection).items()
        }
