"""The day on which the registry's views compute what is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossregion import clock
from crossregion.postgres import queries

if TYPE_CHECKING:
    from crossregion.postgres.connection import Connection


def look_from_today(connection: Connection) -> None:
    """Make the views use this process's today, which a test may have changed.

    For this transaction only.
    """
    connection.execute(queries.query("look_from"), {"today": clock.today().isoformat()})
