"""Commands of operators: topics, registry, dead letters, and what is wrong with an installation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cli.terminal import Terminal
from consumers.reconcile import answers, files
from consumers.reconcile import records as reconciling
from consumers.registry import audit_chain, worker
from crossregion import metrics
from crossregion.data_directory import write_private
from crossregion.embedded import postgres
from crossregion.embedded.stack import Addresses, addresses, flows, kafka_address
from crossregion.errors import RuntimeFault
from crossregion.kafka import acls, users
from crossregion.kafka import admin as kafka_admin
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka.connection import Kafka
from crossregion.postgres import transactions
from crossregion.services import dead_letters
from crossregion.settings import settings
from producers.spool.store import Spool
from schemas import topics as contracts

topics_app = typer.Typer(no_args_is_help=True, help="Kafka topics.")
users_app = typer.Typer(no_args_is_help=True, help="Who has a password for Kafka.")
registry_app = typer.Typer(no_args_is_help=True, help="The provincial registry in PostgreSQL.")
dead_letters_app = typer.Typer(
    no_args_is_help=True, help="Events that cannot be used, kept until someone decides."
)
audit_app = typer.Typer(no_args_is_help=True, help="Who read or changed what.")
console = Terminal()

Purpose = Annotated[
    str, typer.Option(help="What for, as it will stand in the audit; no names of persons.")
]
LetterId = Annotated[str, typer.Argument(metavar="ID", help="As `dead-letters list` shows it.")]


def kafka_and_database() -> Addresses:
    """From the settings; what they do not name is that of a running `crossregion up`.

    Raises: RuntimeFault.
    """
    found = addresses(settings())
    if found is None:
        raise RuntimeFault(
            "Set CROSSREGION_KAFKA (host:port) and CROSSREGION_DATABASE (postgresql://...), or "
            "run `crossregion up` with the same CROSSREGION_DATA."
        )
    return found


@topics_app.command("apply")
def topics_apply(
    replication: Annotated[int, typer.Option(help="Copies of each partition.", min=1)] = 1,
) -> None:
    """Bring CROSSREGION_KAFKA to the topics, users and grants of this version.

    A topic that exists keeps what it holds, and gets the configuration that is described; what is
    not described stays. Users get the passwords that stand in the directory
    CROSSREGION_KAFKA_SECRETS. What a principal of the project may do besides is taken away.
    """
    created = kafka_admin.apply(kafka_connection.kafka(settings()), replication)
    console.print(f"{len(created)} topics created.")


@topics_app.command("read-again")
def topics_read_again(
    group: Annotated[str, typer.Argument(help="As `crossregion doctor` names it.")],
) -> None:
    """Have a process that is stopped read its topics from their beginning when it starts.

    What it has written before, it writes again; nothing happens twice by that. The registry has a
    command of its own: `crossregion registry rebuild`.
    """
    known = [flow.group for flow in flows()]
    if group not in known:
        raise RuntimeFault(f"No such group: one of {', '.join(known)}.")
    kafka_admin.read_again(kafka_and_database().kafka, group)
    console.print(f"{group} reads everything again when its processes start.")


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
    kafka, principal = _kafka_of_admin(), _principal(name)
    if principal == kafka_connection.ADMIN:
        raise RuntimeFault("The admin cannot be removed: nobody could let anyone in again.")
    with kafka_admin.administering(kafka) as admin:
        users.remove(admin, kafka.secrets, principal)
    console.print(f"{principal} is removed.")


def _kafka_of_admin() -> Kafka:
    found = kafka_address(settings())
    if found is None:
        raise RuntimeFault(
            "Set CROSSREGION_KAFKA and CROSSREGION_KAFKA_SECRETS, or run `crossregion up` with the "
            "same CROSSREGION_DATA."
        )
    return found


def _principal(name: str) -> str:
    principal = kafka_connection.unit(name)
    if principal not in acls.principals():
        principal = name
    if principal not in acls.principals():
        raise RuntimeFault(f"{name} is no unit and no principal: {', '.join(acls.principals())}.")
    return principal


@registry_app.command("migrate")
def registry_migrate() -> None:
    """Bring CROSSREGION_DATABASE to this version's tables; what is done already is left alone."""
    done = transactions.migrate(settings().database)
    console.print(f"{len(done)} migrations run.")


@registry_app.command("roles")
def registry_roles() -> None:
    """Print the SQL by which an administrator makes the database's roles, before `migrate`.

    It holds no password: set each role's with psql's \\password.
    """
    console.print(postgres.roles(), end="")


@registry_app.command("rebuild")
def registry_rebuild(
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask whether the registry may be dropped.")
    ] = False,
    purpose: Purpose = "",
) -> None:
    """Drop the registry and have it read again from the topics; no notice is sent again.

    Stop every registry worker first and start them again afterwards.
    """
    where = kafka_and_database()
    if not yes:
        typer.confirm("Drop the registry and rebuild it from the topics?", abort=True)
    worker.rebuild(where.kafka, where.owner, purpose)
    console.print("The registry is empty: start its workers, and they fill it from the topics.")


@dead_letters_app.command("list")
def dead_letters_list() -> None:
    """Show every dead letter: where it came from, why, and what was done with it."""
    rows = dead_letters.listed(kafka_and_database().operator)
    for row in rows:
        place = f"{row['topic']} partition {row['partition']} offset {row['offset']}"
        console.print(f"{row['dead_letter_id']}  {place}  {row['outcome'] or 'open'}")
        console.print(f"        {row['reason']}: {row['detail']}")
    console.print(f"{len(rows)} dead letters.")


