"""Mails to an office's mailbox, by SMTP with STARTTLS."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib

from crossregion.domain import delivery
from crossregion.domain import delivery as delivery_domain
from crossregion.domain.delivery import Outcome
from crossregion.errors import CrossregionError
from crossregion.postgres.queries import Row
from crossregion.settings import Settings

TOTAL_SECONDS, GOODBYE_SECONDS = 30.0, 5.0


class NoMailServer(CrossregionError):
    """The settings of the mail server cannot be used."""

    code = "no-mail-server"


@dataclass(frozen=True)
class Server:
    """The mail server, and whom it knows us as."""

    host: str
    port: int
    sender: str
    user: str | None = None
    password: str | None = None


def server(chosen: Settings) -> Server | None:
    """The mail server of the settings, if they name one.

    Raises: NoMailServer.
    """
    if not chosen.smtp:
        return None
    host, _, port = chosen.smtp.rpartition(":")
    if not host or not port.isdigit():
        raise NoMailServer("not-an-address", smtp=chosen.smtp)
    password = _password(chosen.smtp_password) if chosen.smtp_password else None
    return Server(host.strip("[]"), int(port), chosen.smtp_from, chosen.smtp_user, password)


def _password(file: Path) -> str:
    try:
        if file.stat().st_mode & 0o077:
            raise NoMailServer("password-open-to-others", file=file)
        return file.read_text().strip()
    except OSError as error:
        raise NoMailServer("password-unreadable", file=file, strerror=error.strerror) from None


def message(
    server: Server, address: str, message_id: str, event: str, notice: dict[str, Any]
) -> EmailMessage:
    """The mail; its Message-ID is the same at every attempt."""
    made = EmailMessage()
    made["From"] = server.sender
    made["To"] = address
    made["Subject"] = delivery.subject(event, notice)
    made["Message-ID"] = f"<{message_id}@{server.sender.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(delivery.mail_text(event, notice))
    return made


async def send(
    server: Server | None, context: ssl.SSLContext, mail: EmailMessage, scale: float = 1.0
) -> Outcome:
    """Try once; only what the server says of this mailbox or mail can be final."""
    if server is None:
        return Outcome("again", "no-mail-server")
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        start_tls=True,
        tls_context=context,
        username=server.user,
        password=server.password,
        timeout=None,
    )
    try:
        async with asyncio.timeout(TOTAL_SECONDS * scale):
            await client.connect()
            await client.send_message(mail)
        return Outcome("delivered", "delivered", aiosmtplib.SMTPStatus.completed.value)
    except TimeoutError:
        return Outcome("again", "timeout")
    except aiosmtplib.SMTPRecipientsRefused as error:
        return delivery.of_reply(error.recipients[0].code)
    except (aiosmtplib.SMTPDataError, aiosmtplib.SMTPRecipientRefused) as error:
        return delivery.of_reply(error.code)
    except ssl.SSLError:
        return Outcome("again", "untrusted")
    except (aiosmtplib.SMTPException, OSError) as error:
        cause = error.__cause__ or error.__context__
        return Outcome("again", "untrusted" if isinstance(cause, ssl.SSLError) else "unreachable")
    finally:
        await _leave(client, scale)


async def _leave(client: aiosmtplib.SMTP, scale: float) -> None:
    """Say goodbye; whether the server answers changes nothing."""
    try:
        async with asyncio.timeout(GOODBYE_SECONDS * scale):
            if client.is_connected:
                await client.quit()
    except (TimeoutError, aiosmtplib.SMTPException, OSError):
        return
    finally:
        client.close()


class MailChannel:
    """A unit's mailbox for a while."""

    def __init__(
        self, endpoint: Row, context: ssl.SSLContext, server: Server | None, scale: float
    ) -> None:
        self._address, self._context = endpoint["address"], context
        self._server, self._scale = server, scale

    async def send(self, delivery: Row) -> Outcome:
        if self._server is None:
            return Outcome("again", "no-mail-server")
        message_id = delivery_domain.message_id(delivery["notice_id"], delivery["revision"])
        mail = message(
            self._server, self._address, message_id, delivery["event"], delivery["content"]
        )
        return await send(self._server, self._context, mail, self._scale)

    async def close(self) -> None:
        """Nothing to close: each mail has a connection of its own."""
