"""The targets of the Makefile that no other test runs: what each would run."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("target", "runs"),
    [
        ("quick", "ruff check"),
        ("quick", "pytest"),
        ("dev", "-m cli.develop"),
        ("test-all", "not nightly"),
        ("nightly", "-m tests.faults"),
        ("fmt", "ruff format"),
        ("bench", "-m benchmarks"),
        ("bench-linkage", "-m benchmarks.linkage"),
        ("faults", "-m tests.faults"),
        ("docs", "-m cli.reference_pages docs"),
    ],
)
def test_a_target_runs_what_it_is_for(target: str, runs: str) -> None:
    printed = subprocess.run(
        ["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert runs in printed


def test_help_has_a_line_for_each_target() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    phony = {name for line in re.findall(r"^\.PHONY: (.*)$", text, re.M) for name in line.split()}
    told = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[0] for line in told.splitlines()} == phony
