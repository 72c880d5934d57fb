"""The faults, as a table: the row of the matrix, a name, and what is done to the running rig.

What must hold afterwards is the same for all (`checks`), so that a scenario only does the harm and
puts it right again where nothing else would.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from crossregion.failpoints import KILLED, RAISE
from tests.faults import chain, contents, doors, keys, log_state, spools, storage, traces, ways
from tests.faults.generate import UNITS, Made
from tests.faults.rig import Rig, Scale

PORT_SECONDS = 10.0
PROCESSORS = ("intake", "linkage", "proposals")
POINTS = {
    **dict.fromkeys(PROCESSORS, ("before-send", "some-sent", "before-commit")),
    "registry": ("before-transaction", "in-transaction", "before-commit"),
    "notices": ("before-send", "some-sent", "before-commit"),
    "delivery": ("notices-read", "deliveries-put"),
}


SMALL = Scale(events=12, times=1, outage=2.0)
FULL = Scale(events=60, times=3, outage=30.0)
"""An outage of 30 s stands for ten minutes, at 1:20; time-outs towards Kafka are a tenth."""


@dataclass(frozen=True)
class Scenario:
    """One fault; `rows` are those of the matrix that it tries."""

    rows: str
    name: str
    harm: Callable[[Rig, Scale], None]


def load(rig: Rig, scale: Scale) -> None:
    rig.accept(rig.generator.batch(scale.events))
    rig.put(rig.generator.letters(3))
    rig.put(rig.generator.sayings(3))
    rig.accept(rig.generator.tips(4))


def one_units(rig: Rig, scale: Scale) -> list[Made]:
    """New events of one unit, for its spool."""
    made = rig.generator.plain(scale.events)
    return [one for one in made if one.record["unit"] == made[0].record["unit"]]


def crash(kind: str, *points: str) -> Callable[[Rig, Scale], None]:
    """End the one worker of a kind at each of its failpoints, under load."""

    def harm(rig: Rig, scale: Scale) -> None:
        for _ in range(scale.times):
            for point in points:
                rig.arm(kind, point)
                rig.accept(rig.generator.plain(2))
                load(rig, scale)
                rig.struck(kind, point)

    return harm


def crash_each(rig: Rig, scale: Scale) -> None:
    """Every worker at each of its failpoints, all at a time; none may hold another up."""
    for _ in range(scale.times):
        for number in range(max(map(len, POINTS.values()))):
            armed = [
                (kind, points[number]) for kind, points in POINTS.items() if number < len(points)
            ]
            for kind, point in armed:
                rig.arm(kind, point)
            rig.accept(rig.generator.matching(2))
            load(rig, scale)
            for kind, point in armed:
                rig.struck(kind, point)


def spool_before_commit(rig: Rig, scale: Scale) -> None:
    for _ in range(scale.times):
        assert rig.accept_in_process(one_units(rig, scale), "before-commit").returncode == KILLED


def spool_after_commit(rig: Rig, scale: Scale) -> None:
    """Nobody was told, but it is stored, and so it counts as accepted."""
    for _ in range(scale.times):
        made = one_units(rig, scale)
        assert rig.accept_in_process(made, "after-commit").returncode == KILLED
        rig.note(made)
    crash("sender", "before-send")(rig, scale)


def spool_disk_full(rig: Rig, scale: Scale) -> None:
    """Nothing of what did not fit is stored, and whoever sent it is told; then there is room."""
    for _ in range(scale.times):
        (unit, *_), made = UNITS, rig.generator.plain(400)
        made = [one for one in made if one.record["unit"] == unit]
        refused = rig.accept_in_process(made, most_bytes=16_384)
        assert refused.returncode == 1
        assert "disk" in refused.stderr
        rig.accept(made)


def broker_unreachable(rig: Rig, scale: Scale) -> None:
    """Longer than a producer keeps trying; the units go on."""
    for harm in (rig.to_broker.blackhole, rig.to_broker.refuse):
        harm()
        deadline = time.monotonic() + scale.outage * 2
        while time.monotonic() < deadline:
            rig.accept(rig.generator.plain(scale.events // 3))
            rig.rest(scale.outage / 3)
        rig.heal()
        load(rig, scale)
    rig.quiet()
    assert rig.memory("sender") < 400e6


def broker_cut(rig: Rig, scale: Scale) -> None:
    """Connections cut in the middle of what passes, and slow ones."""
    draw = random.Random(scale.events)
    for _ in range(scale.times * 4):
        rig.to_broker.cut_after(draw.randint(0, 20_000))
        rig.accept(rig.generator.plain(scale.events))
        rig.rest(0.5)
    rig.to_broker.delay(0.05)
    load(rig, scale)
    rig.rest(1.0)


def broker_frozen(rig: Rig, scale: Scale) -> None:
    rig.accept(rig.generator.plain(scale.events))
    rig.freeze_broker(scale.outage)
    load(rig, scale)


def broker_killed(rig: Rig, scale: Scale) -> None:
    for _ in range(scale.times * 2 if scale.times > 1 else 1):
        rig.accept(rig.generator.plain(scale.events))
        rig.rest(0.3)
        rig.kill_broker()
        load(rig, scale)


def raises(rig: Rig, scale: Scale) -> None:
    """An error of no known kind in the middle of a batch: the process ends, nothing is skipped."""
    for _ in range(scale.times):
        for kind in PROCESSORS:
            rig.arm(kind, "before-send", RAISE)
        rig.accept(rig.generator.matching(1))
        load(rig, scale)
        for kind in PROCESSORS:
            rig.struck(kind, "before-send")


def processor_frozen(rig: Rig, scale: Scale) -> None:
    """Longer than its session: another has its work, and it wakes with the old still to do."""
    for kind in PROCESSORS:
        name = rig.add(kind, 2)
        rig.accept(rig.generator.plain(scale.events))
        frozen = rig.pause(kind)
        load(rig, scale)
        rig.rest(8.0 if scale.times > 1 else 1.0)
        load(rig, scale)
        rig.resume(frozen)
        rig.quiet()
        rig.retire(name)


def workers_in_rotation(rig: Rig, scale: Scale) -> None:
    """Second and third workers of each kind come and are killed, all at full load."""
    draw = random.Random(scale.events)
    numbers = (2, 3) if scale.times > 1 else (2,)
    names = [rig.add(kind, number) for number in numbers for kind in (*PROCESSORS, "registry")]
    for _ in range(scale.times * 2):
        load(rig, scale)
        rig.rest(1.0)
        for name in draw.sample(names, len(numbers) * 2):
            rig.kill_extra(name)
        rig.kill(draw.choice(PROCESSORS))
        load(rig, scale)
        rig.rest(2.0 if scale.times > 1 else 0.5)
    rig.quiet()
    for name in names:
        rig.retire(name)


def more_than_one(rig: Rig, scale: Scale) -> None:
    """What should run once runs twice or thrice, by mistake: senders, notices, delivery."""
    draw = random.Random(scale.events)
    kinds = ("sender", "notices", "registry", "delivery")
    numbers = (2, 3) if scale.times > 1 else (2,)
    names = [rig.add(kind, number) for number in numbers for kind in kinds]
    rig.rest(2.0)
    for _ in range(scale.times * 2):
        load(rig, scale)
        rig.rest(1.0)
        rig.kill_extra(draw.choice(names))
        rig.kill(draw.choice(kinds))
        load(rig, scale)
    rig.quiet()
    for name in names:
        rig.retire(name)


def metrics_hung(rig: Rig, scale: Scale) -> None:
    """Whoever reads the metrics hangs, on every process; a port is taken when one starts."""
    with ExitStack() as open_ones:
        for port in rig.metrics_ports.values():
            for _ in range(20 * scale.times):
                there = socket.create_connection(("127.0.0.1", port))
                open_ones.enter_context(there)
                there.sendall(b"GET /metr")
        rig.kill("registry")
        load(rig, scale)
        rig.quiet()
    taken = rig.metrics_ports["intake"]
    rig.supervisor.kill("intake")
    with _taking(taken):
        rig.rest(1.0)
        load(rig, scale)
        rig.quiet()
    rig.kill("intake")


def _taking(port: int) -> socket.socket:
    """Listen on the port of a process that has just been killed, once the system lets it go."""
    deadline = time.monotonic() + PORT_SECONDS
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


OF_PRODUCERS = (
    Scenario("1", "unit's process killed before its spool commits", spool_before_commit),
    Scenario("2", "unit's process killed after its spool has committed", spool_after_commit),
    Scenario("3", "sender killed after the acknowledgement", crash("sender", "acknowledged")),
    Scenario("4", "unit's disk full", spool_disk_full),
    Scenario("4", "spool held by another process", spools.locked),
    Scenario("4", "a flipped bit in the spool", spools.flipped),
    Scenario("1, 2, 43", "two relays killed at each of their points", ways.relay_killed),
    Scenario("1, 2", "HTTP intake killed at each of its points", ways.http_intake_killed),
)
OF_BROKER = (
    Scenario("5", "broker unreachable for longer than producers try", broker_unreachable),
    Scenario("5", "connections to the broker cut and slow", broker_cut),
    Scenario("6", "broker frozen", broker_frozen),
    Scenario("7", "broker killed under load", broker_killed),
    Scenario("8", "topics made anew", log_state.topics_made_anew),
    Scenario("9", "broker's disk full", storage.broker_disk_full),
)
OF_PROCESSORS = (
    Scenario("10, 25, 31", "each worker killed at each of its points", crash_each),
    Scenario("11", "an unknown error in each processor", raises),
    Scenario("22", "workers added and killed in rotation", workers_in_rotation),
    Scenario("22", "processors frozen while others take over", processor_frozen),
    Scenario("42", "whoever reads the metrics hangs", metrics_hung),
    Scenario("43", "two and three of each by mistake", more_than_one),
)
OF_CONTENTS = (
    Scenario("12, 13, 14", "poison, unknown schemas, torn and over-long events", contents.poison),
    Scenario("15", "events too large, lists that explode, 100,000 victims", contents.oversized),
    Scenario("16", "the same event again and again", contents.again),
    Scenario("17", "one id with two contents", contents.two_contents),
    Scenario("18", "revisions and rescues in any order", contents.any_order),
    Scenario("19", "clocks of 1970 and 2100", contents.clocks),
    Scenario("34", "another region's events on one's own topic", contents.another_region),
    Scenario("37", "texts that do harm where they are not inert", contents.attacks),
)
OF_POSTGRES = (
    Scenario("26", "backend killed at COMMIT", storage.killed_at_commit),
    Scenario("27", "PostgreSQL stopped at once and started again", storage.postgres_away),
    Scenario("27", "PostgreSQL unreachable, cut and slow", storage.postgres_cut),
    Scenario("28", "serialisation failures and deadlocks", storage.serialisation),
    Scenario("29", "PostgreSQL read-only", storage.read_only),
    Scenario("29", "PostgreSQL's disk full", storage.disk_full),
)
OF_LOG = (
    Scenario("20, 21", "everything read again, then into an empty registry", log_state.replay),
    Scenario("linkage", "killed while it rebuilds; says nothing before", log_state.rebuilding),
    Scenario("linkage", "tombstones in the log", log_state.tombstones),
    Scenario("linkage", "a log that was compacted", log_state.compacted),
)
OF_DOORS = (
    Scenario("41", "audit rows changed, removed, reordered, made anew", chain.harmed),
    Scenario("35", "principals and roles try what is not theirs", doors.unauthorised),
    Scenario("36", "password changed, unit removed, certificates not right", doors.not_let_in),
    Scenario("39", "passwords, secrets of webhooks and keys of units turned", keys.turned),
    Scenario("38", "every process tells all that it can; planted canaries", traces.written),
)
SCENARIOS = (
    *OF_PRODUCERS,
    *OF_BROKER,
    *OF_PROCESSORS,
    *OF_CONTENTS,
    *OF_POSTGRES,
    *OF_LOG,
    *OF_DOORS,
)
