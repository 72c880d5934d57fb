"""Commands of operators: who has a password at Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CommandError
from cli.terminal import Terminal
from crossregion.settings import settings

if TYPE_CHECKING:
    from crossregion.kafka.connection import Kafka

console = Terminal()
users_app = typer.Typer(no_args_is_help=True, help="Who has a password for Kafka.")


@users_app.command("set")
def users_set(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Units' codes, or principals.")
    ] = None,
) -> None:
    """Give units and processes a new password each, in their files of CROSSREGION_KAFKA_SECRETS.

    Without a name: all that have no password file yet. Hand the file over with ca.pem; sessions
    under an old password end within Kafka's `connections.max.reauth.ms`.
    """
    from crossregion.kafka import admin as kafka_admin
    from crossregion.kafka import users

    kafka = _kafka_of_admin()
    chosen = [_principal(name) for name in names or ()] or users.missing(kafka.secrets)
    with kafka_admin.administering(kafka) as admin:
        for principal in chosen:
            users.renew(admin, kafka, principal)
            console.print(f"{principal}: new password in {kafka.secrets / principal}")
    console.print(f"{len(chosen)} passwords set.")


@users_app.command("remove")
def users_remove(
    name: Annotated[str, typer.Argument(help="A unit's code, or a principal.")],
) -> None:
    """Take a unit's or a process's password and grants away, until `users set` names it again.

    What it has published stays. Its sender is refused, and keeps its events in the spool.
    """
    from crossregion.kafka import admin as kafka_admin
    from crossregion.kafka import connection as kafka_connection
    from crossregion.kafka import users

    kafka, principal = _kafka_of_admin(), _principal(name)
    if principal == kafka_connection.ADMIN:
        raise CommandError("admin-stays")
    with kafka_admin.administering(kafka) as admin:
        users.remove(admin, kafka.secrets, principal)
    console.print(f"{principal} is removed.")


def _kafka_of_admin() -> Kafka:
    from crossregion.installation import kafka_address

    found = kafka_address(settings())
    if found is None:
        raise CommandError("kafka-not-set")
    return found


def _principal(name: str) -> str:
    from crossregion.kafka import acls
    from crossregion.kafka import connection as kafka_connection

    principal = kafka_connection.unit(name)
    if principal not in acls.principals():
        principal = name
    if principal not in acls.principals():
        raise CommandError("no-principal", name=name, known=acls.principals())
    return principal
