"""Commands on their own: help, errors that say what to do, and linkage over files."""

import gzip
import json
import re
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, KafkaAdminClient, NewTopic
from typer.testing import CliRunner

from cli.main import app, main
from crossregion.embedded import postgres
from crossregion.errors import ServiceUnavailable
from crossregion.kafka import admin as kafka_admin
from crossregion.kafka import connection as kafka_connection
from crossregion.kafka.connection import Kafka
from crossregion.private_files import write_private
from crossregion.process import WORKERS
from schemas import topics as contracts
from tests.support.command import assert_one_clear_line, run, run_process

FEED = Path(__file__).parents[2] / "examples/feed"
PERSON = {
    "name_han": "王红英",
    "sex": "F",
    "birth_date": "1990-03-15",
    "dob_precision": "day",
    "home_region": "220281",
    "marks": ["右手臂疤痕"],
}
NOWHERE = Kafka("127.0.0.1:9", Path("no-secrets")).environment()
COMMANDS = [
    "demo",
    "up",
    "publish",
    "link",
    "explain",
    "linkage train",
    "linkage evaluate",
    "run",
    "doctor",
    "reconcile",
    "topics apply",
    "topics read-again",
    "registry migrate",
    "registry roles",
    "registry rebuild",
    "registry ages-not-told",
    "dead-letters list",
    "dead-letters show",
    "dead-letters replay",
    "dead-letters discard",
    "users set",
    "users remove",
    "audit verify",
    "proposals list",
    "proposals show",
    "proposals decide",
    "endpoints add",
    "endpoints list",
    "endpoints disable",
    "endpoints enable",
    "endpoints rotate",
    "endpoints remove",
    "agreements record",
    "agreements list",
    "agreements show",
    "corridors",
    "report",
    "files record",
    "files show",
    "files due",
    "tips record",
    "tips list",
    "tips show",
    "tips triage",
    "relay",
    "outbox",
    "watch",
    "http-intake",
    "intake-keys add",
    "intake-keys list",
    "intake-keys remove",
    "notices list",
    "notices show",
    "notices acknowledge",
    "notices reassign",
    "handovers offer",
    "handovers accept",
    "handovers refuse",
    "handovers withdraw",
    "handovers return",
    "handovers list",
]


LISTS = [*(one for one in COMMANDS if one.endswith(" list")), "files due", "corridors"]


@pytest.mark.parametrize("command", [*LISTS, "registry ages-not-told"])
def test_every_list_is_written_for_programs_too(command: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), "--help"]).stdout
    assert "--json" in shown
    assert "--csv" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    answer = CliRunner().invoke(app, [*command.split(), "--help"])
    assert answer.exit_code == 0
    assert "Usage" in answer.stdout


def test_the_list_of_commands_is_whole() -> None:
    groups = {command.split()[0] for command in COMMANDS}
    listed = set(re.findall(r"^  ([a-z][a-z-]*)  ", run_process("--help").stdout, re.MULTILINE))
    assert listed == groups


def test_topics_apply_creates_what_is_missing_once(kafka: Kafka) -> None:
    run_process("topics", "apply", **kafka.environment())
    again = run("topics", "apply", **kafka.environment())
    assert (again.returncode, again.stdout) == (0, "0 topics created.\n")


def test_topics_apply_gives_a_topic_of_an_earlier_release_what_this_one_describes(
    kafka: Kafka,
) -> None:
    name, own = "handovers.220200", {"segment.ms": "7200000"}
    earlier = {**own, "compression.type": "producer"}
    with kafka_admin.administering(kafka) as admin:
        admin.alter_configs([ConfigResource("topic", name, earlier)])
        done = run("topics", "apply", **kafka.environment())
        assert (done.returncode, done.stdout) == (0, "0 topics created.\n")
        found = admin.describe_configs([ConfigResource("topic", name)])["topic"][name]
        admin.reset_configs([ConfigResource("topic", name, own)])
    described = {**contracts.HANDOVERS.config, **own}
    assert {key: found[key]["value"] for key in earlier} == {key: described[key] for key in earlier}


