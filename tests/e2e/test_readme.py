"""Every command of the README and of the users' pages, run as it stands there."""

import re
import shlex
import subprocess
from pathlib import Path

from tests.e2e.running import Up
from tests.support.command import ENVIRONMENT

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/analysts.md", "docs/officers.md", "docs/operating.md")
BLOCKS = [
    line
    for page in PAGES
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    for line in block.splitlines()
]
RUN_ELSEWHERE = {
    "make demo": "tests/e2e/test_demo.py",
    "make quick": "tests/contract/test_make.py",
    "make check": ".ci/run",
    "make test": ".ci/run",
}


def test_up_and_every_command_beside_it(make_up: Up) -> None:
    assert "make up" in BLOCKS
    commands = [line for line in BLOCKS if line.startswith("crossregion ")]
    assert len(commands) > 3
    for command in commands:
        done = subprocess.run(
            shlex.split(command),
            cwd=ROOT,
            env={**ENVIRONMENT, **make_up.here},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_every_make_target_is_run_by_a_test() -> None:
    targets = {line for line in BLOCKS if line.startswith("make ")} - {"make up"}
    assert targets == RUN_ELSEWHERE.keys()
    for target, file in RUN_ELSEWHERE.items():
        assert target.removeprefix("make ") in (ROOT / file).read_text("utf-8")
