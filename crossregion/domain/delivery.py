"""Delivery of a notice: content of webhooks and mails, retry times, and when to give up.

Pure. The content has ids and codes only, as the notice does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

LIFETIME = timedelta(days=3)
"""How long after its first row a delivery is tried."""
FIRST_SECONDS, LONGEST_SECONDS, GROWTH = 5.0, 6 * 3600.0, 3.0
JITTER = 0.2
LONGEST_ASKED_SECONDS = 24 * 3600.0
"""How long a receiver may ask us to wait."""
GONE, TOO_MANY = 410, 429

Verdict = Literal["delivered", "again", "refused", "gone"]


@dataclass(frozen=True)
class Outcome:
    """The outcome of one attempt; `code` names it in rows, logs and metrics."""

    verdict: Verdict
    code: str
    status: int | None = None
    asked_seconds: float | None = None
    """How long the receiver asked us to wait."""


def of_status(status: int, retry_after: str | None, now: datetime) -> Outcome:
    """The outcome for the HTTP status of a webhook's receiver."""
    if 200 <= status < 300:
        return Outcome("delivered", "delivered", status)
    if status == TOO_MANY or status >= 500:
        return Outcome("again", "not-now", status, _asked(retry_after, now))
    if status == GONE:
        return Outcome("gone", "gone", status)
    if 300 <= status < 400:
        return Outcome("refused", "redirected", status)
    return Outcome("refused", "refused", status)


def of_reply(code: int) -> Outcome:
    """The outcome for a mail server's refusal of a mail."""
    verdict: Verdict = "again" if code < 500 else "refused"
    return Outcome(verdict, "not-now" if verdict == "again" else "refused", code)


def _asked(retry_after: str | None, now: datetime) -> float | None:
    """Retry-After, seconds or a date; None if it says nothing that can be read."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_ASKED_SECONDS)
    try:
        at = parsedate_to_datetime(text)
        until = at.replace(tzinfo=at.tzinfo or UTC) - now
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, until.total_seconds()), LONGEST_ASKED_SECONDS)


def pause(failures: int, drawn: float, asked: float | None = None, scale: float = 1.0) -> float:
    """Seconds to wait after so many failures in a row.

    `drawn`, from 0 to 1, is the jitter, up to a fifth either way; never less than Retry-After.
    """
    grown = FIRST_SECONDS * GROWTH ** min(failures - 1, 20)
    spread = 1 - JITTER + 2 * JITTER * drawn
    return max(min(grown, LONGEST_SECONDS) * spread * scale, asked or 0.0)


def next_try(
    since: datetime,
    now: datetime,
    failures: int,
    drawn: float,
    asked: float | None = None,
    scale: float = 1.0,
) -> datetime | None:
    """When a delivery that began at `since` is due again; None when its three days are over.

    The last attempt is at their end.
    """
    end = since + LIFETIME
    if now >= end:
        return None
    return min(now + timedelta(seconds=pause(failures, drawn, asked, scale)), end)


def message_id(notice_id: str, revision: int) -> str:
    """One for each statement about a notice; the same at every attempt and on every channel."""
    return f"{notice_id}.{revision}"


def payload(event: str, notice: dict[str, Any], at: datetime) -> bytes:
    """The body of a webhook, the same at every attempt; `at` is the broker's time."""
    kind = "notice.issued" if event == "NoticeIssued" else "notice.withdrawn"
    body = {"type": kind, "timestamp": at.astimezone(UTC).isoformat(), "data": notice}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def subject(event: str, notice: dict[str, Any]) -> str:
    """The subject of a mail."""
    what = "notice" if event == "NoticeIssued" else "notice withdrawn"
    urgent = "urgent " if notice.get("urgent") else ""
    boundary = f" ({notice['boundary']})" if notice.get("boundary") else ""
    return f"Crossregion: {urgent}{what}, {notice['kind']}{boundary}, for {notice['unit']}"


def mail_text(event: str, notice: dict[str, Any]) -> str:
    """The text of a mail; it contains no text of others, such as a record's id."""
    lines = [
        f"Notice: {notice['notice_id']}, revision {notice['revision']}",
        f"For: {notice['unit']}",
        f"Kind: {notice['kind']}",
    ]
    if notice.get("boundary"):
        lines.append(f"Boundary: {notice['boundary']}")
    for heading, name in (("Units concerned", "units"), ("Regions", "regions")):
        if notice.get(name):
            lines.append(f"{heading}: {', '.join(notice[name])}")
    lines += [f"Remark: {one['field']}: {one['code']}" for one in notice.get("remarks") or ()]
    if event == "NoticeIssued":
        lines += ["", "What to do: look the notice up in the registry by its id, and answer it."]
        if notice.get("answer_within_hours") is not None:
            lines.append(f"Answer within: {notice['answer_within_hours']} hours")
        if notice.get("contact"):
            lines.append(f"Whom to ask: {notice['contact']}")
    else:
        lines += ["", "What to do: nothing. What this notice said no longer holds."]
    return "\n".join(lines) + "\n"
