"""The registry dropped and read again from the topics."""

from __future__ import annotations

import time

from consumers.registry.worker import GROUP, POLL_MS, SESSION_MS
from crossregion.errors import CrossregionError
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka import groups
from crossregion.kafka.admin import administering
from crossregion.kafka.connection import Kafka
from crossregion.postgres import migrations


def rebuild(kafka: Kafka, dsn: str | None, purpose: str = "") -> None:
    """Empty the registry and have the topics read again from their beginning.

    A worker that has been stopped stays a member until its session ends, and is waited for.
    Raises: CrossregionError while a registry worker runs, ServiceUnavailable also when Kafka does
    not say whether one does.
    """
    with administering(kafka, kafka_connection.OPERATOR) as admin:
        deadline = time.monotonic() + 2 * SESSION_MS / 1000
        while groups.members(admin, GROUP):
            if time.monotonic() > deadline:
                raise CrossregionError("registry.worker-runs")
            time.sleep(POLL_MS / 1000)
        migrations.drop_registry(dsn, purpose)
        groups.forget_offsets(admin, GROUP)
