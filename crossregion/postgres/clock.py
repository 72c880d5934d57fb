"""The day from which the registry looks at what is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossregion import clock
from crossregion.postgres import queries

if TYPE_CHECKING:
    from crossregion.postgres.connection import Connection


def look_from_today(connection: Connection) -> None:
    """Have the views take the day that this process takes for today, which a test may have turned.

    For this transaction only.
    """
    connection.execute(queries.query("look_from"), {"today": clock.today().isoformat()})