@dead_letters_app.command("show")
def dead_letters_show(
    letter_id: LetterId,
    save: Annotated[
        Path | None,
        typer.Option(help="Write the event's bytes here, mode 0600: they may hold names."),
    ] = None,
    purpose: Purpose = "",
) -> None:
    """Show one dead letter; its bytes only into a file."""
    where = kafka_and_database()
    letter = dead_letters.find(where.operator, letter_id, purpose=purpose)
    for name in ("dead_letter_id", "topic", "partition", "offset", "reason", "detail"):
        console.print(f"{name}: {letter[name]}")
    console.print(f"bytes: {len(letter['value'] or b'')}")
    if save is not None:
        write_private(save, letter["value"] or b"")
        console.print(f"written to {save}")


@dead_letters_app.command("replay")
def dead_letters_replay(letter_id: LetterId, purpose: Purpose = "") -> None:
    """Put a dead letter back, once its cause is mended; intake judges it anew."""
    where = kafka_and_database()
    dead_letters.replay(where.kafka, where.operator, letter_id, purpose)
    console.print(f"{letter_id} is on its way to intake again.")


@dead_letters_app.command("discard")
def dead_letters_discard(letter_id: LetterId, purpose: Purpose = "") -> None:
    """Note that a dead letter will not be used; its bytes are kept."""
    where = kafka_and_database()
    dead_letters.discard(where.kafka, where.operator, letter_id, purpose)
    console.print(f"{letter_id} is discarded.")


@audit_app.command("verify")
def audit_verify() -> None:
    """Check that no row of the audit was changed, removed or reordered; names the first that was.

    The rows are followed from the first, and compared with the chain's heads on Kafka.
    """
    where = kafka_and_database()
    rows, head = audit_chain.verify(where.kafka, where.operator)
    console.print(f"{rows} rows, each as it was written; the newest head on Kafka is row {head}.")


def reconcile(
    every: Annotated[
        float | None,
        typer.Option(help="Ask again after so many seconds, for ever, and serve the metrics."),
    ] = None,
    standing: Annotated[
        float, typer.Option(help="Seconds after which a group that has work must have moved.")
    ] = 10.0,
) -> None:
    """Count on both sides what must agree, and name each discrepancy by ids, units and days.

    Events unsent for 5 minutes in this machine's spools; each unit's own account of its days;
    flags and proposals against those made anew from cases and rescues, links and confirmed flags
    against those made anew from decisions; proposals without notice;
    events marked as seen without a row; answers, what they disclose, owners and agreements against
    those that the log has; tips that nobody was told to triage; groups that stand still with work
    to do. Exit status 1 if anything disagrees.
    """
    where = kafka_and_database()
    if every is None:
        if _reconciled(where, standing):
            raise typer.Exit(1)
        return
    chosen = settings()
    health = metrics.Health(patience=every + standing + 600.0)
    port, stop = metrics.serve(health, chosen.metrics_host, chosen.metrics_port)
    console.print(f"Metrics: http://{chosen.metrics_host}:{port}/metrics")
    try:
        while True:
            _reconciled(where, standing)
            health.beat()
            time.sleep(every)
    finally:
        stop()


def _reconciled(where: Addresses, standing: float) -> int:
    """Ask everything once; returns how many discrepancies there are."""
    total = 0
    for name, found in discrepancies(where, settings().data / "spool", standing).items():
        metrics.DISCREPANCIES.labels(name).set(len(found))
        total += len(found)
        console.print(f"{name}: {len(found)} discrepancies")
        for one in found:
            console.print(f"    {one}")
    return total


def discrepancies(where: Addresses, spools: Path, standing: float) -> dict[str, list[str]]:
    """What disagrees, by the question asked: now, and still after `standing` seconds.

    What is only on its way at the moment is no discrepancy.
    """
    groups = {flow.group: flow.topics for flow in flows()}
    before = reconciling.committed(where.kafka, groups)
    at_first = _asked(where, spools)
    time.sleep(standing)
    again = _asked(where, spools) if any(at_first.values()) else at_first
    both = {
        name: [line for line in lines if line in again[name]] for name, lines in at_first.items()
    }
    now = reconciling.committed(where.kafka, groups)
    still = [
        line
        for group, (done, _) in now.items()
        for line in reconciling.standing(*before[group], done, group)
    ]
    return {**both, "standing": still}


def _asked(where: Addresses, spools: Path) -> dict[str, list[str]]:
    with transactions.connect(where.database) as connection:
        return {
            "unsent": list(_unsent(spools)),
            "days": list(reconciling.days(where.kafka, connection)),
            "flags": list(reconciling.flags(connection)),
            "proposals": list(reconciling.proposals(connection)),
            "links": list(reconciling.links(connection)),
            "untold": list(reconciling.told(where.kafka, connection)),
            "tips": list(reconciling.triaged(where.kafka, connection)),
            "marks": list(reconciling.marks(connection)),
            "answers": list(answers.answered(where.kafka, connection)),
            "handovers": list(answers.handed_over(where.kafka, connection)),
            "agreements": list(answers.agreed(where.kafka, connection)),
            "files": list(files.owed(connection)),
        }


def _unsent(directory: Path) -> Iterator[str]:
    for unit in contracts.UNITS:
        path = directory / f"{unit}.sqlite"
        if path.exists():
            with Spool(path, unit) as spool:
                overdue = spool.overdue()
            if overdue:
                yield f"unit {unit} has {overdue} events unsent for over 5 minutes"
