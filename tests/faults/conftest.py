"""One stack for all of these tests, which take its faults in their turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.rig import Rig

SEED = 1


@pytest.fixture(scope="package")
def rig(service_data: Path) -> Iterator[Rig]:
    with Rig(service_data / "faults", SEED) as rig:
        yield rig
