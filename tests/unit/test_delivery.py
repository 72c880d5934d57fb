"""When a notice is tried again, what an answer means, and what is said: without a clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from crossregion.domain import delivery
from crossregion.domain.delivery import LIFETIME, Outcome

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ISSUED = {
    "notice_id": "0b9f",
    "unit": "220100",
    "revision": 1,
    "kind": "flag",
    "cause": "220200-C1",
    "boundary": "prefecture",
    "units": ["220100", "220200"],
    "remarks": [],
}


def tries(drawn: float, asked: float | None = None, scale: float = 1.0) -> list[float]:
    """Hours after the first attempt at which a delivery is tried, if nobody ever takes it."""
    at, times = NOW, [NOW]
    while (due := delivery.next_try(NOW, at, len(times), drawn, asked, scale)) is not None:
        at = due
        times.append(at)
    return [(one - NOW) / timedelta(hours=1) for one in times]


def test_pauses_grow_and_end_after_three_days() -> None:
    middle = tries(0.5)
    pauses = [round(late - early, 6) for early, late in pairwise(middle)]
    assert [round(pause * 3600) for pause in pauses[:7]] == [5, 15, 45, 135, 405, 1215, 3645]
    assert max(pauses) == 6.0
    assert pauses[:-1] == sorted(pauses[:-1])
    assert middle[-1] == 72.0
    assert 18 <= len(middle) <= 22


def test_the_draw_spreads_a_pause_by_a_fifth() -> None:
    spread = [delivery.pause(1, drawn) for drawn in (0.0, 0.5, 1.0)]
    assert spread == pytest.approx([4.0, 5.0, 6.0])
    assert delivery.pause(3, 0.5, scale=0.1) == pytest.approx(4.5)
    assert delivery.pause(10_000, 0.5) == 6 * 3600.0


def test_what_was_asked_for_is_the_least_pause_and_never_beyond_the_end() -> None:
    assert delivery.pause(1, 0.5, asked=100.0) == 100.0
    assert delivery.pause(1, 0.5, asked=100.0, scale=0.01) == 100.0
    assert delivery.pause(9, 0.5, asked=1.0) == 6 * 3600.0
    assert tries(0.5, asked=24 * 3600.0) == [0.0, 24.0, 48.0, 72.0]
    late = NOW + LIFETIME - timedelta(seconds=1)
    assert delivery.next_try(NOW, late, 9, 0.5) == NOW + LIFETIME
    assert delivery.next_try(NOW, NOW + LIFETIME, 9, 0.5) is None


@pytest.mark.parametrize(
    ("status", "verdict", "code"),
    [
        (200, "delivered", "delivered"),
        (204, "delivered", "delivered"),
        (299, "delivered", "delivered"),
        (301, "refused", "redirected"),
        (308, "refused", "redirected"),
        (400, "refused", "refused"),
        (401, "refused", "refused"),
        (404, "refused", "refused"),
        (408, "refused", "refused"),
        (410, "gone", "gone"),
        (429, "again", "not-now"),
        (499, "refused", "refused"),
        (500, "again", "not-now"),
        (503, "again", "not-now"),
        (599, "again", "not-now"),
    ],
)
def test_what_a_status_means(status: int, verdict: str, code: str) -> None:
    outcome = delivery.of_status(status, None, NOW)
    assert (outcome.verdict, outcome.code, outcome.status) == (verdict, code, status)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        (" 0 ", 0.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("99999999999999999999", 86_400.0),
        ("Wed, 25 Nov 2026 12:01:30 GMT", 90.0),
        ("Wed, 25 Nov 2026 11:00:00 GMT", 0.0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 86_400.0),
        ("Wed, 25 Nov 2026 12:01:30 -0000", 90.0),
        ("Wed, 99 Nov 2026 12:01:30 GMT", None),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("١٢", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(
    said: str | None, seconds: float | None
) -> None:
    for status in (429, 503):
        assert delivery.of_status(status, said, NOW).asked_seconds == seconds


def test_a_mail_servers_refusal_is_final_from_500_on() -> None:
    assert delivery.of_reply(450) == Outcome("again", "not-now", 450)
    assert delivery.of_reply(550) == Outcome("refused", "refused", 550)


def test_what_is_said_is_the_same_at_every_attempt_and_holds_the_notice() -> None:
    body = delivery.payload("NoticeIssued", ISSUED, NOW)
    assert body == delivery.payload("NoticeIssued", dict(reversed(ISSUED.items())), NOW)
    assert json.loads(body) == {
        "type": "notice.issued",
        "timestamp": "2026-11-25T12:00:00+00:00",
        "data": ISSUED,
    }
    assert json.loads(delivery.payload("NoticeWithdrawn", ISSUED, NOW))["type"] == (
        "notice.withdrawn"
    )


def test_a_letter_says_what_it_is_about_and_what_to_do() -> None:
    remarked = {**ISSUED, "remarks": [{"field": "lost_on", "code": "future"}]}
    assert delivery.subject("NoticeIssued", ISSUED) == (
        "Crossregion: notice, flag (prefecture), for 220100"
    )
    text = delivery.mail_text("NoticeIssued", remarked)
    assert "Notice: 0b9f, revision 1" in text
    assert "220200-C1" not in text
    assert "Units concerned: 220100, 220200" in text
    assert "Remark: lost_on: future" in text
    assert "and answer it" in text
    assert "Answer within" not in text
    urgent = {**ISSUED, "urgent": True, "answer_within_hours": 24, "contact": "220000"}
    assert delivery.subject("NoticeIssued", urgent).startswith("Crossregion: urgent notice, flag")
    text = delivery.mail_text("NoticeIssued", urgent)
    assert "Answer within: 24 hours\nWhom to ask: 220000\n" in text
    withdrawn = {name: ISSUED[name] for name in ("notice_id", "unit", "revision", "kind", "cause")}
    assert delivery.subject("NoticeWithdrawn", withdrawn) == (
        "Crossregion: notice withdrawn, flag, for 220100"
    )
    assert "no longer holds" in delivery.mail_text("NoticeWithdrawn", withdrawn)
