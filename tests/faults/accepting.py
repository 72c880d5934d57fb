"""A process that gives events, JSON Lines on standard input, to a spool, and says how many.

    python -m tests.faults.accepting SPOOL UNIT [--most-bytes N] [--wait S]

With `--most-bytes` no file may become larger: the disk is full. With `--wait` it waits no longer
until another process lets go of the spool.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from pathlib import Path

from crossregion.process import run_process
from producers.records import LocalRecord
from producers.spool.errors import BUSY_SECONDS
from producers.spool.store import Spool
from tests.faults.generate import NAMED_BY


def main() -> None:
    parser = argparse.ArgumentParser(prog="accepting")
    parser.add_argument("spool", type=Path)
    parser.add_argument("unit")
    parser.add_argument("--most-bytes", type=int)
    parser.add_argument("--wait", type=float, default=BUSY_SECONDS)
    asked = parser.parse_args()
    given = [json.loads(line) for line in sys.stdin]
    events = [
        LocalRecord(one["event"], one["record"][NAMED_BY[one["event"]]], one["record"], ())
        for one in given
    ]
    with Spool(asked.spool, asked.unit, asked.wait) as spool:
        if asked.most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (asked.most_bytes, asked.most_bytes))
        print(spool.accept_all(events).published)  # noqa: T201


if __name__ == "__main__":
    run_process(main)
