"""Every fault once, at small scale, on one running stack; then all of them mixed for a minute."""

from __future__ import annotations

import pytest

from tests.faults.checks import check
from tests.faults.conftest import SEED
from tests.faults.nemesis import Nemesis
from tests.faults.rig import Rig
from tests.faults.scenarios import SCENARIOS, SMALL, Scenario

NEMESIS_SECONDS = 60.0


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: f"{one.rows}: {one.name}")
def test_nothing_is_lost_and_nothing_happens_twice(rig: Rig, scenario: Scenario) -> None:
    scenario.harm(rig, SMALL)
    rig.quiet()
    verdict = check(rig)
    assert verdict.good, verdict


def test_the_nemesis_changes_nothing(rig: Rig) -> None:
    nemesis = Nemesis(rig, SEED)
    verdict = nemesis.run(NEMESIS_SECONDS)
    assert verdict.good, (verdict, nemesis.history)
