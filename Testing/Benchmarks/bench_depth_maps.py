"""How fast depth maps of one mesh are, beside VTK's ray casting with a search tree, and how much the two differ.

One thread, repeats interleaved, medians. VTK casts only the rays that hit, one call from Python each.

    python bench_depth_maps.py
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkIdList, vtkPoints
from vtkmodules.vtkCommonDataModel import vtkStaticCellLocator
from vtkmodules.vtkFiltersSources import vtkSphereSource

from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.projection.depth_maps import mesh_depth
from XRayTo3DLib.shape.meshes import make_surface, points_of, triangles_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Lib"))
from phantoms_analytic import looking_camera

REPEATS = 5
CASES = ((256, 101), (256, 225), (512, 101), (1024, 101))


def main() -> None:
    print(" pixels  triangles  rays hit    ours ms     VTK ms  ratio  largest difference mm")
    for size, resolution in CASES:
        points, triangles = bone(resolution)
        camera = looking_camera((size, size), 256 / size)
        ours, theirs = [], []
        rays = np.argwhere(mesh_depth(camera, points, triangles).mask)
        for _ in range(REPEATS):
            start = time.perf_counter()
            maps = mesh_depth(camera, points, triangles)
            ours.append(time.perf_counter() - start)
            start = time.perf_counter()
            front = cast_by_vtk(camera, points, triangles, rays[:, ::-1])
            theirs.append(time.perf_counter() - start)
        mine, vtk = 1e3 * np.median(ours), 1e3 * np.median(theirs)
        worst = np.abs(front - maps.front_mm[maps.mask]).max()
        print(
            f"{size:4d}^2 {len(triangles):10d} {len(rays):9d} {mine:10.1f} {vtk:10.1f} {vtk / mine:6.1f}  {worst:.1e}"
        )


def bone(resolution: int) -> tuple[np.ndarray, np.ndarray]:
    """A closed surface as long and thick as a distal radius with its joint."""
    source = vtkSphereSource()
    source.SetRadius(1.0)
    source.SetThetaResolution(resolution)
    source.SetPhiResolution(resolution)
    source.Update()
    return points_of(source.GetOutput()) * [20, 25, 60], triangles_of(source.GetOutput())


def cast_by_vtk(camera: XRayCamera, points: Any, triangles: Any, pixels: Any) -> np.ndarray:
    """(n,) distances to the nearest crossing of the rays that hit; building the tree counts."""
    locator = vtkStaticCellLocator()
    locator.SetDataSet(make_surface(points, triangles))
    locator.BuildLocator()
    nearest, hits, cells = [], vtkPoints(), vtkIdList()
    for end in camera.pixel_to_world(pixels):
        locator.IntersectWithLine(camera.source, end, 1e-9, hits, cells)
        found = vtk_to_numpy(hits.GetData()) - camera.source
        nearest.append(np.sqrt((found**2).sum(axis=1).min()))
    return np.array(nearest)


if __name__ == "__main__":
    main()
