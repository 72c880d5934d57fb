"""Linkage: every victim of a case against every rescued person, as weights of pairs.

    linkage-records  ->  pair-weights

A case stands in one partition and a rescue in all, so each pair meets in exactly one; every
partition has an index of its own, rebuilt from the log at each assignment. The consumer group is
named after the model: another model's workers weigh everything from the beginning, beside these.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, cast

import structlog
from aiokafka.structs import ConsumerRecord

from crossregion import installed_model, metrics
from crossregion.domain.events import PairWeighed, PersonsListed
from crossregion.errors import CrossregionError
from crossregion.kafka import invalid_records
from crossregion.linkage.index import Index
from crossregion.linkage.model import Model
from crossregion.process import run_process
from processors import restore
from processors.outputs import Outputs
from schemas import codec, envelope, topics

BATCH_EVENTS = 500
BATCH_SECONDS = 0.05
SLICE_RECORDS = 50
KEPT_MS = min(
    int(topics.LINKAGE_RECORDS.config[name])
    for name in ("min.compaction.lag.ms", "delete.retention.ms")
)
"""How long the log surely keeps a record that a later one replaces, and a tombstone."""

log = structlog.get_logger()


class Partitions:
    """The indexes of the partitions that this worker has been given."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._indexes: dict[int, Index] = {}
        self._handled: dict[int, int] = {}
        self._lock = asyncio.Lock()

    async def rebuild(
        self,
        connection: restore.Connection,
        group: str,
        partitions: Iterable[int],
        send: Callable[[Outputs], Awaitable[None]],
        now: float,
    ) -> None:
        """Throw all indexes away and read the log up to what is done, saying nothing.

        But where something has waited for longer than the log surely keeps what it replaced or
        erased, all of the partition is weighed and said again. `now` is in seconds since 1970.
        """
        async with self._lock:
            topic = topics.LINKAGE_RECORDS.name()
            self._indexes = {partition: Index(self._model) for partition in partitions}
            until = await restore.committed(connection, group, topic, self._indexes)
            for partition in until:
                until[partition] = max(until[partition], self._handled.get(partition, 0))
            for partition, end in (await restore.ends(connection, topic, self._indexes)).items():
                if end < until[partition]:
                    raise CrossregionError("linkage.topic-made-anew", topic=topic, group=group)
            oldest = int(now * 1000) - KEPT_MS
            again = await restore.left_too_long(connection, topic, until, oldest)
            if again:
                log.error(
                    "Lag older than retention: partitions are reprocessed", partitions=sorted(again)
                )
            count = 0
            async for found in restore.read_again(connection, topic, until):
                outputs = Outputs()
                for number, record in enumerate(found):
                    if number % SLICE_RECORDS == 0:
                        await asyncio.sleep(0)
                    if record.partition in again:
                        self._weigh(record, outputs)
                    else:
                        self._restore(record)
                if again:
                    await send(outputs)
                count += len(found)
            gc.freeze()
            log.info("Index rebuilt", partitions=sorted(self._indexes), records=count)

    def _restore(self, record: ConsumerRecord) -> None:
        index = self._indexes[record.partition]
        try:
            if record.value is None:
                index.forget(*_identified(record.key))
            else:
                index.restore(_listed(record.value))
        except Exception as error:  # noqa: BLE001 (this record's fault: an alarm, and on)
            invalid_records.report_invalid_record(
                record.topic, record.partition, record.offset, error
            )

    async def handle(self, events: Sequence[Any], outputs: Outputs) -> None:
        """Weigh every pair that the events touch."""
        async with self._lock:
            for number, event in enumerate(events):
                if number % SLICE_RECORDS == 0:
                    await asyncio.sleep(0)
                if event.message.partition in self._indexes:
                    self._weigh(event.message, outputs)
                    self._handled[event.message.partition] = event.message.offset + 1
            metrics.EVENTS.labels("linkage", "PairWeighed", "said").inc(len(outputs))

    def _weigh(self, record: Any, outputs: Outputs) -> None:
        """Take in a message of Faust's or a record of aiokafka's, and say its pairs."""
        index = self._indexes[record.partition]
        crowded = index.crowded
        try:
            if record.value is None:
                pairs = index.remove(*_identified(record.key))
            else:
                pairs = index.put(_listed(record.value))
            say(pairs, outputs)
            outcome = "listed" if record.value else "erased"
        except Exception as error:  # noqa: BLE001 (this record's fault: an alarm, and on)
            outcome = invalid_records.report_invalid_record(
                record.topic, record.partition, record.offset, error
            )
        metrics.CROWDED.inc(index.crowded - crowded)
        metrics.EVENTS.labels("linkage", "PersonsListed", outcome).inc()


def say(pairs: Iterable[PairWeighed], outputs: Outputs) -> None:
    """Add pairs to the outputs; a pair's partition follows from the rescue alone."""
    topic = topics.PAIR_WEIGHTS
    for pair in pairs:
        key = "\n".join(
            str(pair[field])
            for field in (
                "model",
                "rescue_unit",
                "rescue_id",
                "case_unit",
                "case_id",
                "victim_id",
            )
        )
        cause = f"{key}\n{pair['case_revision']}\n{pair['rescue_revision']}"
        outputs.add(
            topic.name(),
            topics.partition_of(pair["rescue_id"], topic),
            key,
            "PairWeighed",
            pair,
            envelope.caused(cause, "PairWeighed", pair["rescue_unit"], pair["rescue_id"]),
        )


def _listed(value: bytes) -> PersonsListed:
    _, record = codec.decode(value, topics.LINKAGE_RECORDS.schemas)
    return cast(PersonsListed, record)


def _identified(key: bytes) -> tuple[str, str, str, int, str]:
    kind, unit, rest = key.decode().split("\n", 2)
    record_id, revision, digest = rest.rsplit("\n", 2)
    return kind, unit, record_id, int(revision), digest


def main() -> None:
    """Run one linkage worker."""
    from processors.engine import app as engine_app
    from processors.engine import liveness, patches

    model = installed_model.chosen()
    app = engine_app.make_app("linkage", installed_model.group(model))
    name = topics.LINKAGE_RECORDS.name()
    listed = app.topic(name, key_serializer="raw", value_serializer="raw")
    state = Partitions(model)

    async def send(outputs: Outputs) -> None:
        await outputs.send(patches.producer_of(app))

    async def on_assigned(_: Any, assigned: Iterable[Any], **__: Any) -> None:
        partitions = [where.partition for where in assigned if where.topic == name]

        async def begin() -> None:
            await state.rebuild(
                engine_app.options("linkage"), app.conf.id, partitions, send, time.time()
            )

        await liveness.or_end_process(begin())

    app.on_partitions_assigned.connect(on_assigned)

    async def handle(events: Sequence[Any]) -> None:
        outputs = Outputs()
        await state.handle(events, outputs)
        await send(outputs)

    @app.agent(listed, concurrency=1)  # type: ignore[untyped-decorator, unused-ignore]
    async def linkage(stream: Any) -> None:
        await engine_app.each_batch("linkage", stream, handle, BATCH_EVENTS, BATCH_SECONDS)

    engine_app.run(app)


if __name__ == "__main__":
    run_process(main)
