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
FOLDER = "tests/faults/"
ONE_STACK = pytest.mark.xdist_group(f"{FOLDER}one of each class")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        file, _, name = item.nodeid.partition("::")
        if file == f"{FOLDER}test_agreement.py":
            item.add_marker(ONE_STACK)
        elif file == f"{FOLDER}test_faults.py":
            if name.partition(": ")[2].removesuffix("]") in IN_MAKE_TEST:
                item.add_marker(ONE_STACK)
            else:
                item.add_marker("every_fault")
                item.add_marker(pytest.mark.xdist_group(f"{file}::{name.partition('::')[0]}"))
