"""Who gets in at Kafka, and what each may do there: tried on the broker, row by row."""

from __future__ import annotations

import json
import re
import socket
import ssl
import stat
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    RetriableError,
    SaslAuthenticationFailedError,
)

from crossregion.embedded.certificates import Authority
from crossregion.embedded.kafka import EmbeddedKafka
from crossregion.errors import ServiceUnavailable
from crossregion.kafka import acls, groups, users
from crossregion.kafka import admin as kafka_admin
from crossregion.kafka.connection import ADMIN, Kafka
from crossregion.private_files import write_private
from producers import publisher
from producers.spool.store import Spool
from schemas import topics as contracts
from tests.support import exports
from tests.support.kafka_rights import SEEN_GROUPS, Tried, admin_of, rows, server_with


def test_every_topic_for_every_principal_by_every_operation(kafka: Kafka) -> None:
    names = sorted(name for topic in contracts.TOPICS for name in topic.names())
    expected = rows()
    found = {
        row for principal in acls.principals() for row in Tried(kafka, principal, names).rows()
    }
    assert len(expected) == len(names) * len(acls.principals()) * 6
    assert sorted(found - expected) == []
    assert sorted(expected - found) == []


def wait_until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def answers(ask: Callable[[], object]) -> bool:
    """Whether the broker has what it needs for this, which it makes at the first time."""
    try:
        ask()
    except RetriableError:
        return False
    return True


def test_groups_are_their_owners_and_the_operators(kafka: Kafka) -> None:
    groups = {
        **{principal: f"{principal}-any" for principal in acls.units()},
        **{process: f"crossregion-{process}-any" for process in acls.PROCESSES},
    }
    with admin_of(kafka, ADMIN) as admin:
        wait_until(lambda: answers(lambda: admin.list_group_offsets("any")))
    for principal in groups:
        with admin_of(kafka, principal) as admin:
            for owner, group in groups.items():
                of_operator = principal == "operator" and owner in acls.PROCESSES
                if principal == owner or of_operator or (principal, owner) in SEEN_GROUPS:
                    admin.list_group_offsets(group)
                else:
                    with pytest.raises(GroupAuthorizationFailedError):
                        admin.list_group_offsets(group)
    names = sorted(groups.values())
    assert not [a for a in names for b in names if a != b and b.startswith(a.removesuffix("-any"))]


@pytest.mark.parametrize("principal", ["unit-220200", "intake", "operator"])
def test_the_cluster_is_the_admins(kafka: Kafka, principal: str) -> None:
    attempts: list[Callable[[KafkaAdminClient], object]] = [
        lambda admin: users.granted(admin),
        lambda admin: admin.describe_user_scram_credentials([ADMIN]),
        lambda admin: users._put(admin, {principal: "chosen"}),
        lambda admin: users.allow(admin, [acls.Grant(principal, "ALL", "TOPIC", "cases.220300")]),
    ]
    with admin_of(kafka, principal) as admin:
        for attempt in attempts:
            with pytest.raises((ClusterAuthorizationFailedError, ServiceUnavailable)):
                attempt(admin)
    with (
        pytest.raises(ServiceUnavailable, match=f"{principal} is not allowed"),
        kafka_admin.administering(kafka, principal) as admin,
    ):
        admin.create_topics([NewTopic("cases.220200.more", 1, 1)])


def test_grants_beyond_the_contracts_are_taken_away_and_others_left(kafka: Kafka) -> None:
    extra = acls.Grant("unit-220200", "READ", "TOPIC", "dead-letters")
    foreign = acls.Grant("somebody-else", "READ", "TOPIC", "their-topic")
    with kafka_admin.administering(kafka) as admin:
        users.allow(admin, [extra, foreign])
        wait_until(lambda: extra in users.granted(admin))
    kafka_admin.apply(kafka)
    with kafka_admin.administering(kafka) as admin:
        granted = users.granted(admin)
        users.withdraw(admin, [foreign])
    assert extra not in granted
    assert {foreign, *acls.wanted()} <= granted


