"""Two units work together on one running stack, from their exports to a hand-over.

Nothing stands in for anything: the exports are published, the webhooks' and the mailboxes' servers
are real ones on loopback, and what is answered is asked of the registry as each unit enters it.
"""

from __future__ import annotations

import email
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from standardwebhooks import Webhook

from consumers.notices import worker as notices_worker
from consumers.registry import counts, rebuild
from crossregion import metrics
from crossregion.domain.regions import OFFICE
from crossregion.embedded.postgres import SUPERUSER
from crossregion.embedded.stack import STOP_ORDER, Stack
from crossregion.installation import OPERATOR, OWNER
from crossregion.services import disclosure, endpoints, handovers, notices, proposals
from tests.support import exports, live, receivers
from tests.support.actors import analyst, officer
from tests.support.command import run
from tests.support.live import wait_for_quiet, wait_until
from tests.support.receivers import Mailboxes, Webhooks
from tests.support.stacks import DisposableStack

LOST_AT, FOUND_AT, TAKER = "220200", "220300", "220500"
NAME = exports.CASE["受害人姓名"]
CASE = exports.case(途经地代码="", 流入地代码="")
RESCUE = exports.rescue(
    解救编号="220300-R1",
    解救地代码="220302",
    登记单位=FOUND_AT,
    公民身份号码=CASE["公民身份号码"],
)
RECORD = ("case", LOST_AT, CASE["案件编号"])


class Post:
    """What the units' webhooks and mailboxes have received."""

    def __init__(self, stack: Stack, web: Webhooks, mail: Mailboxes) -> None:
        self.stack, self._web, self._mail = stack, web, mail
        self._secrets: dict[str, str] = {}
        operator = stack.dsn(OPERATOR)
        for unit in (LOST_AT, FOUND_AT, TAKER, OFFICE):
            address = web.url(f"/{unit}", "127.0.0.1")
            _, secret = endpoints.add(operator, unit, "webhook", address, "loopback", "")
            self._secrets[unit] = secret or ""
            endpoints.add(operator, unit, "mail", f"{unit}@office.example", None, "")

    def by_webhook(self, unit: str) -> list[tuple[str, str]]:
        """Type and kind of each call, whose signature is good; each once."""
        calls = {}
        for got in self._web.got[f"/{unit}"]:
            body = Webhook(self._secrets[unit]).verify(got.body, got.headers)
            calls[got.headers["webhook-id"]] = (body["type"], body["data"]["kind"])
            assert NAME not in got.body.decode()
        return sorted(calls.values())

    def by_mail(self, unit: str) -> list[str]:
        """The subjects."""
        letters = [
            email.message_from_bytes(got.body) for got in self._mail.got[f"{unit}@office.example"]
        ]
        assert all(NAME not in str(letter) for letter in letters)
        return sorted({letter["Message-ID"]: letter["Subject"] for letter in letters}.values())

    def wait(self, unit: str, *told: str) -> None:
        """Until a unit has exactly these by both ways, `-` before what was taken back."""
        calls = sorted(
            ("notice.withdrawn", one[1:]) if one[0] == "-" else ("notice.issued", one)
            for one in told
        )
        wait_until(lambda: self.by_webhook(unit) == calls, self.stack)
        wait_until(lambda: len(self.by_mail(unit)) == len(calls), self.stack)


@pytest.fixture
def post(service_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    certificates = receivers.Certificates(tmp_path)
    context = certificates.context("receiver", ["localhost", "127.0.0.1"])
    with receivers.webhooks(context) as web, receivers.mailboxes(context) as (mail, port):
        for name, value in (
            ("AUTHORITIES", str(certificates.ca)),
            ("NETWORKS", '{"loopback": "127.0.0.0/8"}'),
            ("SMTP", f"127.0.0.1:{port}"),
            ("SMTP_FROM", "crossregion@province.example"),
        ):
            monkeypatch.setenv(f"CROSSREGION_{name}", value)
        with DisposableStack(service_data / "together") as stack:
            yield Post(stack, web, mail)


def notice_of(stack: Stack, unit: str, kind: str) -> dict[str, Any]:
    """The one notice of this kind that stands in a unit's list."""
    found = notices.listed(stack.dsn(f"unit_{unit}"))
    (notice,) = (row for row in found if row["issued"] and row["kind"] == kind)
    return notice


def answer(stack: Stack, unit: str, notice: dict[str, Any], word: str, why: str | None) -> None:
    actor = officer(stack, unit)
    outcome = notices.acknowledge(actor, notice["notice_id"], word, why, wait=30.0)
    assert outcome is not None
    assert outcome.holds


def step(stack: Stack, unit: str, action: str, to: str | None = None) -> str:
    """Take a step of the hand-over; returns the owner."""
    outcome = handovers.act(officer(stack, unit), RECORD, action, to, wait=30.0)
    assert outcome is not None
    assert outcome.holds
    owner: str = outcome.row["owner"]
    return owner


@contextmanager
def publisher_at(stack: Stack, at: float) -> Iterator[None]:
    """A notices worker for which it is always this late."""
    stop = threading.Event()
    publisher = notices_worker.NoticePublisher(stack.kafka, "1", clock=lambda: at)
    thread = threading.Thread(target=publisher.run, args=[stop, metrics.Health()])
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30.0)
    assert not thread.is_alive()


