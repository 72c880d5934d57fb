"""Settings come from CROSSREGION_ variables and have safe defaults."""

import pytest

from crossregion.settings import settings


def test_without_variables_the_services_are_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROSSREGION_KAFKA", raising=False)
    monkeypatch.delenv("CROSSREGION_DATABASE", raising=False)
    assert settings().kafka is None
    assert settings().database is None
    assert settings().metrics_host == "127.0.0.1"


def test_an_address_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSREGION_KAFKA", "broker:9092")
    assert settings().kafka == "broker:9092"
