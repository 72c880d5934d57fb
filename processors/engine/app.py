"""How a Faust app is set up and run here; why each setting is as it is: docs/adr/0003."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import mode.loop

mode.loop.use("uvloop")

import faust  # noqa: E402 (the event loop is chosen before Faust is imported)
import structlog  # noqa: E402
from aiokafka import AIOKafkaProducer, TopicPartition  # noqa: E402
from aiokafka.conn import AIOKafkaConnection  # noqa: E402
from aiokafka.consumer.subscription_state import TopicPartitionState  # noqa: E402
from aiokafka.errors import KafkaError, SaslAuthenticationFailed  # noqa: E402
from faust.assignor.partition_assignor import PartitionAssignor  # noqa: E402
from faust.exceptions import ConsumerNotStarted  # noqa: E402

from crossregion import logs, metrics  # noqa: E402
from crossregion.errors import LogShortened, RuntimeFault, ServiceUnavailable, StandsStill
from crossregion.kafka import connection as kafka_connection
from crossregion.settings import settings  # noqa: E402
from processors import restore  # noqa: E402
from processors.engine import record_batch

EXIT_UNKNOWN_ERROR = 70
IDLE_SECONDS = 5.0
SESSION_SECONDS = 60.0
LEAST_SESSION_SECONDS = 6.0
"""The least that a broker takes by default."""
FETCH_BYTES = 2 * 1024 * 1024
GC_THRESHOLD = 50_000
"""A batch makes many objects that live as long as it does; counting them often finds nothing."""

log = structlog.get_logger()
health = metrics.Health()
_busy: set[str] = set()
_count = Counter[str]()
"""Batches handled so far, and steps, such as rebuilding, under way."""

record_batch.mend()


_connect = AIOKafkaConnection.connect


async def connect(connection: AIOKafkaConnection) -> Any:
    """Connect; aiokafka itself would go on with a password that was changed, for ever."""
    try:
        return await _connect(connection)
    except SaslAuthenticationFailed as error:
        found = kafka_connection.kafka(settings())
        end_process(ServiceUnavailable(found.explain(error, connection._sasl_plain_username)))


AIOKafkaConnection.connect = connect


_await_reset = TopicPartitionState.await_reset


def await_reset(state: TopicPartitionState, strategy: int) -> None:
    """Begin at the beginning what was never read; Faust would drop all up to where it was."""
    if state.has_valid_position:
        end_process(LogShortened())
    _await_reset(state, strategy)


TopicPartitionState.await_reset = await_reset


def options(principal: str) -> dict[str, Any]:
    """The connection options of this process, once something listens where the settings say.

    Raises: ServiceUnavailable.
    """
    return kafka_connection.reachable(settings()).options(principal)


def credentials(connection: Mapping[str, Any]) -> faust.SASLCredentials:
    """The same in Faust's words."""
    return faust.SASLCredentials(
        username=connection["sasl_plain_username"],
        password=connection["sasl_plain_password"],
        ssl_context=connection["ssl_context"],
        mechanism=connection["sasl_mechanism"],
    )


class Assignor(PartitionAssignor):  # type: ignore[misc, unused-ignore]
    """Faust's own, which ignores a topic of whose partitions Kafka has not told the leader yet."""

    @classmethod
    def _get_copartitioned_groups(cls, topics: set[str], cluster: Any, subscriptions: Any) -> Any:
        """The topic would stand still, given to nobody: end instead, and join anew."""
        for topic in sorted(topics):
            if not cluster.partitions_for_topic(topic):
                end_process(
                    RuntimeFault(
                        f"Kafka has not told of any partition of {topic}: if the topic is missing, "
                        "run crossregion topics apply."
                    )
                )
        return super()._get_copartitioned_groups(topics, cluster, subscriptions)


def make_app(name: str, group: str | None = None) -> faust.App:
    """A Faust app without tables, web server, leader topic or topic creation.

    It logs in as the principal of its name; its group is named after it, if no other is given.
    """
    connection = options(name)
    patience = settings().patience
    session = max(LEAST_SESSION_SECONDS, SESSION_SECONDS * patience)
    app = WatchedApp(
        group or f"crossregion-{name}",
        broker=f"kafka://{connection['bootstrap_servers']}",
        broker_credentials=credentials(connection),
        datadir=tempfile.gettempdir(),
        processing_guarantee="at_least_once",
        broker_commit_interval=0.5,
        broker_session_timeout=session,
        broker_heartbeat_interval=session / 20,
        broker_request_timeout=session * 1.5,
        broker_max_poll_interval=3600,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=f"{name}-{settings().worker}",
        consumer_max_fetch_size=FETCH_BYTES,
        producer_acks=-1,
        producer_linger=0,
        producer_max_batch_size=FETCH_BYTES // 4,
        producer_max_request_size=FETCH_BYTES,
        stream_wait_empty=True,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        PartitionAssignor=Assignor,
    )

    async def beat_while_idle() -> None:
        if not _busy:
            health.beat()

    app.timer(IDLE_SECONDS)(beat_while_idle)
    app.watch = Watch(app, connection, StandsStill.after(patience))
    return app


