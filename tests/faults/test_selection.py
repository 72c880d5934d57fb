"""`make test` takes one fault of each class, and `.ci/run` all of them."""

from __future__ import annotations

import pytest

from tests.faults import scenarios
from tests.faults.conftest import IN_MAKE_TEST
from tests.faults.scenarios import Scenario

CLASSES = {name: faults for name, faults in vars(scenarios).items() if name.startswith("OF_")}


@pytest.mark.parametrize("faults", CLASSES.values(), ids=CLASSES)
def test_one_of_each_class_is_in_make_test(faults: tuple[Scenario, ...]) -> None:
    assert len([one for one in faults if one.name in IN_MAKE_TEST]) == 1


def test_every_fault_has_a_class() -> None:
    assert sum(CLASSES.values(), ()) == scenarios.SCENARIOS
    assert {one.name for one in scenarios.SCENARIOS} >= IN_MAKE_TEST
