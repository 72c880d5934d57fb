"""The environment is read by one table of settings, and says in one line what it cannot use."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from crossregion.settings import Settings, SettingUnusable, settings


def test_values_are_read_as_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "DATA": "/data",
        "metrics_port": "9100",
        "TIMEOUT_FACTOR": "0.5",
        "NETWORKS": '{"police": "10.1.0.0/16", "six": "fd00::/8"}',
        "LOG_LEVEL": "debug",
    }.items():
        monkeypatch.setenv(f"CROSSREGION_{name}", text)
    found = settings()
    assert found.data == Path("/data")
    assert found.metrics_port == 9100
    assert found.timeout_factor == 0.5
    assert found.networks == {
        "police": ip_network("10.1.0.0/16"),
        "six": ip_network("fd00::/8"),
    }
    assert found.log_level == "debug"
    assert found.intake_port == Settings().intake_port


def test_what_is_given_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSREGION_DATA", "/data")
    assert settings(data=Path("/other")).data == Path("/other")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("METRICS_PORT", "x", "a whole number is needed"),
        ("METRICS_PORT", "1.5", "a whole number is needed"),
        ("INTAKE_PORT", "65536", "a whole number is needed, >= 0, <= 65535"),
        ("TIMEOUT_FACTOR", "0", "a number is needed, > 0, <= 10"),
        ("TIMEOUT_FACTOR", "nan", "a number is needed, > 0, <= 10"),
        ("HOUR_SECONDS", "inf", "a number is needed, > 0"),
        ("LOG_LEVEL", "loud", "it is one of debug, info, warning"),
        ("NETWORKS", "10.1.0.0/16", "it is JSON such as"),
        ("NETWORKS", "[]", "it is JSON such as"),
        ("NETWORKS", '{"police": "10.1.0.1/16"}', "it is JSON such as"),
    ],
)
def test_what_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, why: str
) -> None:
    monkeypatch.setenv(f"CROSSREGION_{name}", text)
    with pytest.raises(SettingUnusable, match=f"^CROSSREGION_{name} is not usable: {why}"):
        settings()


def test_without_variables_the_services_are_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSREGION_KAFKA", raising=False)
    monkeypatch.delenv("CROSSREGION_DATABASE", raising=False)
    assert settings().kafka is None
    assert settings().database is None
    assert settings().metrics_host == "127.0.0.1"


def test_an_address_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSREGION_KAFKA", "broker:9092")
    assert settings().kafka == "broker:9092"
