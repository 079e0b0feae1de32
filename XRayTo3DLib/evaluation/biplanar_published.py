"""What Kasten et al. 2020 publish, to stand beside our tables, marked as theirs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from XRayTo3DLib.evaluation.experiment_tables import DASH, Table

Pair = tuple[float, float]
"""Chamfer distance (mm) and Dice."""
NONE: Pair = (math.nan, math.nan)


@dataclass(frozen=True)
class Published:
    """A line that Kasten et al. (arXiv 2004.00871) give, on their data.

    Attributes:
        method: What it is of.
        pictures: What it was measured on.
        bones: Chamfer and Dice by bone.
        mean: Over the bones.
        seconds: A case.
        background: Dice of what is no bone.
        note: What else is said of it.
    """

    method: str
    pictures: str
    bones: Mapping[str, Pair]
    mean: Pair = NONE
    seconds: float = math.nan
    background: float = math.nan
    note: str = ""

    @property
    def name(self) -> str:
        """For a row among ours."""
        return f"{self.method} (theirs, {self.pictures})"

    def knows(self, bones: Sequence[str]) -> bool:
        """Whether it is about one of these bones."""
        return bool(set(bones) & set(self.bones))

    def cells(self, bones: Sequence[str]) -> list[str]:
        """Chamfer and Dice of these bones and their mean."""
        return [*(cell(self.bones.get(bone, NONE), 3) for bone in bones), cell(self.mean, 3)]


THEIR_DRRS = Published(
    "Kasten et al.", "DRRs of 20 CTs",
    {"femur": (1.075, 0.943), "patella": (1.709, 0.894), "tibia": (1.175, 0.945), "fibula": (1.218, 0.848)},
    (1.294, 0.907), 0.5, 0.986,
)  # fmt: skip
THEIR_RADIOGRAPHS = Published(
    "Kasten et al.", "28 pairs of radiographs",
    {"femur": (1.691, 0.948), "patella": (1.198, 0.910), "tibia": (1.135, 0.959), "fibula": (2.873, 0.809)},
    (1.724, 0.907), 0.5, note="outlines; mean of their columns, taken here",
)  # fmt: skip
PUBLISHED = (
    THEIR_DRRS,
    THEIR_RADIOGRAPHS,
    Published("SSIM (Klima et al. 2015), placed by hand", DASH, {"femur": (7.529, 0.803)}, seconds=4.88),
    Published("SSIM, start perturbed", DASH, {"femur": (8.559, 0.783)}, seconds=6.05, note="34 % did not converge"),
    Published("Chen & Fang 2020", DASH, {"femur": (3.984, 0.878)}),
)
THEIRS = (
    "The lines of Kasten et al. 2020 are theirs, on their data: other people, other pictures. They are not a "
    "comparison."
)


def published_table() -> Table:
    """Every number that Kasten et al. give, marked as theirs."""
    bones = list(THEIR_DRRS.bones)
    rows = tuple(
        (p.method, p.pictures, *p.cells(bones), number(p.background, 3), number(p.seconds, 2), p.note or DASH)
        for p in PUBLISHED
    )
    data = [(p.method, p.pictures, bone, *pair, p.seconds) for p in PUBLISHED for bone, pair in p.bones.items()]
    notes = (
        "As Kasten et al. 2020 (arXiv 2004.00871) report it, on their data; Chamfer (mm) / Dice. What the others' "
        "femurs were measured on is not known here. The mean over bones that a summary of the paper gives for "
        "radiographs does not follow from its columns and is not repeated.",
    )
    titles = [bone[:1].upper() + bone[1:] for bone in bones]
    header = ("Method", "Measured on", *titles, "Mean of bones", "Background", "Seconds", "Note")
    data_header = ("method", "pictures", "bone", "chamfer_mm", "dice", "seconds")
    return Table("Published numbers", header, rows, tuple(range(2, 9)), notes, data_header, tuple(data))


def cell(pair: Pair, decimals: int = 2) -> str:
    """ "Chamfer / Dice", or a dash."""
    if all(map(math.isnan, pair)):
        return DASH
    return f"{number(pair[0], decimals)} / {number(pair[1], 3)}"


def number(value: float, decimals: int, sign: str = "") -> str:
    """With a true minus; a dash for NaN."""
    return DASH if math.isnan(value) else f"{value:{sign}.{decimals}f}".replace("-", "−")
