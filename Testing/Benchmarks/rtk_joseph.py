"""RTK's Joseph projector, set up once for every benchmark: its geometry, the same as our camera, and a projection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import itk
import numpy as np
from itk import RTK as rtk

from XRayTo3DLib.geometry import XRayCamera


def one_thread() -> None:
    """Let ITK use one thread from here on."""
    itk.MultiThreaderBase.SetGlobalMaximumNumberOfThreads(1)


def rtk_geometry() -> Any:
    """One oblique projection: source to isocentre 700 mm, SDD 1020 mm, nothing aligned to voxels."""
    geometry = rtk.ThreeDCircularProjectionGeometry.New()
    # Source to isocentre, SDD, gantry, detector offsets, out-of-plane and in-plane angle, source offsets.
    geometry.AddProjection(700.0, 1020.0, 37.0, 3.0, -5.0, 11.0, 4.0, 0.0, 0.0)
    return geometry


def camera_of(geometry: Any, size: tuple[int, int], spacing: float) -> XRayCamera:
    """RTK's first projection as a camera: its detector coordinates (u, v) in mm, centred."""
    matrix = geometry.GetProjectionCoordinatesToFixedSystemMatrix(0)
    to_world = np.array([[matrix(row, column) for column in range(4)] for row in range(4)])
    first = [-(n - 1) / 2 * spacing for n in size]
    origin = to_world @ [*first, 0.0, 1.0]
    source = np.array(geometry.GetSourcePosition(0))[:3]
    return XRayCamera(source, origin[:3], to_world[:3, 0], to_world[:3, 1], (spacing, spacing), size)


def rtk_projector(
    volume: np.ndarray, voxel: float, geometry: Any, size: tuple[int, int], spacing: float
) -> Callable[[], np.ndarray]:
    """A call that projects ``volume`` (centred, cubic voxels of ``voxel`` mm) to (rows, columns)."""
    image = itk.image_from_array(volume)
    image.SetSpacing([voxel] * 3)
    image.SetOrigin([-(n - 1) / 2 * voxel for n in volume.shape[::-1]])
    empty = itk.image_from_array(np.zeros((1, *size[::-1]), np.float32))
    empty.SetSpacing([spacing, spacing, 1.0])
    empty.SetOrigin([*(-(n - 1) / 2 * spacing for n in size), 0.0])
    kind = type(empty)

    def project() -> np.ndarray:
        projector = rtk.JosephForwardProjectionImageFilter[kind, kind].New()
        projector.SetInput(0, empty)
        projector.SetInput(1, image)
        projector.SetGeometry(geometry)
        projector.InPlaceOff()
        projector.Update()
        return itk.array_from_image(projector.GetOutput())[0]

    return project
