"""A seeded nemesis: every kind of harm, mixed, under load that never stops."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from crossregion.failpoints import RAISE
from crossregion.kafka import admin as kafka_admin
from crossregion.kafka import users
from crossregion.kafka.connection import unit as principal_of
from tests.faults.checks import Verdict, check
from tests.faults.generate import UNITS
from tests.faults.rig import Rig
from tests.faults.spools import held

PROCESSORS = ("intake", "linkage", "proposals")
KINDS = ("sender", *PROCESSORS, "registry", "notices", "delivery")
POINTS = {
    "sender": ("before-send", "acknowledged"),
    **dict.fromkeys(PROCESSORS, ("before-send", "some-sent", "before-commit", "rebuilding")),
    "registry": ("before-transaction", "in-transaction", "before-commit"),
    "notices": ("before-send", "some-sent", "before-commit"),
    "delivery": ("notices-read", "deliveries-put"),
}
LONGEST_PAUSE = 8.0
"""Longer than a session, so that another may have a frozen worker's work when it wakes."""


@dataclass
class Nemesis:
    """Draws what to do from its seed; what it did is kept in its history."""

    rig: Rig
    seed: int
    history: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    def run(self, seconds: float) -> Verdict:
        """Do harm for so long, then let the system come to rest, and check it."""
        draw = random.Random(f"nemesis {self.seed}")
        harms: list[tuple[int, Callable[[random.Random], str]]] = [
            (20, self._kill),
            (20, self._crash),
            (12, self._pause),
            (10, self._cut_broker),
            (8, self._hold_broker),
            (10, self._cut_postgres),
            (4, self._add),
            (2, self._kill_broker),
            (2, self._stop_postgres),
            (3, self._freeze_broker),
            (4, self._end_backends),
            (4, self._turn_password),
            (4, self._hold_spool),
            (12, self._nothing),
        ]
        weights = [weight for weight, _ in harms]
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            self.rig.heal()
            self.rig.accept(self.rig.generator.batch(draw.randint(1, 12)))
            self.rig.put(self.rig.generator.letters(2))
            self.rig.put(self.rig.generator.sayings(3))
            self.rig.accept(self.rig.generator.tips(3))
            ((_, harm),) = draw.choices(harms, weights)
            what = harm(draw)
            self.history.append(f"{time.monotonic() - began:.1f} s: {what}")
            self.done[harm.__name__.strip("_").replace("_", " ")] += 1
            self.rig.rest(draw.uniform(0.1, 1.0))
        self.rig.quiet()
        for name in list(self.rig.extra):
            self.rig.retire(name)
        self.rig.quiet()
        return check(self.rig)

    def _kill(self, draw: random.Random) -> str:
        kind = draw.choice(KINDS)
        self.rig.kill(kind)
        return f"killed {kind}"

    def _crash(self, draw: random.Random) -> str:
        kind = draw.choice(KINDS)
        point, content = draw.choice(POINTS[kind]), draw.choice(("", "", RAISE))
        self.rig.arm(kind, point, content)
        return f"armed {point} of {kind}{', to raise' if content else ''}"

    def _pause(self, draw: random.Random) -> str:
        kind, seconds = draw.choice(KINDS), draw.uniform(0.2, LONGEST_PAUSE)
        if kind not in self.rig.supervisor.pids():
            return f"{kind} is not there to be paused"
        pid = self.rig.pause(kind)
        self.rig.accept(self.rig.generator.batch(draw.randint(1, 8)))
        self.rig.rest(seconds)
        self.rig.resume(pid)
        return f"paused {kind} for {seconds:.1f} s"

    def _cut_broker(self, draw: random.Random) -> str:
        count = draw.randint(0, 30_000)
        self.rig.to_broker.cut_after(count)
        return f"cut Kafka's connections after {count} bytes"

    def _hold_broker(self, draw: random.Random) -> str:
        seconds = draw.uniform(0.2, LONGEST_PAUSE)
        harm = draw.choice((self.rig.to_broker.blackhole, self.rig.to_broker.refuse))
        harm()
        self.rig.accept(self.rig.generator.plain(draw.randint(1, 8)))
        self.rig.rest(seconds)
        self.rig.heal()
        return f"{harm.__name__} of Kafka for {seconds:.1f} s"

    def _cut_postgres(self, draw: random.Random) -> str:
        count = draw.choice((0, 300, 3_000, 30_000))
        self.rig.to_postgres.cut_after(count)
        return f"cut PostgreSQL's connections after {count} bytes"

    def _add(self, draw: random.Random) -> str:
        kind = draw.choice((*PROCESSORS, "registry", "notices"))
        name = f"{kind}-2"
        if name in self.rig.extra:
            self.rig.kill_extra(name)
            return f"killed {name}"
        self.rig.add(kind, 2)
        return f"added {name}"

    def _kill_broker(self, _: random.Random) -> str:
        self.rig.kill_broker()
        return "killed Kafka"

    def _stop_postgres(self, draw: random.Random) -> str:
        seconds = draw.uniform(0.2, 2.0)
        self.rig.stop_postgres(seconds)
        return f"stopped PostgreSQL for {seconds:.1f} s"

    def _freeze_broker(self, draw: random.Random) -> str:
        seconds = draw.uniform(0.2, LONGEST_PAUSE / 2)
        self.rig.freeze_broker(seconds)
        return f"froze Kafka for {seconds:.1f} s"

    def _end_backends(self, _: random.Random) -> str:
        with self.rig.superuser() as connection:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchall()
        return f"ended {len(ended)} of PostgreSQL's connections"

    def _turn_password(self, draw: random.Random) -> str:
        kinds = [kind for kind in KINDS if kind != "sender"]
        name = draw.choice((*kinds, *map(principal_of, UNITS)))
        with kafka_admin.administering(self.rig.kafka) as admin:
            users.renew(admin, self.rig.kafka, name)
        self.rig.to_broker.reset()
        return f"turned the password of {name}"

    def _hold_spool(self, draw: random.Random) -> str:
        unit, seconds = draw.choice(UNITS), draw.uniform(0.2, 3.0)
        path = self.rig.spools / f"{unit}.sqlite"
        if not path.exists():
            return f"{unit} has no spool to be held"
        with held(path):
            self.rig.rest(seconds)
        return f"held the spool of {unit} for {seconds:.1f} s"

    def _nothing(self, _: random.Random) -> str:
        return "nothing"
