"""The HTTP intake as a process: what it takes survives, what it refuses it refuses clearly."""

from __future__ import annotations

import http.client
import json
import re
import signal
import sqlite3
import ssl
import time
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from crossregion.embedded.certificates import Authority
from crossregion.errors import CrossregionError
from crossregion.failpoints import KILLED
from crossregion.private_files import write_private
from crossregion.settings import settings
from producers.http_intake import app, protocol, request
from producers.http_intake.keys import Keys
from producers.spool import store
from producers.spool.store import Spool
from schemas import codec
from tests.support.exports import UNIT
from tests.support.intake import CANARY, EXAMPLES, PROGRAM, Answer, Running, case, intake, read

OTHER = "220100"
MANY = ["长" * 2_000] * 100
"""Two of these are more than an event may hold, and less than a body."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("intake")
    with intake(home, INTAKE_BODY_SECONDS=1, INTAKE_RATE=10_000) as one:
        yield one
        for line in one.log.splitlines():
            assert CANARY not in line
            assert "127.0.0.1" not in line
            assert line.startswith("{"), line


def head(running: Running, length: int, **more: str) -> bytes:
    lines = {
        "Host": "x",
        "Authorization": f"Bearer {running.key}",
        "Idempotency-Key": str(uuid.uuid4()),
        "Content-Type": "application/json",
        "Content-Length": str(length),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST /v1/events/CaseRecorded HTTP/1.1\r\n{text}\r\n".encode()


def raw_answer(running: Running, *parts: bytes) -> Answer:
    with running.raw(*parts) as connection:
        return answer_on(connection)


def answer_on(connection: Any) -> Answer:
    response = http.client.HTTPResponse(connection)
    response.begin()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


def test_a_record_is_taken_with_a_receipt_that_names_its_event(running: Running) -> None:
    record = case("A1", revision=4, status="a word of our own")
    answer = running.post(record)
    assert answer.status == 202
    (said,) = answer.said["records"]
    assert (said["record_id"], said["state"], said["revision"]) == ("A1", "accepted", 4)
    assert said["remarks"] == [{"field": "status", "code": "unknown-word"}]
    assert ("A1", 4, said["event_id"]) in running.spooled()
    assert CANARY not in answer.body.decode()


def test_every_event_that_a_unit_may_write_is_taken(running: Running) -> None:
    """Each by its example, so that an event which the spool learns of is here as well."""
    for event in sorted(store.KINDS):
        newest = max(codec.versions()[event])
        example = json.loads((EXAMPLES / event / str(newest) / "example.json").read_text("utf-8"))
        answer = running.post({**example, "unit": UNIT}, event)
        assert answer.status == 202, (event, answer.body)
        assert answer.said["records"][0]["state"] == "accepted"


def test_a_list_is_taken_record_by_record_and_what_is_wrong_is_listed(running: Running) -> None:
    given = [case("B1"), case("B2", unit=OTHER), {"case_id": CANARY}, case("B1")]
    answer = running.post(given)
    assert answer.status == 202
    states = [(one["position"], one["state"]) for one in answer.said["records"]]
    assert states == [(0, "accepted"), (1, "refused"), (2, "refused"), (3, "unchanged")]
    faults = [
        (fault["pointer"], fault["reason"])
        for one in answer.said["records"]
        for fault in one.get("errors", ())
    ]
    assert faults == [("#/1/unit", "another-unit"), ("#/2/victims", "missing")]
    assert CANARY not in answer.body.decode()


def test_the_same_request_again_gets_the_same_receipt_and_changes_nothing(
    running: Running,
) -> None:
    """Also when another content of the record came in between, which the spool counts."""
    key = str(uuid.uuid4())
    first = running.post(case("C1"), again=key)
    running.post(case("C1", status="closed"))
    before = running.spooled()
    for spelled in (key, f'"{key}"'):
        again = running.post(case("C1"), again=spelled)
        assert (again.status, again.body) == (202, first.body)
    assert running.spooled() == before
    another = running.post(case("C1", status="open"), again=key)
    assert (another.status, another.problem) == (422, "key-used")
    assert running.spooled() == before


def test_while_a_request_is_under_way_the_same_one_waits(running: Running) -> None:
    running.post(case("D0"))
    key = str(uuid.uuid4())
    with (
        closing(sqlite3.connect(running.home / "spool" / f"{UNIT}.sqlite")) as holding,
        ThreadPoolExecutor() as pool,
    ):
        holding.execute("BEGIN IMMEDIATE")
        both = [pool.submit(running.post, case("D1"), again=key) for _ in range(2)]
        done, waiting = wait(both, return_when=FIRST_COMPLETED)
        other = running.post(case("D2"), again=key)
        assert not any(one.done() for one in waiting)
        holding.rollback()
    ((same,), (taken,)) = ([one.result() for one in ones] for ones in (done, waiting))
    assert (same.status, same.problem, same.headers["retry-after"]) == (409, "under-way", "2")
    assert (other.status, other.problem) == (422, "key-used")
    assert taken.status == 202
    assert running.post(case("D1"), again=key).body == taken.body


@pytest.mark.parametrize(
    ("headers", "status", "problem"),
    [
        ({"authorization": None}, 401, "no-key"),
        ({"authorization": "Bearer nonsense"}, 401, "wrong-key"),
        ({"authorization": f"Bearer cr-{UNIT}-{'A' * 43}"}, 401, "wrong-key"),
        ({"authorization": f"Bearer cr-{OTHER}-{'A' * 43}"}, 401, "wrong-key"),
        ({"authorization": "Bearer cr-../../etc-x"}, 401, "wrong-key"),
        ({"authorization": "Basic dXNlcjpwYXNz"}, 401, "wrong-key"),
        ({"content_type": "text/csv"}, 415, "not-json"),
        ({"content_type": None}, 415, "not-json"),
        ({"content_type": "application/json; charset=gb18030"}, 415, "not-json"),
        ({"content_encoding": "gzip"}, 415, "not-json"),
        ({"idempotency_key": None}, 400, "no-idempotency-key"),
        ({"idempotency_key": "short"}, 400, "no-idempotency-key"),
        ({"idempotency_key": "x" * 201}, 400, "no-idempotency-key"),
    ],
)
def test_a_wrong_head_is_refused(
    running: Running, headers: dict[str, Any], status: int, problem: str
) -> None:
    answer = running.post(case("never"), **headers)
    assert (answer.status, answer.problem) == (status, problem)
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert "never" not in {record_id for record_id, *_ in running.spooled()}


@pytest.mark.parametrize(
    ("body", "status", "problem", "reason"),
    [
        (b"", 400, "malformed", "not-json"),
        (b"{", 400, "malformed", "not-json"),
        (b'{"case_id": "\xff"}', 400, "malformed", "not-json"),
        (b"[" * 100_000, 400, "malformed", "not-json"),
        (b'{"case_id": NaN}', 400, "malformed", "not-json"),
        (b'{"revision": ' + b"1" * 5_000 + b"}", 400, "malformed", "not-json"),
        (b'{"case_id": "a", "case_id": "b"}', 400, "malformed", "repeated-name"),
        (b"[]", 400, "malformed", None),
        (b"null", 422, "unfit", "wrong-type"),
        (b'"text"', 422, "unfit", "wrong-type"),
        (b"{}", 422, "unfit", "missing"),
        (json.dumps(case("X", unit=OTHER)).encode(), 403, "another-unit", "another-unit"),
        (json.dumps(case("X", victims=[])).encode(), 422, "unfit", "no-person"),
        (json.dumps(case("X", **{CANARY: 1})).encode(), 422, "unfit", "unknown-field"),
        (json.dumps(case("X", venue="\ud800")).encode(), 422, "unfit", "unstorable-text"),
        (json.dumps(case("X", venue="a\0")).encode(), 422, "unfit", "unstorable-text"),
        (json.dumps(case("X", revision=True)).encode(), 422, "unfit", "wrong-type"),
        (json.dumps(case("X", revision=-1)).encode(), 422, "unfit", "over-limit"),
        (json.dumps(case("X", means=MANY, exploitation=MANY)).encode(), 422, "unfit", "over-limit"),
        (json.dumps(case("X" * 101)).encode(), 422, "unfit", "no-record-id"),
    ],
)
def test_a_wrong_body_is_refused(
    running: Running, body: bytes, status: int, problem: str, reason: str | None
) -> None:
    before = running.spooled()
    answer = running.post(body)
    assert (answer.status, answer.problem) == (status, problem)
    assert {fault["reason"] for fault in answer.said.get("errors", ())} == {reason} - {None}
    assert running.spooled() == before


def test_other_events_and_paths_are_not_there(running: Running) -> None:
    """What is decided or told by others is no unit's to send, however right its shape."""
    for event in ("BoundaryFlagged", "MatchDecided", "Nonsense", "..%2f..%2fetc"):
        assert running.post(case("X"), event).status == 404
    assert running.post(case("X"), "BoundaryFlagged").problem == "no-such-event"
    for method, path in (
        ("GET", "/v1/events/CaseRecorded"),
        ("POST", "/v1/events/CaseRecorded/"),
        ("GET", "/docs"),
        ("PUT", "/x"),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
        connection.request(method, path)
        answer = read(connection)
        assert answer.status in (404, 405)
        assert answer.problem in ("not-found", "wrong-method")


def test_each_problem_has_a_page_that_says_what_to_do(running: Running) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/problems/unfit") as page:
        said = json.load(page)
    assert said["status"] == 422
    assert "errors" in said["detail"]


def test_a_huge_body_is_refused_whether_it_is_announced_or_not(running: Running) -> None:
    most = app.MOST_BYTES
    assert running.post(b"x" * (most + 1)).problem == "too-large"
    announced = raw_answer(running, head(running, 10 * most, Expect="100-continue"))
    assert (announced.status, announced.problem) == (413, "too-large")
    chunked = head(running, 0, Transfer_Encoding="chunked").replace(b"Content-Length: 0\r\n", b"")
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    assert raw_answer(running, chunked, *[chunk] * 5).problem == "too-large"
    many = [case(f"M{number}") for number in range(request.MOST_RECORDS + 1)]
    assert running.post(many).problem == "too-large"


def test_a_slow_body_and_a_slow_head_are_cut_off(running: Running) -> None:
    with (
        running.raw(head(running, 1_000), b"{") as body,
        running.raw(b"POST /v1") as slow,
        running.raw() as silent,
    ):
        assert answer_on(body).problem == "too-slow"
        for connection in (slow, silent):
            assert answer_on(connection).said["detail"] == "Send the whole request at once."


def test_whose_bodies_come_slowly_keeps_no_other_unit_out(tmp_path: Path) -> None:
    with intake(tmp_path, INTAKE_RATE=1_000) as one:
        theirs = Keys(tmp_path / "intake-keys").add(OTHER, date.today())
        most = app.MOST_BYTES
        held = [one.raw(head(one, most), b"[") for _ in range(app.HELD_BYTES // most)]
        deadline = time.monotonic() + 10
        while one.post(case("Q1")).status != 503:
            assert time.monotonic() < deadline
        assert one.post(case("Q2"), authorization=f"Bearer {theirs}").status == 202
        for connection in held:
            connection.close()


def test_a_head_without_end_and_what_is_no_http_are_refused(running: Running) -> None:
    filling = b"X-Filling: " + b"x" * 1_000 + b"\r\n"
    just_over = protocol.HEAD_BYTES // len(filling) + 1
    with running.raw(b"POST / HTTP/1.1\r\n", *[filling] * just_over) as connection:
        assert answer_on(connection).status == 431
    assert raw_answer(running, b"\x16\x03\x01\x02\x00nonsense\r\n\r\n").status == 400


def test_who_waits_between_two_requests_is_told_nothing(running: Running) -> None:
    """An answer that nobody asked for would be taken for that of the next request."""
    body = json.dumps(case("W1")).encode()
    with running.raw(head(running, len(body)), body) as connection:
        assert answer_on(connection).status == 202
        connection.settimeout(1.5)  # its head may take 1 s here
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)
        connection.sendall(head(running, len(body)) + body)
        assert answer_on(connection).said["records"][0]["state"] == "unchanged"
        connection.sendall(b"POST /v1")
        assert answer_on(connection).status == 408


def test_of_too_many_connections_the_last_is_told_to_come_again(tmp_path: Path) -> None:
    program = (
        "from producers.http_intake import protocol; protocol.MOST_CONNECTIONS = 3; " + PROGRAM
    )
    with intake(tmp_path, program) as one:
        held = [one.raw(b"POST /v1") for _ in range(3)]
        answer = raw_answer(one)
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert answer.headers["content-type"] == "application/problem+json"
        for connection in held:
            connection.close()
        deadline = time.monotonic() + 10
        while not _is_taken(one):
            assert time.monotonic() < deadline


def _is_taken(running: Running) -> bool:
    try:
        return running.post(case("L1")).status == 202
    except OSError:  # it was closed before the request was sent
        return False


def test_a_client_that_goes_away_does_no_harm(running: Running) -> None:
    running.raw(head(running, 1_000), b"{").close()
    body = json.dumps(case("G1")).encode()
    running.raw(head(running, len(body)), body).close()
    assert running.post(case("G2")).status == 202


def test_two_keys_are_valid_while_a_unit_goes_over_and_what_is_removed_ends_at_once(
    running: Running,
) -> None:
    keys = Keys(running.home / "intake-keys")
    receipt = running.post(case("K1"), again="rotated-key-0001")
    second = keys.add(UNIT, date.today())
    (old, _) = keys.of(UNIT)
    both = [
        running.post(case("K1"), authorization=f"Bearer {key}") for key in (running.key, second)
    ]
    assert [one.status for one in both] == [202, 202]
    keys.remove(UNIT, old.name)
    assert running.post(case("K2")).problem == "wrong-key"
    running.key = second
    assert running.post(case("K1"), again="rotated-key-0001").body == receipt.body
    for file in (running.home / "intake-keys").iterdir():
        assert file.stat().st_mode & 0o077 == 0
        assert second.rpartition("-")[2] not in file.read_text()


def test_a_units_key_writes_its_spool_and_no_other(running: Running) -> None:
    theirs = Keys(running.home / "intake-keys").add(OTHER, date.today())
    answer = running.post(case("T1"), authorization=f"Bearer {theirs}")
    assert answer.status == 202
    assert [record_id for record_id, *_ in running.spooled(OTHER)] == ["T1"]
    assert "T1" not in {record_id for record_id, *_ in running.spooled()}
    assert running.post(case("T2", unit=UNIT), authorization=f"Bearer {theirs}").status == 403


def test_what_comes_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    with intake(tmp_path, INTAKE_RATE=2, INTAKE_PUBLIC_RATE=0.1) as one:
        answers = [one.post(case(f"R{number}")) for number in range(8)]
        late = [answer for answer in answers if answer.status == 429]
        assert len(answers) - len(late) >= 4
        assert late
        for answer in late:
            assert (answer.problem, answer.headers["retry-after"]) == ("too-often", "1")
        guesses = [one.post(case("R"), authorization="Bearer guess") for _ in range(3)]
        assert [answer.status for answer in guesses] == [401, 429, 429]
        assert int(guesses[-1].headers["retry-after"]) > 5
        taken = {answer.said["records"][0]["record_id"] for answer in answers if answer not in late}
        assert taken == {record_id for record_id, *_ in one.spooled()}


@pytest.mark.parametrize(
    ("proxies", "statuses"), [("", [401, 429, 429]), ("::1, 127.0.0.1", [401, 401, 429])]
)
def test_an_address_is_what_a_named_proxy_says_and_nobody_else(
    tmp_path: Path, proxies: str, statuses: list[int]
) -> None:
    with intake(tmp_path, INTAKE_PUBLIC_RATE=0.1, INTAKE_PROXIES=proxies) as one:

        def guess(forwarded: str) -> int:
            wrong = {"authorization": "Bearer guess", "x_forwarded_for": forwarded}
            return one.post(case("R"), **wrong).status

        said = ("192.0.2.1", "192.0.2.2", "192.0.2.3, 192.0.2.2")
        assert [guess(each) for each in said] == statuses


def test_a_spool_that_cannot_be_used_gives_no_receipt(tmp_path: Path) -> None:
    with intake(tmp_path) as one:
        (tmp_path / "spool").mkdir(mode=0o700)
        path = tmp_path / "spool" / f"{UNIT}.sqlite"
        path.write_text("this is no spool, and too long to be an empty one")
        answer = one.post(case("S1"), again="spool-away-000001")
        assert (answer.status, answer.problem) == (503, "not-stored")
        assert int(answer.headers["retry-after"]) > 0
        path.unlink()
        assert one.post(case("S1"), again="spool-away-000001").status == 202
        assert len(one.spooled()) == 1
        assert "is no spool" in one.log


def test_killed_anywhere_a_request_that_is_repeated_is_taken_once(tmp_path: Path) -> None:
    """Before its commit, after it, and before its receipt: what was told of is always there."""
    crash = tmp_path / "crash"
    crash.mkdir()
    settings: dict[str, Any] = {"FAILPOINT": "any", "FAILPOINT_DIRECTORY": crash}
    receipts: list[Answer] = []
    for number, point in enumerate(("before-commit", "after-commit", "before-receipt", None)):
        with intake(tmp_path, **settings) as one:
            if number:
                receipts.append(one.post(case(f"C{number}"), again=f"killed-key-00000{number}"))
            assert len(one.spooled()) == number
            if point is not None:
                (crash / point).touch()
                with pytest.raises((ConnectionError, http.client.HTTPException)):
                    one.post(case(f"C{number + 1}"), again=f"killed-key-00000{number + 1}")
                assert one.process.wait(20) == KILLED
                assert len(one.spooled()) == number + (point != "before-commit")
    acknowledged = {receipt.said["records"][0]["event_id"] for receipt in receipts}
    assert {event_id for *_, event_id in one.spooled()} == acknowledged
    assert len(acknowledged) == 3


def test_told_to_stop_it_answers_what_it_has_begun(tmp_path: Path) -> None:
    with intake(tmp_path) as one:
        body = json.dumps(case("last")).encode()
        with one.raw(head(one, len(body), Expect="100-continue")) as connection:
            assert connection.recv(100).startswith(b"HTTP/1.1 100 ")  # it has begun
            connection.sendall(body[:10])
            one.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            connection.sendall(body[10:])
            assert answer_on(connection).status == 202
        assert one.process.wait(20) == 0
        assert [record_id for record_id, *_ in one.spooled()] == ["last"]


def test_it_speaks_tls_when_it_is_given_a_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca.pem", tmp_path / "ca.key")
    write_private(tmp_path / "intake.pem", authority.issue("intake", ["127.0.0.1"]))
    with intake(tmp_path, INTAKE_CERTIFICATE=tmp_path / "intake.pem") as one:
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        connection = http.client.HTTPSConnection("127.0.0.1", one.port, context=context, timeout=10)
        connection.request("POST", "/v1/events/CaseRecorded", b"{}")
        answer = read(connection)
        assert answer.problem == "no-key"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"INTAKE_HOST": "0.0.0.0"}, "only with TLS"),  # noqa: S104 (that is what is refused)
        ({"INTAKE_PUBLIC_UNIT": "999999"}, "no unit"),
        ({"INTAKE_PROXIES": "*"}, "PROXIES names"),
        ({"INTAKE_PROXIES": "127.0.0.1, 10.1.0.1/16"}, "10.1.0.1/16: write"),
        ({"INTAKE_CERTIFICATE": "nowhere.pem"}, "nowhere.pem cannot be used .No such file"),
        ({"INTAKE_CERTIFICATE": "README.md"}, "README.md is open to others: chmod 600"),
    ],
)
def test_it_does_not_start_where_it_should_not(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], words: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"CROSSREGION_{name}", value)
    with pytest.raises(CrossregionError, match=words):
        app.listening(settings())


