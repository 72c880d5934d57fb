"""CPU seconds of each command: of its help, and of what reads an installation that is empty.

What reads stands beside another build, given as its directory, on the same interpreter, broker and
database. The least of a few runs counts, for a busy machine only adds to it; the builds take turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import typer

from benchmarks.harness import Services
from cli.main import COMMANDS
from crossregion.installation import OFFICE, OPERATOR

ROOT = Path(__file__).parents[1]
HELP_TARGET = 0.35
"""CPU seconds on a quiet machine."""
SHARE_TARGET = 1 / 3
TIMES = 3
READING = (
    *((OFFICE, text) for text in ("proposals list", "notices list", "tip list")),
    *((OFFICE, text) for text in ("agreements list", "corridors", "doctor")),
    *((OPERATOR, text) for text in ("dead-letters list", "endpoints list")),
    (OFFICE, "topics apply"),
)


@dataclass(frozen=True)
class Build:
    """A directory with the project's sources, and the entry of its command."""

    directory: Path
    module: str
    function: str

    @classmethod
    def at(cls, directory: Path) -> Build:
        project = tomllib.loads((directory / "pyproject.toml").read_text("utf-8"))["project"]
        module, _, function = project["scripts"]["crossregion"].partition(":")
        return cls(directory.resolve(), module, function)

    def cpu_seconds(self, words: list[str], **environment: str) -> float:
        """Of one run, user and system, also of what it starts itself."""
        program = (
            f"import sys; sys.path.insert(0, {str(self.directory)!r}); "
            f"sys.argv = ['crossregion', *sys.argv[1:]]; "
            f"from {self.module} import {self.function}; {self.function}()"
        )
        before = os.times()
        subprocess.run(
            [sys.executable, "-c", program, *words],
            cwd=self.directory,
            env={**os.environ, **environment},
            capture_output=True,
            check=False,
        )
        after = os.times()
        return sum(
            getattr(after, name) - getattr(before, name)
            for name in ("children_user", "children_system")
        )


def run(services: Services, baseline: Path | None) -> None:
    """Print a line a command, and how many keep to the targets."""
    own = Build.at(ROOT)
    builds = [own, *([Build.at(baseline)] if baseline else [])]
    print(f"Help, CPU seconds of a run (target {HELP_TARGET})")
    slow = [words for words in helps() if _line([*words, "--help"], [own])[0] > HELP_TARGET]
    print(f"above the target: {', '.join(map(' '.join, slow)) or 'none'}")
    services.database("commands", OFFICE)
    print(f"Reading an empty installation (target: {SHARE_TARGET:.0%} of the other build)")
    for role, text in READING:
        _line(
            text.split(),
            builds,
            **services.kafka.environment(),
            CROSSREGION_DATABASE=services.postgres.dsn("commands", role),
            CROSSREGION_DATA=str(services.home / "data"),
        )


def helps() -> list[list[str]]:
    """The words of every command."""
    found = []
    for name, target in COMMANDS.items():
        loaded = target.load(name)
        inner = loaded.commands if isinstance(loaded, typer.core.TyperGroup) else {}
        found += [[name, *rest] for rest in ([[one] for one in inner] or [[]])]
    return [[], *found]


def _line(words: list[str], builds: list[Build], **environment: str) -> list[float]:
    taken = [[build.cpu_seconds(words, **environment) for build in builds] for _ in range(TIMES)]
    least = [min(of_build) for of_build in zip(*taken, strict=True)]
    share = f"{least[0] / least[1]:6.0%} of it" if len(least) > 1 else ""
    figures = "  ".join(f"{seconds:5.2f} s" for seconds in least)
    print(f"{' '.join(words):<34} {figures} {share}", flush=True)
    return least
