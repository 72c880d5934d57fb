"""An error is told in the reader's language, and says in logs what it says in English."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cli.errors import CommandError, sentence
from crossregion.errors import CrossregionError, ServiceUnavailable
from crossregion.services.notices import NoticeUnknown, NotToBeAnswered
from crossregion.settings import language

VARIABLES = ("CROSSREGION_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


@pytest.fixture
def speak(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("given", "spoken"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh"}, "zh"),
        ({"LANG": "zha_CN"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US", "LC_MESSAGES": "zh_CN"}, "zh"),
        ({"LANG": "", "LC_ALL": "", "LC_MESSAGES": "zh_CN"}, "zh"),
        ({"LANG": "zh_CN", "CROSSREGION_LANGUAGE": "en"}, "en"),
        ({"CROSSREGION_LANGUAGE": "zh"}, "zh"),
        ({"CROSSREGION_LANGUAGE": "de", "LANG": "zh_CN"}, "zh"),
    ],
)
def test_the_setting_chooses_the_language_and_then_the_locale(
    speak: pytest.MonkeyPatch, given: dict[str, str], spoken: str
) -> None:
    for name, value in given.items():
        speak.setenv(name, value)
    assert language() == spoken


def test_the_terminal_says_also_which_command_helps(speak: pytest.MonkeyPatch) -> None:
    error = NoticeUnknown(unit="220300", notice_id="n1")
    assert (error.code, error.fields) == ("notice-unknown", {"unit": "220300", "notice_id": "n1"})
    told = "220300 was told no notice n1. What another unit was told is that unit's to answer."
    assert str(error) == told
    assert sentence(error) == f"{told} See `crossregion notices list --unit 220300`."
    speak.setenv("CROSSREGION_LANGUAGE", "zh")
    assert str(error) == told
    assert sentence(error) == (
        "220300 没有收到过通知 n1。其他单位收到的通知由该单位答复。 "
        "请查看 `crossregion notices list --unit 220300`。"
    )


def test_an_error_within_another_is_told_in_the_same_language(speak: pytest.MonkeyPatch) -> None:
    inner = ServiceUnavailable("nothing-listens", address="localhost:1")
    outer = CommandError("logs-saved", fault=inner, logs="out/log")
    assert str(outer).startswith("Nothing listens at localhost:1: check ")
    assert str(outer).endswith(" The logs were saved in out/log.")
    speak.setenv("CROSSREGION_LANGUAGE", "zh")
    assert sentence(outer).startswith("localhost:1 上没有服务在监听")
    assert sentence(outer).endswith("日志已保存在 out/log。")


def test_a_field_is_never_taken_for_a_part_of_the_sentence() -> None:
    error = NotToBeAnswered("no-answer", answer="{known}", known=("a", "{0}"))
    assert str(error) == "{known} is no answer: a, {0}."


def test_an_error_without_a_sentence_says_its_code() -> None:
    assert str(CrossregionError("of-no-catalogue", unit="1")) == "of-no-catalogue unit=1"


def test_no_catalogue_is_read_before_an_error_is_told() -> None:
    code = (
        "import sys; from cli import main; from crossregion.errors import CrossregionError;"
        "CrossregionError('x'); sys.exit('babel' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
