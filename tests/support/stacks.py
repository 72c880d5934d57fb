"""Stacks of tests: started on prepared data, and ended at once, since nobody reads theirs again.

The order of a stop is tested where it matters: `test_runtime` and `test_up`.
"""

from __future__ import annotations

import os
from pathlib import Path
from signal import SIGKILL, SIGQUIT

from crossregion.embedded.stack import Stack
from tests.support.prepared import prepare


class DisposableStack(Stack):
    """A stack whose start skips what is prepared, and whose end is a kill."""

    def __init__(self, data: Path) -> None:
        super().__init__(data if data.exists() else prepare(data))

    def stop(self) -> None:
        """Kill everything; PostgreSQL ends its own children by SIGQUIT, without a checkpoint."""
        workers = self.supervisor.pids().values()
        broker = self._kafka.pid if self._kafka else None
        for pid in (*workers, *([broker] if broker else [])):
            os.kill(pid, SIGKILL)
        if self._postgres and self._postgres.pid:
            os.kill(self._postgres.pid, SIGQUIT)
        super().stop()