def test_every_role_of_the_contracts_has_a_password(kafka: Kafka) -> None:
    roles = {role for topic in contracts.TOPICS for role in (*topic.written_by, *topic.read_by)}
    assert roles - {contracts.UNIT} <= set(acls.PROCESSES)
    with kafka_admin.administering(kafka) as admin:
        known = admin.describe_user_scram_credentials()
    assert set(known) == {*acls.principals(), "broker"}


def copied(kafka: Kafka, directory: Path, *principals: str) -> Kafka:
    """The same cluster with a secrets directory of the test's own."""
    directory.mkdir(exist_ok=True)
    for name in ("ca.pem", *principals):
        write_private(directory / name, (kafka.secrets / name).read_bytes())
    return Kafka(kafka.address, directory)


UNIT = "220200"
PRINCIPAL = f"unit-{UNIT}"


def test_what_is_missing_or_open_to_others_is_said(kafka: Kafka, tmp_path: Path) -> None:
    own = copied(kafka, tmp_path / "own", PRINCIPAL)
    assert own.options(PRINCIPAL)["sasl_plain_username"] == PRINCIPAL
    (own.secrets / PRINCIPAL).chmod(0o640)
    with pytest.raises(ServiceUnavailable, match="chmod 600"):
        own.options(PRINCIPAL)
    with pytest.raises(ServiceUnavailable, match=r"unit-220300.*CROSSREGION_KAFKA_SECRETS"):
        own.options("unit-220300")
    write_private(own.secrets / PRINCIPAL, "\n")
    with pytest.raises(ServiceUnavailable, match="is empty"):
        own.options(PRINCIPAL)
    with pytest.raises(ServiceUnavailable, match=r"ca\.pem.*CROSSREGION_KAFKA_SECRETS"):
        Kafka(kafka.address, tmp_path).options(PRINCIPAL)
    secret = kafka.options(PRINCIPAL)["sasl_plain_password"]
    assert secret not in repr(kafka) + str(kafka.environment())


