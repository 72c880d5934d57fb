"""`make dev` starts the workers again when a source changes, and outlives those that cannot run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cli import develop
from crossregion.embedded.stack import STOP_ORDER
from crossregion.embedded.supervisor import Supervisor
from crossregion.errors import WorkerGaveUp


class Recording(Supervisor):
    """A supervisor that notes what it is told."""

    def __init__(self) -> None:
        super().__init__([])
        self.told: list[str] = []

    def start(self, name: str) -> int:
        self.told.append(f"start {name}")
        return 1

    def stop(self, order: Sequence[str] | None = None, seconds: float = 0.0) -> None:
        self.told.append(f"stop {len(order or ())}")


class Broken:
    """A stack of which one worker ends again and again."""

    def __init__(self) -> None:
        self.supervisor = Recording()

    def check(self) -> None:
        raise WorkerGaveUp("intake", Path("intake.log"), 5, 60.0)


def test_workers_start_again_at_each_change_and_not_between() -> None:
    stack, said = Broken(), list[str]()
    looks: Iterator[float] = iter([1.0, 1.0, 2.0, 2.0, 3.0])
    rounds = iter([False] * 4 + [True])
    develop.follow(stack, lambda: next(looks), lambda: next(rounds), said.append)
    once = [f"stop {len(STOP_ORDER)}", *(f"start {name}" for name in STOP_ORDER)]
    assert stack.supervisor.told == once * 2
    assert sum("Sources have changed" in line for line in said) == 2
    assert sum("intake" in line for line in said) == 4


@pytest.mark.parametrize("name", ["schemas/a.toml", "consumers/sql/b.sql", "crossregion/c.py"])
def test_a_change_of_any_source_is_seen(tmp_path: Path, name: str) -> None:
    for package in develop.SOURCES:
        (tmp_path / package / "sql").mkdir(parents=True)
    for one in ("schemas/a.toml", "consumers/sql/b.sql", "crossregion/c.py", "schemas/notes.md"):
        (tmp_path / one).touch()
        os.utime(tmp_path / one, (1, 1))
    before = develop.last_change(tmp_path)
    os.utime(tmp_path / "schemas/notes.md", (2, 2))
    assert develop.last_change(tmp_path) == before
    os.utime(tmp_path / name, (3, 3))
    assert develop.last_change(tmp_path) == 3
    (tmp_path / "crossregion/.#c.py").symlink_to("an editor's lock leads nowhere")
    assert develop.last_change(tmp_path) == 3
