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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the faults for `.ci/run`; one stack takes what `make test` does, else one each class."""
    on_one_stack = "not every_fault" in config.option.markexpr
    for item in items:
        file, _, name = item.nodeid.partition("::")
        if file == f"{FOLDER}test_faults.py":
            of_class = name.partition("::")[0]
            if name.partition(": ")[2].removesuffix("]") not in IN_MAKE_TEST:
                item.add_marker("every_fault")
            group = "one of each class" if on_one_stack else of_class
            item.add_marker(pytest.mark.xdist_group(f"{FOLDER}{group}"))
