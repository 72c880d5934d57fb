"""What is deployed names processes, metrics and runbooks that exist."""

import re
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase
from typer.main import get_command

from cli.main import app
from crossregion import metrics
from crossregion.process import WORKERS
from crossregion.settings import Settings

ROOT = Path(__file__).parents[2]
SETTINGS = {field.name for field in fields(Settings)}
PROMTOOL = ROOT / ".tools/promtool"
RULES = ROOT / "deploy/prometheus/rules.yml"
LINKAGE_UNIT = (ROOT / "deploy/systemd/crossregion-linkage@.service").read_text("utf-8")
UNIT = (ROOT / "deploy/systemd/crossregion@.service").read_text("utf-8")


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_valid_and_fire_when_they_should() -> None:
    promtool("check", "rules", RULES)
    promtool("test", "rules", RULES.with_name("rules.test.yml"))


def test_rules_name_metrics_that_exist() -> None:
    defined = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    names = {described.name for one in defined for described in one.describe()}
    for named in re.findall(r"crossregion_\w+", RULES.read_text("utf-8")):
        assert re.sub(r"_(total|bucket)$", "", named) in names


def test_every_alert_has_its_runbook() -> None:
    alerts = re.findall(r"alert: (\w+)", RULES.read_text("utf-8"))
    headings = re.findall(
        r"^## (\w+)", (ROOT / "docs/runbooks.md").read_text("utf-8"), re.MULTILINE
    )
    assert alerts == headings
    runbooks = re.findall(r"runbook: docs/runbooks.md#(\w+)", RULES.read_text("utf-8"))
    assert runbooks == [alert.lower() for alert in alerts]


def test_the_service_runs_processes_and_settings_that_exist() -> None:
    assert "ExecStart=/opt/crossregion/bin/crossregion run %i" in UNIT
    (listed,) = re.findall(r"^# %i is the process: (.+)\.$", UNIT, re.MULTILINE)
    assert set(re.split(r", | or ", listed)) == set(WORKERS)
    for named in re.findall(r"CROSSREGION_(\w+)", UNIT + LINKAGE_UNIT):
        assert named.lower() in SETTINGS


@pytest.mark.parametrize("name", ["relay@", "watch@", "http-intake"])
def test_each_way_in_is_run_by_its_command_and_shut_in_as_every_process_is(name: str) -> None:
    """And is given neither Kafka's address nor a registry's."""
    text = (ROOT / f"deploy/systemd/crossregion-{name}.service").read_text("utf-8")
    (command,) = re.findall(r"^ExecStart=/opt/crossregion/bin/crossregion ([\w-]+)", text, re.M)
    assert command == name.removesuffix("@")
    assert command in get_command(app).commands  # type: ignore[attr-defined]
    for named in re.findall(r"CROSSREGION_(\w+[a-zA-Z])", text):
        assert any(field.startswith(named.lower()) for field in SETTINGS)
    assert "/etc/crossregion/environment" not in text
    own = set(text.splitlines()) - set(UNIT.splitlines())
    assert {line.partition("=")[0] for line in own if line and line[0] != "#"} <= {
        "Description",
        "EnvironmentFile",
        "ExecStart",
        "ReadWritePaths",
    }
    missing = set(UNIT.splitlines()) - set(text.splitlines())
    assert {line.partition("=")[0] for line in missing if line and line[0] != "#"} == {
        "Description",
        "EnvironmentFile",
        "Environment",
        "ExecStart",
    }


def test_linkage_beside_is_shut_in_as_every_process_is() -> None:
    assert "crossregion run linkage" in LINKAGE_UNIT
    own = set(LINKAGE_UNIT.splitlines()) ^ set(UNIT.splitlines())
    assert {line.partition("=")[0] for line in own if line and line[0] != "#"} == {
        "Description",
        "EnvironmentFile",
        "ExecStart",
    }
