"""Addresses to which notices may be delivered: https URLs and mailboxes."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from crossregion.errors import CrossregionError

MAILBOX = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}")


class BadMailbox(CrossregionError):
    """The given text is no mailbox."""

    code = "bad-mailbox"


def parse_mailbox(address: str) -> str:
    """The mailbox, unchanged, if it is valid.

    Raises: BadMailbox.
    """
    if MAILBOX.fullmatch(address) is None:
        raise BadMailbox()
    return address


class BadAddress(CrossregionError):
    """The given text is no URL of a webhook."""

    code = "bad-address"


def parse_url(url: str) -> tuple[str, int]:
    """Host and port of a webhook's address.

    Raises: BadAddress.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
    except ValueError:
        raise BadAddress("no-url") from None
    if parts.scheme != "https":
        raise BadAddress("no-https")
    if not host or parts.username is not None or parts.fragment:
        raise BadAddress("no-plain-url")
    if not url.isascii() or any(ord(sign) <= 32 for sign in url):
        raise BadAddress("not-ascii")
    try:
        host.encode("idna")
    except UnicodeError:
        raise BadAddress("no-host") from None
    return host, port


PARSERS: dict[str, Callable[[str], object]] = {"webhook": parse_url, "mail": parse_mailbox}
"""What checks an address, by the kind of its endpoint."""
