"""The CPU seconds of each package of tests, printed beside its budget at the end of a run.

A pytest plugin. A test's seconds are those of its process and of the children that ended meanwhile;
services that a test process keeps for all of its tests are counted where they end, by themselves.
"""

from __future__ import annotations

import os
import tomllib
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

BUDGET = Path(__file__).parents[1] / "budget.toml"
SERVICES = "services"
"""What stands for the whole session: stopped after the last test of a process."""


class Clock:
    """The CPU seconds since they were last asked for, of this process and its ended children."""

    def __init__(self) -> None:
        self._last = _cpu_seconds()
        self.ends_here = False

    def lap(self) -> float:
        now = _cpu_seconds()
        self._last, seconds = now, now - self._last
        return seconds


def _cpu_seconds() -> float:
    return sum(os.times()[:4])


clock = Clock()
spent: Counter[str] = Counter()
tests: Counter[str] = Counter()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    clock.ends_here = nextitem is None
    clock.lap()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    last = clock.ends_here and call.when == "teardown"
    package = SERVICES if last else package_of(item.nodeid)
    vars(report)["cpu_seconds"] = (package, clock.lap())
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    package, seconds = vars(report).get("cpu_seconds", (package_of(report.nodeid), 0.0))
    spent[package] += seconds
    if report.when == "call":
        tests[package] += 1


def package_of(nodeid: str) -> str:
    """The folder below `tests` that a test stands in."""
    parts = nodeid.partition("::")[0].split("/")
    return parts[1] if len(parts) > 2 else parts[0]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    budget = tomllib.loads(BUDGET.read_text("utf-8"))["cpu_seconds"]
    terminalreporter.section("CPU seconds of a whole package, and its budget")
    for package in sorted(spent):
        allowed = budget.get(package, "none")
        terminalreporter.write_line(
            f"{package:<12} {tests[package]:>5} tests {spent[package]:>8.1f} s, budget {allowed}"
        )
    terminalreporter.write_line(f"{'all':<12} {tests.total():>5} tests {spent.total():>8.1f} s")
