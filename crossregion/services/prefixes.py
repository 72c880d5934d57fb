"""Completes an id from its beginning, so that a user need not type all of it."""

from __future__ import annotations

import uuid
from typing import Any

from crossregion.errors import CrossregionError
from crossregion.postgres import queries, transactions

NAMED = 5
"""So many candidates are named of a beginning that is several ids'."""
LEAST = 4
"""Fewer characters of a UUID are taken for a slip: who acts on it should have meant one."""
WHOLE = len(str(uuid.UUID(int=0)))


class AmbiguousId(CrossregionError):
    """Several ids begin with the given text."""

    code = "ambiguous-id"


def complete(dsn: str | None, statement: str, given: str, **values: Any) -> str:
    """The only id that begins with `given`, of those that the role of `dsn` sees.

    What begins no id is returned as it is: whoever looks for it says what is not there. `statement`
    finds a few by the beginning `given`, or between `low` and `high` where ids are UUIDs.
    Raises: AmbiguousId, DatabaseUnavailable.
    """
    if not given.isprintable() or not given:
        return given
    asked = {**values, "given": given, **_bounds(given), "limit": NAMED + 1}
    with transactions.session(dsn) as connection:
        found = [str(row["id"]) for row in queries.rows(connection, statement, asked)]
    if given in found or not found:
        return given
    if len(found) > 1:
        named = [*found[:NAMED], *(["..."] if len(found) > NAMED else [])]
        raise AmbiguousId(given=given, candidates=named)
    return found[0]


def complete_uuid(dsn: str | None, statement: str, given: str, **values: Any) -> str:
    """The same of ids that are UUIDs; a whole one, or what begins none, is not looked up."""
    if not LEAST <= len(given) < WHOLE or not _bounds(given):
        return given
    return complete(dsn, statement, given.lower(), **values)


def _bounds(given: str) -> dict[str, str]:
    """The least and the greatest UUID that begin so; nothing if none does."""
    low = given + str(uuid.UUID(int=0))[len(given) :]
    high = given + str(uuid.UUID(int=2**128 - 1))[len(given) :]
    try:
        bounds = {"low": str(uuid.UUID(low)), "high": str(uuid.UUID(high))}
    except ValueError:
        return {}
    return bounds if bounds["low"].startswith(given.lower()) else {}
