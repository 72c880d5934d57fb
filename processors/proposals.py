"""Proposals: a rescue's candidates weighed against each other, proposed or withdrawn.

    pair-weights, decisions, match-proposals  ->  match-proposals

What holds is known from pair-weights and decisions, what was said from match-proposals; the
difference is emitted. A worker hears its own words come back, and so those of one that is dead,
which Kafka may get late. A rescue's pairs, decisions and proposals have the same partition. What
another model has proposed stands until linkage by this one has weighed everything.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import structlog
from aiokafka.errors import KafkaError

from crossregion import installed_model, metrics
from crossregion.domain import decisions
from crossregion.domain.decisions import ProposalState
from crossregion.domain.events import MatchDecided, MatchProposed, MatchWithdrawn, PairWeighed
from crossregion.domain.validation import Rejected
from crossregion.kafka import invalid_records
from crossregion.linkage import proposals as proposals_linkage
from crossregion.linkage.model import Model
from crossregion.process import run_process
from processors import restore
from processors.outputs import Outputs
from processors.restore import Connection
from schemas import codec, envelope, topics
from schemas.codec import Undecodable

BATCH_EVENTS = 20_000
SETTLING_SECONDS = 0.5
SLICE_RESCUES = 50
AWAIT_SECONDS = 1.0
LISTED, WEIGHED = topics.LINKAGE_RECORDS.name(), topics.PAIR_WEIGHTS.name()
DECIDED, SAID = topics.DECISIONS.name(), topics.MATCH_PROPOSALS.name()

Rescue = tuple[str, str]
"""Unit and id."""
Victim = tuple[str, str, str]
"""Unit and id of the case, and the victim's id."""

log = structlog.get_logger()


@dataclass(slots=True)
class Said:
    """The last word on one proposal: its revision, and what was proposed unless withdrawn.

    `heard` is whether it stands on the log; until then another under its revision may come first.
    """

    revision: int
    proposed: MatchProposed | None
    heard: bool = False


