"""Endpoints of units (webhooks and mailboxes) for operators.

A webhook's secret is made here and shown once. It is stored where only the process that signs can
read it; an operator's role can replace it, and never see it.
"""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Callable
from datetime import timedelta

from crossregion.errors import CrossregionError
from crossregion.postgres import audit, queries, transactions
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row, query
from crossregion.services import addresses, prefixes
from schemas.units import NOTIFIED

UNITS = NOTIFIED
SECRET_BYTES = 32
ENABLED, DISABLED, REMOVED = "enabled", "disabled", "removed"


class EndpointUnknown(CrossregionError):
    """No endpoint has this id."""

    code = "endpoint-unknown"


class EndpointRefused(CrossregionError):
    """The endpoint does not allow this action."""

    code = "endpoint-refused"


def add(
    dsn: str | None, unit: str, kind: str, address: str, network: str | None, purpose: str
) -> tuple[str, str | None]:
    """Add a channel to a unit; returns its id, and a webhook's secret.

    Raises: EndpointRefused, BadAddress, BadMailbox.
    """
    if unit not in UNITS:
        raise EndpointRefused("no-notified-unit", unit=unit, known=UNITS)
    addresses.PARSERS[kind](address)
    endpoint_id, secret = str(uuid.uuid4()), _secret() if kind == "webhook" else None
    row = {
        "endpoint_id": endpoint_id,
        "unit": unit,
        "kind": kind,
        "address": address,
        "network": network,
    }
    with transactions.session(dsn) as connection:
        if next(queries.rows(connection, "endpoint_of_address", row), None):
            raise EndpointRefused("known-already", unit=unit, kind=kind)
        connection.execute(query("add_endpoint"), row)
        if secret is not None:
            connection.execute(query("add_secret"), {"endpoint_id": endpoint_id, "secret": secret})
        audit.append_audit(connection, "add endpoint", f"{unit} {kind} {endpoint_id}", purpose)
    return endpoint_id, secret


def listed(dsn: str | None) -> list[Row]:
    """Every endpoint with what became of its deliveries; never a secret."""
    with transactions.session(dsn) as connection:
        return list(queries.rows(connection, "list_endpoints"))


def rotate(dsn: str | None, endpoint_id: str, overlap: timedelta, purpose: str) -> str:
    """A new secret; the former one also signs for `overlap`, any older one no more.

    Raises: EndpointUnknown, EndpointRefused.
    """
    secret = _secret()

    def work(connection: Connection, found: Row) -> None:
        if found["kind"] != "webhook":
            raise EndpointRefused("no-secret", endpoint_id=endpoint_id)
        connection.execute(query("end_secrets"), {"endpoint_id": endpoint_id, "after": overlap})
        connection.execute(query("add_secret"), {"endpoint_id": endpoint_id, "secret": secret})

    _change(dsn, endpoint_id, "rotate secret of endpoint", purpose, work)
    return secret


def enable(dsn: str | None, endpoint_id: str, purpose: str) -> None:
    """Deliver again; what has waited meanwhile is sent first."""
    _set_state(dsn, endpoint_id, ENABLED, purpose)


def disable(dsn: str | None, endpoint_id: str, purpose: str) -> None:
    """Deliver nothing for the time being; what waits goes on waiting, for three days."""
    _set_state(dsn, endpoint_id, DISABLED, purpose)


def _set_state(dsn: str | None, endpoint_id: str, state: str, purpose: str) -> None:
    def work(connection: Connection, _: Row) -> None:
        row = {"endpoint_id": endpoint_id, "state": state}
        connection.execute(query("set_endpoint_state"), row)

    _change(dsn, endpoint_id, f"set endpoint {state}", purpose, work)


def remove(dsn: str | None, endpoint_id: str, purpose: str) -> None:
    """Deliver nothing any more; the attempts stay, the secrets do not."""

    def work(connection: Connection, _: Row) -> None:
        row = {"endpoint_id": endpoint_id, "state": REMOVED}
        for name in ("set_endpoint_state", "drop_deliveries", "remove_secrets"):
            connection.execute(query(name), row)

    _change(dsn, endpoint_id, "remove endpoint", purpose, work)


def _change(
    dsn: str | None,
    endpoint_id: str,
    action: str,
    purpose: str,
    work: Callable[[Connection, Row], None],
) -> None:
    try:
        row = {"endpoint_id": str(uuid.UUID(endpoint_id))}
    except ValueError:
        raise _unknown(endpoint_id) from None
    with transactions.session(dsn) as connection:
        found = next(queries.rows(connection, "find_endpoint", row), None)
        if found is None:
            raise _unknown(endpoint_id)
        work(connection, found)
        audit.append_audit(
            connection, action, f"{found['unit']} {found['kind']} {endpoint_id}", purpose
        )


def _unknown(endpoint_id: str) -> EndpointUnknown:
    return EndpointUnknown(endpoint_id=endpoint_id)


def _secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def complete_id(dsn: str | None, given: str) -> str:
    """The id of the endpoint that begins as given.

    Raises: AmbiguousId.
    """
    return prefixes.complete_uuid(dsn, "endpoint_ids", given)
