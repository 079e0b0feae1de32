"""Cameras and hypothesis strategies that the geometry tests share."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from XRayTo3DLib.geometry.camera import XRayCamera


def flat_camera() -> XRayCamera:
    """Everything readable by eye: source at the origin, beam along +z, 0.5 x 0.25 mm pixels, 1000 mm away."""
    return XRayCamera((0, 0, 0), (-100.0, -50.0, 1000.0), (1, 0, 0), (0, 1, 0), (0.5, 0.25), (401, 401))


def oblique_camera() -> XRayCamera:
    """Nothing special about it: turned, tilted against the beam, off centre, pixels not square."""
    turn = Rotation.from_rotvec([25, -35, 50], degrees=True).as_matrix()
    return XRayCamera(
        (30.0, -700.0, 90.0), turn @ [-80.0, 310.0, -60.0], turn[:, 0], turn[:, 2], (0.31, 0.47), (300, 220)
    )


def finite(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


def vectors(limit: float) -> st.SearchStrategy[np.ndarray]:
    return st.tuples(*[finite(-limit, limit)] * 3).map(np.array)


@st.composite
def rotations(draw: st.DrawFn, limit_deg: float = 179.0) -> np.ndarray:
    """Rotation matrices of at most ``limit_deg`` about any axis."""
    axis = draw(vectors(1.0).filter(lambda v: np.linalg.norm(v) > 0.1))
    angle = np.deg2rad(draw(finite(0.0, limit_deg)))
    return Rotation.from_rotvec(axis / np.linalg.norm(axis) * angle).as_matrix()


@st.composite
def cameras(draw: st.DrawFn) -> XRayCamera:
    """Cameras anywhere: either handedness, tilted detectors, principal points off the detector, oblong pixels."""
    turn = draw(rotations())
    mirror = draw(st.sampled_from([-1.0, 1.0]))
    sdd = draw(finite(200.0, 3000.0))
    spacing = draw(finite(0.05, 2.0)), draw(finite(0.05, 2.0))
    size = draw(st.integers(1, 3000)), draw(st.integers(1, 3000))
    foot = np.array([draw(finite(-1.0, 2.0)) * size[0] * spacing[0], draw(finite(-1.0, 2.0)) * size[1] * spacing[1]])
    source = draw(vectors(2000.0))
    origin = source + turn @ [-foot[0], -foot[1], mirror * sdd]
    return XRayCamera(source, origin, turn[:, 0], turn[:, 1], spacing, size)
