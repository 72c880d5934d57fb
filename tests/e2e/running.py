"""`crossregion up` as a process, stopped as Ctrl-C does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.support.command import ENVIRONMENT

ROOT = Path(__file__).parents[2]
FEED = ROOT / "examples/feed"


class Up:
    """A running installation: what it printed, and its environment for commands beside it."""

    def __init__(self, argv: list[str], data: Path, **variables: str) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.data = data
        self.here = {"PATH": path, "CROSSREGION_DATA": str(data)}
        self.printed = ""
        self._stopped = False
        self._process = subprocess.Popen(
            argv,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={**ENVIRONMENT, **self.here, **variables},
            start_new_session=True,
        )

    def wait(self) -> None:
        """Wait until it says that it runs."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.printed += line
            if "Running." in line:
                break
        assert "Running." in self.printed

    def stop(self) -> None:
        """Stop it once; nothing that it has started may be left."""
        if self._stopped:
            return
        assert self._process.stdout is not None
        started = psutil.Process(self._process.pid).children(recursive=True)
        os.killpg(self._process.pid, signal.SIGINT)
        assert "Stopped." in self._process.stdout.read()
        self._process.wait(60)
        assert psutil.wait_procs(started, timeout=10)[1] == []
        self._stopped = True

    def kill(self) -> None:
        """End what a failed test has left."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
