"""Harm to what is known from the log: replays, rebuilds, tombstones, compaction."""

from __future__ import annotations

from contextlib import closing

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from consumers.registry import rebuild, worker
from crossregion.embedded.stack import STOP_ORDER
from crossregion.flows import Lags
from crossregion.installation import OWNER
from crossregion.kafka import admin as made_topics
from crossregion.kafka.admin import read_again
from crossregion.kafka.connection import ADMIN
from schemas import codec, topics
from tests.faults.generate import past_spool
from tests.faults.rig import GROUPS, Rig, Scale
from tests.support.live import read_all, send

LISTED = topics.LINKAGE_RECORDS.name()
SAID = (topics.PAIR_WEIGHTS.name(), topics.MATCH_PROPOSALS.name())
COMPACTING = {
    "min.compaction.lag.ms": "0",
    "min.cleanable.dirty.ratio": "0.01",
    "segment.ms": "1000",
    "max.compaction.lag.ms": "1000",
}


def replay(rig: Rig, scale: Scale) -> None:
    """Every processor begins anew on what is there, and the registry on nothing (at full scale
    before that on what is there); nobody is told anything.
    """
    rig.accept(rig.generator.batch(scale.events))
    rig.put(rig.generator.letters(scale.events))
    rig.put(rig.generator.sayings(scale.events))
    rig.accept(rig.generator.tips(scale.events))
    rig.quiet()
    told = read_all(rig.kafka, *topics.NOTICES.names())
    for empty in (False, True)[-scale.times :]:
        rig.supervisor.stop(STOP_ORDER)
        if empty:
            rebuild.rebuild(rig.kafka, rig.dsn(OWNER))
        else:
            rig.forget("registry-1")
            read_again(rig.kafka, worker.GROUP)
        _begin_again(rig)
    known = {(one.topic, one.offset) for one in told}
    again = [
        (one.topic, *codec.decode(one.value))
        for one in read_all(rig.kafka, *topics.NOTICES.names())
        if (one.topic, one.offset) not in known
    ]
    assert again == [], "a replay has told somebody something"


def _begin_again(rig: Rig) -> None:
    """Start everything; the processors read all there is."""
    for kind in ("linkage", "proposals", "intake"):
        rig.forget(f"{kind}-1")
        read_again(rig.kafka, GROUPS[kind])
    for name in STOP_ORDER:
        rig.supervisor.start(name)
    rig.quiet()


def topics_made_anew(rig: Rig, scale: Scale) -> None:
    """The registry stops; a unit's topic is restored from a copy, what is derived is made again."""
    rig.accept(rig.generator.batch(scale.events))
    rig.quiet()
    cases = next(one.topic for one in rig.ledger if one.topic in topics.CASES.names())
    copy = read_all(rig.kafka, cases)
    derived = (topics.BOUNDARY_FLAGS.name(), LISTED)
    with closing(KafkaAdminClient(**rig.kafka.options(ADMIN))) as admin:
        admin.delete_topics([cases, *derived])
    rig.wait(lambda: len(made_topics.missing(rig.kafka)) == 3, "topics are not deleted")
    made_topics.apply(rig.kafka)
    log = rig.data / "log/registry.log"
    rig.wait(lambda: b"was deleted and made anew" in log.read_bytes(), "the registry goes on")
    rig.supervisor.stop(STOP_ORDER)
    fields = ("topic", "partition", "key", "value", "headers")
    send(rig.kafka, [{name: getattr(one, name) for name in fields} for one in copy])
    rebuild.rebuild(rig.kafka, rig.dsn(OWNER))
    _begin_again(rig)
    rig.accept(rig.generator.batch(scale.events))


def _ends(rig: Rig, *names: str) -> dict[object, int]:
    with closing(Lags(rig.kafka)) as lags:
        return dict(lags.ends(names))


def rebuilding(rig: Rig, scale: Scale) -> None:
    """Killed while they build, again and again; without news, nothing may be said at all."""
    rig.quiet()
    before = _ends(rig, *SAID)
    for _ in range(scale.times):
        for kind in ("linkage", "proposals"):
            rig.arm(kind, "rebuilding")
            rig.kill(kind)
        for kind in ("linkage", "proposals"):
            rig.struck(kind, "rebuilding")
            assert _ends(rig, *SAID) == before
        rig.rest(0.5)
    rig.wait_healthy()
    rig.quiet()
    rig.rest(1.0)
    assert _ends(rig, *SAID) == before, "a worker has said something that nothing called for"
    for kind in ("linkage", "proposals"):
        rig.arm(kind, "rebuilding")
        rig.accept(rig.generator.plain(scale.events))
        rig.kill(kind)
        rig.struck(kind, "rebuilding")


def tombstones(rig: Rig, scale: Scale) -> None:
    """A case and a rescue that are proposed are erased from the linkage."""
    rig.accept(rig.generator.batch(scale.events))
    rig.quiet()
    chosen = None
    for record in read_all(rig.kafka, topics.MATCH_PROPOSALS.name()):
        event, said = codec.decode(record.value)
        if event == "MatchProposed":
            chosen = said
    assert chosen is not None
    gone = {
        ("case", chosen["case_unit"], chosen["case_id"]),
        ("rescue", chosen["rescue_unit"], chosen["rescue_id"]),
    }
    places = {
        (record.partition, record.key)
        for record in read_all(rig.kafka, LISTED)
        if tuple(record.key.decode().split("\n")[:3]) in gone
    }
    erasing = [
        {"topic": LISTED, "partition": partition, "key": key, "value": None}
        for partition, key in sorted(places)
    ]
    send(rig.kafka, erasing)
    rig.erased |= frozenset(gone)
    rig.quiet()
    for kind in ("linkage", "proposals"):
        rig.kill(kind)
    rig.accept(rig.generator.batch(scale.events))


def compacted(rig: Rig, scale: Scale) -> None:
    """Duplicates vanish from the log; a worker that starts then builds the same."""
    _configure(rig, COMPACTING)
    made = rig.generator.plain(scale.events)
    rig.accept(made)
    rig.put([past_spool(one) for one in made] * 3)
    rig.quiet()

    def has_been() -> bool:
        rig.put([past_spool(made[0])])
        ends = _ends(rig, LISTED)
        return len(read_all(rig.kafka, LISTED)) < sum(ends.values()) - 3 * len(made) // 2

    rig.wait(has_been, "the log is not compacted")
    _configure(rig, {name: topics.LINKAGE_RECORDS.config.get(name, "") for name in COMPACTING})
    for kind in ("linkage", "proposals"):
        rig.kill(kind)
    rig.accept(rig.generator.batch(scale.events))


def _configure(rig: Rig, values: dict[str, str]) -> None:
    changes = {name: value for name, value in values.items() if value}
    with closing(KafkaAdminClient(**rig.kafka.options(ADMIN))) as admin:
        admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name, changes) for name in (LISTED, SAID[0])]
        )
