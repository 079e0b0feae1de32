"""Measurements of real femora: within what people are, in any pose, and as another way of computing them says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial import ConvexHull
from vtkmodules.vtkCommonDataModel import vtkPolyData, vtkSphere
from vtkmodules.vtkFiltersCore import vtkCutter
from vtkmodules.vtkFiltersParallel import vtkIntegrateAttributes

from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.measurements import femur_landmarks, femur_measures, measurements_of
from XRayTo3DLib.measurements.sections import fitted_sphere, on_head
from XRayTo3DLib.shape.even_surface import even_surface
from XRayTo3DLib.shape.meshes import make_surface, points_of, sample_surface, triangles_of
from XRayTo3DLib.shape.surfaces import read_surface

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def femora(data_dir) -> tuple[np.ndarray, np.ndarray, list]:
    """Six whole left femora (6, n, 3), their triangles and their landmarks."""
    arrays = np.load(data_dir / "femur_full_10_gias2" / "femur_left_6x.npz")
    shapes, triangles = arrays["vertices"].astype(float), arrays["faces"].astype(int)
    return shapes, triangles, [femur_landmarks(shape, triangles) for shape in shapes]


def test_femora_measure_as_people_do(femora) -> None:
    """Anteversion in space of 30 femora: 19.8 (SD 9.3) degrees (Sugano 1998); neck-shaft angles of 120 to 135."""
    measured = [femur_measures(each) for each in femora[2]]
    angle, turn = (np.array([each[name] for each in measured]) for name in ("neck_shaft_angle", "femoral_anteversion"))
    assert 120 < angle.mean() < 133 and np.all((angle > 110) & (angle < 142))
    assert 8 < turn.mean() < 25 and np.all((turn > 0) & (turn < 35))
    widths = np.array([each["epicondylar_width"] for each in measured])
    assert np.all((widths > 70) & (widths < 95))


def middle_of_cut(surface: vtkPolyData, centre: np.ndarray, radius: float) -> np.ndarray:
    """Centroid of the curve in which a sphere cuts a surface, both by VTK."""
    ball, cutter, integrate = vtkSphere(), vtkCutter(), vtkIntegrateAttributes()
    ball.SetCenter(*centre)
    ball.SetRadius(radius)
    cutter.SetCutFunction(ball)
    cutter.SetInputData(surface)
    integrate.SetInputConnection(cutter.GetOutputPort())
    integrate.Update()
    return np.array(integrate.GetOutput().GetPoint(0))


def otherwise(surface: vtkPolyData) -> dict[str, float]:
    """Angles of a whole femur: SciPy's sphere, VTK's cut, principal axes of points on its surface, Qhull.

    The femora stand upright (z up); the head is the part nearest the top on the far side of the shaft.
    """
    points, _ = sample_surface(surface, 20_000)
    top = points[points[:, 2] > points[:, 2].max() - 25.0]
    guess = top.mean(axis=0)
    for reach in (30.0, 27.0, 26.0):
        near = points[(np.linalg.norm(points - guess, axis=1) < reach) & (points[:, 2] > guess[2] - 5.0)]
        found = least_squares(
            lambda each, near=near: np.linalg.norm(near - each[:3], axis=1) - each[3],
            [*guess, 22.0],
            loss="cauchy",
            f_scale=0.3,
        ).x
        guess, radius = found[:3], found[3]
    shaft, length = np.array([0.0, 0.0, -1.0]), np.ptp(points[:, 2])
    for _ in range(6):
        below = (points - guess) @ shaft
        band = points[(below > 85) & (below < 85 + 0.18 * length)]
        # A tube's long principal axis is its own, if its ends are cut across it.
        shaft = np.linalg.svd(band - band.mean(axis=0), full_matrices=False)[2][0]
        shaft *= np.sign(-shaft[2])
    neck = guess - middle_of_cut(surface, guess, 1.4 * radius)
    neck /= np.linalg.norm(neck)
    end = points[points[:, 2] < points[:, 2].min() + 35.0]
    knee = end.mean(axis=0)
    # Base of the neck: where the shaft's line passes the neck's.
    solution = np.linalg.lstsq(np.stack([shaft, -neck], axis=1), guess - band.mean(axis=0), rcond=None)[0]
    long = band.mean(axis=0) + solution[0] * shaft - knee
    long /= np.linalg.norm(long)
    across = np.linalg.svd(np.eye(3) - np.outer(long, long))[0][:, :2]
    flat = end @ across
    hull = ConvexHull(flat)
    edges = flat[hull.simplices]
    # The longest straight stretch of the outline of the knee is the table that it lies on.
    line = across @ np.diff(edges[np.argmax(np.linalg.norm(np.diff(edges, axis=1)[:, 0], axis=1))], axis=0)[0]
    line /= np.linalg.norm(line)
    side = neck - (neck @ long) * long
    return {
        "neck_shaft_angle": float(np.rad2deg(np.arccos(neck @ shaft))),
        "femoral_anteversion": float(np.rad2deg(np.arccos(abs(side @ line) / np.linalg.norm(side)))),
    }


def test_another_computation_agrees(femora) -> None:
    shapes, triangles, found = femora
    for shape, landmarks in zip(shapes, found, strict=True):
        ours, theirs = femur_measures(landmarks), otherwise(make_surface(shape, triangles))
        assert ours["neck_shaft_angle"] == pytest.approx(theirs["neck_shaft_angle"], abs=2.0)
        assert ours["femoral_anteversion"] == pytest.approx(theirs["femoral_anteversion"], abs=2.0)


def test_pose_side_and_mesh_do_not_matter(femora) -> None:
    shapes, triangles, landmarks = femora
    expected = femur_measures(landmarks[2])
    pose = RigidPose.from_rotation([100, 40, -60], [50, -300, 20])
    right = pose.apply(shapes[2] * [-1.0, 1.0, 1.0])
    coarse = even_surface(make_surface(right, triangles[:, ::-1]), 1500)
    for points, faces in ((right, triangles[:, ::-1]), (points_of(coarse), triangles_of(coarse))):
        found = measurements_of({"femur_right": (points, faces)}, {}, None, "hips")
        assert len(found) == 4
        for each in found:
            assert each.value == pytest.approx(expected[each.name.removesuffix("_right")], abs=0.6)


def test_a_femur_cut_below_its_trochanters_has_a_head_but_no_angle(data_dir) -> None:
    """Femur-RicciFlow's surfaces end before the shaft shows its direction; MRI heads of 18 to 27 mm."""
    folder = data_dir / "femur_proximal_population"
    for number in (1, 11, 19):
        surface = read_surface(folder / f"femur_{number:02d}.ply")
        points = points_of(surface)
        landmarks = femur_landmarks(points, triangles_of(surface))
        assert set(landmarks) == {"femoral head centre", "femoral neck centre"}
        assert femur_measures(landmarks) == {}
        head = points[on_head(points)]
        centre, radius = fitted_sphere(head)
        theirs = least_squares(
            lambda each, head=head: np.linalg.norm(head - each[:3], axis=1) - each[3], [*head.mean(axis=0), 20.0]
        ).x
        assert [*centre, radius] == pytest.approx(theirs, abs=0.3)
        assert 18 < radius < 27


def test_a_knee_shows_no_femoral_head(data_dir) -> None:
    surface = read_surface(data_dir / "knee_ssm_instances_clouthier" / "S001_femur.ply")
    found = measurements_of({"femur": (points_of(surface), triangles_of(surface))}, {}, None, "knee")
    assert found == ()
