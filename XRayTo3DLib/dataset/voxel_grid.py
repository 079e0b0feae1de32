"""The cube of voxels that a reconstruction fills, and soft labels on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray, vector3

if TYPE_CHECKING:
    from torch import Tensor

WRIST_CENTRE_MM = (-8.0, 0.0, -26.0)
"""Middle of radius and ulna in a wrist's anatomical frame (right, or a left one mirrored): 40 mm round it holds the
distal 66 mm of both bones, mm."""


@dataclass(frozen=True)
class VoxelGrid:
    """A cube of ``size`` voxels along every axis, along the axes of the reconstruction frame.

    Attributes:
        size: Voxels along x, y and z.
        spacing_mm: Edge of a voxel, mm; Shiode et al. (Sci Rep 11:15249, 2021): 128 voxels of 0.625 mm.
        centre_mm: (3,) middle of the cube in the reconstruction frame, mm.

    Raises:
        InputError: No voxels, a spacing that is not above zero, or a centre that is not three numbers.
    """

    size: int = 128
    spacing_mm: float = 0.625
    centre_mm: tuple[float, float, float] = WRIST_CENTRE_MM

    def __post_init__(self) -> None:
        if self.size != int(self.size) or self.size < 2:
            raise InputError(f"a voxel grid needs a whole number of voxels, 2 or more along an axis, not {self.size}.")
        if not (np.isfinite(self.spacing_mm) and self.spacing_mm > 0):
            raise InputError(f"the spacing of a voxel grid must be greater than zero (mm), not {self.spacing_mm}.")
        object.__setattr__(self, "size", int(self.size))
        object.__setattr__(self, "spacing_mm", float(self.spacing_mm))
        x, y, z = vector3(self.centre_mm, "centre of the voxel grid").tolist()
        object.__setattr__(self, "centre_mm", (x, y, z))

    @property
    def voxel_to_frame(self) -> FloatArray:
        """(4, 4) from voxel centres (column, row, slice, 1) to the reconstruction frame, mm."""
        result = np.diag([self.spacing_mm] * 3 + [1.0])
        result[:3, 3] = np.array(self.centre_mm) - 0.5 * (self.size - 1) * self.spacing_mm
        return result

    @property
    def extent_mm(self) -> float:
        """Edge of the cube, outer voxel faces included, mm."""
        return self.size * self.spacing_mm

    def axes(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Voxel centres along x, y and z, each (size,) mm."""
        steps = (np.arange(self.size) - 0.5 * (self.size - 1)) * self.spacing_mm
        x, y, z = (steps + middle for middle in self.centre_mm)
        return x, y, z

    def points(self) -> FloatArray:
        """(size, size, size, 3) voxel centres (x, y, z) in the reconstruction frame, mm, indexed [z, y, x]."""
        x, y, z = self.axes()
        slices, rows, columns = np.meshgrid(z, y, x, indexing="ij")
        return np.stack([columns, rows, slices], axis=-1)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON types."""
        return {"size": self.size, "spacing_mm": self.spacing_mm, "centre_mm": list(self.centre_mm)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> VoxelGrid:
        """Inverse of :meth:`to_dict`.

        Raises:
            InputError: A field is missing, unknown or no number.
        """
        try:
            return cls(**{**content, "centre_mm": tuple(content["centre_mm"])})
        except (KeyError, TypeError) as error:
            raise InputError(f"voxel grid: give size, spacing_mm and centre_mm ({error}).") from error


def soft_labels(distances: Tensor, width_mm: float) -> Tensor:
    """Share of each voxel that every bone fills: clip(1/2 - distance / width, 0, 1).

    For a flat surface along the grid's axes and a width of one voxel that is the filled share exactly.

    Args:
        distances: (..., labels, Z, Y, X) signed distances to the bones' surfaces, negative inside, mm.
        width_mm: Length over which a label fades, mm: the grid's spacing.

    Returns:
        (..., labels, Z, Y, X) in [0, 1]; where bones touch their sum is kept at 1 or below.
    """
    filled = (0.5 - distances / width_mm).clamp(0.0, 1.0)
    return filled / filled.sum(dim=-4, keepdim=True).clamp(min=1.0)
