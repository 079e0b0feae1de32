"""Metal in a simulated picture: wires and beads, as markers and fixation leave them. Exact chords, no volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray

STEEL_MU = 0.9
"""Linear attenuation of steel at about 60 keV, 1/mm (NIST XCOM iron, 1.2 cm2/g, 7.9 g/cm3; rounded)."""
TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Metal:
    """Beads and straight wires, in the CT's LPS mm.

    Attributes:
        beads: (N, 3) centres.
        wires: (M, 2, 3) ends.
        bead_radius: mm.
        wire_radius: mm.

    Raises:
        InputError: Other shapes, a radius that is not positive, or a wire without length.
    """

    beads: FloatArray
    wires: FloatArray
    bead_radius: float = 1.5
    wire_radius: float = 0.8

    def __post_init__(self) -> None:
        beads, wires = (np.asarray(points, dtype=np.float64) for points in (self.beads, self.wires))
        if beads.shape[1:] != (3,) or wires.shape[1:] != (2, 3):
            raise InputError(f"metal: beads (N, 3) and wires (M, 2, 3) are needed, not {beads.shape}, {wires.shape}.")
        lengths = np.linalg.norm(wires[:, 1] - wires[:, 0], axis=1)
        if min(self.bead_radius, self.wire_radius, *lengths) <= 0:
            raise InputError("metal: radii and lengths of beads and wires must be greater than zero (mm).")
        object.__setattr__(self, "beads", beads)
        object.__setattr__(self, "wires", wires)

    @classmethod
    def around(cls, centre: FloatArray, reach_mm: float, generator: np.random.Generator) -> Metal:
        """Four beads and one wire at random places: beads within ``reach_mm`` of ``centre`` (3,) along each axis."""
        beads = centre + generator.uniform(-reach_mm, reach_mm, (4, 3))
        middle = centre + generator.uniform(-0.5 * reach_mm, 0.5 * reach_mm, 3)
        half = generator.normal(size=3)
        half *= reach_mm / np.linalg.norm(half)
        return cls(beads, np.array([[middle - half, middle + half]]))

    def line_integrals(self, camera: XRayCamera, pose: RigidPose) -> NDArray[np.float64]:
        """(rows, columns) dimensionless line integrals under ``pose`` (CT to world).

        Everything on a pixel's ray counts, also past the detector; where pieces overlap they add up.
        """
        columns, rows = camera.size
        rays = camera.rays(np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1))
        total = np.zeros((rows, columns))
        for bead in pose.apply(self.beads):
            total += _ball(bead - camera.source, rays, self.bead_radius)
        for start, end in pose.apply(self.wires):
            total += _wire(camera.source, rays, start, end, self.wire_radius)
        return STEEL_MU * total


def _ball(to_centre: FloatArray, rays: FloatArray, radius: float) -> FloatArray:
    """Chords of unit rays (..., 3) through a ball whose centre lies ``to_centre`` (3,) from their source, mm."""
    across = np.cross(to_centre, rays)
    return 2 * np.sqrt(np.maximum(radius**2 - (across**2).sum(axis=-1), 0))


def _wire(source: FloatArray, rays: FloatArray, start: FloatArray, end: FloatArray, radius: float) -> FloatArray:
    """Chords of unit rays (..., 3) through a cylinder with flat ends: what lies within its mantle and between its ends.

    With a point of a ray p = s + t r taken from ``start``, parts along and across the axis: the mantle is where
    (s + t r)_across has length ``radius`` (a quadratic in t), the ends are where (s + t r)_along is 0 and the length.
    """
    length = np.linalg.norm(end - start)
    axis = (end - start) / length
    offset = source - start
    along, offset_along = rays @ axis, offset @ axis
    across, offset_across = rays - along[..., None] * axis, offset - offset_along * axis
    square = np.maximum((across**2).sum(axis=-1), TINY)
    half = across @ offset_across
    discriminant = half**2 - square * (offset_across @ offset_across - radius**2)
    root = np.sqrt(np.maximum(discriminant, 0))
    along = np.where(np.abs(along) < TINY, TINY, along)
    ends = np.stack([-offset_along / along, (length - offset_along) / along])
    enter = np.maximum((-half - root) / square, ends.min(axis=0))
    leave = np.minimum((-half + root) / square, ends.max(axis=0))
    return np.where(discriminant > 0, np.maximum(leave - enter, 0), 0.0)
