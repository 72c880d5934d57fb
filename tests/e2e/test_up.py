"""`crossregion up` with everything that is done beside it, as an operator does it."""

import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.e2e.running import FEED, Up
from tests.support.command import COMMAND, assert_one_clear_line, run, run_process
from tests.support.exports import UNIT
from tests.support.intake import case, free_port

WAIT_SECONDS = 60.0


@contextmanager
def up(data: Path, *options: str, **variables: str) -> Iterator[Up]:
    """A further `up`; stopped as Ctrl-C does, and then nothing may be left."""
    running = Up([*COMMAND, "up", "--data", str(data), *options], data, **variables)
    try:
        running.wait()
        yield running
        running.stop()
    finally:
        running.kill()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def get(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    return connection.getresponse().read().decode()


def registered(data: Path, unit: str) -> int:
    database = json.loads((data / "addresses.json").read_text())["database"]
    with psycopg.connect(database) as connection:
        counted = "SELECT count(*) FROM registry.record_revision WHERE unit = %s"
        row = connection.execute(counted, [unit]).fetchone()
    assert row is not None
    return int(row[0])


def proposed(data: Path) -> tuple[str, str] | None:
    database = json.loads((data / "addresses.json").read_text())["database"]
    with psycopg.connect(database) as connection:
        return connection.execute(
            "SELECT case_id, rescue_id FROM registry.proposal WHERE open AND probability > 0.99"
        ).fetchone()


def explain_a_proposal(data: Path, here: dict[str, str]) -> None:
    files = [FEED / "220100" / name for name in ("cases.csv", "rescues.csv")]
    assert run("publish", *files, "--unit", "220100", **here).returncode == 0
    wait_until(lambda: proposed(data) is not None)
    found = proposed(data)
    assert found is not None
    answer = run("explain", *found, **here)
    assert answer.returncode == 0, answer.stderr
    assert found[0] in answer.stdout
    assert "times likelier" in answer.stdout
    assert "Among all candidates" in answer.stdout
    assert_one_clear_line(run("explain", "none", found[1], **here), "No proposal joins")


def report_by_http(data: Path, port: int, here: dict[str, str]) -> None:
    """A record goes all the way to the registry, by a key that an operator has made."""
    made = run("intake-keys", "add", UNIT, **here)
    assert made.returncode == 0, made.stderr
    key = made.stdout.split()[-1]
    assert key not in run("intake-keys", "list", **here).stdout
    body = json.dumps(case("by-http"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {
        "Authorization": f"Bearer {key}",
        "Idempotency-Key": "0123456789abcdef",
        "Content-Type": "application/json",
    }
    connection.request("POST", "/v1/events/CaseRecorded", body, headers)
    answer = connection.getresponse()
    assert answer.status == 202, answer.read()
    wait_until(lambda: registered(data, UNIT) == 1)


def test_up_takes_publications_keeps_its_data_and_leaves_nothing_running(make_up: Up) -> None:
    data = make_up.data
    here = {"CROSSREGION_DATA": str(data)}
    unit = "220400"
    rescues = FEED / unit / "rescues.csv"
    assert (data / "addresses.json").stat().st_mode & 0o777 == 0o600
    for port in re.findall(r"http://127\.0\.0\.1:(\d+)/metrics", make_up.printed):
        assert "crossregion_" in get(int(port), "/metrics")
        assert json.loads(get(int(port), "/health"))["healthy"] is True

    answer = run("publish", rescues, "--unit", unit, **here)
    assert answer.returncode == 0, answer.stderr
    assert "22 read, 22 accepted" in answer.stdout
    wait_until(lambda: registered(data, unit) == 22)

    healthy = run("doctor", **here)
    assert healthy.returncode == 0, healthy.stdout
    assert "every topic is there" in healthy.stdout
    assert re.search(r"\d+ rows, each as it was", run("audit", "verify", **here).stdout)
    assert "0 dead letters" in run("dead-letters", "list", **here).stdout
    assert_one_clear_line(run("dead-letters", "show", str(data), **here), "no dead letter")
    assert_one_clear_line(run_process("up", "--data", data), "in use", "choose another")
    make_up.stop()
    assert not (data / "addresses.json").exists()

    port = free_port()
    with up(data, "--http-intake", CROSSREGION_INTAKE_PORT=str(port)) as again:
        assert registered(data, unit) == 22
        assert f"HTTP intake http://127.0.0.1:{port}/v1/events/EVENT" in again.printed
        report_by_http(data, port, here)
        explain_a_proposal(data, here)
        once_more = run("publish", rescues, "--unit", unit, **here)
        assert "22 read, 0 accepted, 22 unchanged" in once_more.stdout
