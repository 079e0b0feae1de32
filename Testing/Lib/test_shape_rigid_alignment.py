"""Rigid alignment against a motion that is known, and against VTK's iterative closest points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from solids import vtk_sphere
from vtkmodules.vtkCommonDataModel import vtkIterativeClosestPointTransform, vtkPolyData

from XRayTo3DLib.evaluation.comparison import compare
from XRayTo3DLib.evaluation.comparison_files import comparison_page, metrics_json
from XRayTo3DLib.shape.meshes import make_surface, points_of, transformed, triangles_of
from XRayTo3DLib.shape.rigid_alignment import rigid_alignment


def bone(resolution: int = 60, bump: float = 6.0) -> vtkPolyData:
    """A long egg with a bump: no turn lays it on itself."""
    source = vtk_sphere(1.0, resolution, resolution)
    unit, triangles = points_of(source), triangles_of(source)
    points = unit * [10.0, 14.0, 45.0] + np.outer(
        np.exp(-((unit - [0.8, 0.5, 0.4]) ** 2).sum(axis=1) / 0.1), [bump, 3, 2]
    )
    return make_surface(points, triangles)


def motion(degrees: float, shift: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.radians(degrees) * np.array([0.6, -0.64, 0.48])).as_matrix()
    matrix[:3, 3] = shift
    return matrix


@pytest.mark.parametrize(("degrees", "shift"), [(4.0, (2.0, -1.0, 3.0)), (170.0, (80.0, -300.0, 40.0))])
def test_a_known_motion_is_undone_wherever_the_bone_lies(degrees, shift):
    """Another triangulation of the same shape: corresponding vertices do not help."""
    known = motion(degrees, shift)
    found = rigid_alignment(transformed(bone(45), known), bone(60))
    probe = points_of(bone(20))
    there = probe @ known[:3, :3].T + known[:3, 3]
    error = np.linalg.norm(there @ found[:3, :3].T + found[:3, 3] - probe, axis=1)
    assert error.max() < 0.1
    assert np.linalg.det(found[:3, :3]) == pytest.approx(1.0)


def test_it_is_as_good_as_vtks_where_that_one_starts_near():
    target, source = bone(60), transformed(bone(45, bump=5.0), motion(3.0, (1.0, -1.0, 2.0)))
    peer = vtkIterativeClosestPointTransform()
    peer.SetSource(source)
    peer.SetTarget(target)
    peer.GetLandmarkTransform().SetModeToRigidBody()
    peer.SetMaximumNumberOfIterations(200)
    peer.SetMaximumNumberOfLandmarks(4000)
    peer.Update()
    theirs = np.array([[peer.GetMatrix().GetElement(r, c) for c in range(4)] for r in range(4)])
    ours = rigid_alignment(source, target)
    distances = [compare(target, transformed(source, each), samples=5000).area.assd for each in (ours, theirs)]
    assert distances[0] < 1.02 * distances[1]


def test_measuring_after_alignment_is_labelled_everywhere():
    target, source = bone(40), transformed(bone(40), motion(5.0, (3.0, 4.0, 0.0)))
    as_it_lies, aligned = compare(target, source, samples=4000), compare(target, source, samples=4000, align=True)
    assert as_it_lies.area.assd > 1.0
    assert aligned.area.assd < 0.02
    assert as_it_lies.alignment is None
    assert metrics_json(as_it_lies)["alignment"] is None
    assert np.allclose(metrics_json(aligned)["alignment"], np.linalg.inv(motion(5.0, (3.0, 4.0, 0.0))), atol=0.05)
    assert "after rigid alignment: the result was turned by 5.0 degrees" in aligned.warnings[0]
    assert np.allclose(points_of(aligned.distance_map), points_of(target), atol=0.1)
    assert "laid on the reference rigidly" in comparison_page(aligned, b"")
    assert "not aligned to each other" in comparison_page(as_it_lies, b"")
