"""Half a turn in steps of 0.1 degrees: does a projector's picture jump?

A pixel may change fast where an edge passes it; a jump is a change that no derivative foretells and that stays as high
however small the step. So every step is compared with the mean of the derivatives at its ends, and every step that
leaves more than ``LIMIT`` is walked again in tenths: what an edge or a bend leaves falls there, what a jump leaves
stays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from projector_cases import EXTENT_MM, IDENTITY, PHANTOMS

from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.projection.drr import DrrProjector
from XRayTo3DLib.projection.shear_warp import ShearWarpProjector
from XRayTo3DLib.registration.motion import CentredMotion

from phantoms_analytic import centred_grid, looking_camera, voxelised  # isort: skip

AXES = {"z": (0, 0, 1.0), "x": (1.0, 0, 0), "oblique": (0.31, 0.21, 0.927)}
LIMIT = 0.003


def unexplained(projector: Any, camera: XRayCamera, axis: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Per step the largest change of a pixel that the mean of the derivatives at its ends does not foretell."""
    found, before = [], None
    motion = CentredMotion([0] * 3)
    for angle in angles:
        image, derivatives = projector.with_jacobian(camera, RigidPose.from_rotation(axis * angle), motion)
        slope = np.tensordot(axis, derivatives[:3].numpy(), 1)
        if before is not None:
            foretold = 0.5 * (angles[1] - angles[0]) * (slope + before[1])
            found.append(np.abs(image.numpy() - before[0] - foretold).max())
        before = image.numpy(), slope
    return np.array(found)


def sweep(name: str, engine: str, around: str, count: int = 96, pixels: int = 48) -> bool:
    """Walk, print, and say whether the picture never jumped by more than ``LIMIT`` of its range."""
    grid = centred_grid((count,) * 3, EXTENT_MM / count)
    volume = voxelised(PHANTOMS[name], (count,) * 3, grid)
    camera = looking_camera((pixels, pixels), 300 / pixels, turn_deg=(0, 0, 0))
    projector = ShearWarpProjector(volume, grid) if engine == "numba" else DrrProjector(volume, grid)
    height = float(projector(camera, IDENTITY).max())
    axis = np.array(AXES[around]) / np.linalg.norm(AXES[around])
    angles = np.arange(0, 180.05, 0.1)
    coarse = unexplained(projector, camera, axis, angles) / height
    over = np.flatnonzero(coarse > LIMIT)
    tenths = [unexplained(projector, camera, axis, angles[at] + np.arange(11) * 0.01).max() / height for at in over]
    jump = max(tenths, default=0.0)
    print(
        f"  {engine}, {name}, about {around}: a step is foretold to {100 * np.median(coarse):.4f} % of the range, "
        f"at worst {100 * coarse.max():.3f} % ({angles[coarse.argmax()]:.1f} degrees); {len(over)} steps over "
        f"{100 * LIMIT:.1f} %, in tenths {100 * jump:.3f} %: {'A JUMP' if jump > LIMIT else 'no jump'}",
        flush=True,
    )
    return jump <= LIMIT
