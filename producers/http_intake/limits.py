"""How much may come in: requests of a unit or an address in a time, and bytes at a time."""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

BURST_SECONDS = 2.0
MOST_NAMES = 20_000
"""Of so many the limiter knows what they have used; whoever was away longest is forgotten."""
IPV6_NETWORK = 64
"""An IPv6 host has a network of this prefix to itself."""


class Rate:
    """So many a second for each name, and at once as many as in two seconds."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._most = max(1.0, per_second * BURST_SECONDS)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, name: str, now: float) -> float:
        """Seconds after which `name` may come again; 0 if it may now, which then counts."""
        left, since = self._left.pop(name, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_second)
        allowed = left >= 1.0
        self._left[name] = (left - 1.0 if allowed else left, now)
        if len(self._left) > MOST_NAMES:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1.0 - left) / self._per_second


class Room:
    """Bytes that may be held at a time, of all requests together and of one sender's."""

    def __init__(self, size: int, share: int) -> None:
        self._left = size
        self._share = share
        self._held: Counter[str] = Counter()

    @contextmanager
    def holding(self, name: str, size: int) -> Iterator[bool]:
        """Whether `name` has room for so many bytes; it is kept for the time of the block."""
        held = size if size <= min(self._left, self._share - self._held[name]) else 0
        self._left -= held
        self._held[name] += held
        try:
            yield held == size
        finally:
            self._left += held
            self._held[name] -= held


def network_of(address: str) -> str:
    """What counts as one sender: an IPv4 address, however it is written, or an IPv6 network."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if found.version == 6:
        found = found.ipv4_mapped or found
    if found.version == 4:
        return str(found)
    return str(ipaddress.ip_network((found, IPV6_NETWORK), strict=False))
