"""A data directory: used by one process at a time, with ports and secrets that stay the same."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from crossregion.errors import DataDirectoryInUse, ServiceUnavailable
from crossregion.private_files import write_private

HOST = "127.0.0.1"
LEFTOVER_SECONDS = 20.0
POLL_SECONDS = 0.1
FIRST_PORT, LAST_PORT = 20000, 32000
"""Ports are chosen below the range from which systems take the ports of outgoing connections."""


class DataDirectory:
    """A directory locked by `flock` for as long as this object or a child that inherits it lives.

    `purpose` names the service in messages.
    """

    def __init__(self, path: Path, purpose: str) -> None:
        self.path = path.resolve()
        self.purpose = purpose
        self._lock: int | None = None

    def acquire(self) -> int:
        """Make the directory (mode 0700) and lock it; returns the lock's file descriptor.

        A directory whose owner is gone while its service is still stopping is waited for.
        Raises DataDirectoryInUse, or ServiceUnavailable when it cannot be written.
        """
        if self._lock is not None:
            raise self._used_by(os.getpid())
        lock = self._open_lock()
        try:
            self._take(lock)
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock
        return lock

    def release(self) -> None:
        """Give the directory up; a child that inherited the lock still holds it."""
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    @property
    def in_use(self) -> bool:
        """Whether a process holds the directory, this one or another."""
        if self._lock is not None:
            return True
        lock = self._open_lock()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def _open_lock(self) -> int:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ServiceUnavailable(
                "data-directory-not-writable", path=self.path, strerror=error.strerror
            ) from error

    def _take(self, lock: int) -> None:
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = self._owner(lock)
                if (owner is not None and _lives(owner)) or time.monotonic() > deadline:
                    raise self._used_by(owner) from None
                time.sleep(POLL_SECONDS)
            else:
                return

    @staticmethod
    def _owner(lock: int) -> int | None:
        text = os.pread(lock, 32, 0)
        return int(text) if text.isdigit() else None

    def _used_by(self, owner: int | None) -> DataDirectoryInUse:
        known = {"path": self.path, "purpose": self.purpose}
        if owner is None:
            return DataDirectoryInUse(**known)
        return DataDirectoryInUse("by-a-process", **known, process=owner)

    def ports(self, names: Sequence[str]) -> dict[str, int]:
        """A free port for each name: the one used last time if it is still free."""
        file = self.path / "ports.json"
        try:
            known = json.loads(file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            known = {}
        chosen: dict[str, int] = {}
        for name in names:
            port = known.get(name)
            while not isinstance(port, int) or port in chosen.values() or not _is_free(port):
                port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
            chosen[name] = port
        write_private(file, json.dumps(chosen))
        return chosen

    def secret(self, name: str) -> str:
        """A random secret, made once and kept in a file of mode 0600."""
        file = self.path / name
        if not file.exists():
            write_private(file, secrets.token_urlsafe(32))
        return file.read_text()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
