"""Notices brought to real receivers, by the process as it runs in production."""

from __future__ import annotations

import email
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import Message
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kafka.admin import KafkaAdminClient, MemberToRemove
from psycopg.rows import dict_row
from standardwebhooks import Webhook, WebhookVerificationError

from consumers.delivery.worker import GROUP
from crossregion.failpoints import KILLED
from crossregion.kafka.connection import ADMIN, Kafka
from crossregion.postgres import migrations, queries
from crossregion.private_files import write_private
from crossregion.services import endpoints
from schemas import codec, envelope, topics
from tests.support import live, receivers
from tests.support.receivers import Mailboxes, Received, Webhooks, answers, first

WAIT_SECONDS = 45.0
TIMEOUT_FACTOR = 0.1


@dataclass
class Rig:
    """The process, what it needs, and what receives."""

    kafka: Kafka
    owner: str
    worker: str
    operator: str
    home: Path
    web: Webhooks
    mail: Mailboxes
    settings: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    secrets: dict[str, str] = field(default_factory=dict)

    def start(self, **more: str) -> None:
        with (self.home / "delivery.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "consumers.delivery.worker"],
                env={**os.environ, **self.settings, **more},
                stdout=log,
                stderr=log,
            )

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(with_signal)
        status = self.process.wait(30)
        self.process = None
        return status

    @property
    def log(self) -> str:
        return (self.home / "delivery.log").read_text()

    def add(self, unit: str, kind: str, address: str, network: str | None = "loopback") -> str:
        endpoint_id, secret = endpoints.add(self.operator, unit, kind, address, network, "")
        if secret is not None:
            self.secrets[endpoint_id] = secret
        return endpoint_id

    def webhook(self, unit: str, path: str, behave: receivers.Behaviour | None = None) -> str:
        if behave is not None:
            self.web.behaviours[path] = behave
        return self.add(unit, "webhook", self.web.url(path, "127.0.0.1"))

    def tell(self, unit: str, count: int = 1, event: str = "NoticeIssued") -> list[str]:
        """Put notices on the unit's topic; returns their ids."""
        made = [notice(unit) for _ in range(count)]
        self.put(event, made)
        return [one["notice_id"] for one in made]

    def put(self, event: str, made: list[dict[str, Any]]) -> None:
        live.send(
            self.kafka,
            [
                {
                    "topic": topics.NOTICES.name(one["unit"]),
                    "key": one["notice_id"].encode(),
                    "value": codec.encode(event, one),
                    "headers": envelope.headers(
                        one["notice_id"], event, one["unit"], one["notice_id"]
                    ),
                }
                for one in made
            ],
        )

    def rows(self, asked: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.worker, row_factory=dict_row) as connection:
            return connection.execute(asked, values).fetchall()

    def outcomes(self, endpoint_id: str) -> list[tuple[str, int | None]]:
        asked = (
            "SELECT outcome, status FROM delivery.attempt WHERE endpoint_id = %s ORDER BY number"
        )
        return [(row["outcome"], row["status"]) for row in self.rows(asked, endpoint_id)]

    def states(self, endpoint_id: str) -> Counter[str]:
        asked = "SELECT state FROM delivery.delivery WHERE endpoint_id = %s"
        return Counter(row["state"] for row in self.rows(asked, endpoint_id))

    def wait(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not holds():
            assert self.process is not None
            assert self.process.poll() is None, self.log[-3000:]
            assert time.monotonic() < deadline, self.log[-3000:]
            time.sleep(0.05)

    def wait_read(self) -> None:
        """Wait until every notice on the topics has been read."""
        ends = {
            one.topic: one.offset + 1 for one in live.read_all(self.kafka, *topics.NOTICES.names())
        }
        admin = KafkaAdminClient(**self.kafka.options(ADMIN))

        def done() -> bool:
            offsets = admin.list_group_offsets(GROUP)[GROUP]
            found = {place.topic: position.offset for place, position in offsets.items()}
            return all(found.get(topic, 0) >= end for topic, end in ends.items())

        self.wait(done)
        admin.close()


def notice(unit: str, **known: Any) -> dict[str, Any]:
    file = Path(__file__).parents[2] / "schemas/examples/NoticeIssued"
    newest = max(file.iterdir(), key=lambda version: int(version.name))
    example: dict[str, Any] = json.loads((newest / "example.json").read_text("utf-8"))
    return {**example, "notice_id": str(uuid.uuid4()), "unit": unit, "revision": 1, **known}


@pytest.fixture(scope="module")
def rig(
    kafka: Kafka,
    new_database: Callable[[], str],
    as_role: Callable[[str, str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Rig]:
    home = tmp_path_factory.mktemp("delivery")
    certificates = receivers.Certificates(home)
    context = certificates.context("receiver", ["localhost", "127.0.0.1"])
    owner = new_database()
    migrations.migrate(owner)
    with (
        receivers.webhooks(context) as web,
        receivers.mailboxes(context) as (mail, port),
    ):
        made = Rig(
            kafka,
            owner,
            as_role(owner, "crossregion_delivery"),
            as_role(owner, "crossregion_operator"),
            home,
            web,
            mail,
            {
                **kafka.environment(),
                "CROSSREGION_DATABASE": as_role(owner, "crossregion_delivery"),
                "CROSSREGION_TIMEOUT_FACTOR": str(TIMEOUT_FACTOR),
                "CROSSREGION_AUTHORITIES": str(certificates.ca),
                "CROSSREGION_NETWORKS": '{"loopback": "127.0.0.0/8"}',
                "CROSSREGION_SMTP": f"127.0.0.1:{port}",
                "CROSSREGION_SMTP_FROM": "crossregion@province.example",
            },
        )
        made.start()
        try:
            yield made
        finally:
            if made.process is not None:
                made.stop()


def verified(secret: str, got: Received) -> dict[str, Any]:
    found: dict[str, Any] = Webhook(secret).verify(got.body, got.headers)
    return found


def letter(got: Received) -> Message:
    return email.message_from_bytes(got.body)


def test_a_notice_comes_once_by_each_channel_signed_and_without_a_person(rig: Rig) -> None:
    hook = rig.webhook("220100", "/first")
    mailbox = rig.add("220100", "mail", "first@office.example", None)
    issued = notice("220100", kind="flag", boundary="prefecture", urgent=False)
    withdrawn = {
        "notice_id": issued["notice_id"],
        "unit": "220100",
        "revision": 2,
        "kind": "flag",
        "cause": issued["cause"],
    }
    rig.put("NoticeIssued", [issued])
    rig.wait(lambda: len(rig.web.got["/first"]) == 1)
    rig.put("NoticeWithdrawn", [withdrawn])
    rig.wait(lambda: rig.states(hook) == rig.states(mailbox) == {"delivered": 2})

    told, taken_back = rig.web.got["/first"]
    assert told.headers["webhook-id"] == f"{issued['notice_id']}.1"
    assert taken_back.headers["webhook-id"] == f"{issued['notice_id']}.2"
    body = verified(rig.secrets[hook], told)
    assert body["type"] == "notice.issued"
    assert body["data"] == issued
    assert verified(rig.secrets[hook], taken_back)["type"] == "notice.withdrawn"
    with pytest.raises(WebhookVerificationError):
        verified(rig.secrets[hook], Received(told.headers, told.body.replace(b"flag", b"plan")))

    mails = [letter(got) for got in rig.mail.got["first@office.example"]]
    assert [one["Message-ID"] for one in mails] == [
        f"<{issued['notice_id']}.{revision}@province.example>" for revision in (1, 2)
    ]
    assert mails[0]["Subject"] == "Crossregion: notice, flag (prefecture), for 220100"
    assert issued["cause"] not in str(mails[0].get_payload())
    assert rig.outcomes(hook) == [("delivered", 200)] * 2
    assert rig.outcomes(mailbox) == [("delivered", 250)] * 2


Attempts = list[tuple[str, int | None]]
DELIVERED: Attempts = [("delivered", 200)]
BEHAVIOURS: dict[str, tuple[receivers.Behaviour, Attempts, str]] = {
    "redirected": (
        answers(302, Location="https://127.0.0.1:1/elsewhere"),
        [("redirected", 302)],
        "refused",
    ),
    "not-found": (answers(404), [("refused", 404)], "refused"),
    "unauthorised": (answers(401), [("refused", 401)], "refused"),
    "error": (first(2, answers(500)), [("not-now", 500)] * 2 + DELIVERED, "delivered"),
    "busy": (
        first(1, answers(429, Retry_After="2")),
        [("not-now", 429), *DELIVERED],
        "delivered",
    ),
    "silent": (first(1, receivers.never), [("timeout", None), *DELIVERED], "delivered"),
    "drips": (first(1, receivers.drip), [("timeout", None), *DELIVERED], "delivered"),
    "cut": (first(1, receivers.cut), [("unreachable", None), *DELIVERED], "delivered"),
    "gigabyte": (receivers.gigabyte, DELIVERED, "delivered"),
    "accepted": (answers(202), [("delivered", 202)], "delivered"),
    "gone": (answers(410), [("gone", 410)], "waiting"),
}
MAILS: dict[str, tuple[Callable[[int], str], Attempts]] = {
    "well": (lambda _: "250 OK", [("delivered", 250)]),
    "grey": (
        lambda number: "450 later" if number == 1 else "250 OK",
        [("not-now", 450), ("delivered", 250)],
    ),
    "nobody": (lambda _: "550 no such mailbox", [("refused", 550)]),
}


def test_each_answer_of_a_receiver_is_followed_by_what_the_table_says(rig: Rig) -> None:
    hooks = {
        name: rig.webhook("220200", f"/{name}", behave)
        for name, (behave, _, _) in BEHAVIOURS.items()
    }
    hooks["nowhere"] = rig.add("220200", "webhook", "https://127.0.0.1:9/")
    hooks["private"] = rig.add("220200", "webhook", rig.web.url("/private", "127.0.0.1"), None)
    hooks["nameless"] = rig.add("220200", "webhook", "https://no-such-host.invalid/", None)
    mails = {name: rig.add("220200", "mail", f"{name}@office.example", None) for name in MAILS}
    rig.mail.replies = {f"{name}@office.example": reply for name, (reply, _) in MAILS.items()}
    (told,) = rig.tell("220200")
    expected = {name: attempts for name, (_, attempts, _) in BEHAVIOURS.items()}
    rig.wait(
        lambda: (
            {name: rig.outcomes(hooks[name]) for name in expected} == expected
            and {name: rig.outcomes(mails[name]) for name in MAILS}
            == {name: attempts for name, (_, attempts) in MAILS.items()}
        )
    )
    for name, (_, _, state) in BEHAVIOURS.items():
        assert rig.states(hooks[name]) == {state: 1}, name
    for name, outcome in (
        ("nowhere", "unreachable"), ("private", "address-refused"), ("nameless", "unreachable"),
    ):  # fmt: skip
        assert set(rig.outcomes(hooks[name])) == {(outcome, None)}
        assert rig.states(hooks[name]) == {"waiting": 1}
    assert rig.web.got["/private"] == []

    ids = {got.headers["webhook-id"] for path in expected for got in rig.web.got[f"/{path}"]}
    assert ids == {f"{told}.1"}
    early, late = rig.web.got["/busy"]
    assert late.at - early.at >= 2.0
    states = {row["endpoint_id"]: row["state"] for row in endpoints.listed(rig.operator)}
    assert {name for name, hook in hooks.items() if states[hook] != "enabled"} == {"gone"}
    assert states[hooks["gone"]] == "gone"
    assert "Endpoint disabled: the receiver is gone" in rig.log
    for hook in hooks.values():
        endpoints.remove(rig.operator, hook, "")


def test_a_dead_channel_holds_up_neither_the_others_nor_other_units(rig: Rig) -> None:
    dead = [rig.webhook("220300", f"/dead{number}", receivers.never) for number in range(3)]
    well = rig.webhook("220300", "/well")
    other = rig.webhook("220400", "/other")
    rig.tell("220300", 100)
    rig.tell("220400", 100)
    rig.wait(lambda: rig.states(well) == rig.states(other) == {"delivered": 100})
    for hook in dead:
        assert rig.states(hook) == {"waiting": 100}
        assert len(rig.outcomes(hook)) < 5
        endpoints.remove(rig.operator, hook, "")
        assert rig.states(hook) == {"dropped": 100}


def test_two_workers_send_each_notice_once(rig: Rig) -> None:
    hooks = [rig.webhook("220000", f"/both{number}") for number in range(3)]
    with (rig.home / "delivery.log").open("ab") as log:
        second = subprocess.Popen(
            [sys.executable, "-m", "consumers.delivery.worker"],
            env={**os.environ, **rig.settings, "CROSSREGION_WORKER": "2"},
            stdout=log,
            stderr=log,
        )
    try:
        workers = "SELECT count(*) AS count FROM delivery.procrastinate_workers"
        rig.wait(lambda: rig.rows(workers)[0]["count"] == 2)
        for _ in range(10):
            rig.tell("220000", 5)
        rig.wait(lambda: all(rig.states(hook) == {"delivered": 50} for hook in hooks))
        for number, hook in enumerate(hooks):
            assert len(rig.outcomes(hook)) == len(rig.web.got[f"/both{number}"]) == 50
            endpoints.remove(rig.operator, hook, "")
    finally:
        second.terminate()
        second.wait(30)


def test_a_kill_between_sending_and_recording_sends_the_same_again(rig: Rig) -> None:
    hook = rig.webhook("220500", "/killed")
    rig.wait_read()
    rig.stop()
    crashes = rig.home / "crashes"
    crashes.mkdir()
    (crashes / "notice-sent").touch()
    rig.start(CROSSREGION_FAILPOINT="notice-sent", CROSSREGION_FAILPOINT_DIRECTORY=str(crashes))
    (told,) = rig.tell("220500")
    assert rig.process is not None
    assert rig.process.wait(WAIT_SECONDS) == KILLED
    assert len(rig.web.got["/killed"]) == 1
    assert rig.outcomes(hook) == []
    rig.start()
    rig.wait(lambda: rig.states(hook) == {"delivered": 1})
    assert [got.headers["webhook-id"] for got in rig.web.got["/killed"]] == [f"{told}.1"] * 2
    assert rig.outcomes(hook) == [("delivered", 200)]


@pytest.mark.parametrize("point", ["notices-read", "deliveries-put"])
def test_a_kill_around_the_transaction_delivers_once(rig: Rig, point: str) -> None:
    hook = rig.webhook("220600", f"/{point}")
    rig.wait_read()
    rig.stop()
    crashes = rig.home / point
    crashes.mkdir()
    (crashes / point).touch()
    rig.start(CROSSREGION_FAILPOINT=point, CROSSREGION_FAILPOINT_DIRECTORY=str(crashes))
    rig.tell("220600", 3)
    assert rig.process is not None
    assert rig.process.wait(WAIT_SECONDS) == KILLED
    rig.start()
    rig.wait_read()
    rig.wait(lambda: rig.states(hook) == {"delivered": 3})
    assert len({got.headers["webhook-id"] for got in rig.web.got[f"/{point}"]}) == 3
    assert rig.outcomes(hook) == [("delivered", 200)] * len(rig.web.got[f"/{point}"])
    endpoints.remove(rig.operator, hook, "")


def test_a_replay_and_a_rebuild_send_nothing_again_and_lose_no_attempt(rig: Rig) -> None:
    replayed = rig.webhook("220700", "/replayed")
    rig.tell("220700", 5)
    rig.wait(lambda: rig.states(replayed) == {"delivered": 5})
    rig.wait_read()
    late = rig.webhook("220700", "/late")
    rig.stop()
    before = {path: len(got) for path, got in rig.web.got.items()}
    attempts = rig.rows("SELECT count(*) AS count FROM delivery.attempt")
    migrations.drop_registry(rig.owner)
    admin = KafkaAdminClient(**rig.kafka.options(ADMIN))
    admin.remove_group_members(GROUP, [MemberToRemove(group_instance_id="delivery-1")])
    admin.delete_groups([GROUP])
    admin.close()
    rig.start()
    rig.wait_read()
    rig.tell("220700")
    rig.wait(lambda: rig.states(replayed) == {"delivered": 6})
    rig.wait(lambda: rig.states(late) == {"delivered": 1})
    after = {path: len(got) for path, got in rig.web.got.items()}
    assert after == {**before, "/replayed": 6, "/late": 1}
    now = rig.rows("SELECT count(*) AS count FROM delivery.attempt")
    assert now[0]["count"] == attempts[0]["count"] + 2


def test_during_a_rotation_both_secrets_are_valid_and_then_the_new_one_alone(rig: Rig) -> None:
    hook = rig.webhook("220800", "/rotated")
    old = rig.secrets[hook]

    def told() -> Received:
        count = len(rig.web.got["/rotated"])
        rig.tell("220800")
        rig.wait(lambda: len(rig.web.got["/rotated"]) == count + 1)
        return rig.web.got["/rotated"][-1]

    verified(old, told())
    new = endpoints.rotate(rig.operator, hook, timedelta(hours=1), "")
    both = told()
    assert len(both.headers["webhook-signature"].split()) == 2
    verified(old, both)
    verified(new, both)
    newest = endpoints.rotate(rig.operator, hook, timedelta(0), "")
    alone = told()
    assert len(alone.headers["webhook-signature"].split()) == 1
    verified(newest, alone)
    for past in (old, new):
        with pytest.raises(WebhookVerificationError):
            verified(past, alone)


def test_a_disabled_endpoint_gets_what_waited_when_it_is_enabled_after_a_restart(rig: Rig) -> None:
    hook = rig.webhook("222400", "/held", first(1, answers(410)))
    rig.tell("222400", 2)
    rig.wait(lambda: rig.outcomes(hook) == [("gone", 410)])
    rig.stop()
    rig.start()
    rig.tell("222400")
    rig.wait_read()
    assert rig.states(hook) == {"waiting": 3}
    endpoints.enable(rig.operator, hook, "")
    rig.wait(lambda: rig.states(hook) == {"delivered": 3})
    assert rig.outcomes(hook) == [("gone", 410)] + [("delivered", 200)] * 3


def test_lost_connections_to_the_database_lose_and_repeat_nothing(
    rig: Rig, as_role: Callable[[str, str], str]
) -> None:
    hook = rig.webhook("220000", "/lost")
    with psycopg.connect(as_role(rig.owner, "postgres"), autocommit=True) as connection:
        for _ in range(3):
            rig.tell("220000", 10)
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'crossregion_delivery' AND datname = current_database()"
            )
    rig.wait(lambda: rig.states(hook) == {"delivered": 30})
    assert len({got.headers["webhook-id"] for got in rig.web.got["/lost"]}) == 30


def test_an_attempt_that_is_put_down_again_after_a_lost_commit_is_the_same(rig: Rig) -> None:
    hook = rig.webhook("220000", "/twice", first(1, answers(503)))
    rig.tell("220000")
    rig.wait(lambda: rig.states(hook) == {"delivered": 1})
    everything = """
        SELECT attempt_id, attempt.notice_id, attempt.revision, attempt.at, outcome, status,
            seconds, delivery.state, attempts, delivery.due_at, failures, paused_until
        FROM delivery.attempt
        JOIN delivery.delivery USING (endpoint_id, notice_id, revision)
        JOIN delivery.endpoint USING (endpoint_id)
        WHERE endpoint_id = %s
        ORDER BY number
    """
    before = rig.rows(everything, hook)
    assert [row["attempts"] for row in before] == [2, 2]
    for row in before:
        late = {**row, "endpoint_id": hook, "state": "waiting", "failures": 9, "gone": True}
        with psycopg.connect(rig.worker) as connection:
            connection.execute(queries.query("put_attempt"), late)
    assert rig.rows(everything, hook) == before
    endpoints.remove(rig.operator, hook, "")


def test_what_a_unit_notifies_in_the_database_disturbs_nothing(
    rig: Rig, as_role: Callable[[str, str], str]
) -> None:
    endpoint_id = rig.webhook("220200", "/notified")
    rig.tell("220200")
    rig.wait(lambda: rig.states(endpoint_id) == {"delivered": 1})
    before = len(rig.log)
    with psycopg.connect(as_role(rig.owner, "unit_220200"), autocommit=True) as unit:
        for payload in ("garbage", "{}", "[]", '{"type": "abort_job_requested", "job_id": "x"}'):
            unit.execute("SELECT pg_notify('procrastinate_any_queue_v1', %s)", [payload])
    rig.tell("220200")
    rig.wait(lambda: rig.states(endpoint_id) == {"delivered": 2})
    assert "procrastinate" not in rig.log[before:]
    assert "Traceback" not in rig.log[before:]


def test_what_no_receiver_took_for_three_days_is_given_up(rig: Rig) -> None:
    hook = rig.webhook("22CBS0", "/long", answers(503))
    rig.tell("22CBS0", 2)
    rig.wait(lambda: len(rig.outcomes(hook)) >= 1)
    with psycopg.connect(rig.worker) as connection:
        connection.execute(
            "UPDATE delivery.delivery SET since = now() - interval '73 hours', due_at = now()"
            " WHERE endpoint_id = %s", [hook],
        )  # fmt: skip
    rig.wait(lambda: rig.states(hook) == {"expired": 2})


def test_no_secret_stands_in_a_log_a_listing_or_an_argument(rig: Rig) -> None:
    write_private(rig.home / "listing", json.dumps(endpoints.listed(rig.operator), default=str))
    said = rig.log + (rig.home / "listing").read_text()
    assert rig.secrets
    for secret in rig.secrets.values():
        assert secret.removeprefix("whsec_") not in said
    assert "Unhandled error while sending" not in rig.log
