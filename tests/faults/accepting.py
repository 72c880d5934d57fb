"""A process that gives events, JSON Lines on standard input, to a spool, and says how many."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from producers.export import Exported
from producers.spool import Spool


def main(path: str, unit: str) -> None:
    given = [json.loads(line) for line in sys.stdin]
    names = {"CaseRecorded": "case_id", "RescueRecorded": "rescue_id"}
    events = [
        Exported(one["event"], one["record"][names[one["event"]]], one["record"], ())
        for one in given
    ]
    with Spool(Path(path), unit) as spool:
        print(spool.accept_all(events).published)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
