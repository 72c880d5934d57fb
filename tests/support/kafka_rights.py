"""Who may do what at Kafka: one table, and how it is tried; and a server with any certificate."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka.admin import KafkaAdminClient
from kafka.errors import TopicAuthorizationFailedError
from kafka.protocol.admin import (
    CreateTopicsRequest,
    DeleteTopicsRequest,
    IncrementalAlterConfigsRequest,
)
from kafka.protocol.consumer import FetchRequest
from kafka.protocol.producer import ProduceRequest

from crossregion.kafka import acls
from crossregion.kafka.connection import ADMIN, Kafka
from schemas import units as known_units
from schemas.units import NOTIFIED

UNITS = NOTIFIED
REFUSED = TopicAuthorizationFailedError.errno
OWN = "unit-{unit}"
EXPECTED = {
    "cases.{unit}": ({OWN}, {OWN, "intake", "registry"}),
    "rescues.{unit}": ({OWN}, {OWN, "intake", "registry"}),
    "tips.{unit}": ({OWN}, {OWN, "intake", "registry"}),
    "triage.{unit}": ({OWN}, {"notices", "registry"}),
    "files.{unit}": ({OWN}, {OWN, "intake", "registry"}),
    "file-notes": ({"intake"}, {"notices"}),
    "notices.{unit}": ({"notices"}, {OWN, "notices", "registry", "delivery"}),
    "acknowledgements.{unit}": ({OWN}, {"notices", "registry"}),
    "handovers.{unit}": ({OWN}, {"notices", "registry"}),
    "reassignments": ({"office"}, {"notices", "registry"}),
    "boundary-flags": ({"intake"}, {"registry", "notices"}),
    "record-remarks": ({"intake"}, {"notices"}),
    "linkage-records": ({"intake"}, {"linkage"}),
    "pair-weights": ({"linkage"}, {"proposals"}),
    "match-proposals": ({"proposals"}, {"registry", "notices", "proposals"}),
    "decisions": ({"office"}, {"registry", "notices", "proposals"}),
    "agreements": ({"office"}, {"registry", "notices"}),
    "days.{unit}": ({OWN}, {"operator"}),
    "dead-letters": ({"intake"}, {"registry", "operator"}),
    "audit-heads": ({"registry"}, {"operator"}),
    "replays": ({"operator"}, {"intake", "registry"}),
}
"""Who may write, and who may read. Nobody else may, but the admin, who may do everything."""
SEEN = {"linkage-records": {"proposals"}}
"""Who may besides see how long a topic is."""
SEEN_GROUPS = {("proposals", "linkage")}
"""Who may besides see how far another's groups are."""
UNTOUCHED = ("create", "delete", "alter")


@dataclass(frozen=True, order=True)
class Row:
    """One operation on one topic by one principal, and whether it is allowed."""

    topic: str
    principal: str
    operation: str
    allowed: bool


def rows() -> set[Row]:
    """The table above, spelt out for every topic, principal and operation."""
    found = set()
    for pattern, (writers, readers) in EXPECTED.items():
        for unit in UNITS if "{unit}" in pattern else ("",):
            inside = ("cases", "rescues", "files", "tips", "triage", "days", "handovers")
            if pattern.startswith(inside) and unit not in known_units.UNITS:
                continue
            may = {
                "write": {one.format(unit=unit) for one in writers},
                "read": {one.format(unit=unit) for one in readers},
            }
            may["describe"] = may["write"] | may["read"] | {"operator"} | SEEN.get(pattern, set())
            for principal in acls.principals():
                for operation in ("write", "read", "describe", *UNTOUCHED):
                    allowed = principal == ADMIN or principal in may.get(operation, ())
                    topic = pattern.format(unit=unit)
                    found.add(Row(topic, principal, operation, allowed))
    return found


