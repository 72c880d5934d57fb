"""Every fault once, at small scale; then all of them mixed for a minute.

A class is what one test process takes as a whole, on a stack of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.faults import scenarios
from tests.faults.checks import check
from tests.faults.conftest import SEED
from tests.faults.nemesis import Nemesis
from tests.faults.rig import Rig
from tests.faults.scenarios import SMALL, Scenario

NEMESIS_SECONDS = 60.0


def each(faults: Sequence[Scenario]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("fault", faults, ids=lambda one: f"{one.rows}: {one.name}")


def hold(rig: Rig, fault: Scenario) -> None:
    """Do the harm: nothing is lost and nothing happens twice."""
    fault.harm(rig, SMALL)
    rig.quiet()
    verdict = check(rig)
    assert verdict.good, verdict


class TestNemesis:
    def test_all_of_them_mixed_change_nothing(self, rig: Rig) -> None:
        nemesis = Nemesis(rig, SEED)
        verdict = nemesis.run(NEMESIS_SECONDS)
        assert verdict.good, (verdict, nemesis.history)


class TestBroker:
    @each(scenarios.OF_BROKER)
    def test_nothing_is_lost_and_nothing_happens_twice(self, rig: Rig, fault: Scenario) -> None:
        hold(rig, fault)


class TestProcessors:
    @each(scenarios.OF_PROCESSORS)
    def test_nothing_is_lost_and_nothing_happens_twice(self, rig: Rig, fault: Scenario) -> None:
        hold(rig, fault)


class TestLog:
    @each(scenarios.OF_LOG)
    def test_nothing_is_lost_and_nothing_happens_twice(self, rig: Rig, fault: Scenario) -> None:
        hold(rig, fault)


class TestPostgres:
    @each(scenarios.OF_POSTGRES)
    def test_nothing_is_lost_and_nothing_happens_twice(self, rig: Rig, fault: Scenario) -> None:
        hold(rig, fault)


class TestProducers:
    @each(scenarios.OF_PRODUCERS)
    def test_nothing_is_lost_and_nothing_happens_twice(self, rig: Rig, fault: Scenario) -> None:
        hold(rig, fault)


class TestDoors:
    @each(scenarios.OF_DOORS)
    def test_nothing_is_lost_and_nothing_happens_twice(self, rig: Rig, fault: Scenario) -> None:
        hold(rig, fault)


class TestContents:
    @each(scenarios.OF_CONTENTS)
    def test_nothing_is_lost_and_nothing_happens_twice(self, rig: Rig, fault: Scenario) -> None:
        hold(rig, fault)