class Rescues:
    """What holds and what was said of the rescues in this worker's partitions."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._pairs: dict[Rescue, dict[Victim, PairWeighed]] = defaultdict(dict)
        self._said: dict[Rescue, dict[str, Said]] = defaultdict(dict)
        self._standings: dict[Rescue, dict[str, ProposalState]] = defaultdict(dict)
        self._in_force: dict[Rescue, dict[str, MatchDecided]] = {}
        self._partitions: frozenset[int] = frozenset()
        self._unsettled: dict[Rescue, None] = {}
        self._awaited: dict[int, int] = {}
        self._left = 0
        self._lock = asyncio.Lock()
        self._takes: dict[str, tuple[Callable[[Any], Rescue | None], str, str]] = {
            WEIGHED: (self._weighed, "PairWeighed", "weighed"),
            DECIDED: (self._decided, "MatchDecided", "decided"),
            SAID: (self._heard, "MatchProposed", "heard"),
        }

    async def rebuild(
        self, connection: Connection, group: str, partitions: Iterable[int]
    ) -> Outputs:
        """Throw everything away and read the logs to their ends.

        Returns: the difference between what holds and what was said, still to be sent; none while
        pairs are not done yet, for those come again, and the difference once they have settled;
        nor while linkage is awaited.
        """
        async with self._lock:
            self._partitions, self._awaited, self._left = frozenset(partitions), {}, 0
            done = await restore.committed(connection, group, WEIGHED, self._partitions)
            until = await self._read_again(connection)
            outputs = Outputs()
            if self._said_by_another_model():
                listed = range(topics.LINKAGE_RECORDS.partitions)
                self._awaited = await restore.ends(connection, LISTED, listed)
            elif all(done[partition] >= end for partition, end in until.items()):
                await self._difference(outputs)
            return outputs

    async def go_over(self, connection: Connection) -> Outputs:
        """See whether linkage, if it is awaited, has weighed all that stood there at the rebuild.

        Returns: once it has, the difference, still to be sent: the logs are read to their ends
        again, for what came in between has been passed over.
        """
        async with self._lock:
            outputs = Outputs()
            if not self._awaited:
                return outputs
            group = installed_model.group(self._model)
            try:
                done = await restore.committed(connection, group, LISTED, self._awaited)
            except KafkaError as error:
                if not error.retriable:
                    raise
                log.warning(
                    "Committed offsets of linkage unknown: retries", error=type(error).__name__
                )
                return outputs
            left = sum(max(0, end - done[one]) for one, end in self._awaited.items())
            if left != self._left:
                log.info("Former model's proposals kept until linkage's lag is 0", by=group, n=left)
            self._left = left
            metrics.LINKAGE_AWAITED.set(left)
            if not left:
                self._awaited = {}
                await self._read_again(connection)
                await self._difference(outputs)
            return outputs

    async def _read_again(self, connection: Connection) -> dict[int, int]:
        """Rebuild the state from the logs; returns the offset up to which pairs were read."""
        self._pairs.clear()
        self._said.clear()
        self._standings.clear()
        self._in_force.clear()
        until = await restore.ends(connection, WEIGHED, self._partitions)
        async for found in restore.read_again(connection, WEIGHED, until):
            for record in found:
                self._weighed(record)
        for name, take in ((DECIDED, self._decided), (SAID, self._heard)):
            ends = await restore.ends(connection, name, self._partitions)
            async for found in restore.read_again(connection, name, ends):
                for record in found:
                    take(record)
        self._unsettled = dict.fromkeys((*self._pairs, *self._standings))
        log.info("Proposals rebuilt", partitions=sorted(self._partitions), n=len(self._pairs))
        return until

    def _said_by_another_model(self) -> bool:
        """Whether proposals stand that would be withdrawn for want of this model's pairs."""
        for rescue, said in self._said.items():
            kept = proposals_linkage.confirmed(self._in_force.get(rescue, {}))
            for proposal_id, one in said.items():
                if one.proposed is None or proposal_id in kept:
                    continue
                if one.proposed["model"] != self._model.version:
                    return True
        return False

    async def handle(self, events: Sequence[Any], outputs: Outputs) -> None:
        """Take in pairs, decisions and proposals, and add what changes for the rescues they touch.

        While linkage is awaited they are passed over: all is read again afterwards.
        """
        async with self._lock:
            if self._awaited:
                return
            for event in events:
                message = event.message
                if message.partition not in self._partitions:
                    continue
                take, *labels = self._takes[message.topic]
                rescue = take(message)
                if rescue is not None:
                    self._unsettled[rescue] = None
                metrics.EVENTS.labels("proposals", *labels).inc()
            await self._difference(outputs)

    def _weighed(self, record: Any) -> Rescue | None:
        """Take in a pair; returns its rescue, None for a record that is no pair."""
        try:
            _, found = codec.decode(record.value, topics.PAIR_WEIGHTS.schemas)
        except Undecodable as error:
            invalid_records.report_invalid_record(
                record.topic, record.partition, record.offset, error
            )
            return None
        pair = cast(PairWeighed, found)
        rescue = (pair["rescue_unit"], pair["rescue_id"])
        victim = (pair["case_unit"], pair["case_id"], pair["victim_id"])
        known = self._pairs[rescue].get(victim)
        older = known is not None and (
            pair["case_revision"] < known["case_revision"]
            or pair["rescue_revision"] < known["rescue_revision"]
        )
        if not older and pair["model"] == self._model.version:
            self._pairs[rescue][victim] = pair
        return rescue

    def _decided(self, record: Any) -> Rescue | None:
        """Take in a decision; returns its rescue, None for a record that is no decision."""
        try:
            _, found = codec.decode(record.value, topics.DECISIONS.schemas)
            decision = cast(MatchDecided, found)
            expected = topics.partition_of(decision["rescue_id"], topics.DECISIONS)
            decisions.check(decision, record.partition, expected)
        except (Undecodable, Rejected) as error:
            invalid_records.report_invalid_record(
                record.topic, record.partition, record.offset, error
            )
            return None
        rescue = (decision["rescue_unit"], decision["rescue_id"])
        known = self._standings[rescue].get(decision["proposal_id"], ProposalState())
        standing, _ = decisions.step(known, decision)
        self._standings[rescue][decision["proposal_id"]] = standing
        self._in_force[rescue] = {
            proposal_id: one.effective
            for proposal_id, one in self._standings[rescue].items()
            if one.effective is not None
        }
        return rescue

    def _heard(self, record: Any) -> Rescue | None:
        """Take in a word on a proposal; returns its rescue if it is not this worker's last.

        Of two under one revision the first on the log holds, as for all who read it.
        """
        try:
            event, found = codec.decode(record.value, topics.MATCH_PROPOSALS.schemas)
        except Undecodable as error:
            invalid_records.report_invalid_record(
                record.topic, record.partition, record.offset, error
            )
            return None
        proposed = cast(MatchProposed, found) if event == "MatchProposed" else None
        rescue = (found["rescue_unit"], found["rescue_id"])
        known = self._said[rescue].get(found["proposal_id"])
        if known is not None and known.revision == found["revision"] and not known.heard:
            known.heard = True
            if known.proposed == proposed:
                return None
        elif known is not None and known.revision >= found["revision"]:
            return None
        self._said[rescue][found["proposal_id"]] = Said(found["revision"], proposed, heard=True)
        return rescue

    async def _difference(self, outputs: Outputs) -> None:
        rescues, self._unsettled = self._unsettled, {}
        for number, rescue in enumerate(rescues):
            if number % SLICE_RESCUES == 0:
                await asyncio.sleep(0)
            said = self._said[rescue]
            in_force = self._in_force.get(rescue, {})
            holding = proposals_linkage.confirmed(in_force)
            for proposed in proposals_linkage.offer(
                self._pairs[rescue].values(), in_force, self._model
            ):
                holding.add(proposed["proposal_id"])
                known = said.get(proposed["proposal_id"])
                revision = known.revision if known else 0
                if known is None or known.proposed != {**proposed, "revision": revision}:
                    self._say({**proposed, "revision": revision + 1}, outputs)
            for proposal_id, known in list(said.items()):
                if known.proposed is not None and proposal_id not in holding:
                    self._withdraw(known.proposed, outputs)

    def _say(self, proposed: MatchProposed, outputs: Outputs) -> None:
        rescue = (proposed["rescue_unit"], proposed["rescue_id"])
        self._said[rescue][proposed["proposal_id"]] = Said(proposed["revision"], proposed)
        _add("MatchProposed", proposed, outputs)

    def _withdraw(self, proposed: MatchProposed, outputs: Outputs) -> None:
        withdrawn: MatchWithdrawn = {
            "proposal_id": proposed["proposal_id"],
            "revision": proposed["revision"] + 1,
            "case_id": proposed["case_id"],
            "victim_id": proposed["victim_id"],
            "rescue_id": proposed["rescue_id"],
            "case_unit": proposed["case_unit"],
            "rescue_unit": proposed["rescue_unit"],
        }
        rescue = (proposed["rescue_unit"], proposed["rescue_id"])
        self._said[rescue][proposed["proposal_id"]] = Said(withdrawn["revision"], None)
        _add("MatchWithdrawn", withdrawn, outputs)


