"""Addresses to which notices may be delivered: https URLs and mailboxes."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from crossregion.errors import RuntimeFault

MAILBOX = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}")


class BadMailbox(RuntimeFault):
    """What an operator gave is no mailbox."""


def parse_mailbox(address: str) -> str:
    """A mailbox as it was given.

    Raises: BadMailbox.
    """
    if MAILBOX.fullmatch(address) is None:
        raise BadMailbox("A mailbox is name@host.domain, in ASCII signs.")
    return address


class BadAddress(RuntimeFault):
    """What an operator gave is no address of a webhook."""


def parse_url(url: str) -> tuple[str, int]:
    """Host and port of a webhook's address.

    Raises: BadAddress.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
    except ValueError:
        raise BadAddress("The webhook's address is no URL.") from None
    if parts.scheme != "https":
        raise BadAddress("A webhook's address begins with https://.")
    if not host or parts.username is not None or parts.fragment:
        raise BadAddress("A webhook's address is https://host[:port]/path, without a user or #.")
    if not url.isascii() or any(ord(sign) <= 32 for sign in url):
        raise BadAddress("A webhook's address has ASCII signs only: write its host in punycode.")
    try:
        host.encode("idna")
    except UnicodeError:
        raise BadAddress("The webhook's host is no name.") from None
    return host, port


PARSERS: dict[str, Callable[[str], object]] = {"webhook": parse_url, "mail": parse_mailbox}
"""What checks an address, by the kind of its endpoint."""
