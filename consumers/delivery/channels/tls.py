"""The TLS context of deliveries: which authorities are trusted."""

from __future__ import annotations

import ssl

from crossregion.errors import ServiceUnavailable
from crossregion.settings import Settings


def trusting(chosen: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if chosen.authorities:
        try:
            context.load_verify_locations(chosen.authorities)
        except (OSError, ssl.SSLError):
            raise ServiceUnavailable(
                "authorities-unreadable", authorities=chosen.authorities
            ) from None
    return context
