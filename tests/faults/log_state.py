"""Harm to what is known from the log: replays, rebuilds, tombstones, compaction."""

from __future__ import annotations

from contextlib import closing

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from consumers import registry
from crossregion.clients import ADMIN
from crossregion.runtime import topics as made_topics
from crossregion.runtime.topics import read_again
from crossregion.stack import OWNER, STOP_ORDER, Lags
from schemas import codec, topics
from tests.faults.generate import past_spool
from tests.faults.rig import GROUPS, Rig, Scale
from tests.live import read_all, send

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
    rig.quiet()
    told = _ends(rig, *topics.NOTICES.names())
    for empty in (False, True)[-scale.times :]:
        rig.supervisor.stop(STOP_ORDER)
        if empty:
            registry.rebuild(rig.kafka, rig.dsn(OWNER))
        else:
            read_again(rig.kafka, registry.GROUP)
        _begin_again(rig)
    assert _ends(rig, *topics.NOTICES.names()) == told, "a replay has told somebody something"


def _begin_again(rig: Rig) -> None:
    """Start everything; the processors read all there is."""
    for kind in ("linkage", "proposals", "intake"):
        rig.forget(f"{kind}-1")
        read_again(rig.kafka, GROUPS[kind])
    for name in STOP_ORDER:
        rig.supervisor.start(name)
    rig.quiet()


def topic_made_anew(rig: Rig, scale: Scale) -> None:
    """A unit's topic is restored from a copy, what others derive is derived again; both loudly."""
    rig.accept(rig.generator.batch(scale.events))
    rig.quiet()
    cases = topics.CASES.name(rig.ledger[-1].topic.partition(".")[2])
    copy = read_all(rig.kafka, cases)
    _make_anew(rig, cases)
    for kind in ("intake", "registry"):
        _says_so(rig, kind)
    rig.supervisor.stop(STOP_ORDER)
    fields = ("topic", "partition", "key", "value", "headers")
    send(rig.kafka, [{name: getattr(one, name) for name in fields} for one in copy])
    for name in STOP_ORDER:
        rig.supervisor.start(name)
    rig.accept(rig.generator.batch(scale.events))
    rig.quiet()
    _make_anew(rig, topics.BOUNDARY_FLAGS.name(), LISTED)
    for kind in ("linkage", "registry"):
        _says_so(rig, kind)
    rig.supervisor.stop(STOP_ORDER)
    registry.rebuild(rig.kafka, rig.dsn(OWNER))
    _begin_again(rig)


def _make_anew(rig: Rig, *names: str) -> None:
    for path in (rig.data / "log").iterdir():
        path.write_bytes(b"")
    with closing(KafkaAdminClient(**rig.kafka.options(ADMIN))) as admin:
        admin.delete_topics(list(names))
    rig.wait(lambda: set(names) <= set(made_topics.missing(rig.kafka)), "topics are not deleted")
    made_topics.apply(rig.kafka)


def _says_so(rig: Rig, kind: str) -> None:
    log = rig.data / "log" / f"{kind}.log"
    rig.wait(
        lambda: b"holds fewer records than have been read" in log.read_bytes(), f"{kind} goes on"
    )


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
