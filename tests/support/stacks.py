"""Stacks of tests: started on prepared data, and ended at once, since nobody reads theirs again.

The order of a stop is tested where it matters: `test_runtime` and `test_up`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGQUIT

from crossregion.embedded.postgres import EmbeddedPostgres
from crossregion.embedded.service import EmbeddedService
from crossregion.embedded.stack import Stack
from tests.support.prepared import prepare


def end_at_once(service: EmbeddedService) -> None:
    """Kill a service; PostgreSQL ends its own children by SIGQUIT, without a checkpoint."""
    number = SIGQUIT if isinstance(service, EmbeddedPostgres) else SIGKILL
    if service.pid is not None:
        with suppress(ProcessLookupError):
            os.kill(service.pid, number)
    service.stop()


class DisposableStack(Stack):
    """A stack whose start skips what is prepared, and whose end is a kill."""

    def __init__(self, data: Path) -> None:
        super().__init__(data if data.exists() else prepare(data))

    def stop(self) -> None:
        for pid in self.supervisor.pids().values():
            os.kill(pid, SIGKILL)
        for service in self._embedded:
            end_at_once(service)
        super().stop()
