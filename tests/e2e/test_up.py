"""`crossregion up` and `topics apply` as an operator runs them."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from kafka.admin import KafkaAdminClient

from schemas import topics

COMMAND = [sys.executable, "-c", "from crossregion.cli import main; main()"]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def read_until(process: subprocess.Popen[str], mark: str) -> str:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if mark in line:
            return seen
    raise AssertionError(f"ended before {mark!r}: {seen}")


def up(data: Path) -> tuple[str, str]:
    """Run `up` until it runs, stop it as Ctrl-C does; its first lines and its last ones."""
    process = subprocess.Popen(
        [*COMMAND, "up", "--data", str(data)], stdout=subprocess.PIPE, text=True
    )
    try:
        first = read_until(process, "Running.")
        address = re.search(r"127\.0\.0\.1:\d+", first)
        assert address is not None
        admin = KafkaAdminClient(bootstrap_servers=address.group())
        names = set(admin.list_topics())
        admin.close()
        assert names >= {name for topic in topics.TOPICS for name in topic.names()}
        process.send_signal(signal.SIGINT)
        last = process.stdout.read() if process.stdout else ""
        assert process.wait(60) == 0
        return first, last
    finally:
        process.kill()
        process.wait()


def test_up_runs_stops_cleanly_and_keeps_its_topics(tmp_path: Path) -> None:
    first, last = up(tmp_path)
    assert "(0 topics created)" not in first
    assert "Stopped." in last
    again, _ = up(tmp_path)
    assert "(0 topics created)" in again


def test_topics_apply_creates_what_is_missing_once(kafka: str) -> None:
    run("topics", "apply", CROSSREGION_KAFKA=kafka)
    again = run("topics", "apply", CROSSREGION_KAFKA=kafka)
    assert (again.returncode, again.stdout) == (0, "0 topics created.\n")


def test_an_address_where_nothing_listens_is_one_clear_line() -> None:
    answer = run("topics", "apply", CROSSREGION_KAFKA="127.0.0.1:9")
    assert answer.returncode == 1
    assert "CROSSREGION_KAFKA" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
