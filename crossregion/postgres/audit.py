"""Appends to the audit, in the transaction that does what is recorded."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from crossregion.postgres.queries import query

if TYPE_CHECKING:
    from crossregion.postgres.connection import Connection


def append_audit(
    connection: Connection, action: str, subject: str, purpose: str, actor: str | None = None
) -> None:
    """Append a row to the audit in this transaction; `actor` is the user of this process if None.

    The row also has the role that has logged in; only that is authenticated by the server.
    """
    known = {"action": action, "subject": subject, "purpose": purpose}
    row = {"actor": user() if actor is None else actor, **known}
    connection.execute(query("append_audit"), row)


def user() -> str:
    """The name of this process's user, which nothing authenticates."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"
