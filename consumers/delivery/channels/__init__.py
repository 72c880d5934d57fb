"""The channels by which a notice reaches a unit, by the kind of their endpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from consumers.delivery.channels import mail
from consumers.delivery.channels.mail import MailChannel
from consumers.delivery.channels.tls import trusting
from consumers.delivery.channels.webhook import WebhookChannel
from crossregion.domain.delivery import Outcome
from crossregion.postgres.queries import Row
from crossregion.settings import Settings


class Channel(Protocol):
    """One endpoint of a unit, opened for a while."""

    async def send(self, delivery: Row) -> Outcome:
        """Try once; what a receiver does is an outcome and never an exception."""
        ...

    async def close(self) -> None: ...


def channels(chosen: Settings) -> dict[str, Callable[[Row], Channel]]:
    """How an endpoint of each kind is opened.

    Raises: ServiceUnavailable, NoMailServer when the settings cannot be used.
    """
    webhooks, mails, server = trusting(chosen), trusting(chosen), mail.server(chosen)
    return {
        "webhook": lambda endpoint: WebhookChannel(endpoint, webhooks, chosen),
        "mail": lambda endpoint: MailChannel(endpoint, mails, server, chosen.timeout_factor),
    }