class Tried:
    """What one principal is answered, by one connection, for all topics at once.

    Where an operation is allowed it changes nothing: what is written is no batch, what is created
    is only validated, and so is what is altered. Nobody but the admin deletes, who is not asked.
    """

    def __init__(self, kafka: Kafka, principal: str, names: list[str]) -> None:
        self._principal, self._names = principal, names
        self._admin = KafkaAdminClient(**kafka.options(principal))

    def rows(self) -> Iterator[Row]:
        try:
            for operation, refused in (
                ("describe", self._undescribed()),
                ("read", self._unread()),
                ("write", self._unwritten()),
                ("create", self._uncreated()),
                ("delete", set() if self._principal == ADMIN else self._undeleted()),
                ("alter", self._unaltered()),
            ):
                for name in self._names:
                    yield Row(name, self._principal, operation, name not in refused)
        finally:
            self._admin.close()

    def _ask(self, request: Any) -> Any:
        return self._admin._manager.run(self._admin._manager.send, request)

    def _undescribed(self) -> set[str]:
        described = self._admin.describe_topics(self._names)
        return {topic["name"] for topic in described if topic["error_code"] == REFUSED}

    def _unread(self) -> set[str]:
        topic, partition = FetchRequest.FetchTopic, FetchRequest.FetchTopic.FetchPartition
        asked = [
            topic(
                topic=name,
                partitions=[
                    partition(
                        partition=0, fetch_offset=0, partition_max_bytes=1, log_start_offset=-1
                    )
                ],
            )
            for name in self._names
        ]
        answer = self._ask(
            FetchRequest(
                max_wait_ms=0,
                min_bytes=0,
                session_epoch=-1,
                topics=asked,
                forgotten_topics_data=[],
                max_version=12,
            )
        )
        return {one.topic for one in answer.responses if one.partitions[0].error_code == REFUSED}

    def _unwritten(self) -> set[str]:
        topic = ProduceRequest.TopicProduceData
        asked = [
            topic(name=name, partition_data=[topic.PartitionProduceData(index=0, records=b"")])
            for name in self._names
        ]
        answer = self._ask(
            ProduceRequest(
                transactional_id=None, acks=-1, timeout_ms=5000, topic_data=asked, max_version=12
            )
        )
        return {
            one.name for one in answer.responses if one.partition_responses[0].error_code == REFUSED
        }

    def _uncreated(self) -> set[str]:
        topic = CreateTopicsRequest.CreatableTopic
        asked = [
            topic(name=name, num_partitions=1, replication_factor=1, assignments=[], configs=[])
            for name in self._names
        ]
        answer = self._ask(CreateTopicsRequest(topics=asked, timeout_ms=5000, validate_only=True))
        return {one.name for one in answer.topics if one.error_code == REFUSED}

    def _undeleted(self) -> set[str]:
        asked = [DeleteTopicsRequest.DeleteTopicState(name=name) for name in self._names]
        answer = self._ask(DeleteTopicsRequest(topics=asked, timeout_ms=5000))
        return {one.name for one in answer.responses if one.error_code == REFUSED}

    def _unaltered(self) -> set[str]:
        resource = IncrementalAlterConfigsRequest.AlterConfigsResource
        config = resource.AlterableConfig(name="retention.ms", config_operation=0, value="-1")
        asked = [
            resource(resource_type=2, resource_name=name, configs=[config]) for name in self._names
        ]
        answer = self._ask(IncrementalAlterConfigsRequest(resources=asked, validate_only=True))
        return {one.resource_name for one in answer.responses if one.error_code == REFUSED}


@contextmanager
def admin_of(kafka: Kafka, principal: str) -> Iterator[KafkaAdminClient]:
    admin = KafkaAdminClient(**kafka.options(principal))
    try:
        yield admin
    finally:
        admin.close()


@contextmanager
def server_with(certificate: bytes, directory: Path) -> Iterator[str]:
    """The address of a TLS server with a certificate of the test's own."""
    file = directory / "server.pem"
    file.write_bytes(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    taken, _ = listener.accept()
                except OSError:
                    return
                with taken:
                    try:
                        context.wrap_socket(taken, server_side=True).close()
                    except OSError:
                        continue

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
