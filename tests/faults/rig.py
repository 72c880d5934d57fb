"""The rig: the whole stack behind proxies, its workers armed with failpoints and kept running."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGQUIT, SIGSTOP, SIGTERM, SIGUSR1
from types import TracebackType
from typing import Any

import psutil
import psycopg
from kafka.admin import KafkaAdminClient, MemberToRemove
from kafka.errors import KafkaError

from crossregion import installed_model
from crossregion.embedded.kafka import SESSION_SECONDS
from crossregion.embedded.postgres import SUPERUSER
from crossregion.embedded.processes import end, process_guard, spawn
from crossregion.embedded.stack import Stack
from crossregion.embedded.supervisor import Death, Worker
from crossregion.errors import WorkerGaveUp
from crossregion.failpoints import ANY
from crossregion.flows import Lags
from crossregion.installation import DATABASE
from crossregion.kafka.connection import ADMIN
from crossregion.linkage.model import load
from crossregion.process import WORKERS
from producers.records import LocalRecord
from producers.spool.store import Spool, SpoolError
from tests.faults.generate import NAMED_BY, Generator, Made
from tests.faults.oracle import TODAY, Accepted, Key
from tests.faults.proxy import Proxy
from tests.support.live import send
from tests.support.receivers import Certificates

ROOT = Path(__file__).parents[2]
TIMEOUT_FACTOR = 0.1
"""Time-outs towards Kafka are a tenth, so that an outage of a tenth outlasts them as well."""
QUIET_SECONDS = 180.0
STEP_SECONDS = 0.05
GROUPS = {
    "intake": "crossregion-intake",
    "linkage": installed_model.group(load()),
    "proposals": "crossregion-proposals",
    "notices": "crossregion-notices-teller",
    "registry": "crossregion-registry",
}
"""Groups with static members, which a worker that is gone for good must be taken out of."""


@dataclass(frozen=True)
class Scale:
    """How much is put in at a time, how often a fault is tried, and how long an outage lasts."""

    events: int
    times: int
    outage: float


class Stuck(AssertionError):
    """The system did not come to rest."""


class Rig(Stack):
    """A stack whose clients go through proxies; what it has accepted is kept in a ledger."""

    def __init__(self, data: Path, seed: int | str) -> None:
        super().__init__(data)
        assert self._kafka is not None
        assert self._postgres is not None
        self.broker, self.postgres = self._kafka, self._postgres
        self.to_broker = Proxy(functools.partial(_port, data / "kafka", "broker"))
        self.to_postgres = Proxy(functools.partial(_port, data / "postgres", "postgres"))
        self.broker.advertised_port = self.to_broker.port
        self.postgres.advertised_port = self.to_postgres.port
        self.generator = Generator(seed)
        self.ledger: list[Accepted] = []
        self.erased: frozenset[Key] = frozenset()
        self.deaths: list[Death] = []
        self.extra: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        _, most = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (most, most))  # as where core dumps are kept
        super().start()
        self.wait_healthy()

    def stop(self) -> None:
        self.heal()
        for name in list(self.extra):
            self.retire(name)
        super().stop()
        self.to_broker.close()
        self.to_postgres.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop everything; at once if this process is told to end."""
        if kind is not None and not issubclass(kind, Exception):
            self._kill_all()
        super().__exit__(kind, error, trace)

    def _kill_all(self) -> None:
        """Kill what would be given time to stop; PostgreSQL without clients needs none."""
        for name in self.supervisor.pids():
            self.supervisor.kill(name)
        while self.extra:
            end(self.extra.popitem()[1], process_guard, ())
        if self.broker.pid is not None:
            os.kill(self.broker.pid, SIGKILL)

    @functools.cached_property
    def receivers(self) -> Certificates:
        """Of webhooks' servers; delivery trusts them."""
        directory = self.data / "receivers"
        directory.mkdir(mode=0o700)
        return Certificates(directory)

    def _worker(self, name: str) -> Worker:
        worker = super()._worker(name)
        directory = self.data / "crash" / name
        directory.mkdir(parents=True, exist_ok=True)
        (self.data / "today").write_text(TODAY.isoformat())
        armed = {
            "CROSSREGION_AUTHORITIES": str(self.receivers.ca),
            "CROSSREGION_NETWORKS": '{"loopback": "127.0.0.0/8"}',
            "CROSSREGION_FAILPOINT": ANY,
            "CROSSREGION_FAILPOINT_DIRECTORY": str(directory),
            "CROSSREGION_LOG_LEVEL": "debug",
            "CROSSREGION_TIMEOUT_FACTOR": str(TIMEOUT_FACTOR),
            "CROSSREGION_TODAY_FILE": str(self.data / "today"),
        }
        return replace(worker, env={**worker.env, **armed})

    def check(self) -> Sequence[Death]:
        """Start again whatever has ended, however often: the rig kills more than five a minute."""
        for name, process in list(self.extra.items()):
            if process.poll() is not None:
                process_guard.unwatch(process.pid)
                self._spawn(name)
        try:
            deaths = self.supervisor.poll()
        except WorkerGaveUp as fault:
            self.supervisor.start(fault.name)
            return ()
        for death in deaths:
            self.supervisor.start(death.name)
        self.deaths += deaths
        return deaths

    # What is put in

    def accept(self, made: Sequence[Made]) -> None:
        """Give events to their units' spools, and put on their topics what goes past them."""
        by_unit: dict[str, list[Made]] = defaultdict(list)
        for one in made:
            if one.through_spool:
                by_unit[one.record["unit"]].append(one)
        for unit, its in by_unit.items():
            with Spool(self.spools / f"{unit}.sqlite", unit) as spool:
                taken = spool.accept_all([exported(one) for one in its])
            assert not taken.refused
            self.note(its)
        self.put([one for one in made if not one.through_spool])

    def note(self, made: Sequence[Made]) -> None:
        """Hold the system to events that a spool has taken."""
        self.ledger += [Accepted(one.topic, one.value, one.ce_id) for one in made]

    def put(self, made: Sequence[Made]) -> None:
        """Put events on their topics, as a broken sender or a second one would."""
        if not made:
            return
        sent = send(self.kafka, [record_of(one) for one in made])
        self.ledger += [
            Accepted(
                one.topic,
                one.value,
                one.ce_id,
                (where.topic, where.partition, where.offset),
                where.timestamp,
            )
            for one, where in zip(made, sent, strict=True)
        ]

    def accept_in_process(
        self,
        made: Sequence[Made],
        failpoint: str = "",
        most_bytes: int | None = None,
        wait: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Give events of one unit to its spool, in a process that ends there, finds no room, or
        waits for no longer than told.
        """
        unit = made[0].record["unit"]
        directory = self.data / "crash" / "accepting"
        directory.mkdir(parents=True, exist_ok=True)
        if failpoint:
            (directory / failpoint).touch()
        spool = str(self.spools / f"{unit}.sqlite")
        told = {"--most-bytes": most_bytes, "--wait": wait}
        options = [f"{name}={value}" for name, value in told.items() if value is not None]
        lines = [json.dumps({"event": one.event, "record": one.record}) for one in made]
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.accepting", spool, unit, *options],
            input="\n".join(lines),
            env={
                **os.environ,
                "CROSSREGION_FAILPOINT": failpoint,
                "CROSSREGION_FAILPOINT_DIRECTORY": str(directory),
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "", "it told of a receipt"
        return done

    # Faults

    def arm(self, kind: str, point: str, content: str = "") -> None:
        """Have the next worker of a kind that comes by the failpoint end there, or raise."""
        whole = self.data / "crash" / f"{kind}.{point}"
        whole.write_text(content)
        whole.rename(self.data / "crash" / kind / point)

    def armed(self, kind: str, point: str) -> bool:
        return (self.data / "crash" / kind / point).exists()

    def disarm(self) -> None:
        for file in (self.data / "crash").glob("*/*"):
            file.unlink(missing_ok=True)

    def struck(self, kind: str, point: str) -> None:
        """Wait until an armed point has been passed."""
        self.wait(lambda: not self.armed(kind, point), f"{kind} does not pass {point}")

    def kill(self, kind: str) -> None:
        self.supervisor.kill(kind)

    def end(self, kind: str) -> None:
        """Kill a worker and see that it is gone; it is started again when time next passes."""
        self.kill(kind)
        while kind in self.supervisor.pids():
            time.sleep(STEP_SECONDS)

    def pause(self, kind: str) -> int:
        pid = self.supervisor.pids()[kind]
        os.kill(pid, SIGSTOP)
        return pid

    def resume(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, SIGCONT)

    def add(self, kind: str, number: int) -> str:
        """A further worker of a kind."""
        name = f"{kind}-{number}"
        self._spawn(name)
        return name

    def _spawn(self, name: str) -> None:
        kind, _, number = name.partition("-")
        worker = self._worker(kind)
        env = {**worker.env, "CROSSREGION_WORKER": number, "CROSSREGION_METRICS_PORT": "0"}
        log = self.data / "log" / f"{name}.log"
        self.extra[name] = spawn(worker.argv, log=log, env=env, guard=process_guard)

    def kill_extra(self, name: str) -> None:
        self.extra[name].kill()

    def retire(self, name: str) -> None:
        """End a further worker for good; its place in the group is given up."""
        end(self.extra.pop(name), process_guard, [(SIGTERM, 10.0)])
        self.forget(name)

    def forget(self, name: str) -> None:
        """Take a stopped worker out of its group, which otherwise waits for its return."""
        group = GROUPS.get(name.partition("-")[0])
        if group is not None:
            with (
                contextlib.closing(KafkaAdminClient(**self.kafka.options(ADMIN))) as admin,
                contextlib.suppress(KafkaError),
            ):
                admin.remove_group_members(group, [MemberToRemove(group_instance_id=name)])

    def kill_broker(self, session_seconds: float = SESSION_SECONDS) -> None:
        """SIGKILL, and start again on the same data; its sessions then last for so long."""
        assert self.broker.pid is not None
        self.broker._session_seconds = session_seconds
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.broker.pid, SIGKILL)
        self.broker.stop()
        self.broker.start()

    def freeze_broker(self, seconds: float) -> None:
        assert self.broker.pid is not None
        os.kill(self.broker.pid, SIGSTOP)
        self.rest(seconds)
        os.kill(self.broker.pid, SIGCONT)

    def stop_postgres(self, seconds: float) -> None:
        """`pg_ctl stop -m immediate`, and start again after a while."""
        assert self.postgres.pid is not None
        os.kill(self.postgres.pid, SIGQUIT)
        self.rest(seconds)
        self.postgres.stop()
        self.postgres.start()

    def superuser(self) -> psycopg.Connection:
        """A connection past every role and the proxy, to look and to break."""
        port = str(_port(self.data / "postgres", "postgres"))
        return psycopg.connect(self.postgres.dsn(DATABASE, SUPERUSER), port=port, autocommit=True)

    def memory(self, kind: str) -> int:
        """Bytes that a worker holds at the moment."""
        return int(psutil.Process(self.supervisor.pids()[kind]).memory_info().rss)

    def heal(self) -> None:
        self.to_broker.heal()
        self.to_postgres.heal()

    # Waiting

    def rest(self, seconds: float) -> None:
        """Let time pass, with workers started again."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check()
            time.sleep(STEP_SECONDS)

    def wait(self, true: Callable[[], bool], why: str, seconds: float = QUIET_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            self.check()
            if time.monotonic() > deadline:
                raise Stuck(why)
            time.sleep(STEP_SECONDS)

    def quiet(self) -> None:
        """Wait until all is sent and every worker has finished all that stands on its topics."""
        self.heal()
        self.disarm()
        for name in WORKERS:
            self.supervisor.start(name)
        self.wait(lambda: self.unsent() == 0, "spools do not empty")
        deadline = time.monotonic() + QUIET_SECONDS
        while (left := self._left()) is not None:
            self.check()
            if time.monotonic() > deadline:
                self.say_where_they_stand()
                raise Stuck(left)
            time.sleep(STEP_SECONDS)

    def say_where_they_stand(self) -> None:
        """Have each worker write to its log where its threads are."""
        further = [process.pid for process in self.extra.values()]
        for pid in (*self.supervisor.pids().values(), *further):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, SIGUSR1)

    def listen(self, name: str) -> Callable[[str], bool]:
        """Returns a function that finds a pattern in what a process logs from now on."""
        log = self.data / "log" / f"{name}.log"
        begin = log.stat().st_size
        return lambda pattern: re.search(pattern.encode(), log.read_bytes()[begin:]) is not None

    def wait_said(self, heard: Callable[[str], bool], pattern: str) -> None:
        self.wait(lambda: heard(pattern), f"nobody says: {pattern}")

    def unsent(self, *units: str) -> int:
        """Events that these units' spools have still to send; all units' if none is named."""
        total = 0
        for path in self.spools.glob("*.sqlite"):
            if units and path.stem not in units:
                continue
            with contextlib.suppress(SpoolError), Spool(path, path.stem) as spool:
                total += spool.waiting()
        return total

    def _left(self) -> str | None:
        """What is still to be done, as the broker says."""
        try:
            with contextlib.closing(Lags(self.kafka)) as lags:
                while (found := lags.first_open()) is not None:
                    self.check()
                    return f"{found[0].group} has {found[1]} records to go"
        except KafkaError as error:
            return f"Kafka says {type(error).__name__}"
        return None


def _port(directory: Path, name: str) -> int:
    """The port that a service has chosen; it may be another after a restart."""
    return int(json.loads((directory / "ports.json").read_text())[name])


def exported(one: Made) -> LocalRecord:
    return LocalRecord(one.event, one.record[NAMED_BY[one.event]], one.record, ())  # type: ignore[arg-type]


def record_of(one: Made) -> dict[str, Any]:
    """The arguments of a producer's `send`."""
    names = {
        **NAMED_BY,
        "AgreementRecorded": "agreement_id",
        "NoticeAcknowledged": "notice_id",
        "HandoverRecorded": "record_id",
        "TipTriaged": "tip_id",
    }
    record_id = one.record[names[one.event]]
    headers = [] if one.ce_id is None else [("ce_id", one.ce_id)]
    return {"topic": one.topic, "key": record_id.encode(), "value": one.value, "headers": headers}
