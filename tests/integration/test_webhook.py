"""Where a webhook may be: addresses in every form, and connections to a real TLS server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from consumers.delivery.channels import webhook
from consumers.delivery.channels.webhook import Network, Receiver, Resolve
from crossregion.domain.delivery import Outcome
from crossregion.services import addresses as addresses_service
from crossregion.services.addresses import BadAddress
from tests.support import receivers
from tests.support.receivers import Certificates, Webhooks

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOOPBACK = ip_network("127.0.0.0/8")
PUBLIC = "93.184.215.14"

REFUSED = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1",  # noqa: S104
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1",
    "198.18.0.1", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "ff0e::1",
    "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:4136:e378::1", "2001:db8::1",
    "100::1", "::ffff:0:127.0.0.1", "1::1", "4000::1", "5f00::1", "3fff::1", "192.88.99.1",
]  # fmt: skip
ALLOWED = [PUBLIC, "8.8.8.8", "::ffff:8.8.8.8", "2606:4700::1111", "2a00:1450:4001::200e"]


@pytest.mark.parametrize("address", REFUSED)
def test_an_endpoint_may_not_be_there(address: str) -> None:
    assert not webhook.may_be_at(address, None)


@pytest.mark.parametrize("address", ALLOWED)
def test_an_endpoint_may_be_at_a_public_address(address: str) -> None:
    assert webhook.may_be_at(address, None)
    assert webhook.may_be_at(address, LOOPBACK)


def test_a_network_allowed_by_name_opens_itself_and_no_other() -> None:
    police = ip_network("10.1.0.0/16")
    assert webhook.may_be_at("10.1.2.3", police)
    assert webhook.may_be_at("::ffff:10.1.2.3", police)
    for address in ("10.2.0.1", "127.0.0.1", "169.254.169.254", "fd12::1", "64:ff9b::a01:203"):
        assert not webhook.may_be_at(address, police)
    assert webhook.may_be_at("fd12::1", ip_network("fd12::/16"))
    assert not webhook.may_be_at("fd13::1", ip_network("fd12::/16"))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://unit.example/", "https://"),
        ("ftp://unit.example/", "https://"),
        ("unit.example", "https://"),
        ("https:///path", "https://host"),
        ("https://user:word@unit.example/", "without a user"),
        ("https://unit.example/#part", "without a user"),
        ("https://unit.example:99999/", "no URL"),
        ("https://[::1/", "no URL"),
        ("https://单位.example/", "punycode"),
        ("https://unit..example/", "no name"),
        (f"https://{'a' * 64}.example/", "no name"),
        ("https://unit.example/a\r\nX-Header: b", "ASCII"),
    ],
)
def test_what_is_no_address_of_a_webhook_is_said(url: str, says: str) -> None:
    with pytest.raises(BadAddress, match=says):
        addresses_service.parse_url(url)


@pytest.mark.parametrize(
    "address",
    [
        "office", "office@", "@unit.example", "a b@unit.example",
        "office@unit.example\nBcc: x@y.zz", "office@unit.example,x@unit.example",
        "办公室@unit.example", "office@localhost", "Office <office@unit.example>",
    ],
)  # fmt: skip
def test_what_is_no_mailbox_is_said(address: str) -> None:
    with pytest.raises(addresses_service.BadMailbox):
        addresses_service.parse_mailbox(address)


def test_signatures_are_those_of_the_specification() -> None:
    """The example of the specification's own documents."""
    at = datetime.fromtimestamp(1614265330, UTC)
    body = b'{"test": 2432232314}'
    message_id = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    first = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert webhook.signed([SECRET], message_id, at, body) == first
    both = webhook.signed(["whsec_AAAA", SECRET], message_id, at, body).split()
    assert len(both) == 2
    assert both[1] == first


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("webhook"))


@pytest.fixture(scope="module")
def web(certificates: Certificates) -> Iterator[Webhooks]:
    context = certificates.context("unit", ["unit.example", "127.0.0.1"])
    with receivers.webhooks(context) as server:
        yield server


@pytest.fixture
def trusting(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificates.ca))


def resolving(*answers: list[str]) -> tuple[Resolve, list[str]]:
    """A resolver that answers in turn, and whom it was asked for."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return resolve, asked


def send(
    url: str,
    context: ssl.SSLContext,
    allowed: Network | None = LOOPBACK,
    resolved: Resolve = webhook.resolve,
    times: int = 1,
) -> list[Outcome]:
    async def sending() -> list[Outcome]:
        receiver = Receiver(url, [SECRET], context, allowed, resolved=resolved, scale=0.2)
        try:
            return [await receiver.send("message.1", b"{}") for _ in range(times)]
        finally:
            await receiver.close()

    return asyncio.run(sending())


def test_it_connects_as_checked_with_the_hosts_name_and_asks_once(
    web: Webhooks, trusting: ssl.SSLContext
) -> None:
    """The second answer, which a name that is bound anew would give, is never asked for."""
    resolve, asked = resolving(["127.0.0.1"], ["127.0.0.2"])
    url = web.url("/named", "unit.example")
    assert [one.code for one in send(url, trusting, LOOPBACK, resolve, 3)] == ["delivered"] * 3
    assert asked == ["unit.example"]
    assert [got.headers["host"] for got in web.got["/named"]] == [url.split("/")[2]] * 3


@pytest.mark.parametrize(
    ("addresses", "allowed"),
    [
        (["127.0.0.1"], None),
        ([PUBLIC, "127.0.0.1"], None),
        (["::ffff:127.0.0.1"], None),
        (["127.0.0.1", "10.0.0.1"], LOOPBACK),
        ([], LOOPBACK),
    ],
)
def test_a_name_of_a_refused_address_is_never_connected_to(
    web: Webhooks, trusting: ssl.SSLContext, addresses: list[str], allowed: Network | None
) -> None:
    resolve, _ = resolving(addresses)
    (outcome,) = send(web.url("/refused", "unit.example"), trusting, allowed, resolve)
    assert outcome == Outcome("again", "address-refused")
    assert "/refused" not in web.got


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "[::ffff:127.0.0.1]"]
)
def test_loopback_is_refused_however_it_is_written(
    web: Webhooks, trusting: ssl.SSLContext, host: str
) -> None:
    (outcome,) = send(web.url("/written", host), trusting, None)
    assert outcome.code in ("address-refused", "unreachable")
    assert "/written" not in web.got


def test_a_certificate_of_another_host_or_of_an_unknown_authority_is_not_trusted(
    web: Webhooks, trusting: ssl.SSLContext
) -> None:
    resolve, _ = resolving(["127.0.0.1"])
    (outcome,) = send(web.url("/other", "other.example"), trusting, LOOPBACK, resolve)
    assert outcome == Outcome("again", "untrusted")
    (outcome,) = send(
        web.url("/other", "unit.example"), ssl.create_default_context(), LOOPBACK, resolve
    )
    assert outcome == Outcome("again", "untrusted")
    assert "/other" not in web.got


def test_what_does_not_speak_tls_is_not_talked_to(trusting: ssl.SSLContext, tmp_path: Path) -> None:
    async def talking() -> Outcome:
        got = bytearray()

        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            got.extend(await reader.read(1000))
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            receiver = Receiver(f"https://127.0.0.1:{port}/", [SECRET], trusting, LOOPBACK)
            outcome = await receiver.send("message.1", b"{}")
            await receiver.close()
        assert b"webhook" not in got
        return outcome

    assert asyncio.run(talking()).code == "untrusted"
