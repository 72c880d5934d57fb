"""How fast one intake worker is, every output acknowledged, beside loops that decide nothing."""

from __future__ import annotations

from benchmarks import harness, peers
from benchmarks.harness import Ends, Services, Speed
from schemas import topics

TARGET = 4_000


def intake(services: Services, count: int) -> Speed:
    """One worker of the project over `count` preloaded events, each of which makes one remark."""
    ends = Ends(services.kafka, [topics.RECORD_REMARKS.name()])
    log = services.home / "log" / "intake.log"
    with harness.running(["-m", "processors.intake"], log, **services.kafka.environment()) as one:
        return harness.measured(one, ends, count)


def peer(services: Services, name: str, count: int) -> Speed:
    """A loop of `peers` over the same events."""
    services.create_topics(peers.bare_topics(name))
    _, remarks, *_ = peers.bare_topics(name)
    ends = Ends(services.kafka, [remarks])
    log = services.home / "log" / f"{name}.log"
    argv = ["-m", "benchmarks.peers", name]
    with harness.running(argv, log, **services.kafka.environment()) as one:
        return harness.measured(one, ends, count)


def run(services: Services, count: int) -> None:
    """Print the figure; leaves the preloaded events and intake's outputs on the broker."""
    bare = peer(services, "bare", count)
    own = intake(services, count)
    faust = peer(services, "faust", count)
    harness.line("intake, one worker", f"{TARGET:,}/s", own.per_second >= TARGET, str(own))
    for name, other in (("aiokafka, bare loop", bare), ("Faust's topic.send", faust)):
        ratio = own.per_second / other.per_second
        print(f"  beside {name:<25} {other}  intake is {ratio:.2f} of it")
