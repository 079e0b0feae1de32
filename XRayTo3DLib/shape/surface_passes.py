"""A template bent onto a surface in passes, each finer than the last, to the closest points. LPS mm.

Source: optimal step nonrigid ICP, Amberg, Romdhani and Vetter, CVPR 2007, doi:10.1109/CVPR.2007.383165, with Gaussian
kernels growing narrower in place of a falling stiffness (as the growing number of knots in GIAS2's ``rbfreg``). A point
goes no farther than it must: what the surface does not say (how far to slide along a smooth shaft) stays as it was put.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.shape.closest_points import closest_points, on_boundary
from XRayTo3DLib.shape.coherent_point_drift_kernel import gaussian_kernel
from XRayTo3DLib.shape.meshes import boundary_edges, points_of, triangles_of
from XRayTo3DLib.shape.surface_pull import FACING, vertex_normals

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class PassOptions:
    """How the template is bent.

    Attributes:
        widths: Of the Gaussian of each pass, in sizes of the template (root mean square spread per axis).
        stiffness: Larger bends less: weight of the bending against one point's squared distance.
        rounds: Of closest points in each pass.
        rank: Columns of each kernel's factor.
    """

    widths: tuple[float, ...] = (2.0, 1.0, 0.5, 0.3)
    stiffness: float = 0.01
    rounds: int = 4
    rank: int = 150


def pass_kernels(points: FloatArray, options: PassOptions) -> list[FloatArray]:
    """Factors ``(n, k)`` of each pass's kernel between template ``points (n, 3)``."""
    size = float(np.sqrt(points.var(axis=0).mean()))
    return [gaussian_kernel(points, width * size, options.rank) for width in options.widths]


def bend_in_passes(
    surface: vtkPolyData,
    points: FloatArray,
    triangles: IntArray,
    kernels: list[FloatArray],
    rows: IntArray,
    options: PassOptions,
) -> FloatArray:
    """The template's ``points (n, 3)`` mm bent onto ``surface``, on which they lie roughly.

    Args:
        surface: Facing outward.
        points: ``(n, 3)`` mm.
        triangles: ``(m, 3)`` of the template, facing outward.
        kernels: From :func:`pass_kernels`.
        rows: Vertices that are matched.
        options: How.
    """
    target, target_triangles = points_of(surface), triangles_of(surface)
    normals = vertex_normals(target, target_triangles)
    is_open = len(boundary_edges(surface)) > 0
    for kernel in kernels:
        base = points
        for _ in range(options.rounds):
            closest = closest_points(surface, points[rows])
            theirs = normals[target_triangles[closest.triangles]].mean(axis=1)
            used = np.einsum("nd,nd->n", vertex_normals(points, triangles)[rows], theirs) > FACING
            if is_open:
                used &= ~on_boundary(surface, closest.points)
            part = kernel[rows[used]]
            inner = part.T @ part + options.stiffness * np.eye(kernel.shape[1])
            moves = closest.points[used] - base[rows[used]]
            points = base + kernel @ np.linalg.solve(inner, part.T @ moves)
    return points
