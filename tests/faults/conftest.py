"""One stack for all of these tests, which take its faults in their turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.rig import Rig
from tests.support.prepared import prepare

SEED = 1


@pytest.fixture(scope="package")
def rig(service_data: Path) -> Iterator[Rig]:
    with Rig(prepare(service_data / "faults"), SEED) as rig:
        yield rig


IN_MAKE_TEST = frozenset(
    {
        "sender killed after the acknowledgement",
        "broker killed under load",
        "an unknown error in each processor",
        "poison, unknown schemas, torn and over-long events",
        "backend killed at COMMIT",
        "tombstones in the log",
        "principals and roles try what is not theirs",
    }
)
"""One fault of each class, which `make test` takes on one stack; all are for `.ci/run`."""
FAULTS = "tests/faults/test_faults.py"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the faults that are for `.ci/run`; tests.support.grouping says which share a stack."""
    file, _, name = item.nodeid.partition("::")
    if file == FAULTS and name.partition(": ")[2].removesuffix("]") not in IN_MAKE_TEST:
        item.add_marker("every_fault")
