"""Who did something, noted in the transaction that does it."""

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
    """Note in the audit, in this transaction, who does something: the user of this process if None.

    The role that has logged in stands beside it; only that is checked by the server.
    """
    known = {"action": action, "subject": subject, "purpose": purpose}
    row = {"actor": user() if actor is None else actor, **known}
    connection.execute(query("append_audit"), row)


def user() -> str:
    """The user of this process, by its own word."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"
