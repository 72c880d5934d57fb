"""Real receivers on loopback: a webhook's HTTPS server and a mail server with STARTTLS."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from crossregion.data_directory import HOST
from crossregion.embedded.certificates import Authority
from crossregion.private_files import write_private


@dataclass
class Received:
    """One request, or one letter."""

    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.time)


Behaviour = Callable[["Handler", int], None]
"""Answers a request; the number says which one it is on its path, from 1."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Webhooks

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        got = self.server.got[self.path]
        got.append(Received({name.lower(): value for name, value in self.headers.items()}, body))
        behave = self.server.behaviours.get(self.path, answers(200))
        try:
            behave(self, len(got))
        except OSError:
            self.close_connection = True

    def do_GET(self) -> None:
        self.server.got[self.path].append(Received({}, b""))
        answers(200)(self, 1)

    def answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Webhooks(ThreadingHTTPServer):
    """A receiver whose paths behave as they are told, and note what they get."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__((HOST, 0), Handler)
        self.context = context
        self.got: dict[str, list[Received]] = defaultdict(list)
        self.behaviours: dict[str, Behaviour] = {}

    def finish_request(self, request: Any, client_address: Any) -> None:
        """TLS in the connection's own thread, so that a slow one holds up none."""
        try:
            with self.context.wrap_socket(request, server_side=True) as tls:
                super().finish_request(tls, client_address)
        except OSError:
            return

    def shutdown_request(self, request: Any) -> None:
        self.close_request(request)

    def url(self, path: str, host: str = "localhost") -> str:
        return f"https://{host}:{self.server_address[1]}{path}"


def answers(status: int, **headers: str) -> Behaviour:
    return lambda handler, _: handler.answer(status, **headers)


def first(times: int, early: Behaviour, later: Behaviour | None = None) -> Behaviour:
    """Behave otherwise for the first few requests."""

    def behave(handler: Handler, number: int) -> None:
        (early if number <= times else later or answers(200))(handler, number)

    return behave


def never(handler: Handler, _: int) -> None:
    """Take the request and say nothing."""
    while handler.connection.recv(1):
        pass


def drip(handler: Handler, _: int) -> None:
    """The head of an answer, a byte at a time, for ever."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        time.sleep(0.05)
        handler.wfile.write(b"x")
        handler.wfile.flush()


def gigabyte(handler: Handler, _: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(1 << 30))
    handler.end_headers()
    for _part in range(1 << 14):
        handler.wfile.write(b"\0" * (1 << 16))


def cut(handler: Handler, _: int) -> None:
    """Take the request and end the connection."""
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


class Certificates:
    """A private CA for receivers, and contexts for servers on loopback."""

    def __init__(self, directory: Path) -> None:
        self.ca = directory / "receivers-ca.pem"
        self._directory = directory
        self._authority = Authority(self.ca, directory / "receivers-ca.key")

    def context(self, name: str, hosts: list[str]) -> ssl.SSLContext:
        file = self._directory / f"{name}.pem"
        write_private(file, self._authority.issue(name, hosts))
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.load_cert_chain(file)
        return made


@contextmanager
def webhooks(context: ssl.SSLContext) -> Iterator[Webhooks]:
    server = Webhooks(context)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def _well(_: int) -> str:
    return "250 OK"


class Mailboxes:
    """What a mail server got for each address; an answer can be told for each, by its number."""

    def __init__(self) -> None:
        self.got: dict[str, list[Received]] = defaultdict(list)
        self.replies: dict[str, Callable[[int], str]] = {}
        self.tried: dict[str, int] = defaultdict(int)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if session.ssl is None:
            return "530 STARTTLS first"
        self.tried[address] += 1
        reply = self.replies.get(address, _well)(self.tried[address])
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content: bytes = envelope.content
        for address in envelope.rcpt_tos:
            self.got[address].append(Received({}, content))
        return "250 OK"


@contextmanager
def mailboxes(context: ssl.SSLContext) -> Iterator[tuple[Mailboxes, int]]:
    """A mail server, and its port."""
    found = Mailboxes()
    controller = Controller(
        found, hostname=HOST, port=0, tls_context=context, require_starttls=True
    )
    controller.port = _free_port()
    controller.start()
    try:
        yield found, controller.port
    finally:
        controller.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