class WatchedApp(faust.App):  # type: ignore[misc, unused-ignore]
    """Faust's own, watched from its start on.

    Its timers begin only once it has its first partitions, and it may stand still before.
    """

    watch: Watch

    async def on_start(self) -> None:
        await super().on_start()
        self.add_future(self.watch.run())


class Watch:
    """Sees to it that what stands on the topics comes.

    After lost connections a Faust worker sometimes fetches nothing any more (faults.md, F13),
    while its session in the group lives on, so that nobody takes its work over. One way there: when
    the seeking of offsets is cancelled, so is the task that has partitions read after a rebalance,
    for good, and Faust logs it below warnings.
    """

    def __init__(self, app: faust.App, connection: Mapping[str, Any], seconds: float) -> None:
        self._app = app
        self._connection = connection
        self._seconds = seconds
        self._batches = -1
        self._left: set[restore.Place] = set()

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(self._seconds)
            await self.look()

    async def look(self) -> None:
        """End the process when nothing moved since the last look, and there was more at both."""
        before, idle = self._left, not _busy and self._batches == _count["batches"]
        self._batches, self._left = _count["batches"], set()
        if not idle or _count["steps"] or not (mine := self._assignment()):
            return
        try:
            self._left = await restore.behind(self._connection, self._app.conf.id, mine)
        except KafkaError as error:
            log.warning("Kafka does not say how much there is", error=type(error).__name__)
        if before & self._left and self._batches == _count["batches"]:
            end_process(StandsStill())

    def _assignment(self) -> set[TopicPartition]:
        try:
            return {TopicPartition(*one) for one in self._app.consumer.assignment()}
        except ConsumerNotStarted:
            return set()


def producer_of(app: faust.App) -> AIOKafkaProducer:
    """The app's own aiokafka producer, whose batches can be awaited one by one."""
    return app.producer._ensure_producer()


async def each_batch(
    process: str,
    stream: Any,
    handle: Callable[[Sequence[Any]], Awaitable[None]],
    size: int,
    within: float,
) -> None:
    """Hand over batches of events. An error ends the process before an offset is committed.

    An agent that raises, or is cancelled at work, has its events acknowledged by Faust (faults.md,
    F3), so nothing may leave this loop.
    """
    try:
        batches: AsyncIterator[Sequence[Any]] = stream.take_events(size, within=within)
        async for events in batches:
            metrics.OLDEST_UNHANDLED.labels(process).set(events[0].message.timestamp)
            _busy.add(process)
            await handle(events)
            _busy.discard(process)
            _count["batches"] += 1
            metrics.OLDEST_UNHANDLED.labels(process).set(0)
            health.beat()
    except asyncio.CancelledError as error:
        if process in _busy:
            end_process(error)
        raise
    except Exception as error:  # noqa: BLE001 (nothing may leave: Faust would acknowledge)
        end_process(error)


async def or_end_process(step: Awaitable[None]) -> None:
    """Await a step that must not fail in silence."""
    _count["steps"] += 1
    try:
        await step
    except Exception as error:  # noqa: BLE001 (Faust would only log it)
        end_process(error)
    finally:
        _count["steps"] -= 1


def end_process(error: BaseException) -> None:
    """End at once, nothing committed: whoever supervises starts the process again."""
    if isinstance(error, RuntimeFault):
        log.error("The process ends", fault=str(error))
    else:
        log.error(
            "Unknown error; the process ends", error=type(error).__name__, where=logs.where(error)
        )
    sys.stderr.flush()
    os._exit(EXIT_UNKNOWN_ERROR)


class Worker(faust.Worker):  # type: ignore[misc, unused-ignore]
    """Faust's own, which on SIGUSR1 writes to the log also what every variable holds."""

    def _on_sigusr1(self) -> None:
        faulthandler.dump_traceback()
        for task in asyncio.all_tasks():
            stack = (f"{one.f_code.co_name}:{one.f_lineno}" for one in task.get_stack())
            sys.stderr.write(f"Task at {', '.join(stack)}\n")
        sys.stderr.flush()


def run(app: faust.App) -> None:
    """Serve metrics and run the app until SIGTERM or SIGINT."""
    chosen = settings()
    logs.configure(chosen.log_level)
    port, _ = metrics.serve(health, chosen.metrics_host, chosen.metrics_port)
    log.info("Metrics", process=app.conf.id, port=port)
    worker = Worker(app, quiet=True, loglevel=logging.WARNING, redirect_stdouts=False)
    worker.spinner = None
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    worker.execute_from_commandline()
