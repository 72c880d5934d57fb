"""Records a new migration's digest and part of the database, kept or derived.

`python -m tests.support.record_migration 0018_what_it_does.sql derived`
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path

MIGRATIONS = Path(__file__).parents[2] / "consumers/registry/sql/migrations"
DIGESTS = MIGRATIONS / "digests.json"


def sha256(name: str, directory: Path = MIGRATIONS) -> str:
    """The SHA-256 of a migration's file, in hexadecimal digits."""
    return hashlib.sha256((directory / name).read_bytes()).hexdigest()


def record(name: str, part: str, directory: Path = MIGRATIONS) -> None:
    """Add a migration's digest and the part of the database that it changes; never change one.

    Raises: ValueError.
    """
    digests = json.loads((directory / DIGESTS.name).read_text("utf-8"))
    if name in digests:
        raise ValueError(f"{name} is recorded: what databases have run is not changed, add another")
    if re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", name) is None:
        raise ValueError(f"{name}: name it NNNN_what_it_does.sql")
    if digests and name[:4] <= max(digests)[:4]:
        raise ValueError(f"{name}: the next number is {int(max(digests)[:4]) + 1:04}")
    if part not in ("kept", "derived"):
        raise ValueError(f"{part}: a migration changes what is kept or what is derived")
    digests[name] = {"part": part, "sha256": sha256(name, directory)}
    text = json.dumps(digests, indent=2) + "\n"
    (directory / DIGESTS.name).write_text(text, "utf-8")


if __name__ == "__main__":
    try:
        named, changed = sys.argv[1:]
        record(named, changed)
    except (ValueError, OSError) as error:
        sys.exit(str(error))
