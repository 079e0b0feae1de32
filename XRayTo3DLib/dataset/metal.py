"""Metal in a simulated picture: wires and beads, as markers and fixation leave them. Exact chords, no volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray

STEEL_MU = 0.9
"""Linear attenuation of steel at about 60 keV, 1/mm (NIST XCOM iron, 1.2 cm2/g, 7.9 g/cm3; rounded)."""


@dataclass(frozen=True, eq=False)
class Metal:
    """Beads and straight wires, in the CT's LPS mm.

    Attributes:
        beads: (N, 3) centres.
        bead_radius: mm.
        wires: (M, 2, 3) ends.
        wire_radius: mm.
    """

    beads: FloatArray
    wires: FloatArray
    bead_radius: float = 1.5
    wire_radius: float = 0.8

    @classmethod
    def around(cls, centre: FloatArray, reach_mm: float, generator: np.random.Generator) -> Metal:
        """Four beads and one wire at random places within ``reach_mm`` of ``centre``."""
        beads = centre + generator.uniform(-reach_mm, reach_mm, (4, 3))
        middle = centre + generator.uniform(-0.5 * reach_mm, 0.5 * reach_mm, 3)
        half = generator.normal(size=3)
        half *= reach_mm / np.linalg.norm(half)
        return cls(beads, np.array([[middle - half, middle + half]]))

    def line_integrals(self, camera: XRayCamera, pose: RigidPose) -> NDArray[np.float64]:
        """(rows, columns) dimensionless line integrals under ``pose`` (CT to world)."""
        columns, rows = camera.size
        pixels = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)
        rays = camera.rays(pixels)
        total = np.zeros((rows, columns))
        for bead in pose.apply(self.beads.reshape(-1, 3)):
            across = np.cross(bead - camera.source, rays)
            total += _chord(self.bead_radius**2 - (across**2).sum(axis=-1))
        for wire in self.wires.reshape(-1, 2, 3):
            start, end = pose.apply(wire)
            total += _wire(camera.source, rays, start, end, self.wire_radius)
        return STEEL_MU * total


def _chord(square: FloatArray) -> FloatArray:
    return 2 * np.sqrt(np.maximum(square, 0))


def _wire(source: FloatArray, rays: FloatArray, start: FloatArray, end: FloatArray, radius: float) -> FloatArray:
    """Chords of rays (rows, columns, 3) through a cylinder, cut where the ray passes nearest to its axis beyond an end.

    Rays within half a degree of the axis would have chords without end and are cut to the wire's length.
    """
    length = float(np.linalg.norm(end - start))
    axis = (end - start) / length
    across = np.cross(rays, axis)
    sine = np.maximum(np.linalg.norm(across, axis=-1), 0.01)
    distance = np.abs(across @ (start - source)) / sine
    cosine = rays @ axis
    offset = source - start
    place = (offset @ axis - (rays @ offset) * cosine) / np.maximum(1 - cosine**2, 1e-4)
    chord = np.minimum(_chord(radius**2 - distance**2) / sine, length)
    return np.where((place >= 0) & (place <= length), chord, 0.0)
