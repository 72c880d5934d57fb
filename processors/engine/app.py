"""How a Faust app is set up and run here; why each setting is as it is: docs/adr/0003."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import faust
import structlog

from crossregion import logs, metrics
from crossregion.errors import StandsStill
from crossregion.kafka import admin as kafka_admin
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka import subscription
from crossregion.settings import settings
from processors.engine import patches
from processors.engine.liveness import busy, end_process, health, progress
from processors.engine.patches import Assignor
from processors.engine.watchdog import ProgressWatchdog

IDLE_SECONDS = 5.0
SESSION_SECONDS = 60.0
LEAST_SESSION_SECONDS = 6.0
"""The least that a broker takes by default."""
FETCH_BYTES = 2 * 1024 * 1024
GC_THRESHOLD = 50_000
"""A batch makes many objects that live as long as it does; counting them often finds nothing."""

log = structlog.get_logger()


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


def make_app(name: str, group: str | None = None) -> faust.App:
    """A Faust app without tables, web server, leader topic or topic creation.

    It logs in as the principal of its name; its group is named after it, if no other is given.

    Raises: ServiceUnavailable.
    """
    patches.apply_patches()
    connection = options(name)
    with kafka_admin.administering(kafka_connection.kafka(settings()), name) as admin:
        subscription.require_known_units(admin.list_topics())
    timeout_factor = settings().timeout_factor
    session = max(LEAST_SESSION_SECONDS, SESSION_SECONDS * timeout_factor)
    app = WatchedApp(
        group or kafka_connection.group(name),
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
        if not busy:
            health.beat()

    app.timer(IDLE_SECONDS)(beat_while_idle)
    app.watch = ProgressWatchdog(app, connection, StandsStill.after(timeout_factor))
    return app


class WatchedApp(faust.App):  # type: ignore[misc, unused-ignore]
    """Faust's own, watched from its start on.

    Its timers begin only once it has its first partitions, and it may stand still before.
    """

    watch: ProgressWatchdog

    async def on_start(self) -> None:
        await super().on_start()
        self.add_future(self.watch.run())


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
            busy.add(process)
            await handle(events)
            busy.discard(process)
            progress["batches"] += 1
            metrics.OLDEST_UNHANDLED.labels(process).set(0)
            health.beat()
    except asyncio.CancelledError as error:
        if process in busy:
            end_process(error)
        raise
    except Exception as error:  # noqa: BLE001 (nothing may leave: Faust would acknowledge)
        end_process(error)


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
