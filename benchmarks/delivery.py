"""How many notices a second delivery brings to webhooks, and how soon after a decision.

The receiver is a TLS server on loopback, in a thread of the measuring process.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import psycopg
from kafka import KafkaProducer

from benchmarks import harness, latency
from benchmarks.feed import Event
from benchmarks.harness import Services, Stuck
from crossregion.data_directory import HOST
from crossregion.domain import decisions, identifiers
from crossregion.domain.events import MatchDecided
from crossregion.embedded.certificates import Authority
from crossregion.embedded.stack import ROLES, Stack
from crossregion.installation import OPERATOR
from crossregion.kafka.connection import OFFICE
from crossregion.private_files import write_private
from crossregion.services import endpoints
from schemas import codec, topics
from schemas.units import UNITS

EXAMPLES = Path(__file__).parents[1] / "schemas/examples"
PER_SECOND, DECISION_SECONDS = 100, 1.0
PAUSE_SECONDS, TIMEOUT_SECONDS = 0.35, 30.0
"""Between two decisions; and how long one may take at most."""
DECISIONS, WARM_UP = 100, 5
"""Left out are the first, in which every process makes its connections."""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
DELIVERED = "SELECT count(*) FROM delivery.delivery WHERE state = 'delivered'"


class Receiver:
    """Answers every request with 200, and notes when each notice came."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._loop = asyncio.new_event_loop()
        self.came: dict[str, float] = {}
        self.port = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                said = dict(
                    line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line
                )
                body = await reader.readexactly(int(said[b"content-length"]))
                cause = json.loads(body)["data"]["cause"]
                self.came.setdefault(cause, time.monotonic())
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    @contextmanager
    def running(self) -> Iterator[None]:
        async def start() -> None:
            server = await asyncio.start_server(self._serve, HOST, 0, ssl=self._context)
            self.port = server.sockets[0].getsockname()[1]

        self._loop.run_until_complete(start())
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()


@contextmanager
def receiving(home: Path) -> Iterator[tuple[Receiver, dict[str, str]]]:
    """A receiver, and the settings by which delivery may talk to it."""
    authority = Authority(home / "ca.pem", home / "ca.key")
    write_private(home / "receiver.pem", authority.issue("receiver", [HOST]))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(home / "receiver.pem")
    receiver = Receiver(context)
    with receiver.running():
        yield (
            receiver,
            {
                "CROSSREGION_AUTHORITIES": str(home / "ca.pem"),
                "CROSSREGION_NETWORKS": '{"loopback": "127.0.0.0/8"}',
            },
        )


def add_endpoints(dsn: str, receiver: Receiver) -> None:
    for unit in UNITS:
        url = f"https://{HOST}:{receiver.port}/{unit}"
        endpoints.add(dsn, unit, "webhook", url, "loopback", "benchmark")


def issued(count: int) -> Iterator[Event]:
    """Notices for all units in turn."""
    newest = max(codec.versions()["NoticeIssued"])
    file = EXAMPLES / f"NoticeIssued/{newest}/example.json"
    example: dict[str, Any] = json.loads(file.read_text("utf-8"))
    for number in range(count):
        unit = UNITS[number % len(UNITS)]
        notice_id = str(uuid.uuid4())
        told = {**example, "notice_id": notice_id, "unit": unit, "revision": 1}
        value = codec.encode("NoticeIssued", told)
        yield Event(topics.NOTICES.name(unit), notice_id.encode(), value, [])


def throughput(services: Services, count: int) -> None:
    """Print the figure of one delivery worker over `count` notices for eleven webhooks."""
    dsn = services.database("delivery", ROLES["delivery"])
    harness.preload(services.kafka, issued(count))
    with receiving(services.home) as (receiver, settings):
        add_endpoints(services.postgres.dsn("delivery", OPERATOR), receiver)
        with psycopg.connect(dsn, autocommit=True) as connection:

            def delivered() -> int:
                row = connection.execute(DELIVERED).fetchone()
                return int(row[0]) if row else 0

            log = services.home / "log" / "delivery.log"
            known = {**services.kafka.environment(), **settings, "CROSSREGION_DATABASE": dsn}
            with harness.running(["-m", "consumers.delivery.worker"], log, **known) as one:
                speed = harness.measured(one, delivered, count)
    reached = speed.per_second >= PER_SECOND
    harness.line("notices to webhooks, one worker", f"{PER_SECOND}/s", reached, str(speed))


def decision(number: int) -> MatchDecided:
    """The confirmation of a pair of its own."""
    file = EXAMPLES / "MatchDecided/1/example.json"
    example: dict[str, Any] = json.loads(file.read_text("utf-8"))
    case_unit, rescue_unit = "220200", "220100"
    case_id, rescue_id = f"220200-B{number}", f"220100-B{number}"
    made = cast(
        MatchDecided,
        {
            **example,
            "case_unit": case_unit,
            "case_id": case_id,
            "victim_id": f"{case_id}/1",
            "rescue_unit": rescue_unit,
            "rescue_id": rescue_id,
            "proposal_id": identifiers.proposal_id(
                case_unit, f"{case_id}/1", rescue_unit, rescue_id
            ),
            "proposal_revision": 1,
            "previous": 0,
            "revision": 1,
            "verdict": decisions.CONFIRMED,
            "reason": decisions.REASONS[decisions.CONFIRMED][0],
        },
    )
    made["decision_id"] = identifiers.decision_id(made)
    return made


def measure(stack: Stack, receiver: Receiver, count: int) -> list[float]:
    """Decide again and again; the sorted seconds from each decision to its last webhook."""
    producer = KafkaProducer(**stack.kafka.options(OFFICE), acks="all")
    taken = []
    for number in range(WARM_UP + count):
        made = decision(number)
        since = time.monotonic()
        producer.send(
            topics.DECISIONS.name(),
            key=made["proposal_id"].encode(),
            value=codec.encode("MatchDecided", made),
            partition=topics.partition_of(made["rescue_id"], topics.DECISIONS),
        )
        waited = {made["case_id"], made["rescue_id"]}
        while not waited <= receiver.came.keys():
            if time.monotonic() - since > TIMEOUT_SECONDS:
                raise Stuck(f"decision {number} was not told: see {stack.data / 'log'}")
            time.sleep(0.005)
        taken.append(max(receiver.came[cause] for cause in waited) - since)
        time.sleep(PAUSE_SECONDS * (number % 3))
    producer.close()
    return sorted(taken[WARM_UP:])


def run(count: int) -> None:
    """Print the figures."""
    with harness.services() as services:
        throughput(services, count)
    with (
        TemporaryDirectory(prefix="crossregion-bench-") as data,
        receiving(Path(data)) as (receiver, settings),
    ):
        os.environ.update(settings)
        with Stack(Path(data) / "stack") as stack:
            add_endpoints(stack.dsn(OPERATOR), receiver)
            stack.wait_healthy()
            taken = measure(stack, receiver, DECISIONS)
        for name in settings:
            del os.environ[name]
    p50, p99 = latency.percentiles(taken)
    harness.line(
        "decision to both units' webhooks",
        f"p99 <= {DECISION_SECONDS:g} s",
        p99 <= DECISION_SECONDS,
        f"p50 {p50:.3f} s  p99 {p99:.3f} s  longest {taken[-1]:.3f} s  of {len(taken)} decisions",
    )
