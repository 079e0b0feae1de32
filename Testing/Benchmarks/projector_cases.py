"""What the projector benchmarks draw: phantoms 204.8 mm wide, seen obliquely."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.registration.motion import CentredMotion

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Lib"))
from phantoms_analytic import LIMB, SMOOTH_LIMB, centred_grid, line_integrals, voxelised  # noqa: E402
from rtk_joseph import camera_of, rtk_geometry  # noqa: E402

EXTENT_MM = 204.8
DETECTOR_MM = 300.0
"""Along its shorter side."""
PHANTOMS = {"smooth": SMOOTH_LIMB, "limb": LIMB, "bones": LIMB[1:]}
"""A soft limb without edges that fills the volume; a limb with edges; its bones alone, air elsewhere."""
MOTION = CentredMotion((3.0, -5.0, 2.0))
IDENTITY = RigidPose.identity()


@dataclass(frozen=True)
class Case:
    """A phantom of ``count`` voxels each way and a detector of ``size`` (columns, rows)."""

    name: str
    count: int
    size: tuple[int, int]

    @property
    def voxel(self) -> float:
        """Edge of a voxel, mm."""
        return EXTENT_MM / self.count

    @property
    def spacing(self) -> float:
        """Of the pixels, mm."""
        return DETECTOR_MM / min(self.size)

    @property
    def camera(self) -> XRayCamera:
        """SDD 1020 mm, source to centre 700 mm, nothing aligned to voxels."""
        return camera_of(rtk_geometry(), self.size, self.spacing)

    @cached_property
    def grid(self) -> np.ndarray:
        """(4, 4) voxel to LPS."""
        return centred_grid((self.count,) * 3, self.voxel)

    @cached_property
    def volume(self) -> np.ndarray:
        """(slices, rows, columns) float32."""
        return voxelised(PHANTOMS[self.name], (self.count,) * 3, self.grid)

    @cached_property
    def truth(self) -> np.ndarray:
        """(rows, columns) line integrals in closed form."""
        return line_integrals(PHANTOMS[self.name], self.camera)

    def with_detector(self, size: tuple[int, int]) -> Case:
        """The same volume on another detector."""
        other = Case(self.name, self.count, size)
        other.__dict__.update({name: self.__dict__[name] for name in ("grid", "volume") if name in self.__dict__})
        return other

    def __str__(self) -> str:
        return f"{self.name} {self.count}^3 -> {self.size[0]} x {self.size[1]}"