def test_a_topic_with_another_number_of_partitions_is_named_and_nothing_is_changed(
    kafka: Kafka, tmp_path: Path
) -> None:
    wrong, absent, wanted = "cases.22CBS0", "cases.220400", contracts.CASES.partitions
    settings = kafka.environment()
    database = {"CROSSREGION_DATABASE": "postgresql://nobody@127.0.0.1:9/x"}
    with kafka_admin.administering(kafka) as admin:
        for partitions in (2 * wanted, wanted - 1):
            _make_anew(admin, wrong, partitions)
            _delete(admin, absent)
            words = (f"{wrong} has {partitions} partitions", f"contract says {wanted}", "runbooks")
            assert_one_clear_line(run("topics", "apply", **settings), *words)
            assert absent not in admin.list_topics()
            _make_anew(admin, absent, wanted)
            said = run("doctor", CROSSREGION_DATA=str(tmp_path / "none"), **settings, **database)
            assert said.returncode == 1
            assert f"wrong  kafka       {wrong} has {partitions} partitions" in said.stdout
            shutil.rmtree(tmp_path, ignore_errors=True)
            tmp_path.mkdir()
            for name in (kafka_connection.AUTHORITY, kafka_connection.unit("22CBS0")):
                shutil.copy(kafka.secrets / name, tmp_path / name)
            of_the_unit = Kafka(kafka.address, tmp_path).environment()
            said = run("doctor", CROSSREGION_DATA=str(tmp_path), **of_the_unit)
            assert said.returncode == 1
            assert f"{wrong} has {partitions} partitions" in said.stdout
            for name in (wrong, absent):
                _delete(admin, name)
            made = run("topics", "apply", **settings)
            assert (made.returncode, made.stdout) == (0, "2 topics created.\n")


def _make_anew(admin: KafkaAdminClient, name: str, partitions: int) -> None:
    _delete(admin, name)
    admin.create_topics([NewTopic(name, partitions, 1)], wait_for_metadata=True)


def _delete(admin: KafkaAdminClient, name: str) -> None:
    if name in admin.list_topics():
        admin.delete_topics([name])
    deadline = time.monotonic() + 60.0
    while name in admin.list_topics():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_copies_that_are_not_as_asked_for_are_named(kafka: Kafka) -> None:
    refused = run("topics", "apply", "--replication", "3", **kafka.environment())
    words = ("acknowledgements.", "has replication factor 1, ", "--replication says 3", "reassign")
    assert_one_clear_line(refused, *words)


def test_doctor_names_a_topic_that_is_configured_otherwise(kafka: Kafka, tmp_path: Path) -> None:
    settings = {**kafka.environment(), "CROSSREGION_DATA": str(tmp_path)}
    database = {"CROSSREGION_DATABASE": "postgresql://nobody@127.0.0.1:9/x"}
    with kafka_admin.administering(kafka) as admin:
        admin.alter_configs([ConfigResource("topic", "decisions", {"retention.ms": "60000"})])
    said = run("doctor", **settings, **database)
    assert "wrong  kafka       The topic decisions is configured otherwise" in said.stdout
    assert run("topics", "apply", **settings).returncode == 0
    said = run("doctor", **settings, **database)
    assert "every topic is there, and as its contract says" in said.stdout


def test_a_unit_gets_a_password_loses_it_and_gets_another(kafka: Kafka, tmp_path: Path) -> None:
    unit, principal = "222400", kafka_connection.unit("222400")
    settings = kafka.environment()
    shutil.copytree(kafka.secrets, tmp_path / "before")
    before = Kafka(kafka.address, tmp_path / "before")

    def let_in(where: Kafka) -> bool:
        try:
            with kafka_admin.administering(where, principal):
                return True
        except ServiceUnavailable as refused:
            assert principal in str(refused)
            return False

    try:
        assert let_in(kafka)
        changed = run("users", "set", unit, **settings)
        assert changed.stdout.splitlines()[-1] == "1 passwords set."
        secret = (kafka.secrets / principal).read_text()
        assert secret not in changed.stdout + changed.stderr
        assert (let_in(before), let_in(kafka)) == (False, True)
        shutil.copy(kafka.secrets / principal, before.secrets / principal)
        assert run("users", "remove", unit, **settings).returncode == 0
        assert not let_in(before)
        assert not (kafka.secrets / principal).exists()
    finally:
        assert run("users", "set", unit, **settings).returncode == 0
    assert let_in(kafka)


def test_users_that_cannot_be_are_named(kafka: Kafka) -> None:
    settings = kafka.environment()
    assert_one_clear_line(run("users", "set", "229999", **settings), "229999", "no unit")
    assert_one_clear_line(run("users", "remove", "admin", **settings), "admin cannot be removed")


def test_a_stopped_process_reads_again_and_a_running_one_does_not(kafka: Kafka) -> None:
    group = "crossregion-proposals"
    settings = {**kafka.environment(), "CROSSREGION_DATABASE": "postgresql://nobody@127.0.0.1:9/x"}
    place = TopicPartition(contracts.PAIR_WEIGHTS.name(), 0)
    with (
        closing(KafkaAdminClient(**kafka.options(kafka_connection.ADMIN))) as admin,
        closing(KafkaConsumer(**kafka.options("proposals"), group_id=group)) as member,
    ):
        member.subscribe([place.topic])
        while place not in member.assignment():
            member.poll(timeout_ms=100)
        member.commit({place: OffsetAndMetadata(0, "", -1)})
        busy = run("topics", "read-again", group, **settings)
        assert_one_clear_line(busy, group, "stop its processes")
        assert place in admin.list_group_offsets(group)[group]
        member.unsubscribe()
        member.close()
        assert run("topics", "read-again", group, **settings).returncode == 0
        assert not admin.list_group_offsets(group).get(group)
    assert_one_clear_line(run("topics", "read-again", "nobody", **settings), "No such group", group)