def _add(event: str, record: MatchProposed | MatchWithdrawn, outputs: Outputs) -> None:
    topic = topics.MATCH_PROPOSALS
    proposal_id = record["proposal_id"]
    cause = f"{proposal_id}\n{record['revision']}"
    outputs.add(
        topic.name(),
        topics.partition_of(record["rescue_id"], topic),
        proposal_id,
        event,
        record,
        envelope.caused(cause, event, record["rescue_unit"], proposal_id),
    )
    metrics.EVENTS.labels("proposals", event, "said").inc()


def main() -> None:
    """Run one proposals worker."""
    from processors.engine import app as engine_app
    from processors.engine import liveness, patches

    model = installed_model.chosen()
    app = engine_app.make_app("proposals")
    connection = engine_app.options("proposals")
    names = topics.names_of(topics.read_by("proposals"))
    incoming = app.topic(*names, key_serializer="raw", value_serializer="raw")
    state = Rescues(model)

    async def on_assigned(_: Any, assigned: Iterable[Any], **__: Any) -> None:
        partitions = [where.partition for where in assigned if where.topic == WEIGHED]

        async def begin() -> None:
            outputs = await state.rebuild(engine_app.options("proposals"), app.conf.id, partitions)
            await outputs.send(patches.producer_of(app))

        await liveness.or_end_process(begin())

    app.on_partitions_assigned.connect(on_assigned)

    @app.timer(AWAIT_SECONDS)  # type: ignore[untyped-decorator, unused-ignore]
    async def look_at_linkage() -> None:
        async def look() -> None:
            outputs = await state.go_over(connection)
            await outputs.send(patches.producer_of(app))

        await liveness.or_end_process(look())

    async def handle(events: Sequence[Any]) -> None:
        outputs = Outputs()
        await state.handle(events, outputs)
        await outputs.send(patches.producer_of(app))

    @app.agent(incoming, concurrency=1)  # type: ignore[untyped-decorator, unused-ignore]
    async def proposals(stream: Any) -> None:
        await engine_app.each_batch("proposals", stream, handle, BATCH_EVENTS, SETTLING_SECONDS)

    engine_app.run(app)


if __name__ == "__main__":
    run_process(main)
