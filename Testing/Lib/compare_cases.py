"""Results of a comparison made up for tests of its tables and figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from XRayTo3DLib.evaluation.compare_results import Measured, Row
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome

BONES = ("femur", "tibia", "patella", "fibula")
COLUMNS = {"View 5°": ["turned-5", "turned+5"], "Soft tissue": ["tissue"]}


def outcome(case: str, bone: str, assd_mm: float, **more: object) -> ReconstructionOutcome:
    """One bone of one person, whose name is the case's."""
    numbers = {"to_truth_mm": assd_mm, "from_truth_mm": assd_mm, "dice": 1 - assd_mm / 20, **more}
    return ReconstructionOutcome(case, case, "method", bone, assd_mm, assd_mm, 3 * assd_mm, **numbers)  # type: ignore[arg-type]


def measured(errors: Mapping[str, Sequence[float]], refused: Mapping[str, str] | None = None) -> Measured:
    """``errors[condition][person]``; every bone has the person's."""
    outcomes = {
        key: tuple(outcome(f"p{number}", bone, error) for number, error in enumerate(values) for bone in BONES)
        for key, values in errors.items()
    }
    return Measured(("AP", "LAT"), False, outcomes, refused or {}, (9.0, 0.2, 0.4), 1.5, 500.0, 300.0, 4.0, True)


def rows() -> list[Row]:
    """A trained method, a given one without soft tissue, one that is left out, one that failed."""
    full = {"plain": [1.0, 2.0, 3.0], "turned-5": [2.0, 3.0], "turned+5": [4.0, 5.0], "tissue": [6.0, 7.0]}
    some = {"plain": [4.0, 4.0, 4.0], "turned-5": [4.0, 4.0], "turned+5": [4.0, 4.0]}
    return [
        Row("tl-net", "tl-net", measured(full), training_s=90.0),
        Row("mean-shape", "mean-shape", measured(some, {"tissue": "no tissue here"}), training_s=math.nan),
        Row("dual-face-depth", "dual-face-depth", why_not="it needs AP radiographs"),
        Row("ridge", "ridge", why_not="its memory ran out", failed=True),
    ]
