"""A failpoint does nothing unless two settings and a file agree, and then strikes once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossregion.failpoints import ANY, KILLED, RAISE

PASSING = """
from crossregion.failpoints import failpoint
failpoint("here")
failpoint("here")
"""


def passed(directory: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    (directory / "there").touch()
    return subprocess.run(
        [sys.executable, "-c", PASSING],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("asked", ["here", ANY])
def test_it_strikes_once_where_all_agree(tmp_path: Path, asked: str) -> None:
    both = {"CROSSREGION_FAILPOINT": asked, "CROSSREGION_FAILPOINT_DIRECTORY": str(tmp_path)}
    (tmp_path / "here").touch()
    assert passed(tmp_path, **both).returncode == KILLED
    assert not (tmp_path / "here").exists()
    assert passed(tmp_path, **both).returncode == 0
    (tmp_path / "here").write_text(RAISE)
    raised = passed(tmp_path, **both)
    assert raised.returncode == 1
    assert "Injected" in raised.stderr
    assert (tmp_path / "there").exists()


@pytest.mark.parametrize(
    "missing", ["CROSSREGION_FAILPOINT", "CROSSREGION_FAILPOINT_DIRECTORY", "another"]
)
def test_it_does_nothing_where_one_is_missing(tmp_path: Path, missing: str) -> None:
    both = {"CROSSREGION_FAILPOINT": "here", "CROSSREGION_FAILPOINT_DIRECTORY": str(tmp_path)}
    if missing == "another":
        both["CROSSREGION_FAILPOINT"] = "elsewhere"
    both.pop(missing, None)
    (tmp_path / "here").touch()
    assert passed(tmp_path, **both).returncode == 0
    assert (tmp_path / "here").exists()
