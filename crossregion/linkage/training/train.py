"""A new version of a model: estimated, measured, and installed only if it is no worse."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

from crossregion.linkage.model import NAME, BadModel, Model, read, written
from crossregion.linkage.training import labelled
from crossregion.linkage.training.estimate import estimated
from crossregion.linkage.training.evaluate import Figures, evaluate
from crossregion.linkage.training.persons import DESIGN, untrained

WORSE_F1 = 0.002
"""So much less than the installed model, and a new one is refused."""
EXPECTED_LINKS_OFF = 0.1
"""The sum of all probabilities may differ so much from the links that there are, as a share."""


class ModelRejected(Exception):
    """The new model is not installed; the message says why."""


def train(directory: Path, out: Path, name: str, on: date, command: str) -> Figures:
    """Train on a directory of labelled records and write the model to `out`.

    Two parts of the rescues are learned from. The last look decides whether the model replaces the
    one that stands in `out`, and its figures stand in the model.
    Returns: the figures of the last look. Raises: ModelRejected, BadLine, OSError.
    """
    if not NAME.fullmatch(name):
        raise ModelRejected("A model's name is of up to 64 letters, digits, dots, - and _.")
    data = labelled.read(directory)
    learned = data.only(lambda part: part != labelled.LAST_LOOK)
    last_look = data.only(lambda part: part == labelled.LAST_LOOK)
    if not any(one["record_id"] in data.truth for one in learned.rescues):
        raise ModelRejected("There is no true pair to learn from.")
    if not any(one["record_id"] in data.truth for one in last_look.rescues):
        raise ModelRejected("There is no true pair to measure it by: the data is too small.")
    before = _installed(out)
    model = estimated(untrained(name, learned), DESIGN, learned)
    figures = evaluate(model, last_look)
    trained = {
        "on": f"{len(learned.cases)} cases, {len(learned.rescues)} rescues",
        "when": on.isoformat(),
        "command": command,
        "figures": {key: value for key, value in asdict(figures).items() if key != "by_error"},
    }
    found = figures.links
    off = abs(figures.expected_links - found) / max(found, 1)
    if off > EXPECTED_LINKS_OFF:
        raise ModelRejected(
            f"The new model expects {figures.expected_links:.0f} links, there are {found}."
        )
    if before is not None:
        had = evaluate(before, last_look).f1
        if figures.f1 < had - WORSE_F1:
            raise ModelRejected(
                f"The new model has F1 {figures.f1:.4f}, the installed one {had:.4f}."
            )
    _install(replace(model, trained=trained), out)
    return figures


def _installed(out: Path) -> Model | None:
    try:
        return read(out) if out.exists() else None
    except BadModel as error:
        raise ModelRejected(
            f"What stands in {out} cannot be compared, move it away. {error}"
        ) from error


def _install(model: Model, out: Path) -> None:
    new = out.with_name(out.name + ".new")
    new.write_text(written(model), encoding="utf-8")
    new.replace(out)
