"""A process that gives events, JSON Lines on standard input, to a spool, and says how many.

    python -m tests.faults.accepting SPOOL UNIT [BYTES]

With BYTES no file may become larger: the disk is full.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from crossregion.runtime import run_process
from producers.export import Exported
from producers.spool import Spool
from tests.faults.generate import NAMED_BY


def main() -> None:
    path, unit, *limit = sys.argv[1:]
    given = [json.loads(line) for line in sys.stdin]
    events = [
        Exported(one["event"], one["record"][NAMED_BY[one["event"]]], one["record"], ())
        for one in given
    ]
    with Spool(Path(path), unit) as spool:
        for size in map(int, limit):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        print(spool.accept_all(events).published)  # noqa: T201


if __name__ == "__main__":
    run_process(main)
