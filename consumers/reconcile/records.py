"""Reconcilers: two sides that must agree are compared, and each discrepancy is named.

Each check only reads, and yields the discrepancies it has found; the metric of each must be 0.
They name ids, units and days, never a value of a record.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import RetriableError

from consumers.registry.projections import tips
from consumers.registry.projections.decisions import confirmed_flags, follow_from
from crossregion import installed_model
from crossregion.domain import identifiers, validation
from crossregion.domain.events import BoundaryFlagged, MatchDecided, MatchProposed
from crossregion.domain.notices import content
from crossregion.domain.tips import OPEN
from crossregion.domain.validation import ValidatedEvent
from crossregion.kafka import reader
from crossregion.kafka.connection import OPERATOR, Kafka
from crossregion.linkage import proposals as proposals_linkage
from crossregion.linkage.index import Index
from crossregion.postgres import queries
from crossregion.postgres.connection import Connection
from schemas import codec, topics
from schemas.codec import Undecodable
from schemas.units import UNITS

EVENTS = {"case": "CaseRecorded", "rescue": "RescueRecorded"}
LEADER = "notices"
"""The principal that may read what every unit is told."""
Offsets = Mapping[TopicPartition, int]


def days(kafka: Kafka, connection: Connection) -> Iterator[str]:
    """A unit's own count and digest of the events of a day, against what the registry has seen."""
    seen: dict[tuple[str, str], list[str]] = defaultdict(list)
    for unit, day, event_id in connection.execute(queries.query("seen_on_days")):
        seen[unit, day].append(event_id)
    closed: dict[tuple[str, str], dict[str, Any]] = {}
    for event, day in _records(kafka, OPERATOR, topics.DAYS.names()):
        key = (day["unit"], day["day"])
        if event == "DayClosed" and closed.get(key, day)["revision"] <= day["revision"]:
            closed[key] = day
    for (unit, day), said in sorted(closed.items()):
        ids = seen[unit, day]
        if said["count"] != len(ids):
            yield f"unit {unit} accepted {said['count']} events on {day}, {len(ids)} were seen"
        elif said["digest"] != identifiers.digest_of_ids(ids):
            yield f"unit {unit} accepted other events on {day} than were seen"


def flags(connection: Connection) -> Iterator[str]:
    """Flags in the registry against those that its case revisions call for."""
    wanted = {}
    for validated in _validated(connection, "every_revision"):
        if validated.flag is not None:
            wanted[_flag_key(validated.flag)] = validated.flag
    held = {}
    for (row,) in connection.execute(queries.query("every_flag")):
        held[_flag_key(row)] = row
    for key in sorted(wanted.keys() | held.keys()):
        if key not in held:
            yield f"the flag of {_named(key)} is missing"
        elif key not in wanted:
            yield f"there is a flag of {_named(key)}, and no such revision"
        elif held[key] != wanted[key]:
            yield f"the flag of {_named(key)} is not what its case says"


def _flag_key(flag: BoundaryFlagged) -> tuple[str, str, int, str]:
    return flag["unit"], flag["case_id"], flag["revision"], flag["digest"]


def _named(key: tuple[str, str, int, str]) -> str:
    return f"case {key[1]} of unit {key[0]}, revision {key[2]}"


def proposals(connection: Connection) -> Iterator[str]:
    """Open proposals in the registry against what its cases, rescues and decisions call for.

    A confirmed pair stays as it was proposed, so its content follows from no record any more.
    """
    model = installed_model.chosen()
    index = Index(model)
    rescues = []
    for validated in _validated(connection, "holding_revisions"):
        if validated.kind == "case":
            index.restore(validated.listed)
        else:
            rescues.append(validated.listed)
    decided: dict[str, MatchDecided] = {
        row["proposal_id"]: row for (row,) in connection.execute(queries.query("in_force"))
    }
    kept = proposals_linkage.confirmed(decided)
    wanted: dict[str, MatchProposed] = {
        one["proposal_id"]: one
        for rescue in rescues
        for one in proposals_linkage.offer(index.put(rescue), decided, model)
        if one["proposal_id"] not in kept
    }
    held = {
        row["proposal_id"]: row
        for row in _open_proposals(connection)
        if row["proposal_id"] not in kept
    }
    for proposal_id in sorted(wanted.keys() | held.keys()):
        if proposal_id not in held:
            yield f"proposal {proposal_id} is missing"
        elif proposal_id not in wanted:
            yield f"proposal {proposal_id} is open, and nothing calls for it"
        elif {**wanted[proposal_id], "revision": 0} != {**held[proposal_id], "revision": 0}:
            yield f"proposal {proposal_id} is not what its records say"


def links(connection: Connection) -> Iterator[str]:
    """Decisions, links and confirmed flags against those that decisions and records call for."""
    ids = [found for (found,) in connection.execute(queries.query("every_decided_proposal"))]
    these = {"proposals": ids}
    settled, linked = follow_from(queries.rows(connection, "decisions_of_proposals", these))
    held = [row["link"] for row in queries.rows(connection, "every_link")]
    flagged = [row["flag"] for row in queries.rows(connection, "every_confirmed_flag")]
    places = list(queries.rows(connection, "linked_places", these))
    for what, key, wanted, found in (
        (
            "decision",
            "decision_id",
            settled,
            list(queries.rows(connection, "every_settled_decision")),
        ),
        ("link of proposal", "proposal_id", linked, held),
        ("confirmed flag of proposal", "proposal_id", list(confirmed_flags(places)), flagged),
    ):
        yield from differences(what, key, wanted, found)


