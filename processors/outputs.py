"""What a processor makes from a batch: collected, sent together, and awaited to the last record."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from crossregion.failpoints import failpoint
from schemas import codec

Headers = Sequence[tuple[str, bytes]]
_Record = tuple[bytes | None, bytes | None, Headers]

log = structlog.get_logger()


class Outputs:
    """Records for other topics; an input counts as done only after `send` has returned."""

    def __init__(self) -> None:
        self._pending: dict[tuple[str, int], list[_Record]] = defaultdict(list)

    def __len__(self) -> int:
        return sum(len(records) for records in self._pending.values())

    def __iter__(self) -> Iterator[tuple[str, int, bytes | None, bytes | None]]:
        """Topic, partition, key and value of what is not yet sent."""
        for (topic, partition), records in self._pending.items():
            for key, value, _ in records:
                yield topic, partition, key, value

    def add(
        self,
        topic: str,
        partition: int,
        key: str,
        event: str,
        record: Mapping[str, Any],
        headers: Headers,
    ) -> None:
        """Encode one event for a topic's partition.

        Not validated here, for speed: a property test shows that what is built validates.
        """
        self.add_to_each(topic, (partition,), key, event, record, headers)

    def add_to_each(
        self,
        topic: str,
        partitions: Iterable[int],
        key: str,
        event: str,
        record: Mapping[str, Any],
        headers: Headers,
    ) -> None:
        """Encode one event for several partitions of a topic."""
        made = (key.encode(), codec.encode(event, record), headers)
        for partition in partitions:
            self._pending[topic, partition].append(made)

    def extend(self, other: Outputs) -> None:
        for place, made in other._pending.items():
            self._pending[place].extend(made)

    async def send(self, producer: AIOKafkaProducer) -> None:
        """Send everything and await every acknowledgement; what failed for a time is sent again.

        Raises: KafkaError where sending again cannot help, such as a missing permission.
        """
        failpoint("before-send")
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(_temporary),
            wait=wait_random_exponential(multiplier=0.2, max=10),
            before_sleep=_say_that_it_waits,
        ):
            with attempt:
                await self._send_pending(producer)
        failpoint("before-commit")

    async def _send_pending(self, producer: AIOKafkaProducer) -> None:
        where = list(self._pending)
        results = await asyncio.gather(
            *(self._send_partition(producer, place) for place in where), return_exceptions=True
        )
        failed = [result for result in results if isinstance(result, BaseException)]
        for place, result in zip(where, results, strict=True):
            if result is None:
                del self._pending[place]
        for failure in sorted(failed, key=_temporary):
            raise failure

    async def _send_partition(self, producer: AIOKafkaProducer, place: tuple[str, int]) -> None:
        topic, partition = place
        timestamp = int(time.time() * 1000)
        acknowledged = []
        batch = producer.create_batch()
        for key, value, headers in self._pending[place]:
            if batch.append(timestamp=timestamp, key=key, value=value, headers=headers) is None:
                acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(timestamp=timestamp, key=key, value=value, headers=headers)
        acknowledged.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*acknowledged)
        failpoint("some-sent")


def _temporary(error: BaseException) -> bool:
    if isinstance(error, KafkaTimeoutError):
        return True
    return isinstance(error, KafkaError) and bool(error.retriable)


def _say_that_it_waits(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("Kafka does not acknowledge outputs: retries", error=type(error).__name__)
