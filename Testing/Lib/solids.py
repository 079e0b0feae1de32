"""Surfaces whose every measure is known: a cube and a sphere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkFiltersSources import vtkSphereSource

from XRayTo3DLib.shape.meshes import make_surface, triangulated

CUBE_CORNERS = np.array([[x, y, z] for z in (0.0, 1.0) for y in (0.0, 1.0) for x in (0.0, 1.0)])
CUBE_TRIANGLES = np.array(
    [[0, 2, 1], [1, 2, 3], [4, 5, 6], [5, 7, 6], [0, 1, 4], [1, 5, 4],
     [2, 6, 3], [3, 6, 7], [0, 4, 2], [2, 4, 6], [1, 3, 5], [3, 7, 5]]
)  # fmt: skip


def cube(edge: float = 30.0, open_top: bool = False) -> vtkPolyData:
    triangles = CUBE_TRIANGLES[[k for k in range(12) if not (open_top and k in (2, 3))]]
    return make_surface(CUBE_CORNERS * edge, triangles)


def sphere(radius: float = 20.0, resolution: int = 100, centre: Sequence[float] = (0.0, 0.0, 0.0)) -> vtkPolyData:
    """Triangles that share their vertices, as the readers make them."""
    return triangulated(vtk_sphere(radius, resolution, resolution, centre))


def vtk_sphere(
    radius: float,
    around: int = 8,
    rings: int = 8,
    centre: Sequence[float] = (0.0, 0.0, 0.0),
    double: bool = False,
) -> vtkPolyData:
    """As VTK makes it: triangles with normals, ``around`` its axis and in ``rings``; ``double`` precision if asked."""
    source = vtkSphereSource()
    source.SetRadius(radius)
    source.SetCenter(*centre)
    source.SetThetaResolution(around)
    source.SetPhiResolution(rings)
    source.SetOutputPointsPrecision(1 if double else 0)
    source.Update()
    return source.GetOutput()
