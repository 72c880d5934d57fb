"""The HTTP intake as a process, and requests to it, for tests."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from producers.http_intake.keys import Keys
from producers.spool.store import Spool
from schemas import codec
from tests.support.exports import UNIT

CANARY = "Zq7Canary"
WAIT_SECONDS = 30.0
PROGRAM = "from producers.http_intake.app import main; main()"
EXAMPLES = Path(__file__).parents[2] / "schemas/examples"


def case(case_id: str = "H1", **changes: Any) -> dict[str, Any]:
    """A case of the unit as its IT sends it, without what may be left out."""
    victim = {"victim_id": f"{case_id}/1", "identity": {"name": CANARY, "birth_date": "1990-02-03"}}
    return {"case_id": case_id, "lost_on": "2012-05-01", "victims": [victim], **changes}


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        assert self.said["status"] == self.status
        assert self.said["title"]
        assert self.said["detail"]
        assert CANARY not in self.body.decode()
        return str(self.said["type"]).removeprefix("/problems/")


@dataclass
class Running:
    """A running intake."""

    home: Path
    port: int
    key: str
    process: subprocess.Popen[bytes] = field(repr=False)

    def post(
        self, content: Any, event: str = "CaseRecorded", *, again: str | None = None, **headers: Any
    ) -> Answer:
        """One request with a right key and a new Idempotency-Key, but for what is given."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        sent = {
            "authorization": f"Bearer {self.key}",
            "idempotency-key": again or str(uuid.uuid4()),
            "content-type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS)
        sent = {name: value for name, value in sent.items() if value is not None}
        connection.request("POST", f"/v1/events/{event}", body, sent)
        return read(connection)

    def raw(self, *parts: bytes) -> socket.socket:
        """A connection on which these bytes are sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_SECONDS)
        for part in parts:
            connection.sendall(part)
        return connection

    def spooled(self, unit: str = UNIT) -> list[tuple[str, int, str]]:
        """Id, revision and event id of what waits in a unit's spool."""
        with Spool(self.home / "spool" / f"{unit}.sqlite", unit) as spool:
            return [
                (one.record_id, codec.decode(one.value)[1]["revision"], one.event_id)
                for one in spool.unsent(10_000)
            ]

    @property
    def log(self) -> str:
        return (self.home / "log").read_text()


def read(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    answer = Answer(response.status, headers, response.read())
    connection.close()
    return answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def intake(home: Path, program: str = PROGRAM, **settings: Any) -> Iterator[Running]:
    """An intake on a port of its own, with one unit's key; ended by SIGTERM."""
    (home / "intake-keys" / UNIT).unlink(missing_ok=True)
    key = Keys(home / "intake-keys").add(UNIT, date.today())
    port = free_port()
    chosen = {"DATA": home, "INTAKE_PORT": port, "INTAKE_PUBLIC_RATE": 1_000, **settings}
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, **{f"CROSSREGION_{n}": str(v) for n, v in chosen.items()}},
            stderr=log,
        )
    try:
        wait_listening(process, port, home / "log")
        yield Running(home, port, key, process)
    finally:
        process.terminate()
        process.wait(WAIT_SECONDS)


def wait_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        else:
            return
