"""Which tests one process takes as a whole, and in their order: a pytest plugin.

pytest-xdist 3.8.0 writes a group into `Item._nodeid`, which pytest 9.2 no longer reads, so that its
`--dist loadgroup` groups nothing. Here the group follows from the test's id.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

DEMO, UP = "one demonstration", "one stack kept up"
GROUPS = {
    "tests/e2e/test_demo.py": DEMO,
    "tests/e2e/test_deciding.py": DEMO,
    "tests/e2e/test_kills.py": DEMO,
    "tests/e2e/test_readme.py": UP,
    "tests/e2e/test_up.py": UP,
}
"""Modules that share what is started for them; every other module is a group of its own."""
FAULTS = "tests/faults/test_faults.py"


def group_of(nodeid: str, *, every_fault: bool) -> str:
    """The group of a test; where every fault is tried, each class of faults is one."""
    file, _, name = nodeid.partition("::")
    if file == FAULTS and every_fault:
        return f"{file}::{name.partition('::')[0]}"
    return GROUPS.get(file, file)


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc, unused-ignore]
    """Hands out whole groups."""

    def _split_scope(self, nodeid: str) -> str:
        every_fault = "not every_fault" not in self.config.option.markexpr
        return group_of(nodeid, every_fault=every_fault)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling | None:
    if config.getvalue("dist") != "loadscope":
        return None
    return GroupScheduling(config, log)
