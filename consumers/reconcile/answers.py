"""Reconciles decisions, answers, hand-overs and agreements: the registry against the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import cast

from kafka.consumer.fetcher import ConsumerRecord

from consumers.reconcile.records import LEADER, differences
from consumers.registry.projections import notices
from crossregion import event_validation
from crossregion.domain import acknowledgements, agreements
from crossregion.domain.acknowledgements import ACCEPTED, NoticeState
from crossregion.domain.events import AgreementRecorded, HandoverRecorded, NoticeAcknowledged
from crossregion.domain.handovers import Steps
from crossregion.domain.validation import Rejected
from crossregion.kafka import reader
from crossregion.kafka.connection import Kafka
from crossregion.postgres import queries
from crossregion.postgres.connection import Connection
from crossregion.postgres.queries import Row
from schemas import codec, topics
from schemas.codec import Undecodable


def answered(kafka: Kafka, connection: Connection) -> Iterator[str]:
    """The answers in force, and what they disclose, against all that was told and answered."""
    told: dict[str, Row] = {}
    given: dict[str, list[NoticeAcknowledged]] = defaultdict(list)
    names = (*topics.NOTICES.names(), *topics.ACKNOWLEDGEMENTS.names())
    for _, event, content in _said(kafka, names):
        notice_id = content["notice_id"]
        if event == "NoticeAcknowledged":
            given[notice_id].append(cast(NoticeAcknowledged, content))
            continue
        known = told.get(notice_id, {"revision": 0, "withdrawn": 0})
        issued = event == "NoticeIssued"
        withdrawn = max(known["withdrawn"], 0 if issued else content["revision"])
        newest = {**content, "issued": issued}
        told[notice_id] = max(newest, known, key=lambda one: one["revision"])
        told[notice_id] = {**told[notice_id], "withdrawn": withdrawn}
    settled, disclosed = [], []
    for notice_id, notice in told.items():
        names = ("unit", "revision", "issued", "withdrawn")
        answer: Row = {
            **(
                acknowledgements.in_force(
                    NoticeState(*(notice[n] for n in names)), given[notice_id]
                )
                or {}
            )
        }
        row = {f"answer_{name}": answer.get(name) for name in ("revision", "reason", "role")}
        settled.append({"notice_id": notice_id, "answer": answer.get("answer"), **row})
        if answer.get("answer") == ACCEPTED and notice["disclosure"] == notices.RECORD:
            columns = ("notice_id", "case_unit", "case_id", "proposal_id")
            disclosed.append({"reader": notice["unit"], **{name: notice[name] for name in columns}})
    for what, right, query in (
        ("answer to notice", settled, "every_answer"),
        ("disclosure of notice", disclosed, "every_disclosure"),
    ):
        yield from differences(what, "notice_id", right, queries.rows(connection, query))


def handed_over(kafka: Kafka, connection: Connection) -> Iterator[str]:
    """Who owns each record that was offered, against all steps that were taken."""
    steps, records = Steps(), set()
    for record, _, content in _said(kafka, topics.HANDOVERS.names()):
        records.add(steps.take(cast(HandoverRecorded, content), record.timestamp))
    wanted = []
    for about in records:
        standing = steps.standing(about)
        if standing.head is not None:
            wanted.append(
                {
                    "record": " ".join(about),
                    "owner": standing.owner,
                    "offered_to": standing.offered_to,
                    "readers": sorted(standing.readers),
                    "taken": list(standing.taken),
                }
            )
    found = queries.rows(connection, "every_handover")
    yield from differences("hand-over of", "record", wanted, found)


def agreed(kafka: Kafka, connection: Connection) -> Iterator[str]:
    """Every state of every agreement, against those that were recorded."""
    wanted = {}
    for _, _, content in _said(kafka, [topics.AGREEMENTS.name()]):
        agreement = cast(AgreementRecorded, content)
        revision, digest = agreements.version(agreement)
        state = f"{agreement['agreement_id']}, revision {revision}, {digest}"
        wanted[state] = {**agreement, "state": state, "digest": digest}
    found = (row["agreement"] for row in queries.rows(connection, "every_agreement"))
    named = (
        {**row, "state": f"{row['agreement_id']}, revision {row['revision']}, {row['digest']}"}
        for row in found
    )
    yield from differences("agreement", "state", wanted.values(), named)


def _said(kafka: Kafka, names: Iterable[str]) -> Iterator[tuple[ConsumerRecord, str, Row]]:
    """What can count of some topics, each with where it stands."""
    for record in reader.records(kafka, LEADER, names):
        try:
            event, content = codec.decode(record.value)
            event_validation.validate_statement(event, content, record.topic, record.partition)
        except (Undecodable, Rejected):
            continue
        yield record, event, content
