"""Commands of operators: where the notices of each unit are brought to."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from cli import words
from cli.errors import CommandError
from cli.lists import AsCsv, AsJson, Column, code, show
from cli.options import Purpose, kafka_and_database
from cli.terminal import Terminal
from crossregion.settings import settings

endpoints_app = typer.Typer(
    no_args_is_help=True, help="Webhooks and mailboxes that notices are brought to."
)
console = Terminal()

COLUMNS = (
    Column("id", of="endpoint_id", is_id=True),
    Column("unit", shown=code(words.UNIT)),
    Column("kind", shown=code("endpoint_kind")),
    Column("address"),
    Column("network"),
    Column("state", shown=code("endpoint_state")),
    Column("last"),
    *(Column(name, is_number=True) for name in ("waiting", "delivered", "failed")),
)

EndpointId = Annotated[
    str, typer.Argument(metavar="ID", help="As `endpoints list` shows it, or its beginning.")
]


class Kind(StrEnum):
    """What a notice can be brought to, beside the unit's topic."""

    WEBHOOK = "webhook"
    MAIL = "mail"


@endpoints_app.command("add")
def endpoints_add(
    unit: Annotated[str, typer.Argument(help="Code of the unit that gets the notices.")],
    kind: Kind,
    address: Annotated[str, typer.Argument(help="https://..., or an office's mailbox.")],
    network: Annotated[
        str | None,
        typer.Option(help="One of CROSSREGION_NETWORKS, which a webhook may be in."),
    ] = None,
    purpose: Purpose = "",
) -> None:
    """Have the notices of a unit brought to a webhook or a mailbox, from now on.

    A webhook's secret is printed once, here: hand it to the unit's IT.
    """
    from crossregion.services import endpoints

    if network is not None and network not in settings().networks:
        raise CommandError("network-not-set", network=network)
    where = kafka_and_database().operator
    endpoint_id, secret = endpoints.add(where, unit, kind.value, address, network, purpose)
    console.print(f"endpoint: {endpoint_id}")
    _show(secret)


@endpoints_app.command("list")
def endpoints_list(as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Show every endpoint, how its last attempt ended, and how many deliveries wait or failed.

    State `gone`: the receiver answered 410; `enable` delivers there again.
    """
    from crossregion.services import endpoints

    rows = endpoints.listed(kafka_and_database().operator)
    show(COLUMNS, rows, "endpoints", as_json, as_csv)


@endpoints_app.command("disable")
def endpoints_disable(endpoint_id: EndpointId, purpose: Purpose = "") -> None:
    """Deliver nothing there for the time being; what waits goes on waiting, for three days."""
    from crossregion.services import endpoints

    where = kafka_and_database().operator
    endpoint_id = endpoints.complete_id(where, endpoint_id)
    endpoints.disable(where, endpoint_id, purpose)
    console.print(f"{endpoint_id} is disabled.")


@endpoints_app.command("enable")
def endpoints_enable(endpoint_id: EndpointId, purpose: Purpose = "") -> None:
    """Deliver there again, within ten seconds; what has waited is sent first."""
    from crossregion.services import endpoints

    where = kafka_and_database().operator
    endpoint_id = endpoints.complete_id(where, endpoint_id)
    endpoints.enable(where, endpoint_id, purpose)
    console.print(f"{endpoint_id} is enabled.")


@endpoints_app.command("rotate")
def endpoints_rotate(
    endpoint_id: EndpointId,
    overlap: Annotated[
        float, typer.Option(help="Hours for which the old secret signs beside the new one.", min=0)
    ] = 24.0,
    purpose: Purpose = "",
) -> None:
    """Give a webhook a new secret, printed once; the old one goes on being valid for a while."""
    from crossregion.services import endpoints

    where = kafka_and_database().operator
    endpoint_id = endpoints.complete_id(where, endpoint_id)
    _show(endpoints.rotate(where, endpoint_id, timedelta(hours=overlap), purpose))


@endpoints_app.command("remove")
def endpoints_remove(endpoint_id: EndpointId, purpose: Purpose = "") -> None:
    """Deliver nothing there any more: what waits is dropped, the attempts are kept."""
    from crossregion.services import endpoints

    where = kafka_and_database().operator
    endpoint_id = endpoints.complete_id(where, endpoint_id)
    endpoints.remove(where, endpoint_id, purpose)
    console.print(f"{endpoint_id} is removed.")


def _show(secret: str | None) -> None:
    if secret is not None:
        console.print(f"secret, shown this once: {secret}")
