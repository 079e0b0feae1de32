"""Solids of surfaces against closed forms: boxes and ellipsoids, their volumes, centres and line integrals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms_analytic import Box, Ellipsoid, Shape, line_integrals, looking_camera, relative_rms, voxelised
from scipy.spatial.transform import Rotation
from solids import vtk_sphere

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.attenuation import Attenuation
from XRayTo3DLib.projection.engines import make_projector
from XRayTo3DLib.projection.mesh_attenuation import mesh_attenuation
from XRayTo3DLib.shape.meshes import points_of, triangles_of

CORNERS = np.array([[x, y, z] for z in (-1.0, 1.0) for y in (-1.0, 1.0) for x in (-1.0, 1.0)])
CUBE = np.array(
    [[0, 2, 1], [1, 2, 3], [4, 5, 6], [5, 7, 6], [0, 1, 4], [1, 5, 4],
     [2, 6, 3], [3, 6, 7], [0, 4, 2], [2, 4, 6], [1, 3, 5], [3, 7, 5]]
)  # fmt: skip


def ball() -> tuple[np.ndarray, np.ndarray]:
    surface = vtk_sphere(1.0, 120, 120)
    return points_of(surface), triangles_of(surface)


def placed(shape: Shape, unit_points: np.ndarray) -> np.ndarray:
    turn = Rotation.from_rotvec(shape.turn_deg, degrees=True)
    return turn.apply(unit_points * shape.radii) + shape.centre


def volume_of(solid: Attenuation) -> float:
    return float(solid.mu.sum(dtype=np.float64) * np.prod(solid.spacing))


@settings(max_examples=15, deadline=None)
@given(
    radii=st.tuples(*[st.floats(3, 12)] * 3),
    centre=st.tuples(*[st.floats(-40, 40)] * 3),
    turn=st.tuples(*[st.floats(-90, 90)] * 3),
    spacing=st.floats(0.4, 1.5),
)
def test_any_box_keeps_its_volume_and_centre(radii, centre, turn, spacing) -> None:
    box = Box(centre, radii, turn, 1.0)
    solid = mesh_attenuation(placed(box, CORNERS), CUBE, spacing_mm=spacing, per_mm=1.0)
    # Rays are a quarter of a voxel apart: faces along them may lie half a ray off.
    slack = 0.5 * spacing / 4 * 8 * (radii[0] * radii[1] + radii[1] * radii[2] + radii[2] * radii[0])
    assert volume_of(solid) == pytest.approx(8 * np.prod(radii), abs=slack)
    assert solid.centre_lps == pytest.approx(np.array(centre), abs=0.2 * spacing)
    assert solid.mu.min() == 0 and solid.mu.max() <= 1
    inner = solid.mu[2:-2, 2:-2, 2:-2]
    assert np.count_nonzero(solid.mu) == np.count_nonzero(inner)  # air all round


@pytest.mark.parametrize("kind", [Box, Ellipsoid])
def test_line_integrals_are_as_near_to_the_closed_form_as_voxels_allow(kind: type[Shape]) -> None:
    shape = kind((4.0, -3.0, 6.0), (14.0, 9.0, 11.0), (20.0, 35.0, -15.0), 0.5)
    points, triangles = (CORNERS, CUBE) if kind is Box else ball()
    solid = mesh_attenuation(placed(shape, points), triangles, per_mm=0.5)
    pose = RigidPose.from_rotation((20, -35, 10), (5, 8, -6))
    camera = looking_camera((110, 90), 0.8)
    right = line_integrals([shape], camera, pose)
    best = voxelised([shape], solid.mu.shape[::-1], solid.voxel_to_lps)
    error, floor = (
        relative_rms(make_projector(mu, solid.voxel_to_lps)(camera, pose).numpy(), right) for mu in (solid.mu, best)
    )
    assert error < 1.1 * floor < 0.025


def test_faces_looking_inward_give_the_same_solid() -> None:
    outward, inward = mesh_attenuation(5 * CORNERS, CUBE), mesh_attenuation(5 * CORNERS, CUBE[:, ::-1])
    assert np.array_equal(outward.mu, inward.mu) and outward.metal


def test_hollows_are_left_out_and_overlaps_count_once() -> None:
    whole = 20.0**3
    hollow = np.concatenate([10 * CORNERS, 5 * CORNERS]), np.concatenate([CUBE, CUBE[:, ::-1] + 8])
    assert volume_of(mesh_attenuation(*hollow, per_mm=1.0)) == pytest.approx(whole - 10.0**3, rel=1e-3)
    overlap = np.concatenate([10 * CORNERS, 10 * CORNERS + [10, 0, 0]]), np.concatenate([CUBE, CUBE + 8])
    assert volume_of(mesh_attenuation(*overlap, per_mm=1.0)) == pytest.approx(1.5 * whole, rel=1e-3)


def test_what_is_no_closed_surface_is_refused() -> None:
    with pytest.raises(InputError, match="not closed"):
        mesh_attenuation(10 * CORNERS, CUBE[2:])
    with pytest.raises(InputError, match="no triangles"):
        mesh_attenuation(10 * CORNERS, np.empty((0, 3), int))
    with pytest.raises(InputError, match="vertex outside"):
        mesh_attenuation(10 * CORNERS, CUBE + 1)
    with pytest.raises(InputError, match="not finite"):
        mesh_attenuation(np.full((8, 3), np.nan), CUBE)
    with pytest.raises(InputError, match="greater than zero"):
        mesh_attenuation(10 * CORNERS, CUBE, spacing_mm=0)
    with pytest.raises(InputError, match="are millimetres"):
        mesh_attenuation(1e5 * CORNERS, CUBE)
