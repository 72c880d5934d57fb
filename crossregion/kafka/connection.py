"""How a process reaches Kafka: the one place where a client's connection options are made.

Every connection is TLS with the host's name checked against the certificate, and logs in by
SCRAM-SHA-512 as a principal, whose password stands in a file of its own.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossregion.errors import ServiceUnavailable
from crossregion.settings import Settings

CONNECT_SECONDS = 5.0
AUTHORITY = "ca.pem"
ADMIN, OPERATOR, OFFICE = "admin", "operator", "office"
"""The office's analysts decide; what its own system reports is written by its unit."""
MECHANISM = "SCRAM-SHA-512"
GROUPS = "crossregion-"


def group(worker: str) -> str:
    """The consumer group of a worker; linkage's ends with the version of its model besides."""
    return GROUPS + worker


LINKAGE_GROUPS = group("linkage") + "-"
"""How the groups of linkage begin, which end with the version of their model."""


def unit(code: str) -> str:
    """The principal of a unit."""
    return f"unit-{code}"


@dataclass(frozen=True)
class Kafka:
    """Where a cluster is, and the directory with its CA and the passwords of this machine."""

    address: str
    secrets: Path

    def options(self, principal: str) -> dict[str, Any]:
        """Connection options of a principal; kafka-python and aiokafka take the same.

        Whoever connects needs them, so kafka-python's patches are applied here.

        Raises: ServiceUnavailable when the CA or the password is missing or open to others.
        """
        from crossregion.kafka import patches  # a command that reads the database needs no client

        patches.apply_patches()
        return {
            "bootstrap_servers": self.address,
            "security_protocol": "SASL_SSL",
            "ssl_context": self._context(),
            "sasl_mechanism": MECHANISM,
            "sasl_plain_username": principal,
            "sasl_plain_password": password(self.secrets / principal),
        }

    def environment(self) -> dict[str, str]:
        """Environment variables by which another process connects to the same cluster."""
        return {
            "CROSSREGION_KAFKA": self.address,
            "CROSSREGION_KAFKA_SECRETS": str(self.secrets.resolve()),
        }

    def require_reachable(self) -> None:
        """Raise ServiceUnavailable at once where a client would retry until its time-out."""
        refused: ServiceUnavailable | None = None
        for host, port in _places(self.address):
            try:
                with socket.create_connection((host, port), CONNECT_SECONDS) as plain:
                    refused = self._refusal(plain, host, port)
            except TimeoutError:
                refused = ServiceUnavailable("kafka-does-not-answer", host=host, port=port)
            except OSError:
                continue
            if refused is None:
                return
        raise refused or ServiceUnavailable("nothing-listens", address=self.address)

    def explain(self, error: Exception, principal: str) -> ServiceUnavailable:
        """Why Kafka cannot be used and what to do about it, as far as that can be determined."""
        name = type(error).__name__
        if isinstance(error, ServiceUnavailable):
            return error
        if "Authentication" in name:
            return ServiceUnavailable(
                "principal-refused",
                address=self.address,
                principal=principal,
                file=self.secrets / principal,
            )
        if "Authorization" in name:
            return ServiceUnavailable("not-granted", principal=principal)
        try:
            self.require_reachable()
        except ServiceUnavailable as fault:
            return fault
        return ServiceUnavailable("kafka-does-not-do-it", address=self.address, kind=name)

    def _context(self) -> ssl.SSLContext:
        authority = self.secrets / AUTHORITY
        try:
            return ssl.create_default_context(cafile=str(authority))
        except (OSError, ssl.SSLError):
            raise ServiceUnavailable("authority-unreadable", authority=authority) from None

    def _refusal(self, plain: socket.socket, host: str, port: int) -> ServiceUnavailable | None:
        """Why this machine does not trust what listens there; None if it does."""
        try:
            self._context().wrap_socket(plain, server_hostname=host).close()
        except ssl.SSLCertVerificationError as error:
            return ServiceUnavailable(
                "certificate-not-trusted",
                host=host,
                port=port,
                why=error.verify_message,
                authority=self.secrets / AUTHORITY,
            )
        except ssl.SSLError:
            return ServiceUnavailable("no-tls", host=host, port=port)
        return None


@contextmanager
def explained(found: Kafka, principal: str) -> Iterator[None]:
    """Turn Kafka's refusal of a principal into ServiceUnavailable, with what to do about it."""
    from kafka.errors import AuthorizationError, SaslAuthenticationFailedError

    try:
        yield
    except (SaslAuthenticationFailedError, AuthorizationError) as error:
        raise found.explain(error, principal) from None


def is_away(error: Exception) -> bool:
    """Whether the cluster is unavailable; if False, it refuses this principal."""
    name = type(error).__name__
    refused = "Authentication" in name or "Authorization" in name
    return not refused and not isinstance(error, ServiceUnavailable)


def kafka(chosen: Settings) -> Kafka:
    """The cluster that the settings name.

    Raises: ServiceUnavailable when they do not name one or its secrets.
    """
    if not chosen.kafka:
        raise ServiceUnavailable("kafka-not-set")
    _places(chosen.kafka)
    if chosen.kafka_secrets is None:
        raise ServiceUnavailable("kafka-secrets-not-set")
    return Kafka(chosen.kafka, chosen.kafka_secrets)


def reachable(chosen: Settings) -> Kafka:
    """The same, for a worker about to start, once a broker with a trusted certificate listens."""
    found = kafka(chosen)
    found.require_reachable()
    return found


def password(file: Path) -> str:
    """The content of a secret file.

    Raises: ServiceUnavailable when it is missing, empty or open to others.
    """
    try:
        if file.stat().st_mode & 0o077:
            raise ServiceUnavailable("password-open-to-others", file=file)
        found = file.read_text().strip()
    except OSError as error:
        raise ServiceUnavailable(
            "password-unreadable", name=file.name, file=file, strerror=error.strerror
        ) from None
    if not found:
        raise ServiceUnavailable("password-empty", file=file, name=file.name)
    return found


def _places(address: str) -> list[tuple[str, int]]:
    found = []
    for one in address.split(","):
        host, _, port = one.strip().rpartition(":")
        if not host or not port.isdigit():
            raise ServiceUnavailable("kafka-address-unreadable", one=one)
        found.append((host.strip("[]"), int(port)))
    return found