def test_the_roles_are_printed_as_an_administrator_runs_them() -> None:
    printed = run_process("registry", "roles").stdout
    assert printed == postgres.roles()
    assert "password" not in printed.replace("\\password", "").replace("no password", "").lower()


def test_the_registry_is_migrated_once(new_database: Callable[[], str]) -> None:
    database = new_database()
    run_process("registry", "migrate", CROSSREGION_DATABASE=database)
    again = run("registry", "migrate", CROSSREGION_DATABASE=database)
    assert (again.returncode, again.stdout) == (0, "0 migrations run.\n")


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (["topics", "apply"], {}, ["Set CROSSREGION_KAFKA"]),
        (["topics", "apply"], NOWHERE, ["Nothing listens", "CROSSREGION_KAFKA"]),
        (["topics", "apply"], {"CROSSREGION_KAFKA": "127.0.0.1:9"}, ["CROSSREGION_KAFKA_SECRETS"]),
        (["topics", "apply"], {**NOWHERE, "CROSSREGION_KAFKA": "here"}, ["here", "host:port"]),
        (["registry", "migrate"], {}, ["Set CROSSREGION_DATABASE"]),
        (["registry", "migrate"], {"CROSSREGION_DATABASE": "no dsn"}, ["postgresql://"]),
        (["dead-letters", "list"], {"CROSSREGION_DATA": "nowhere"}, ["crossregion up"]),
        (["demo", "--feed", "nowhere"], {}, ["nowhere", "not a directory"]),
        (["run", "nothing"], {}, ["no process", "intake"]),
        *[(["run", name], {}, ["CROSSREGION_KAFKA"]) for name in WORKERS],
        (["run", "intake"], NOWHERE, ["CROSSREGION_KAFKA"]),
        (["doctor"], {"CROSSREGION_METRICS_PORT": "many"}, ["CROSSREGION_METRICS_PORT"]),
        (["publish", "x.csv", "--unit", "990000"], {}, ["990000", "220200"]),
        (["publish", "x.csv", "--unit", "220200", "--data", "/dev/null"], {}, ["/dev/null"]),
        (["up", "--data", "/dev/null"], {}, ["/dev/null", "another directory"]),
        (["link", "nowhere", "nowhere", "--out", "out"], {}, ["nowhere", "No such file"]),
        (["link", "a", "b", "--out", "out", "--model", "README.md"], {}, ["README.md", "not JSON"]),
        (["linkage", "evaluate", "nowhere"], {}, ["nowhere", "No such file"]),
        (["explain", "C1", "R1"], {}, ["crossregion up"]),
    ],
)
def test_a_fault_is_one_clear_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    variables: dict[str, str],
    words: list[str],
) -> None:
    for name, value in {"CROSSREGION_DATA": str(tmp_path), **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["crossregion", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    (line,) = capfd.readouterr().err.strip().splitlines()
    for word in words:
        assert word in line


def test_a_database_without_tables_is_one_clear_line(new_database: Callable[[], str]) -> None:
    answer = run_process("dead-letters", "list", **NOWHERE, CROSSREGION_DATABASE=new_database())
    assert_one_clear_line(answer, "42P01", "crossregion doctor")


def test_debug_shows_the_traceback() -> None:
    answer = run_process("--debug", "topics", "apply")
    assert answer.returncode == 1
    assert "Traceback" in answer.stderr


def test_doctor_names_each_part_that_is_wrong(tmp_path: Path) -> None:
    answer = run_process("doctor", CROSSREGION_DATA=str(tmp_path), **NOWHERE)
    assert answer.returncode == 1
    wrong = re.findall(r"^wrong\s+(\w+)", answer.stdout, re.MULTILINE)
    assert wrong == ["kafka", "database"]


def test_doctor_at_a_unit_asks_for_nothing_that_a_unit_has_not(
    kafka: Kafka, tmp_path: Path
) -> None:
    for name in (kafka_connection.AUTHORITY, kafka_connection.unit("220600")):
        shutil.copy(kafka.secrets / name, tmp_path / name)
    here = {**Kafka(kafka.address, tmp_path).environment(), "CROSSREGION_DATA": str(tmp_path)}
    answer = run("doctor", **here)
    assert answer.returncode == 0, answer.stdout
    assert "220600 is let in, and its topics are there" in answer.stdout
    write_private(tmp_path / kafka_connection.unit("220600"), "another password")
    answer = run("doctor", **here)
    assert answer.returncode == 1
    assert re.findall(r"^wrong\s+(\w+)", answer.stdout, re.MULTILINE) == ["kafka"]


def test_publish_stores_while_the_broker_is_away_and_lists_what_it_refuses(tmp_path: Path) -> None:
    text = (FEED / "220600/rescues.csv").read_bytes().decode("gb18030")
    rows = text.splitlines()
    export = tmp_path / "rescues.csv"
    export.write_text("\r\n".join([rows[0], rows[1], "," + rows[2].split(",", 1)[1]]))
    answer = run("publish", export, "--unit", "220600", "--data", tmp_path / "data")
    assert answer.returncode == 3, answer.stderr
    assert "2 read, 1 accepted, 0 unchanged, 1 refused" in answer.stdout
    assert "no-record-id" in answer.stdout
    assert "1 accepted events wait in the spool" in answer.stdout
    export.write_text("\r\n".join(rows[:3]))
    corrected = run_process("publish", export, "--unit", "220600", "--data", tmp_path / "data")
    assert corrected.returncode == 0
    assert "2 read, 1 accepted, 1 unchanged, 0 refused" in corrected.stdout


def test_brackets_in_a_file_are_no_markup(tmp_path: Path) -> None:
    export = tmp_path / "cases[].csv"
    export.write_text("案件编号,备注[/b],受害人姓名\nC[/b],x,王红英\n", "utf-8")
    answer = run("publish", export, "--unit", "220300", "--data", tmp_path / "data")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "备注[/b]" in answer.stdout


def test_a_file_that_cannot_be_read_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    empty = tmp_path / "cases.csv"
    empty.touch()
    answer = run(
        "publish", empty, FEED / "220600/rescues.csv", "--unit", "220600", "--data", tmp_path
    )
    assert answer.returncode == 1
    assert f"{empty} is empty" in answer.stdout
    assert "17 accepted" in answer.stdout


def test_link_writes_the_pairs_of_two_files(tmp_path: Path) -> None:
    cases, rescues, out = (tmp_path / name for name in ("cases.jsonl", "rescues.jsonl.gz", "out"))
    cases.write_text(json.dumps({**PERSON, "case_id": "C1", "missing_date": "2010-01-01"}) + "\n")
    rescued = json.dumps({**PERSON, "rescue_id": "R1", "found_date": "2012-01-01"}) + "\n"
    rescues.write_bytes(gzip.compress(rescued.encode()))
    answer = run_process("link", cases, rescues, "--out", out)
    assert (answer.returncode, answer.stdout) == (0, f"1 pairs in {out}\n")
    pair = json.loads(out.read_text())
    assert (pair["case_id"], pair["rescue_id"], pair["band"]) == ("C1", "R1", "very-likely")
    assert "王" not in out.read_text()


def test_link_reads_exports(tmp_path: Path) -> None:
    unit = FEED / "220100"
    out = tmp_path / "out"
    answer = run("link", unit / "cases.csv", unit / "rescues.csv", "--out", out)
    assert answer.returncode == 0, answer.stderr
    pairs = [json.loads(line) for line in out.read_text().splitlines()]
    assert answer.stdout == f"{len(pairs)} pairs in {out}\n"
    assert any(pair["probability"] > 0.99 for pair in pairs)
    wrong = run("link", unit / "rescues.csv", unit / "cases.csv", "--out", out)
    assert_one_clear_line(wrong, "change the order")


def test_link_names_a_bad_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{}\n")
    assert_one_clear_line(run("link", bad, bad, "--out", tmp_path / "out"), f"{bad}:1", "case_id")


def test_link_says_where_it_cannot_write_and_writes_over_nothing_that_it_reads(
    tmp_path: Path,
) -> None:
    cases, rescues = tmp_path / "cases.jsonl", tmp_path / "rescues.jsonl"
    cases.write_text('{"case_id": "C1"}\n', encoding="utf-8")
    rescues.write_text('{"rescue_id": "R1"}\n', encoding="utf-8")
    full = tmp_path / "full.jsonl"
    full.symlink_to("/dev/full")
    cases_again = tmp_path / "again.jsonl"
    cases_again.symlink_to(cases)
    before = cases.read_bytes()
    assert_one_clear_line(
        run("link", cases, rescues, "--out", cases_again), f"{cases_again} is read"
    )
    assert cases.read_bytes() == before
    cases.write_text('{"case_id": "C1", "id_number": "110101199003072316"}\n', encoding="utf-8")
    rescues.write_text('{"rescue_id": "R1", "id_number": "110101199003072316"}\n', encoding="utf-8")
    assert_one_clear_line(run("link", cases, rescues, "--out", full), "full.jsonl", "No space left")
