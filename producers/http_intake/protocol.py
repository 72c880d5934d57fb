"""uvicorn's protocol with limits that it lacks: so many connections, and a head soon and small."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
HEAD_BYTES = 32 * 1024
MOST_CONNECTIONS = 512
"""Of so many a process may have files open for, and the spools' besides."""
BUSY_SECONDS = 5
PROBLEM = "application/problem+json"


class LimitedProtocol(HttpToolsProtocol):
    """A connection whose client neither dawdles over a head nor sends one without end."""

    head_seconds = HEAD_SECONDS
    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self._end(HTTPStatus.SERVICE_UNAVAILABLE, "Too many are connected: come again later.")
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._timer is None and self.cycle is not None and self.cycle.response_complete:
            self._expect_head()
        super().data_received(data)
        if self._timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._end(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Send fewer headers.")

    def on_headers_complete(self) -> None:
        self._head_is_there()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._end(HTTPStatus.BAD_REQUEST, "This is no HTTP/1.1 request: send one.")

    def _expect_head(self) -> None:
        self._head_is_there()
        self._timer = self.loop.call_later(self.head_seconds, self._too_late)

    def _head_is_there(self) -> None:
        self._head_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._end(HTTPStatus.REQUEST_TIMEOUT, "Send the whole request at once.")

    def _end(self, status: HTTPStatus, detail: str) -> None:
        """Answer before there is a request, and close."""
        self._head_is_there()
        if self.transport.is_closing():
            return
        said: dict[str, Any] = {"title": status.phrase, "status": status.value, "detail": detail}
        body = json.dumps(said).encode()
        again = (
            f"retry-after: {BUSY_SECONDS}\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
        )
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {PROBLEM}\r\n"
            f"content-length: {len(body)}\r\n{again}connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