def everything(stack: Stack) -> dict[str, Any]:
    """What a rebuild must leave as it is: content, notices, attempts, deadlines and the audit."""
    kept = (
        "delivery.attempt", "delivery.delivery", "delivery.notice", "delivery.endpoint",
        "audit.entry",
    )  # fmt: skip
    found: dict[str, Any] = {"notices": live.notices(stack.kafka)}
    with psycopg.connect(stack.database) as connection:
        found["content"] = counts.content(connection)
        found["deadlines"] = connection.execute(
            "SELECT notice_id, answer_until FROM registry.notice WHERE issued ORDER BY notice_id"
        ).fetchall()
    with psycopg.connect(stack.dsn(SUPERUSER)) as connection:
        for table in kept:
            rows = connection.execute(f"SELECT t::text FROM {table} AS t ORDER BY 1")  # noqa: S608
            found[table] = rows.fetchall()
    return found


def test_from_two_exports_to_a_hand_over(post: Post, tmp_path: Path) -> None:
    stack = post.stack
    for unit, file, row in ((LOST_AT, "cases.csv", CASE), (FOUND_AT, "rescues.csv", RESCUE)):
        (tmp_path / unit).mkdir()
        export = exports.write(tmp_path / unit / file, row)
        published = run("publish", export, "--unit", unit, CROSSREGION_DATA=str(stack.data))
        assert published.returncode == 0, published.stderr
    wait_for_quiet(stack)
    (proposal,) = proposals.listed(stack.database, None, None, True)
    post.wait(OFFICE, "proposal")
    post.wait(LOST_AT, "remarks")
    post.wait(FOUND_AT, "remarks")

    decided = proposals.decide(
        analyst(stack), proposal["proposal_id"], "confirmed", "document", wait=30.0
    )
    assert decided is not None
    assert decided.holds
    post.wait(LOST_AT, "remarks", "confirmed")
    post.wait(FOUND_AT, "remarks", "confirmed", "flag")

    wait_for_quiet(stack)
    answer(stack, FOUND_AT, notice_of(stack, FOUND_AT, "flag"), "refused", "no-capacity")
    refused = notice_of(stack, FOUND_AT, "flag")
    post.wait(OFFICE, "proposal", "reassign")
    notices.reassign(analyst(stack), refused["notice_id"], TAKER)
    post.wait(TAKER, "flag")
    post.wait(FOUND_AT, "remarks", "confirmed", "flag", "-flag")
    post.wait(OFFICE, "proposal", "reassign", "-reassign")

    answer(stack, TAKER, notice_of(stack, TAKER, "flag"), "accepted", None)
    dsn = stack.dsn(f"unit_{TAKER}")
    found = disclosure.read_disclosed(dsn, notice_of(stack, TAKER, "flag")["notice_id"])
    read = {row["kind"]: row["record"] for row in found}
    assert read["case"]["victims"][0]["identity"]["name"] == NAME
    assert read["rescue"]["person"]["identity"]["name"] == NAME
    assert disclosure.read_disclosed(stack.dsn(f"unit_{FOUND_AT}"), refused["notice_id"]) == []
    answer(stack, FOUND_AT, notice_of(stack, FOUND_AT, "confirmed"), "accepted", None)

    assert step(stack, LOST_AT, "offered", TAKER) == LOST_AT
    post.wait(TAKER, "flag", "handover")
    assert step(stack, TAKER, "accepted") == TAKER
    post.wait(TAKER, "flag", "handover", "-handover")
    assert disclosure.read_disclosed(dsn, "handover")[0]["record"] == read["case"]

    wait_for_quiet(stack)
    late = notice_of(stack, LOST_AT, "confirmed")
    stack.supervisor.stop(STOP_ORDER)
    start(stack, but="notices")
    at_office = ["proposal", "reassign", "-reassign", "overdue"]
    with publisher_at(stack, late["answer_until"].timestamp() + 0.001):
        post.wait(OFFICE, *at_office)
    with publisher_at(stack, late["answer_until"].timestamp() + 0.001):
        assert step(stack, TAKER, "offered", FOUND_AT) == TAKER
        post.wait(FOUND_AT, "remarks", "confirmed", "flag", "-flag", "handover")
        post.wait(OFFICE, *at_office)
    start(stack)
    assert step(stack, TAKER, "withdrawn") == TAKER
    post.wait(FOUND_AT, "remarks", "confirmed", "flag", "-flag", "handover", "-handover")
    post.wait(OFFICE, *at_office)

    wait_for_quiet(stack)
    stack.supervisor.stop(STOP_ORDER)
    before = everything(stack)
    rebuild.rebuild(stack.kafka, stack.dsn(OWNER))
    start(stack)
    wait_for_quiet(stack)
    after = everything(stack)
    noted, noted_before = (set(found.pop("audit.entry")) for found in (after, before))
    ((rebuilt,),) = noted - noted_before
    assert noted_before < noted
    assert ",rebuild,registry," in rebuilt
    assert after == before
    assert min(len(rows) for rows in before.values()) > 0
    post.wait(OFFICE, *at_office)


def start(stack: Stack, but: str = "") -> None:
    """Start the workers that do not run."""
    for name in STOP_ORDER:
        if name != but:
            stack.supervisor.start(name)