def kept(kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What the unit is told when it publishes there; its events must be kept."""
    path = tmp_path / "spool" / f"{UNIT}.sqlite"
    with Spool(path, UNIT) as spool:
        before = spool.waiting()
        file = exports.write(tmp_path / "cases.csv", exports.case(案件编号=f"C{before}"))
        assert publisher.publish([file], spool, kafka).kinds["case"].published == 1
        assert publisher.send_all(spool, kafka) == before + 1
    said = capsys.readouterr()
    return said.out + said.err


@pytest.mark.parametrize("fault", ["wrong CA", "wrong host", "expired"])
def test_a_certificate_that_is_not_right_is_said_and_the_events_are_kept(
    fault: str,
    kafka: Kafka,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher, "CONNECT_MS", 500)
    own = copied(kafka, tmp_path / "own", PRINCIPAL)
    authority = Authority(tmp_path / "ca.pem", tmp_path / "ca.key")
    if fault != "wrong CA":
        write_private(own.secrets / "ca.pem", (tmp_path / "ca.pem").read_bytes())
    hosts = ["kafka.example"] if fault == "wrong host" else ["127.0.0.1"]
    lifetime = timedelta(seconds=-1) if fault == "expired" else None
    with server_with(authority.issue("broker", hosts, lifetime), tmp_path) as address:
        said = kept(Kafka(address, own.secrets), tmp_path, capsys)
    reason = {
        "wrong CA": "unable to get local issuer certificate|self-signed|signature failure",
        "wrong host": "IP address mismatch",
        "expired": "certificate has expired",
    }[fault]
    assert re.search(f"is not trusted .*({reason})", said), said


def test_a_wrong_password_is_said_and_the_events_are_kept(
    kafka: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = copied(kafka, tmp_path / "own", PRINCIPAL)
    write_private(own.secrets / PRINCIPAL, "another")
    assert f"refuses {PRINCIPAL}: put its present password into" in kept(own, tmp_path, capsys)
    (own.secrets / PRINCIPAL).unlink()
    assert f"The password of {PRINCIPAL} cannot be read" in kept(own, tmp_path, capsys)
    with pytest.raises(SaslAuthenticationFailedError):
        write_private(own.secrets / PRINCIPAL, "another")
        KafkaAdminClient(**own.options(PRINCIPAL))


def test_no_listener_talks_without_tls_or_to_the_nameless(kafka: Kafka, tmp_path: Path) -> None:
    options = kafka.options(ADMIN)
    KafkaConsumer(**options, bootstrap_timeout_ms=20_000).close()
    for changes in (
        {"security_protocol": "PLAINTEXT"},
        {"security_protocol": "SASL_PLAINTEXT"},
        {"security_protocol": "SSL"},
        {"sasl_mechanism": "PLAIN"},
    ):
        with pytest.raises(KafkaError):
            KafkaConsumer(**{**options, **changes}, bootstrap_timeout_ms=1_500)


def test_the_brokers_own_door_asks_for_its_certificate(tmp_path: Path) -> None:
    with EmbeddedKafka(tmp_path / "kafka") as broker:
        ports = json.loads((tmp_path / "kafka/ports.json").read_text())
        context = ssl.create_default_context(cafile=str(broker.secrets / "ca.pem"))
        with socket.create_connection(("127.0.0.1", ports["controller"]), 5) as plain:
            stream = context.wrap_socket(plain, server_hostname="127.0.0.1")
            with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
                stream.send(b"x")
                stream.recv(1)
        assert broker.pid is not None
        process = psutil.Process(broker.pid)
        bound = {c.laddr for c in process.net_connections() if c.status == psutil.CONN_LISTEN}
        assert {(one.ip.removeprefix("::ffff:"), one.port) for one in bound} == {
            ("127.0.0.1", port) for port in ports.values()
        }
        secrets = {file.name: file.read_text() for file in broker.secrets.iterdir()}
        secrets["broker"] = (tmp_path / "kafka/broker.password").read_text()
        shown = " ".join([*process.cmdline(), *process.environ().values()])
        shown += broker.log.read_text()
        assert not [name for name, secret in secrets.items() if secret in shown]
        private = [file for file in (tmp_path / "kafka").rglob("*") if file.is_file()]
        assert not [file for file in private if stat.S_IMODE(file.stat().st_mode) & 0o077]
        assert not list((tmp_path / "kafka").glob("format.*"))


def may_describe(admin: KafkaAdminClient, group: str) -> bool:
    try:
        groups.members(admin, group)
    except GroupAuthorizationFailedError:
        return False
    return True


def test_a_group_that_kafka_no_longer_describes_to_somebody_is_not_taken_for_one_without_members(
    kafka: Kafka,
) -> None:
    """The client remembers the coordinator, so that the refusal stands in the description only."""
    group, who = f"test-described-{time.time_ns()}", "unit-220200"
    describe = [acls.Grant(who, "DESCRIBE", "GROUP", group)]
    with kafka_admin.administering(kafka) as admin:
        users.allow(admin, describe)
        with kafka_admin.administering(kafka, who) as seeing:
            wait_until(lambda: may_describe(seeing, group))
            assert groups.members(seeing, group) == []
            users.withdraw(admin, describe)
            wait_until(lambda: seeing.describe_groups([group])[group]["error"] is not None)
            assert seeing.describe_groups([group])[group]["members"] == []
            with pytest.raises(GroupAuthorizationFailedError):
                groups.members(seeing, group)
    with (
        pytest.raises(ServiceUnavailable, match=f"{who} is not allowed"),
        kafka_admin.administering(kafka, who) as seeing,
    ):
        groups.members(seeing, group)


def test_offsets_of_a_group_with_members_are_not_forgotten_and_that_is_told(kafka: Kafka) -> None:
    group = "crossregion-registry-test"
    place = TopicPartition(contracts.DEAD_LETTERS.name(), 0)
    with (
        kafka_admin.administering(kafka) as admin,
        closing(KafkaConsumer(**kafka.options("registry"), group_id=group)) as member,
    ):
        member.subscribe([place.topic])
        while place not in member.assignment():
            member.poll(timeout_ms=100)
        member.commit({place: OffsetAndMetadata(0, "", -1)})
        assert len(groups.members(admin, group)) == 1
        with pytest.raises(ServiceUnavailable, match=rf"far {group} has read \(NonEmptyGroup"):
            groups.forget_offsets(admin, group)
        assert place in admin.list_group_offsets(group)[group]
        member.unsubscribe()
        member.close()
        assert groups.members(admin, group) == []
        groups.forget_offsets(admin, group)
        assert not admin.list_group_offsets(group)[group]
