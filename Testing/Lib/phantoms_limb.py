"""Two crooked bones side by side, bare or in soft tissue, and pictures of them drawn from closed formulas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from phantoms_analytic import BONE, Ellipsoid, Shape, centred_grid, line_integrals, voxelised

from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.attenuation import BONE_HU, SOFT_TISSUE_HU, hu_to_attenuation, water_attenuation
from XRayTo3DLib.imaging.types import CtVolume, IntensityNote, Radiograph, SpacingSource

CAMERAS = {
    view: standard_camera(1000.0, (0.8, 0.9), (150, 150), source_isocentre=900.0, view=view) for view in ("PA", "LAT")
}
NEIGHBOUR: tuple[Shape, ...] = (
    Ellipsoid((27, 3, -6), (7, 8, 31), (-6, 5, 0), 1.6),
    Ellipsoid((27, 3, -6), (4, 5, 28), (-6, 5, 0), -0.6),
    Ellipsoid((28, -4, 22), (9, 12, 8), (10, 0, -25), 1.2),
    Ellipsoid((26, 9, 24), (4, 4, 9), (-20, 10, 0), 1.0),
)
"""Beside the bone of ``phantoms_analytic`` in PA, hidden behind it in LAT; water units."""
FLESH: tuple[Shape, ...] = (Ellipsoid((12, 0, -3), (46, 36, 66), (0, 0, 0), 1.0),)
EXCESS = 0.5
"""In flesh the bones' values times this are what they have more than flesh, in 1000 HU."""
WATER = water_attenuation(60.0)


def radiograph(pixels: NDArray[Any], camera: XRayCamera, name: str) -> Radiograph:
    """Line integrals (rows, columns) as a radiograph."""
    note = IntensityNote("line-integral", None, True, "closed formulas")
    return Radiograph(np.asarray(pixels, np.float32), camera, note, SpacingSource.DETECTOR, name, name=name)


def pictures(parts: Sequence[tuple[Sequence[Shape], RigidPose]], cameras: dict[str, XRayCamera]) -> list[Radiograph]:
    """Radiographs of shapes in water units, each group at its pose."""
    return [
        radiograph(WATER * sum(line_integrals(shapes, camera, pose) for shapes, pose in parts), camera, view)
        for view, camera in cameras.items()
    ]


def scaled(shapes: Sequence[Shape], factor: float) -> list[Shape]:
    """The shapes with their values times ``factor``."""
    return [type(s)(s.centre, s.radii, s.turn_deg, s.value * factor) for s in shapes]


def bare_ct(spacing: float = 1.4) -> CtVolume:
    """Both bones in air; labels "first" and "second"."""
    grid, (first, second) = _sampled(spacing, (88, 60, 96), (14, 0, 0), (BONE, NEIGHBOUR))
    return CtVolume(_whole(1000 * (first + second) - 1000), grid, _labels(first > 0.6, second > 0.6), NAMES, "bare")


def limb_ct(spacing: float = 1.6) -> CtVolume:
    """Both bones in flesh of 40 HU, in air."""
    grid, (first, second, flesh) = _sampled(spacing, (100, 80, 140), (12, 0, -3), (BONE, NEIGHBOUR, FLESH))
    hu = (1000 + SOFT_TISSUE_HU) * flesh - 1000 + 1000 * EXCESS * (first + second)
    edge = (BONE_HU - SOFT_TISSUE_HU) / 1000 / EXCESS
    return CtVolume(_whole(hu), grid, _labels(first > edge, second > edge), NAMES, "limb")


def limb_pictures(
    limb: RigidPose, first: RigidPose, second: RigidPose, cameras: dict[str, XRayCamera]
) -> list[Radiograph]:
    """Radiographs at 60 keV of :func:`limb_ct` with each bone at its own pose, flesh filling where it was."""
    steep = float(hu_to_attenuation(np.array([1000.0]))[0][0]) / WATER - 1  # of the bilinear curve above 0 HU
    tissue = 1 + steep * SOFT_TISSUE_HU / 1000
    more = EXCESS * steep
    groups = [(scaled(FLESH, tissue), limb), (scaled(BONE, more), first), (scaled(NEIGHBOUR, more), second)]
    return pictures(groups, cameras)


NAMES = {"first": 1, "second": 2}


def _whole(hu: NDArray[Any]) -> NDArray[np.float32]:
    return np.round(hu).astype(np.float32)


def _labels(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> NDArray[np.int32]:
    return np.where(first, 1, np.where(second, 2, 0)).astype(np.int32)


def _sampled(
    spacing: float, edges: tuple[int, int, int], centre: tuple[int, int, int], groups: Sequence[Sequence[Shape]]
) -> tuple[NDArray[Any], list[NDArray[np.float32]]]:
    size = tuple(int(np.ceil(edge / spacing)) for edge in edges)
    grid = centred_grid(size, spacing, (0, 0, 0), centre)  # type: ignore[arg-type]
    return grid, [voxelised(shapes, size, grid) for shapes in groups]  # type: ignore[arg-type]
