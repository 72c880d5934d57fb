"""Triages of a tip by three units, and where each unit is."""

from __future__ import annotations

from typing import Any, cast

from crossregion.domain import tips
from crossregion.domain.events import TipTriaged
from crossregion.domain.tips import DISMISSALS, DISMISSED, LINKED
from tests.support.builders import newest_example as example

EXAMPLE = cast(TipTriaged, example("TipTriaged"))
TIP = example("TipRecorded")
A, B, C = UNITS = ("220200", "220300", "220500")
AT = {A: "220202", B: "220303", C: "220502"}
CASE = ("220800", "220800-C1")


def triage(
    verdict: str, unit: str, follows: TipTriaged | None = None, to: str | None = None, **more: Any
) -> TipTriaged:
    case_unit, case_id = CASE if verdict == LINKED else (None, None)
    made = {
        "follows": follows["triage_id"] if follows else None,
        "revision": follows["revision"] + 1 if follows else 1,
        "verdict": verdict,
        "unit": unit,
        "case_unit": case_unit,
        "case_id": case_id,
        "to_unit": to,
        "reason": DISMISSALS[0] if verdict == DISMISSED else None,
        **more,
    }
    found = cast(TipTriaged, {**EXAMPLE, **made})
    return {**found, "triage_id": tips.triage_id(found)}
