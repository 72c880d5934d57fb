"""Train or evaluate a linkage model.

python -m crossregion.training train DIR --out MODEL --name NAME
python -m crossregion.training evaluate DIR [--model MODEL]
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

from crossregion.domain.linkage.model import load, read
from crossregion.training import labelled
from crossregion.training.evaluate import evaluate
from crossregion.training.train import Refused, train


def main() -> int:
    parser = argparse.ArgumentParser(description="Train or evaluate a linkage model.")
    parser.add_argument("what", choices=("train", "evaluate"))
    parser.add_argument("labelled", type=Path)
    parser.add_argument("--out", type=Path, default=Path("model.json"))
    parser.add_argument("--name", default="persons-1")
    parser.add_argument("--model", type=Path)
    given = parser.parse_args()
    if given.what == "evaluate":
        data = labelled.read(given.labelled)
        last_look = data.only(lambda part: part == labelled.LAST_LOOK)
        figures = evaluate(read(given.model) if given.model else load(), last_look)
    else:
        command = f"train {given.labelled.name} --name {given.name}"
        try:
            figures = train(given.labelled, given.out, given.name, date.today(), command)
        except Refused as refused:
            sys.stderr.write(f"{refused}\n")
            return 1
    sys.stdout.write("\n".join(figures.lines()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
