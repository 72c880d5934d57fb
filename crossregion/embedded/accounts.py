"""The account PostgreSQL runs under when this process is root, as PostgreSQL refuses to be root."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from crossregion.embedded.processes import Account
from crossregion.errors import ServiceUnavailable

ACCOUNT_NAME = "crossregion-db"


def database_account() -> Account | None:
    """None for an ordinary user; for root the account `crossregion-db`, made if it is missing.

    Raises ServiceUnavailable when it cannot be made.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(ACCOUNT_NAME)
    except KeyError:
        _make_account()
        entry = pwd.getpwnam(ACCOUNT_NAME)
    return Account(entry.pw_uid, entry.pw_gid)


def _make_account() -> None:
    tool = shutil.which("useradd")
    if tool is None:
        raise ServiceUnavailable("no-useradd", account=ACCOUNT_NAME)
    command = [tool, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    done = subprocess.run(
        [*command, ACCOUNT_NAME], capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode not in (0, 9):
        raise ServiceUnavailable("useradd-failed", account=ACCOUNT_NAME)


def let_pass(path: Path) -> None:
    """Let other accounts go through (not list) the directories above `path`."""
    for parent in path.parents:
        mode = stat.S_IMODE(parent.stat().st_mode)
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)


def let_read(tree: Path) -> None:
    """Let other accounts read an installed program's files, however it was installed."""
    for path in (tree, *tree.rglob("*")):
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        wanted = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if wanted != mode:
            path.chmod(wanted)
