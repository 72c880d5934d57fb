"""The commands by which an operator says where a unit's notices are brought to."""

from __future__ import annotations

import csv
import json
import re
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from crossregion.errors import CrossregionError
from crossregion.postgres import connection as postgres_connection
from crossregion.postgres import migrations
from crossregion.services.endpoints import EndpointUnknown
from crossregion.services.prefixes import AmbiguousId

URL = "https://unit.example/notices"
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def dsn(new_database: Callable[[], str]) -> str:
    dsn = new_database()
    migrations.migrate(dsn)
    return dsn


@pytest.fixture
def run(
    dsn: str,
    as_role: Callable[[str, str], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Run:
    monkeypatch.setenv("CROSSREGION_KAFKA", "127.0.0.1:9")
    monkeypatch.setenv("CROSSREGION_KAFKA_SECRETS", str(tmp_path))
    monkeypatch.setenv("CROSSREGION_DATABASE", as_role(dsn, "crossregion_operator"))
    monkeypatch.setenv("CROSSREGION_NETWORKS", '{"police": "10.1.0.0/16"}')

    def command(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["endpoints", *arguments])

    return command


def added(answer: Result) -> tuple[str, str | None]:
    """The id and the secret that were printed."""
    assert answer.exit_code == 0, answer.output
    (endpoint_id,) = re.findall(r"^endpoint: (\S+)$", answer.output, re.MULTILINE)
    secrets = re.findall(r"^secret, shown this once: (whsec_\S+)$", answer.output, re.MULTILINE)
    return endpoint_id, secrets[0] if secrets else None


def test_an_endpoint_from_its_beginning_to_its_end(run: Run, dsn: str) -> None:
    hook, secret = added(run("add", "220200", "webhook", URL, "--network", "police"))
    box, none = added(run("add", "210000", "mail", "office@border.example"))
    assert secret is not None
    assert none is None
    listed = run("list").output
    assert "2 endpoints." in listed
    assert all(text in listed for text in (hook, box, URL, "police", "enabled"))

    rotated = run("rotate", hook, "--purpose", "yearly").output
    (new,) = re.findall(r"whsec_\S+", rotated)
    assert new != secret
    assert not any(one.removeprefix("whsec_") in run("list").output for one in (secret, new))
    run("disable", hook)
    assert "disabled" in run("list").output
    run("enable", hook)
    assert "disabled" not in run("list").output
    run("remove", hook)
    assert "1 endpoints." in run("list").output
    again, _ = added(run("add", "220200", "webhook", URL))
    assert again != hook
    with psycopg.connect(postgres_connection.as_role(dsn, "crossregion_operator")) as connection:
        secrets = connection.execute("SELECT endpoint_id::text FROM delivery.secret").fetchall()
        noted = connection.execute("SELECT action FROM audit.entry ORDER BY number").fetchall()
    assert secrets == [(again,)]
    assert [action for (action,) in noted] == [
        "add endpoint", "add endpoint", "rotate secret of endpoint", "set endpoint disabled",
        "set endpoint enabled", "remove endpoint", "add endpoint",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "999999", "webhook", URL), "999999 is no unit that is told"),
        (("add", "220200", "webhook", "http://unit.example/"), "begins with https://"),
        (("add", "220200", "mail", "office"), "A mailbox is name@host.domain"),
        (("add", "220200", "webhook", URL, "--network", "home"), "not in CROSSREGION_NETWORKS"),
        (("disable", "none"), "no endpoint none"),
        (("remove", "0b9f1c52-3f0e-4a52-8f0e-0d6f5a2f1f00"), "no endpoint 0b9f1c52"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: tuple[str, ...], says: str) -> None:
    fault = run(*arguments).exception
    assert isinstance(fault, CrossregionError)
    assert says in str(fault)


def test_a_second_of_the_same_and_a_mailboxs_secret_are_refused(run: Run) -> None:
    added(run("add", "220300", "webhook", URL))
    box, _ = added(run("add", "220300", "mail", "office@unit.example"))
    assert "has this webhook already" in str(run("add", "220300", "webhook", URL).exception)
    assert "it has no secret" in str(run("rotate", box).exception)


def test_an_id_is_known_by_its_beginning(run: Run, dsn: str) -> None:
    operator = postgres_connection.as_role(dsn, "crossregion_operator")
    ids = [str(uuid.UUID(int=(0xABC << 116) + place)) for place in range(7)]
    with psycopg.connect(operator) as connection:
        for place, one in enumerate(ids):
            connection.execute(
                "INSERT INTO delivery.endpoint (endpoint_id, unit, kind, address)"
                " VALUES (%s, '220200', 'mail', %s)",
                (one, f"{place}@unit.example"),
            )
    written = json.loads(run("list", "--json").output)
    assert {one["id"] for one in written} >= set(ids)
    listed = list(csv.DictReader(run("list", "--csv").output.splitlines()))
    assert [one["id"] for one in listed] == [one["id"] for one in written]
    assert listed[0].keys() == written[0].keys()
    several = run("disable", "abc0")
    assert isinstance(several.exception, AmbiguousId)
    assert "abc0 begins several ids: " in str(several.exception)
    assert str(several.exception).count("-") == 4 * 5
    assert "..." in str(several.exception)
    with psycopg.connect(operator) as connection:
        connection.execute(
            "UPDATE delivery.endpoint SET state = 'removed' WHERE endpoint_id = ANY(%s)",
            (ids[1:],),
        )
    assert run("disable", "ABC00000").output == f"{ids[0]} is disabled.\n"
    for unknown in ("abc", "abd0", "abc0-", "x", "", "abc\x00", ids[0][:-1] + "f"):
        assert isinstance(run("disable", unknown).exception, EndpointUnknown)
    run("remove", ids[0])
