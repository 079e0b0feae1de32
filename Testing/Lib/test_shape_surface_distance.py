"""Surface distances: analytic truths, invariances, open edges, wrong frames, and two independent implementations."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from solids import cube, sphere
from vtkmodules.vtkFiltersModeling import vtkHausdorffDistancePointSetFilter

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.meshes import make_surface, points_of, sample_surface, transformed, triangles_of
from XRayTo3DLib.shape.surface_distance import surface_distance
from XRayTo3DLib.shape.surfaces import read_surface

METHODS = ("area", "vertices", "vertices_to_surface")


def moved(surface, translation=(0.0, 0.0, 0.0), rotation=None):
    matrix = np.eye(4)
    matrix[:3, 3] = translation
    if rotation is not None:
        matrix[:3, :3] = Rotation.from_rotvec(rotation).as_matrix()
    return transformed(surface, matrix)


def plane(height: float, size: float = 60.0, cells: int = 30, start: float = 0.0):
    axis = np.linspace(start, size, cells + 1)
    x, y = np.meshgrid(axis, np.linspace(0, size, cells + 1))
    points = np.stack([x.ravel(), y.ravel(), np.full(x.size, height)], axis=1)
    corner = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).ravel()
    lower = np.stack([corner, corner + 1, corner + cells + 2], axis=1)
    upper = np.stack([corner, corner + cells + 2, corner + cells + 1], axis=1)
    return make_surface(points, np.concatenate([lower, upper]))


@pytest.mark.parametrize("method", METHODS)
def test_concentric_spheres_are_one_apart(method):
    found = surface_distance(sphere(20, 150), sphere(21, 150), method=method, signed=True)
    assert found.assd == pytest.approx(1.0, abs=0.001)
    assert found.rms == pytest.approx(1.0, abs=0.001)
    assert found.median == pytest.approx(1.0, abs=0.001)
    assert found.hd95 == pytest.approx(1.0, abs=0.003)
    assert found.hd95_pooled == pytest.approx(1.0, abs=0.003)
    assert found.hd == pytest.approx(1.0, abs=0.005)
    assert (found.share_within(0.9), found.share_within(1.1)) == (0.0, 1.0)
    assert found.warnings == ()


def test_area_definition_does_not_see_the_triangulation_but_vertices_do():
    fine, turned = sphere(20, 200), moved(sphere(20, 40), rotation=(0.3, 0.5, 0.1))
    assert surface_distance(fine, turned).assd < 0.06
    assert surface_distance(fine, turned, method="vertices").assd > 0.2


def test_translated_plane():
    found = surface_distance(plane(0.0), plane(2.5), samples=5000)
    assert (found.assd, found.hd) == (pytest.approx(2.5), pytest.approx(2.5))
    assert "Not closed: the reference (open edge of 240 mm) and the result" in found.warnings[0]


def test_cube_moved_by_one_has_its_analytic_mean():
    """One face lies 1 mm outside, one 1 mm inside (nearer to the sides along its rim), four slide in themselves."""
    edge = 30.0
    outside, strip = edge**2, 4 * edge * 0.5
    inside = edge**2 - 2 * edge + 4 / 3  # The integral over s from 0 to 1 of the area further than s from the rim.
    expected = (outside + inside + strip) / (6 * edge**2)
    found = surface_distance(cube(edge), moved(cube(edge), (1, 0, 0)), samples=100_000)
    assert found.result_to_reference.mean == pytest.approx(expected, abs=0.002)
    assert found.reference_to_result.mean == pytest.approx(expected, abs=0.002)


def test_vertex_definition_is_the_papers_pooled_sum():
    first, second = sphere(20, 20), moved(sphere(21, 33), (0.5, 0, 0))
    a, b = points_of(first), points_of(second)
    distances = np.linalg.norm(a[:, None] - b[None], axis=2)
    expected = (distances.min(axis=1).sum() + distances.min(axis=0).sum()) / (len(a) + len(b))
    assert surface_distance(first, second, method="vertices").assd == pytest.approx(expected, rel=1e-9)


def test_sign_is_positive_outside_the_other_surface():
    found = surface_distance(sphere(20), sphere(21), signed=True, samples=1000)
    assert found.result_to_reference.vertex_signed.min() > 0.9
    assert found.reference_to_result.vertex_signed.max() < -0.9
    half = surface_distance(sphere(20), moved(sphere(20), (2, 0, 0)), signed=True, samples=1000).result_to_reference
    towards_x = points_of(moved(sphere(20), (2, 0, 0)))[:, 0] > 5
    assert (half.vertex_signed[towards_x] > 0).all()
    assert np.array_equal(np.abs(half.vertex_signed), half.vertex_distances)


def test_sign_of_an_open_reference_comes_with_a_warning():
    found = surface_distance(cube(open_top=True), moved(cube(28), (1, 1, 1)), signed=True, samples=1000)
    assert any("Inside and outside of an open surface" in text for text in found.warnings)
    assert surface_distance(cube(), moved(cube(28), (1, 1, 1)), signed=True, samples=1000).warnings == ()


def test_signs_are_none_unless_asked_for():
    assert surface_distance(sphere(20), sphere(21), samples=1000).reference_to_result.vertex_signed is None


def test_a_cut_surface_is_only_forgiven_on_request():
    whole, cut = plane(0.0), plane(0.0, start=30.0)
    counted = surface_distance(whole, cut)
    assert counted.reference_to_result.mean == pytest.approx(30 * 0.5 * 0.5, abs=0.05)
    ignored = surface_distance(whole, cut, ignore_boundary=True)
    assert ignored.hd < 1e-6
    assert ignored.reference_to_result.excluded_share == pytest.approx(0.5, abs=0.001)
    assert ignored.result_to_reference.excluded_share < 0.001
    assert "50.0 % of the reference" in ignored.warnings[0]
    assert ignored.ignore_boundary_mm == 0.0


def test_a_margin_leaves_out_what_comes_near_the_edge():
    found = surface_distance(plane(1.0), plane(0.0), ignore_boundary=6.0)
    assert found.reference_to_result.excluded_share == pytest.approx(1 - (48 / 60) ** 2, abs=0.01)
    assert not found.reference_to_result.vertex_counted.all()


def test_everything_left_out_is_an_error():
    with pytest.raises(InputError, match="nothing to compare"):
        surface_distance(plane(0.0), plane(1.0), ignore_boundary=100.0, samples=1000)


def test_inside_of_ignored_boundary_and_closed_surfaces_is_the_same_number():
    plain, ignoring = (
        surface_distance(sphere(20), sphere(21), ignore_boundary=rule, samples=5000) for rule in (False, True)
    )
    assert plain.assd == ignoring.assd


lengths = st.floats(-30, 30)


@settings(max_examples=10, deadline=None)
@given(st.tuples(lengths, lengths, lengths), st.tuples(*[st.floats(-3, 3)] * 3), st.sampled_from(METHODS))
def test_rigid_motion_of_both_changes_nothing(translation, rotation, method):
    first, second = sphere(20, 24), moved(cube(33), (-14, -16, -18))
    before = surface_distance(first, second, method=method, samples=20_000)
    after = surface_distance(
        moved(first, translation, rotation), moved(second, translation, rotation), method=method, samples=20_000
    )
    tolerance = 0.03 if method == "area" else 1e-9
    assert after.assd == pytest.approx(before.assd, abs=tolerance)
    assert after.hd95 == pytest.approx(before.hd95, abs=3 * tolerance)


@settings(max_examples=15, deadline=None)
@given(st.tuples(*[st.floats(-8, 8)] * 3), st.sampled_from(METHODS), st.integers(0, 5))
def test_swapping_the_surfaces_swaps_the_directions(translation, method, seed):
    first, second = sphere(20, 24), moved(sphere(18, 30), translation)
    ahead = surface_distance(first, second, method=method, samples=5000, seed=seed)
    back = surface_distance(second, first, method=method, samples=5000, seed=seed)
    assert ahead.assd == pytest.approx(back.assd, rel=1e-12)
    assert ahead.hd95 == back.hd95
    assert ahead.hd == back.hd
    assert ahead.reference_to_result.mean == back.result_to_reference.mean


@settings(max_examples=10, deadline=None)
@given(st.floats(5, 80), st.integers(8, 40), st.sampled_from(METHODS))
def test_identical_surfaces_are_zero_apart(radius, resolution, method):
    found = surface_distance(sphere(radius, resolution), sphere(radius, resolution), method=method, samples=2000)
    assert found.hd < 1e-5
    assert found.share_within(0.001) == 1.0


def test_same_seed_same_numbers():
    box = moved(cube(33), (-16, -16, -16))
    one, two, other = (surface_distance(sphere(20, 20), box, seed=seed, samples=5000).assd for seed in (1, 1, 2))
    assert one == two != other


def test_lps_against_ras_is_told():
    bone = sphere(20, centre=(60, -90, 200))
    with pytest.raises(InputError, match="flipping x and y brings them together: one is in RAS"):
        surface_distance(bone, transformed(bone, np.diag([-1.0, -1, 1, 1])))


def test_poor_overlap_that_flipping_mends_is_a_warning():
    bone = sphere(20, centre=(14, 14, 0))
    found = surface_distance(bone, transformed(bone, np.diag([-1.0, -1, 1, 1])), samples=1000)
    assert "may be in RAS" in found.warnings[0]


def test_far_apart_and_different_units_are_told():
    with pytest.raises(InputError, match="160 mm apart.*Align them first"):
        surface_distance(sphere(20), sphere(20, centre=(0, 0, 200)))
    with pytest.raises(InputError, match="The result is 10 times larger.*--result-unit"):
        surface_distance(sphere(20), sphere(200))
    with pytest.raises(InputError, match="The reference is 1000 times larger"):
        surface_distance(sphere(20_000), sphere(20))
    with pytest.raises(InputError, match='Unknown distance method "voxels"'):
        surface_distance(sphere(20), sphere(21), method="voxels")


# --- Real bones against implementations that share no code with ours -------------------------------------------------

PAIRS = {
    "proximal femora, left against mirrored right": (
        "femur_proximal_pairs_libhip/m3_lfemur.ply", "femur_proximal_pairs_libhip/m3_rfemur.ply", True),
    "tibiae of one woman, two segmentations": (
        "lower_limb_visible_human_denver/VHF_Left_Tibia.ply", "lower_limb_visible_female_bmf/TibiaR.ply", True),
    "first lumbar vertebrae of two people": (
        "vertebra_L1_population/ref_20.ply", "vertebra_L1_population/sub-verse010_segment_20.ply", False),
}  # fmt: skip


@functools.cache
def real_pair(data_dir, name):
    from vtkmodules.vtkCommonDataModel import vtkIterativeClosestPointTransform

    first, second, mirror = PAIRS[name]
    reference, result = read_surface(data_dir / first), read_surface(data_dir / second)
    if mirror:
        result = transformed(result, np.diag([-1.0, 1, 1, 1]))
    result = moved(result, points_of(reference).mean(axis=0) - points_of(result).mean(axis=0))
    fit = vtkIterativeClosestPointTransform()
    fit.SetSource(result)
    fit.SetTarget(reference)
    fit.GetLandmarkTransform().SetModeToRigidBody()
    fit.SetMaximumNumberOfIterations(60)
    fit.SetMaximumNumberOfLandmarks(500)
    fit.Update()
    matrix = np.array([[fit.GetMatrix().GetElement(row, column) for column in range(4)] for row in range(4)])
    return reference, transformed(result, matrix)


def libigl_directed(igl, source, target, count, seed):
    """libigl's exact point-to-mesh distances from its caller's own plain random points on the source."""
    vertices, faces = points_of(source), triangles_of(source)
    random = np.random.default_rng(seed)
    cumulated = np.cumsum(igl.doublearea(vertices, faces))
    chosen = faces[np.searchsorted(cumulated, random.random(count) * cumulated[-1])]
    shares = random.dirichlet(np.ones(3), count)
    points = np.einsum("nk,nkd->nd", shares, vertices[chosen])
    return np.sqrt(igl.point_mesh_squared_distance(points, points_of(target), triangles_of(target))[0])


@pytest.mark.data
@pytest.mark.parametrize("name", PAIRS)
def test_real_bones_agree_with_libigl(data_dir, name):
    igl = pytest.importorskip("igl", reason="pip install libigl (extra: test) for the independent check")
    reference, result = real_pair(data_dir, name)
    ours = surface_distance(reference, result)
    ahead = libigl_directed(igl, reference, result, 400_000, 11)
    back = libigl_directed(igl, result, reference, 400_000, 12)
    assert 0.3 < ours.assd < 5, "the pair is not meaningfully aligned"
    assert ours.assd == pytest.approx((ahead.mean() + back.mean()) / 2, abs=0.02)
    assert ours.hd95 == pytest.approx(max(np.percentile(ahead, 95), np.percentile(back, 95)), abs=0.02)
    points, _ = sample_surface(reference, 20_000)
    same = np.sqrt(igl.point_mesh_squared_distance(points, points_of(result), triangles_of(result))[0])
    from XRayTo3DLib.shape.closest_points import closest_points

    assert closest_points(result, points).distances == pytest.approx(same, abs=1e-9)


@pytest.mark.data
@pytest.mark.parametrize("name", PAIRS)
def test_real_bones_agree_with_vtks_hausdorff_filter(data_dir, name):
    reference, result = real_pair(data_dir, name)
    judge = vtkHausdorffDistancePointSetFilter()
    judge.SetInputData(0, reference)
    judge.SetInputData(1, result)
    judge.SetTargetDistanceMethodToPointToCell()
    judge.Update()
    ours = surface_distance(reference, result, method="vertices_to_surface")
    assert ours.hd == pytest.approx(judge.GetHausdorffDistance(), abs=1e-4)
    judge.SetTargetDistanceMethodToPointToPoint()
    judge.Update()
    vertices = surface_distance(reference, result, method="vertices")
    assert vertices.hd == pytest.approx(judge.GetHausdorffDistance(), abs=1e-4)


def test_deepminds_voxel_tool_agrees_within_a_voxel():
    """surface-distance-based-measures counts voxel surface elements; 0.5 mm voxels, spheres of 12 and 13 mm."""
    judge = pytest.importorskip("surface_distance", reason="pip install surface-distance-based-measures")
    axis = (np.arange(64) - 31.5) * 0.5
    squared = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2
    voxels = judge.compute_surface_distances(squared < 12**2, squared < 13**2, (0.5, 0.5, 0.5))
    ours = surface_distance(sphere(12), sphere(13), samples=10_000)
    ahead, back = judge.compute_average_surface_distance(voxels)
    assert (ahead + back) / 2 == pytest.approx(ours.assd, abs=0.5)
    assert judge.compute_robust_hausdorff(voxels, 95) == pytest.approx(ours.hd95, abs=0.5)
    assert judge.compute_surface_dice_at_tolerance(voxels, 2.0) == ours.share_within(2.0) == 1.0


@pytest.mark.data
def test_a_bone_pair_of_this_size_takes_seconds(data_dir):
    import time

    reference, result = real_pair(data_dir, "first lumbar vertebrae of two people")
    start = time.process_time()
    surface_distance(reference, result, signed=True)
    assert time.process_time() - start < 6
