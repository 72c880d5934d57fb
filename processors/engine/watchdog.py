"""A worker that gets nothing done though there is something to do ends itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import faust
import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faust.exceptions import ConsumerNotStarted

from crossregion.errors import StandsStill
from processors import restore
from processors.engine.liveness import busy, end_process, progress

log = structlog.get_logger()


class ProgressWatchdog:
    """Detects a stalled worker: lag > 0 and no batch handled.

    After lost connections a Faust worker sometimes fetches nothing any more (faults.md, F13),
    while its session in the group stays alive, so that no other worker takes over its partitions.
    One cause: if seeking to an offset is cancelled, Faust's task that reads partitions after a
    rebalance ends for good, and Faust logs that below warnings.
    """

    def __init__(self, app: faust.App, connection: Mapping[str, Any], seconds: float) -> None:
        self._app = app
        self._connection = connection
        self._seconds = seconds
        self._batches = -1
        self._left: set[restore.Place] = set()

    async def run(self) -> None:
        """Check at intervals, without end."""
        while True:
            await asyncio.sleep(self._seconds)
            await self.look()

    async def look(self) -> None:
        """End the process if two checks in a row found lag and no batch was handled in between."""
        before, idle = self._left, not busy and self._batches == progress["batches"]
        self._batches, self._left = progress["batches"], set()
        if not idle or progress["steps"] or not (mine := self._assignment()):
            return
        try:
            self._left = await restore.behind(self._connection, self._app.conf.id, mine)
        except KafkaError as error:
            log.warning("End offsets unknown: lag not checked", error=type(error).__name__)
        if before & self._left and self._batches == progress["batches"]:
            end_process(StandsStill())

    def _assignment(self) -> set[TopicPartition]:
        try:
            return {TopicPartition(*one) for one in self._app.consumer.assignment()}
        except ConsumerNotStarted:
            return set()
