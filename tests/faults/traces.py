"""Everything that can make a process write what it knows; and canaries that must be found."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from kafka.record import MemoryRecordsBuilder

from crossregion.data_directory import HOST
from crossregion.failpoints import RAISE
from crossregion.private_files import write_private
from tests.faults import checks, storage
from tests.faults.generate import CANARY_TEXT, RARE, SURNAMES, spoilt
from tests.faults.rig import Rig, Scale, Stuck
from tests.support.intake import free_port

RAISED = {
    **dict.fromkeys(("sender", "intake", "linkage", "proposals", "notices"), "before-send"),
    "registry": "in-transaction",
    "delivery": "notices-read",
}
"""Where each kind of process has an event in its hands."""
REFUSAL = f"""RAISE EXCEPTION USING
    ERRCODE = CASE currval('public.harm_count') WHEN 1 THEN '23514' ELSE '40001' END,
    MESSAGE = '{CANARY_TEXT}', DETAIL = '{CANARY_TEXT}', HINT = '{CANARY_TEXT}',
    TABLE = 'record', CONSTRAINT = 'record_check';
"""
DUMPS = 5
NAME = SURNAMES[0] + RARE[0] + RARE[1]
WAYS = {
    "utf-8": NAME.encode(),
    "escaped": NAME.encode("ascii", "backslashreplace"),
    "gb18030": NAME.encode("gb18030"),
    "text": CANARY_TEXT.encode(),
    "number": b'"99221' + b"2" * 12 + b'X"',
}
"""Everything that a personal value may look like in what is written."""


def written(rig: Rig, scale: Scale) -> None:
    """Errors, tracebacks, dumps and dead letters of every process; none holds a value."""
    for _ in range(scale.times):
        rig.wait_healthy()
        for _ in range(DUMPS):
            rig.accept(rig.generator.plain(scale.events // 2))
            rig.say_where_they_stand()
            rig.rest(0.1)
        for kind, point in RAISED.items():
            rig.arm(kind, point, RAISE)
        made = rig.generator.matching(2)
        rig.put([bad for one in made for bad in spoilt(one, random.Random(scale.events))])
        rig.accept(made)
        for kind, point in RAISED.items():
            rig.struck(kind, point)
        storage.with_trigger(rig, scale, REFUSAL)
    for name in RAISED:
        log = (rig.data / "log" / f"{name}.log").read_bytes()
        assert b"Injected" in log, f"{name} has told of no error"
        assert b"Thread 0x" in log, f"{name} has not told where its threads are"
    _keep_no_core(rig)
    _are_found(rig)


def _keep_no_core(rig: Rig) -> None:
    services = {"Kafka": rig.broker.pid, "PostgreSQL": rig.postgres.pid}
    for name, pid in {**rig.supervisor.pids(), **services}.items():
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        (core,) = (line.split() for line in limits if line.startswith("Max core file size"))
        assert core[4] == "0", f"{name} would leave a core dump"


def _are_found(rig: Rig) -> None:
    """The search of `checks` finds every canary that is put where none should be."""
    assert checks.leaks(rig) == []
    with ExitStack() as planted:
        wanted = {
            f"a canary in {planted.enter_context(where)}"
            for way, value in WAYS.items()
            for where in (_in_a_log(rig, way, value), _on_a_page(rig, way, value))
        }
        wanted.add(f"a canary in {planted.enter_context(_in_the_listing(rig))}")
        segments = rig.data.glob("kafka/log/cases.*/*.log")
        real = next(found for file in segments if (found := file.read_bytes()))
        wanted.add(f"a canary in {planted.enter_context(_on_a_topic(rig, 'plain', real))}")
        squeezed = planted.enter_context(_on_a_topic(rig, "compressed", _compressed()))
        wanted.add(f"{squeezed} is compressed, and was not searched")
        log = rig.data / "log/sender.log"
        planted.callback(log.chmod, 0o600)
        log.chmod(0o640)
        wanted.add("log/sender.log has mode 640")
        leaks = set(checks.leaks(rig))
        assert leaks == wanted, leaks ^ wanted
    try:
        checks.page(rig, "nobody", free_port(), 0.5)
    except Stuck:
        return
    raise AssertionError("a page of metrics that nobody can read counts as searched")


@contextmanager
def _in_a_log(rig: Rig, way: str, value: bytes) -> Iterator[str]:
    file = rig.data / "log" / f"planted-{way}.log"
    write_private(file, b'{"event": "' + value + b'"}\n')
    yield file.name
    file.unlink()


@contextmanager
def _on_a_page(rig: Rig, way: str, value: bytes) -> Iterator[str]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'crossregion_events{unit="' + value + b'"} 1\n')

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer((HOST, 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        name = f"planted {way}"
        rig.metrics_ports[name] = server.server_address[1]
        yield f"metrics of {name}"
        del rig.metrics_ports[name]
        server.shutdown()


@contextmanager
def _in_the_listing(rig: Rig) -> Iterator[str]:
    put = "UPDATE registry.dead_letter SET detail = %s WHERE dead_letter_id = %s"
    with rig.superuser() as connection:
        asked = "SELECT detail, dead_letter_id FROM registry.dead_letter LIMIT 1"
        (before,) = connection.execute(asked).fetchall()
        connection.execute(put, [CANARY_TEXT, before[1]])
        yield "dead letters' listing"
        connection.execute(put, before)


@contextmanager
def _on_a_topic(rig: Rig, name: str, segment: bytes) -> Iterator[str]:
    """In a directory among the broker's, which it looks at only when it starts."""
    directory = rig.data / "kafka/log" / f"planted-{name}-0"
    directory.mkdir(mode=0o700)
    file = directory / "00000000000000000000.log"
    write_private(file, segment)
    yield f"{directory.name}/{file.name}"
    file.unlink()
    directory.rmdir()


def _compressed() -> bytes:
    builder = MemoryRecordsBuilder(magic=2, compression_type=1, batch_size=10_000)
    for _ in range(20):
        builder.append(timestamp=0, key=None, value=NAME.encode() * 20)
    builder.close()
    return bytes(builder.buffer())
