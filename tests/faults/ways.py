"""The other ways in, killed at each of their points: relays on one outbox, and the HTTP intake."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from signal import SIGTERM
from typing import Any, cast

from crossregion.domain import reading
from crossregion.embedded.processes import end, process_guard, spawn
from crossregion.failpoints import ANY
from producers.http_intake.keys import Keys
from tests.faults.generate import Made, of
from tests.faults.rig import Rig, Scale, exported
from tests.support.intake import Running, free_port
from tests.support.outbox import Office

POINTS = {
    "relay": ("before-commit", "after-commit", "before-mark", "before-done"),
    "http-intake": ("before-commit", "after-commit", "before-receipt"),
}
RELAYS = 2
PAUSE_SECONDS = 0.05


class Beside:
    """A process beside the stack's workers, started again whenever it ends."""

    def __init__(self, rig: Rig, name: str, argv: Sequence[str], env: dict[str, str]) -> None:
        self._log = rig.data / "log" / f"{name}.log"
        self._argv = [sys.executable, *argv]
        kept = {n: value for n, value in os.environ.items() if not n.startswith("CROSSREGION_")}
        self._env = {
            **kept,
            "CROSSREGION_DATA": str(rig.data),
            "CROSSREGION_LOG_LEVEL": "debug",
            "CROSSREGION_FAILPOINT": ANY,
            "CROSSREGION_FAILPOINT_DIRECTORY": str(
                failpoint_directory(rig, name.partition("-of-")[0])
            ),
            **env,
        }
        self.deaths = 0
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return spawn(self._argv, log=self._log, env=self._env, guard=process_guard)

    def revive(self) -> None:
        if self.process.poll() is not None:
            process_guard.unwatch(self.process.pid)
            self.deaths += 1
            self.process = self._start()

    def stop(self) -> None:
        end(self.process, process_guard, [(SIGTERM, 20.0)])


def failpoint_directory(rig: Rig, kind: str) -> Path:
    directory = rig.data / "crash" / kind
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def relay_killed(rig: Rig, scale: Scale) -> None:
    """Rows of a unit's outbox, garbage among them, taken by two relays that are killed in turn."""
    made = of_one_unit(rig, scale)
    unit = made[0].record["unit"]
    office = Office(rig.postgres, f"unit_{unit}_{uuid.uuid4().hex[:8]}")
    argv = ["-m", "producers.outbox.relay", "--unit", unit]
    names = [f"relay-of-{number}" for number in range(RELAYS)]
    with running(rig, names, argv, {"CROSSREGION_OUTBOX": office.relay}) as two:
        for _ in range(scale.times):
            for point in POINTS["relay"]:
                rig.arm("relay", point)
                office.emit("CaseRecorded", "garbage", {"victims": made[0].record})
                for one in made:
                    office.emit(one.event, exported(one).record_id, one.record)
                _until_taken(rig, two, office, point)
                rig.note([as_published(one) for one in made])
                made = of_one_unit(rig, scale, unit)
        assert sum(one.deaths for one in two) >= len(POINTS["relay"]) * scale.times


def _until_taken(rig: Rig, relays: Sequence[Beside], office: Office, point: str) -> None:
    """Wait until only what is refused is left, and a relay was killed on the way."""

    def done() -> bool:
        for one in relays:
            one.revive()
        taken = all(reason is not None for _, reason in office.rows())
        return taken and not rig.armed("relay", point)

    rig.wait(done, "the outbox does not empty")


def http_intake_killed(rig: Rig, scale: Scale) -> None:
    """Each event is sent until it has its receipt, always under its key."""
    made = of_one_unit(rig, scale)
    unit, port = made[0].record["unit"], free_port()
    keys = rig.data / "intake-keys"
    (keys / unit).unlink(missing_ok=True)
    key = Keys(keys).add(unit, date(2026, 1, 1))
    env = {"CROSSREGION_INTAKE_PORT": str(port), "CROSSREGION_INTAKE_RATE": "1000"}
    with running(rig, ["http-intake"], ["-m", "producers.http_intake.app"], env) as (intake,):
        for _ in range(scale.times):
            for point in POINTS["http-intake"]:
                rig.arm("http-intake", point)
                for one in made:
                    send(rig, intake, Running(rig.data, port, key, intake.process), one)
                rig.struck("http-intake", point)
                rig.note([as_published(one) for one in made])
                made = of_one_unit(rig, scale, unit)
        assert intake.deaths >= len(POINTS["http-intake"]) * scale.times


def send(rig: Rig, intake: Beside, running: Running, one: Made) -> None:
    key = str(uuid.uuid4())
    while True:
        try:
            answer = running.post(one.record, one.event, again=key)
        except (OSError, http.client.HTTPException):
            rig.check()
            intake.revive()
            time.sleep(PAUSE_SECONDS)
            continue
        assert answer.status == 202, answer.body
        (said,) = answer.said["records"]
        ce_id = as_published(one).ce_id
        assert ce_id is not None
        assert said["event_id"] == ce_id.decode()
        return


def as_published(one: Made) -> Made:
    """The event as the outbox and HTTP publish it: read anew, and so under another id."""
    return of(one.event, cast(Any, reading.read(one.event, cast(Any, one.record))))


def of_one_unit(rig: Rig, scale: Scale, unit: str | None = None) -> list[Made]:
    """New events of one unit, at least one; those of others go the usual way."""
    while True:
        made = rig.generator.plain(scale.events)
        wanted = unit or made[0].record["unit"]
        found = [one for one in made if one.record["unit"] == wanted]
        rig.accept([one for one in made if one.record["unit"] != wanted])
        if found:
            return found


@contextmanager
def running(
    rig: Rig, names: Sequence[str], argv: Sequence[str], env: dict[str, str]
) -> Iterator[list[Beside]]:
    processes = [Beside(rig, name, argv, env) for name in names]
    try:
        yield processes
    finally:
        for one in processes:
            one.stop()
