"""What a refinement did to one bone, and whether its uncertainty says so: errors before, after, aligned, by vertex."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from vtkmodules.vtkCommonCore import mutable, reference
from vtkmodules.vtkCommonDataModel import vtkPolyData, vtkStaticCellLocator

from XRayTo3DLib.evaluation.reconstruction_trials import Field, directed_numbers
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.shape.closest_points import ClosestPoints, closest_points
from XRayTo3DLib.shape.meshes import points_of, transformed, triangles_of

SAMPLES = 2000
"""Points measured from on each surface: means within 0.01 mm of those of more."""
REACH_MM = 8.0
"""So far along a vertex's normal the true surface is looked for."""
ALIGNED_POINTS, ALIGNED_ROUNDS = 250, 6


@dataclass(frozen=True, eq=False)
class RefinedOutcome:
    """One bone of one person, refined from one start.

    Attributes:
        case: Which case.
        patient: Whose.
        views: "PA", "PA,LAT", ...
        start: Where it began ("mean shape", "TL-net", ...).
        bone: Which.
        before_mm: ASSD of the start where the radiographs put it; NaN where the start has no such bone.
        after_mm: ASSD of the refined bone, likewise.
        before_aligned_mm: ASSD after the best rigid motion: of the shape alone.
        after_aligned_mm: The same of the refined bone.
        seconds: Of the refinement of the whole case.
        likeness: Mean LNCC over views at the end.
        depth_sd_mm: Posterior standard deviation of the bone's place along the first view's beam, mm.
        depth_flag: Whether the refinement says that it does not know that.
        errors_mm: (n,) where the true surface lies along each vertex's normal, mm; NaN outside the field; refined from
            the mean shape only, none otherwise.
        sd_mm: (n,) what the posterior says of it.
    """

    case: str
    patient: str
    views: str
    start: str
    bone: str
    before_mm: float
    after_mm: float
    before_aligned_mm: float
    after_aligned_mm: float
    seconds: float
    likeness: float
    depth_sd_mm: float = math.nan
    depth_flag: bool = False
    errors_mm: FloatArray = field(default_factory=lambda: np.zeros(0))
    sd_mm: FloatArray = field(default_factory=lambda: np.zeros(0))

    @property
    def worse_mm(self) -> float:
        """By how much it ended worse than it began, mm; below zero where it ended better."""
        return self.after_mm - self.before_mm


def assd_mm(truth: vtkPolyData, found: vtkPolyData | None, box: Field) -> float:
    """ASSD inside a box, mm; NaN where nothing was found.

    Raises:
        InputError: The truth has no surface there.
    """
    numbers = directed_numbers(truth, found, box, SAMPLES)
    return math.nan if numbers is None else numbers.assd_mm


def aligned(truth: vtkPolyData, found: vtkPolyData, box: tuple[FloatArray, FloatArray]) -> vtkPolyData:
    """A found bone after the rigid motion that lays it best on the true one (point to plane, in the box)."""
    points = points_of(found)
    inside = points[_in_box(points, box)]
    chosen = inside[:: max(1, len(inside) // ALIGNED_POINTS)]
    facing, motion = _facing(truth), np.eye(4)
    for _ in range(ALIGNED_ROUNDS if len(chosen) >= 6 else 0):
        now = chosen @ motion[:3, :3].T + motion[:3, 3]
        motion = _towards(now, closest_points(truth, now), facing) @ motion
    return transformed(found, motion)


def _towards(points: FloatArray, near: ClosestPoints, facing: FloatArray) -> FloatArray:
    """(4, 4) motion that lowers the distances of points (n, 3) to the planes of the nearest triangles, mm."""
    across = facing[near.triangles]
    centre = points.mean(axis=0)
    rows = np.concatenate([np.cross(points - centre, across), across], axis=1)
    step = np.linalg.lstsq(rows, np.einsum("nd,nd->n", near.points - points, across), rcond=None)[0]
    return RigidPose.from_rotation(np.rad2deg(step[:3]), step[3:], centre).matrix


def normal_errors(
    points: FloatArray, normals: FloatArray, truth: vtkPolyData, box: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """(n,) where the true surface lies along each vertex's normal, mm, positive outside.

    The nearest crossing that faces the same way, within :data:`REACH_MM`; where the line meets none, the distance to
    the true surface's nearest point, with its sign.

    Args:
        points: (n, 3) vertices, mm.
        normals: (n, 3) outward unit normals.
        truth: True surface, its triangles turned outward.
        box: (3,) lowest and (3,) highest corner: vertices outside get NaN.
    """
    facing = _facing(truth)
    locator = vtkStaticCellLocator()
    locator.SetDataSet(truth)
    locator.BuildLocator()
    inside = np.flatnonzero(_in_box(points, box))
    errors = np.full(len(points), np.nan)
    near = closest_points(truth, points[inside])
    signs = np.sign(np.einsum("nd,nd->n", near.points - near.queries, facing[near.triangles]))
    for place, vertex in enumerate(inside.tolist()):
        met = [_crossing(locator, points[vertex], normals[vertex], way, facing) for way in (1.0, -1.0)]
        away = float(signs[place] * near.distances[place])
        errors[vertex] = min((each for each in met if each is not None), key=abs, default=away)
    return errors


def _crossing(
    locator: vtkStaticCellLocator, start: FloatArray, normal: FloatArray, way: float, facing: FloatArray
) -> float | None:
    """Where a line along a normal (``way`` 1) or against it (-1) first meets the surface, if it faces as the normal."""
    t, where, local, part, cell = mutable(0.0), [0.0] * 3, [0.0] * 3, reference(0), reference(0)
    end = start + way * REACH_MM * normal
    if not locator.IntersectWithLine(start.tolist(), end.tolist(), 1e-6, t, where, local, part, cell):
        return None
    return way * REACH_MM * float(t) if float(normal @ facing[int(cell)]) > 0 else None


def _facing(surface: vtkPolyData) -> FloatArray:
    """(t, 3) unit normals of triangles."""
    corners = points_of(surface)[triangles_of(surface)]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)


def _in_box(points: FloatArray, box: tuple[FloatArray, FloatArray]) -> np.ndarray:
    return ((points >= np.asarray(box[0])) & (points <= np.asarray(box[1]))).all(axis=1)