def differences(
    what: str, key: str, wanted: Iterable[Mapping[str, Any]], found: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    """Rows by their key; a column that is not wanted must be empty."""
    right, held = ({str(row[key]): row for row in rows} for rows in (wanted, found))
    for one in sorted(right.keys() | held.keys()):
        if one not in held:
            yield f"the {what} {one} is missing"
        elif one not in right:
            yield f"there is a {what} {one}, and nothing calls for it"
        elif any(value != right[one].get(name) for name, value in held[one].items()):
            yield f"the {what} {one} is not what its records say"


def told(kafka: Kafka, connection: Connection) -> Iterator[str]:
    """Open proposals that are worth telling and have no notice in force."""
    in_force = _in_force(kafka)
    for proposal in _open_proposals(connection):
        for notice in content.of_proposal(proposal):
            if notice["notice_id"] not in in_force:
                yield f"proposal {proposal['proposal_id']} has no notice to {notice['unit']}"


def triaged(kafka: Kafka, connection: Connection) -> Iterator[str]:
    """Tips against those computed again from their events, and tips that no unit must triage.

    Each that waits must be a unit's, which has a notice of it.
    """
    right = tips.follow_from(*tips.every(connection))
    held = [row["tip"] for row in queries.rows(connection, "every_tip")]
    wanted, found = ({_tip(row): row for row in rows} for rows in (right.values(), held))
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            yield f"the tip {name} is not what was said of it"
    told = {
        (said["contact"], said["cause"], said["unit"])
        for said in _in_force(kafka).values()
        if said["kind"] == content.TIP
    }
    for row in held:
        key = (row["unit"], row["tip_id"], row["duty"])
        if row["verdict"] in OPEN and (row["duty"] not in UNITS or key not in told):
            yield f"the tip {_tip(row)} waits, and {row['duty']} has no notice of it"


def _tip(row: Mapping[str, Any]) -> str:
    return f"{row['tip_id']} of unit {row['unit']}"


def _in_force(kafka: Kafka) -> dict[str, dict[str, Any]]:
    """What every unit is told at the moment, by the notice's id."""
    last: dict[str, tuple[str, dict[str, Any]]] = {}
    for event, said in _records(kafka, LEADER, topics.NOTICES.names()):
        known = last.get(said["notice_id"])
        if event in topics.NOTICES.schemas and (
            known is None or known[1]["revision"] < said["revision"]
        ):
            last[said["notice_id"]] = event, said
    return {name: said for name, (event, said) in last.items() if event == "NoticeIssued"}


def marks(connection: Connection) -> Iterator[str]:
    """Events that are marked as seen and accepted, without the row that should have come of it."""
    for topic, partition, offset in connection.execute(queries.query("marks_without_row")):
        yield f"{topic}, partition {partition}, offset {offset} is marked as seen and has no row"


def standing(before: Offsets, ends: Offsets, now: Offsets, group: str) -> Iterator[str]:
    """Partitions in which a group had something to do, and has committed nothing since."""
    for place, end in sorted(ends.items()):
        done = now[place]
        if before[place] < end and done <= before[place]:
            yield (
                f"{group} stands at {done} of {end} in {place.topic}, partition {place.partition}"
            )


def committed(
    kafka: Kafka, groups: Mapping[str, Iterable[str]]
) -> dict[str, tuple[Offsets, Offsets]]:
    """What each group has committed of its topics' partitions, 0 if nothing, and their ends."""
    admin = KafkaAdminClient(**kafka.options(OPERATOR))
    consumer = KafkaConsumer(**kafka.options(OPERATOR), enable_auto_commit=False)
    try:
        found: dict[str, tuple[Offsets, Offsets]] = {}
        for group, names in groups.items():
            places = [
                TopicPartition(name, partition)
                for name in names
                for partition in consumer.partitions_for_topic(name) or ()
            ]
            try:
                known = admin.list_group_offsets(group)[group]
            except RetriableError:
                known = {}
            done = {place: max(0, known[place].offset) if place in known else 0 for place in places}
            found[group] = (done, consumer.end_offsets(places))
        return found
    finally:
        consumer.close()
        admin.close()


def _validated(connection: Connection, query: str) -> Iterator[ValidatedEvent]:
    with connection.cursor("reconcile") as cursor:
        for kind, unit, record in cursor.execute(queries.query(query)):
            yield validation.validate_event(EVENTS[kind], record, unit, None)


def _open_proposals(connection: Connection) -> list[MatchProposed]:
    rows = connection.execute(queries.query("every_open_proposal")).fetchall()
    return [cast(MatchProposed, row) for (row,) in rows]


def _records(
    kafka: Kafka, principal: str, names: Iterable[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every event of some topics, up to their present ends."""
    for record in reader.records(kafka, principal, names):
        try:
            yield codec.decode(record.value)
        except Undecodable:
            continue
