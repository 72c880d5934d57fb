"""A TCP proxy between clients and a server, that can be told to misbehave."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
CHUNK_BYTES = 64 * 1024
FOR_EVER = 2**62


class Proxy:
    """Forwards connections on `port` to the port that `target` names at that moment.

    It runs in a thread of its own; the methods may be called from any other.
    """

    def __init__(self, target: Callable[[], int]) -> None:
        self._target = self._right_target = target
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._refusing = False
        self._delay = 0.0
        self._left = FOR_EVER
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def heal(self) -> None:
        """Forward everything again, also what a blackhole has held back, as TCP would."""
        self._call(self._heal)

    def blackhole(self) -> None:
        """Take connections and bytes, and let none through."""
        self._call(self._open.clear)

    def refuse(self) -> None:
        """Reset every connection, and every new one."""
        self._call(self._refuse)

    def reset(self) -> None:
        """Reset every connection; new ones are taken."""
        self._call(self._reset)

    def delay(self, seconds: float) -> None:
        """Hold each piece of data for so long."""
        self._call(lambda: setattr(self, "_delay", seconds))

    def cut_after(self, count: int) -> None:
        """Reset every connection once so many more bytes have passed; then it goes on."""
        self._call(lambda: setattr(self, "_left", count))

    def lead_to(self, port: int) -> None:
        """Reset every connection, and lead new ones to another server."""
        self._call(lambda: self._lead(lambda: port))

    def close(self) -> None:
        self._call(self._loop.stop)
        self._thread.join()
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, what: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(what)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        starting = asyncio.start_server(self._serve, sock=self._listener)
        server = self._loop.run_until_complete(starting)
        try:
            self._loop.run_forever()
        finally:
            server.close()
            self._reset()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.close()

    def _heal(self) -> None:
        self._refusing, self._delay, self._left = False, 0.0, FOR_EVER
        self._target = self._right_target
        self._open.set()

    def _lead(self, target: Callable[[], int]) -> None:
        self._target = target
        self._reset()

    def _refuse(self) -> None:
        self._refusing = True
        self._reset()

    def _reset(self) -> None:
        for writer in list(self._writers):
            _abort(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._open.wait()
            if self._refusing:
                return
            try:
                there, to_server = await asyncio.open_connection(HOST, self._target())
            except OSError:
                return
            self._writers.add(to_server)
            try:
                await asyncio.gather(self._pump(reader, to_server), self._pump(there, writer))
            finally:
                self._writers.discard(to_server)
                _abort(to_server)
        finally:
            self._writers.discard(writer)
            _abort(writer)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK_BYTES):
                if self._delay:
                    await asyncio.sleep(self._delay)
                await self._open.wait()
                passed, self._left = data[: self._left], self._left - len(data)
                writer.write(passed)
                await writer.drain()
                if self._left < 0:
                    self._left = FOR_EVER
                    self._reset()
                    return
            if writer.can_write_eof() and not writer.is_closing():
                writer.write_eof()
        except OSError:
            _abort(writer)


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset, not with an orderly end."""
    found = writer.get_extra_info("socket")
    if found is not None and found.fileno() >= 0:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
