"""How many requests the HTTP intake takes on loopback, and whether a kill loses a receipt.

The load comes from the measuring process: keep-alive connections that send one case after the
other, and repeat what they have no receipt of under the same key.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks import harness
from crossregion.data_directory import HOST
from producers.http_intake.keys import Keys
from producers.spool.store import Spool

PER_SECOND = 200
UNIT = "220200"
CONNECTIONS = 64
SECONDS, SECONDS_SHORTER = 60.0, 20.0
GROUP = 500
STARTED_SECONDS = 30.0
EXAMPLE = Path(__file__).parents[1] / "schemas/examples/CaseRecorded/1/example.json"
AGAIN_SECONDS = 0.05


class Load:
    """Connections that send as fast as they are answered, and remember every receipt."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        case = {**json.loads(EXAMPLE.read_text("utf-8")), "unit": UNIT, "revision": 0}
        self._before, self._after = json.dumps({**case, "case_id": "@"}).split('"@"')
        self._key = key
        self._count = 0
        self.receipts: list[bytes] = []
        self.seconds: list[float] = []
        self.repeated = 0

    async def run(self, seconds: float) -> None:
        """Send for so long; returns once every request has its receipt."""
        until = time.monotonic() + seconds
        await asyncio.gather(*(self._send_on(until) for _ in range(CONNECTIONS)))

    async def _send_on(self, until: float) -> None:
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while time.monotonic() < until:
            self._count += 1
            request = self._request(self._count)
            since = time.monotonic()
            while True:
                try:
                    streams = streams or await asyncio.open_connection(HOST, self._port)
                    status, answer = await _asked(*streams, request)
                except (OSError, asyncio.IncompleteReadError):
                    streams, status = None, 0
                if status == 202:
                    break
                self.repeated += 1
                await asyncio.sleep(AGAIN_SECONDS)
            self.seconds.append(time.monotonic() - since)
            self.receipts.append(answer)
        if streams is not None:
            streams[1].close()

    def _request(self, number: int) -> bytes:
        body = f'{self._before}"{UNIT}-H{number}"{self._after}'.encode()
        head = (
            f"POST /v1/events/CaseRecorded HTTP/1.1\r\nHost: {HOST}\r\n"
            f"Authorization: Bearer {self._key}\r\nIdempotency-Key: benchmark-{number:09}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def event_ids(self) -> set[str]:
        """What the receipts name."""
        return {json.loads(one)["records"][0]["event_id"] for one in self.receipts}


async def _asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> tuple[int, bytes]:
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
    return int(head[9:12]), await reader.readexactly(length)


@dataclass(frozen=True)
class Measured:
    """What one run came to; `stored` are the ids of the events in the spool after it."""

    load: Load
    seconds: float
    cpu_seconds: float
    stored: set[str]

    @property
    def per_second(self) -> float:
        return len(self.load.receipts) / self.seconds

    @property
    def cpu_millis(self) -> float:
        """Of the intake's process for each request, without its start."""
        return 1_000 * self.cpu_seconds / len(self.load.receipts)


def measure(seconds: float, group: int, *, kill: bool = False) -> Measured:
    """Load for so long, with so many requests to a commit; killed under it if asked."""
    with TemporaryDirectory(prefix="crossregion-bench-") as directory, ExitStack() as undo:
        home, port = Path(directory), harness.free_port()
        key = Keys(home / "intake-keys").add(UNIT, date.today())
        env = {
            "CROSSREGION_DATA": str(home),
            "CROSSREGION_INTAKE_PORT": str(port),
            "CROSSREGION_INTAKE_GROUP": str(group),
            "CROSSREGION_INTAKE_RATE": "1000000",
        }

        def start() -> psutil.Process:
            log = home / "log" / "http-intake.log"
            return undo.enter_context(
                harness.running(["-m", "producers.http_intake.app"], log, **env)
            )

        load, process = Load(port, key), start()
        _wait_listening(port)
        cpu, began = harness.cpu_seconds(process), time.monotonic()
        if kill:
            asyncio.run(_killed(load, seconds, process.kill, start))
        else:
            asyncio.run(load.run(seconds))
        taken = time.monotonic() - began
        cpu = 0.0 if kill else harness.cpu_seconds(process) - cpu
        undo.close()
        with Spool(home / "spool" / f"{UNIT}.sqlite", UNIT) as spool:
            stored = {event.event_id for event in spool.unsent(10**9)}
    return Measured(load, taken, cpu, stored)


async def _killed(
    load: Load, seconds: float, kill: Callable[[], object], start: Callable[[], object]
) -> None:
    """Load for so long; killed half-way, and started again at once."""
    running = asyncio.create_task(load.run(seconds))
    await asyncio.sleep(seconds / 2)
    kill()
    await asyncio.to_thread(start)
    await running


def _wait_listening(port: int) -> None:
    deadline = time.monotonic() + STARTED_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"http://{HOST}:{port}/problems/no-key", timeout=5).close()
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def run(seconds: float = SECONDS, shorter: float = SECONDS_SHORTER) -> None:
    """Print the figures."""
    alone = measure(shorter, 1)
    grouped = measure(seconds, GROUP)
    spent = sorted(grouped.load.seconds)
    said = (
        f"{grouped.per_second:9,.0f} requests/s for {seconds:.0f} s, {CONNECTIONS} connections, "
        f"p50 {_share(spent, 0.5):.0f} ms, p99 {_share(spent, 0.99):.0f} ms, "
        f"{grouped.cpu_millis:.2f} ms of CPU a request; with a commit a request "
        f"{alone.per_second:,.0f}, ratio {grouped.per_second / alone.per_second:.1f}"
    )
    reached = grouped.per_second >= PER_SECOND
    harness.line("HTTP intake, group commit", f"{PER_SECOND}/s", reached, said)
    killed = measure(shorter, GROUP, kill=True)
    lost = sum(len(one.load.event_ids() - one.stored) for one in (alone, grouped, killed))
    kept = (
        f"{len(killed.load.receipts):9,} receipts, {lost} not in the spool, "
        f"{killed.load.repeated} requests repeated under their key"
    )
    harness.line("HTTP intake, kill -9 half-way", "0 lost", lost == 0, kept)


def _share(spent: Sequence[float], share: float) -> float:
    return 1_000 * spent[int(share * (len(spent) - 1))]
