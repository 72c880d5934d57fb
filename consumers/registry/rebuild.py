"""The registry dropped and read again from the topics."""

from __future__ import annotations

import time

from kafka.admin import KafkaAdminClient

from consumers.registry.worker import GROUP, POLL_MS, SESSION_MS
from crossregion.errors import RuntimeFault
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka.connection import Kafka
from crossregion.postgres import migrations


def rebuild(kafka: Kafka, dsn: str | None, purpose: str = "") -> None:
    """Empty the registry and have the topics read again from their beginning.

    A worker that has been stopped stays a member until its session ends, and is waited for.
    Raises: RuntimeFault while a registry worker runs.
    """
    admin = KafkaAdminClient(**kafka.options(kafka_connection.OPERATOR))
    try:
        deadline = time.monotonic() + 2 * SESSION_MS / 1000
        while admin.describe_groups([GROUP])[GROUP]["members"]:
            if time.monotonic() > deadline:
                raise RuntimeFault("A registry worker runs: stop it, then rebuild.")
            time.sleep(POLL_MS / 1000)
        migrations.drop_registry(dsn, purpose)
        if admin.list_group_offsets(GROUP)[GROUP]:
            admin.delete_groups([GROUP])
    finally:
        admin.close()
