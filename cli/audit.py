"""Commands of operators: the audit."""

from __future__ import annotations

import typer

from cli.options import kafka_and_database
from cli.terminal import Terminal

console = Terminal()
audit_app = typer.Typer(no_args_is_help=True, help="Who read or changed what.")


@audit_app.command("verify")
def audit_verify() -> None:
    """Check that no row of the audit was changed, removed or reordered; names the first that was.

    The rows are followed from the first, and compared with the chain's heads on Kafka.
    """
    from consumers.registry import audit_chain

    where = kafka_and_database()
    rows, head = audit_chain.verify(where.kafka, where.operator)
    console.print(f"{rows} rows, each as it was written; the newest head on Kafka is row {head}.")
