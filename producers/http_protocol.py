"""uvicorn's protocol with limits that it lacks: a request's head is complete soon, and small."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
HEAD_BYTES = 32 * 1024
PROBLEM = "application/problem+json"


class LimitedProtocol(HttpToolsProtocol):
    """A connection whose client neither dawdles over a head nor sends one without end."""

    head_seconds = HEAD_SECONDS
    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._end(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Send fewer headers.")

    def on_headers_complete(self) -> None:
        self._head_is_there()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._expect_head()

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
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {PROBLEM}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
