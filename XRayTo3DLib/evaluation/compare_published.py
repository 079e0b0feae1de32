"""What papers report, on their own data, beside a comparison's numbers: never a comparison with them."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from XRayTo3DLib.evaluation.biplanar_published import PUBLISHED, THEIR_DRRS, THEIR_RADIOGRAPHS
from XRayTo3DLib.evaluation.depth_tables import PAPER_ASSD_MM, kind_of
from XRayTo3DLib.evaluation.experiment_tables import DASH, PAPER_ASD_MM

_OUTLINES = "Of the radiographs of Kasten et al. outlines were compared, in the plane."
_SHIODE = "Shiode et al. measure vertex to vertex, from one actual radiograph."
_GU = "Gu et al. measure what one radiograph shows, after its depth was aligned."


@dataclass(frozen=True)
class Line:
    """A bone in a paper.

    Attributes:
        name: Whose, and of what.
        distance_mm: Mean surface distance, mm, as they define it.
        dice: Their Dice; NaN if not given.
        note: What must be said of it.
    """

    name: str
    distance_mm: float
    dice: float = math.nan
    note: str = ""


def lines_for(bone: str) -> list[Line]:
    """Published lines about a bone, by the name it has in a data set."""
    found = []
    for each in PUBLISHED:
        if bone in each.bones:
            on = "" if each.pictures == DASH else f", {each.pictures}"
            note = _OUTLINES if each is THEIR_RADIOGRAPHS else ""
            found.append(Line(f"{each.method}{on}", *each.bones[bone], note))
    if bone in PAPER_ASD_MM:
        found.append(Line("Shiode et al. 2021", PAPER_ASD_MM[bone], note=_SHIODE))
    kind = kind_of(bone)
    if kind != bone:  # a side in its name: one of both hips
        (pixels, *_), best = PAPER_ASSD_MM[-1]
        if kind in best:
            found.append(Line(f"Gu et al. 2024, {pixels} pixels", best[kind], note=_GU))
    return found


def mean_line(bones: Collection[str]) -> tuple[str, str] | None:
    """A paper's mean over the very same bones, as a name and a sentence; ``None`` where no paper gives one."""
    if set(bones) != set(THEIR_DRRS.bones):
        return None
    distance, overlap = THEIR_DRRS.mean
    return (
        "Published",
        f"Kasten et al. 2020, on their own data ({THEIR_DRRS.pictures}), no comparison: Chamfer {distance:.3f} mm and "
        f"Dice {overlap:.3f}, mean of these bones; {THEIR_DRRS.seconds:g} s a case.",
    )
