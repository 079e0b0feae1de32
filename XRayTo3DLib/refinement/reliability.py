"""What a refinement does not know: bones whose place is open along a direction, and vertices not to be believed.

One view says next to nothing of how far a bone is from the tube: it comes from the prior. The posterior says so; this
module turns it into a flag, so that nobody has to read covariances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.refinement.posterior import Posterior

OPEN_MM = 1.0
"""A bone's place is called open along a direction whose standard deviation is larger than this, mm."""
FACING_DEG = 45.0
"""Vertices whose normal lies within this of an open direction are not to be believed, degrees."""


@dataclass(frozen=True, eq=False)
class OpenPlace:
    """The direction along which a bone's place is known least.

    Attributes:
        bone: Which.
        direction: (3,) unit vector in the frame.
        sd_mm: Standard deviation of the middle of its vertices along it, mm.
        is_open: Whether that is above :data:`OPEN_MM`: if it is along a beam, the bone's depth is unknown.
    """

    bone: str
    direction: FloatArray
    sd_mm: float
    is_open: bool


def open_places(posterior: Posterior) -> dict[str, OpenPlace]:
    """By bone, how well its place is known along the direction in which it is known least."""
    found = {}
    for bone in posterior.state.bones:
        values, vectors = np.linalg.eigh(place_covariance(posterior, bone))
        sd = float(np.sqrt(max(values[-1], 0.0)))
        found[bone] = OpenPlace(bone, vectors[:, -1], sd, sd > OPEN_MM)
    return found


def place_covariance(posterior: Posterior, bone: str) -> FloatArray:
    """(3, 3) covariance of the middle of a bone's vertices, mm^2: pose and shape, without the floor."""
    middle = posterior.moves(bone).mean(axis=0)
    return np.asarray(middle @ posterior.block(bone) @ middle.T)


def depth_sd_mm(posterior: Posterior, bone: str, source: FloatArray) -> float:
    """Standard deviation of a bone's place along the ray from a camera's source (3,) to its middle, mm."""
    ray = posterior.points(bone).mean(axis=0) - source
    ray = ray / np.linalg.norm(ray)
    return float(np.sqrt(ray @ place_covariance(posterior, bone) @ ray))


def unreliable(posterior: Posterior, bone: str) -> NDArray[np.bool_]:
    """(n,) vertices that face along a bone's open direction, either way; none where no direction is open."""
    place = open_places(posterior)[bone]
    along = np.abs(posterior.normals(bone) @ place.direction)
    return np.asarray(place.is_open & (along > np.cos(np.deg2rad(FACING_DEG))))