def test_it_does_not_start_with_what_is_no_certificate_or_where_it_cannot(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pem = tmp_path / "intake.pem"
    monkeypatch.setenv("CROSSREGION_INTAKE_CERTIFICATE", str(pem))
    write_private(pem, "no certificate")
    with pytest.raises(CrossregionError, match="cannot be used"):
        app.listening(settings())
    write_private(pem, Authority(tmp_path / "ca.pem", tmp_path / "ca.key").issue("intake", ["::1"]))
    monkeypatch.setenv("CROSSREGION_INTAKE_HOST", "203.0.113.1")
    with pytest.raises(CrossregionError, match="cannot be listened on"):
        app.listening(settings())


def test_its_metrics_count_by_sender_and_answer(running: Running) -> None:
    running.post(case("m"))
    running.post(case("m"), authorization="Bearer wrong")
    (port,) = re.findall(r'"port": (\d+), "event": "Metrics"', running.log)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        text = page.read().decode()
    assert f'crossregion_http_requests_total{{sender="{UNIT}",status="202"}}' in text
    assert 'crossregion_http_requests_total{sender="",status="401"}' in text
    assert 'crossregion_events_total{kind="case",outcome="accepted",process="http-intake"}' in text
    assert "crossregion_commit_parcels_count" in text


def test_a_spool_that_others_use_is_shared(running: Running) -> None:
    """The sender marks, `publish` accepts, while the intake holds the same spool."""
    with Spool(running.home / "spool" / f"{UNIT}.sqlite", UNIT) as opened:
        opened.mark_sent([one.sequence for one in opened.unsent(10_000)])
    assert running.spooled() == []
    assert running.post(case("U1")).status == 202
    assert [record_id for record_id, *_ in running.spooled()] == ["U1"]


def test_the_public_may_send_what_is_for_it_and_nothing_else(tmp_path: Path) -> None:
    tip = {"place": "220202", "identity": {"text": CANARY}}
    with intake(tmp_path, INTAKE_PUBLIC_UNIT=UNIT) as one:

        def send(content: Any, event: str = "TipRecorded", **more: Any) -> Answer:
            return one.post(content, event, authorization=None, **more)

        first = send(tip, again="a-strangers-key-01")
        assert first.status == 202
        assert send(tip, again="a-strangers-key-01").body == first.body
        assert send(tip, again="a-strangers-key-02").status == 202
        ids = [record_id for record_id, *_ in one.spooled()]
        assert len(set(ids)) == 2
        with Spool(one.home / "spool" / f"{UNIT}.sqlite", UNIT) as opened:
            tips = [codec.decode(each.value)[1] for each in opened.unsent(10)]
        assert {each["source"] for each in tips} == {"PUBLIC"}
        own = {"tip_id": ids[0], "revision": 9, "unit": OTHER, "source": "DEPARTMENT"}
        for name, value in own.items():
            answer = send({**tip, name: value})
            assert answer.said["errors"][0]["reason"] == "not-yours"
        assert send(case("P"), "CaseRecorded").problem == "not-for-the-public"
        assert send([tip, tip]).problem == "too-large"
        assert send({**tip, "filling": "x" * app.MOST_PUBLIC_BYTES}).status == 413
        assert len(one.spooled()) == 2
