"""Commands of operators: where the notices of each unit are brought to."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from cli.errors import CommandError
from cli.options import Purpose, kafka_and_database
from cli.terminal import Terminal
from crossregion.settings import settings

endpoints_app = typer.Typer(
    no_args_is_help=True, help="Webhooks and mailboxes that notices are brought to."
)
console = Terminal()

EndpointId = Annotated[str, typer.Argument(metavar="ID", help="As `endpoints list` shows it.")]


class Kind(StrEnum):
    """What a notice can be brought to, beside the unit's topic."""

    WEBHOOK = "webhook"
    MAIL = "mail"


@endpoints_app.command("add")
def endpoints_add(
    unit: Annotated[str, typer.Argument(help="Code of the unit that is told.")],
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
def endpoints_list() -> None:
    """Show every endpoint, how its last attempt ended, and how many deliveries wait or failed.

    State `gone`: the receiver answered 410; `enable` delivers there again.
    """
    from rich.table import Table

    from crossregion.services import endpoints

    rows = endpoints.listed(kafka_and_database().operator)
    table = Table()
    columns = ("id", "unit", "kind", "address", "network", "state", "last")
    for name in columns:
        table.add_column(name, no_wrap=name == "id", overflow="fold")
    counts = ("waiting", "delivered", "failed")
    for name in counts:
        table.add_column(name, justify="right")
    for row in rows:
        shown = {**row, "id": row["endpoint_id"]}
        table.add_row(*(str(shown[name] or "") for name in columns), *(str(row[n]) for n in counts))
    console.print(table)
    console.print(f"{len(rows)} endpoints.")


@endpoints_app.command("disable")
def endpoints_disable(endpoint_id: EndpointId, purpose: Purpose = "") -> None:
    """Deliver nothing there for the time being; what waits goes on waiting, for three days."""
    from crossregion.services import endpoints

    endpoints.disable(kafka_and_database().operator, endpoint_id, purpose)
    console.print(f"{endpoint_id} is disabled.")


@endpoints_app.command("enable")
def endpoints_enable(endpoint_id: EndpointId, purpose: Purpose = "") -> None:
    """Deliver there again, within ten seconds; what has waited is sent first."""
    from crossregion.services import endpoints

    endpoints.enable(kafka_and_database().operator, endpoint_id, purpose)
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
    _show(endpoints.rotate(where, endpoint_id, timedelta(hours=overlap), purpose))


@endpoints_app.command("remove")
def endpoints_remove(endpoint_id: EndpointId, purpose: Purpose = "") -> None:
    """Deliver nothing there any more: what waits is dropped, the attempts are kept."""
    from crossregion.services import endpoints

    endpoints.remove(kafka_and_database().operator, endpoint_id, purpose)
    console.print(f"{endpoint_id} is removed.")


def _show(secret: str | None) -> None:
    if secret is not None:
        console.print(f"secret, shown this once: {secret}")
