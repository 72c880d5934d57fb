"""Webhooks by the Standard Webhooks specification: https only, to an address that was checked.

The host is resolved once for a connection, every address it has is checked, and the connection
goes to one of these; the certificate is the host's. A redirect is never followed, and of an answer
nothing is kept but its status.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import httpcore
from httpcore import SOCKET_OPTION, AsyncNetworkBackend, AsyncNetworkStream
from standardwebhooks import Webhook

from crossregion.domain import delivery
from crossregion.domain import delivery as delivery_domain
from crossregion.domain.delivery import Outcome
from crossregion.postgres.queries import Row
from crossregion.settings import Settings

TOTAL_SECONDS = 15.0
"""For one attempt, from resolving the host to the head of its answer."""
BODY_BYTES = 64 * 1024
"""An answer's body is read so far, for the connection to be used again."""
AGENT = b"Crossregion"

IP = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]

SPECIAL = [ip_network(text) for text in ("2001::/23", "2002::/16", "3fff::/20", "192.88.99.0/24")]
"""Public by their number, and yet for tunnels, protocols or documents."""
PUBLIC_IPV6 = ip_network("2000::/3")
"""All that is given out (RFC 4291, 2.4); what stands for an address of IPv4 lies elsewhere."""


class AddressRefused(Exception):
    """The host has an address that this endpoint may not be at."""


def may_be_at(address: str, allowed: Network | None) -> bool:
    """Whether an endpoint may be at an address: a public one, or in the network allowed to it."""
    found: IP = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if allowed is not None and found.version == allowed.version and found in allowed:
        return True
    if any(found in network for network in SPECIAL if network.version == found.version):
        return False
    if found.version == PUBLIC_IPV6.version and found not in PUBLIC_IPV6:
        return False
    return found.is_global and not found.is_multicast


async def resolve(host: str, port: int) -> list[str]:
    """Every address of a host."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=1, proto=6)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Checked(AsyncNetworkBackend):
    """Connects only to where an endpoint may be."""

    def __init__(self, allowed: Network | None, resolved: Resolve) -> None:
        self._allowed = allowed
        self._resolved = resolved
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        try:
            addresses = await self._resolved(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError from error
        if not addresses or not all(may_be_at(one, self._allowed) for one in addresses):
            raise AddressRefused
        for address in addresses[:-1]:
            try:
                return await self._connect(address, port, timeout, socket_options)
            except httpcore.ConnectError:
                continue
        return await self._connect(addresses[-1], port, timeout, socket_options)

    async def _connect(
        self,
        address: str,
        port: int,
        timeout: float | None,
        options: Iterable[SOCKET_OPTION] | None,
    ) -> AsyncNetworkStream:
        return await self._plain.connect_tcp(address, port, timeout, None, options)


def signed(secrets: Iterable[str], message_id: str, at: datetime, body: bytes) -> str:
    """The signatures by each valid secret; a receiver that knows one of them is content."""
    return " ".join(Webhook(one).sign(message_id, at, body.decode()) for one in secrets)


class Receiver:
    """One endpoint for a while; its connection is used again."""

    def __init__(
        self,
        url: str,
        secrets: list[str],
        context: ssl.SSLContext,
        allowed: Network | None = None,
        *,
        scale: float = 1.0,
        resolved: Resolve = resolve,
    ) -> None:
        self._url = url
        self._secrets = secrets
        self._total = TOTAL_SECONDS * scale
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=1,
            keepalive_expiry=5.0,
            network_backend=Checked(allowed, resolved),
        )

    async def send(self, message_id: str, body: bytes) -> Outcome:
        """Try once."""
        now = datetime.now(UTC)
        headers = [
            (b"host", urlsplit(self._url).netloc.encode()),
            (b"user-agent", AGENT),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"webhook-id", message_id.encode()),
            (b"webhook-timestamp", str(int(now.timestamp())).encode()),
            (b"webhook-signature", signed(self._secrets, message_id, now, body).encode()),
        ]
        asked = httpcore.Request("POST", self._url, headers=headers, content=body)
        try:
            async with asyncio.timeout(self._total):
                answer = await self._pool.handle_async_request(asked)
        except (TimeoutError, httpcore.TimeoutException):
            return Outcome("again", "timeout")
        except AddressRefused:
            return Outcome("again", "address-refused")
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            return Outcome("again", "untrusted" if _untrusted(error) else "unreachable")
        await self._finish(answer)
        said = {name.lower(): value for name, value in answer.headers}
        retry_after = said.get(b"retry-after", b"").decode("latin-1")
        return delivery.of_status(answer.status, retry_after, now)

    async def _finish(self, answer: httpcore.Response) -> None:
        """Read a short rest; what is long, slow or torn ends the connection and changes nothing."""
        left = BODY_BYTES
        try:
            async with asyncio.timeout(self._total / 4):
                async for part in answer.aiter_stream():
                    left -= len(part)
                    if left < 0:
                        break
        except (TimeoutError, httpcore.NetworkError, httpcore.ProtocolError, OSError):
            return
        finally:
            await answer.aclose()

    async def close(self) -> None:
        await self._pool.aclose()


def _untrusted(error: BaseException | None) -> bool:
    """Whether a certificate was the reason."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


class WebhookChannel:
    """A unit's webhook for a while."""

    def __init__(self, endpoint: Row, context: ssl.SSLContext, chosen: Settings) -> None:
        self._receiver = Receiver(
            endpoint["address"],
            endpoint["secrets"],
            context,
            chosen.networks.get(endpoint["network"] or ""),
            scale=chosen.timeout_factor,
        )

    async def send(self, delivery: Row) -> Outcome:
        message_id = delivery_domain.message_id(delivery["notice_id"], delivery["revision"])
        body = delivery_domain.payload(delivery["event"], delivery["content"], delivery["at"])
        return await self._receiver.send(message_id, body)

    async def close(self) -> None:
        await self._receiver.close()
