"""The search for a bone that may lie anyhow: even rotations, exact matching, the true pose among the candidates."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from phantoms_analytic import BONE_CAMERAS, bone_ct
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.attenuation import Attenuation, attenuation_of
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.projection.engines import make_projector
from XRayTo3DLib.registration.global_search import Candidate, GlobalSearch, GlobalSearchOptions, global_search
from XRayTo3DLib.registration.place_scan import PlaceScan
from XRayTo3DLib.registration.rotation_grid import (
    count_for_spacing,
    neighbours,
    rotation_grid,
    super_fibonacci,
    top_of_parabola,
)
from XRayTo3DLib.registration.template_match import CoarseView, Matcher, coarse_volume, gradient_field, reach_of

TURN = (70.0, -110.0, 40.0)
QUICK = GlobalSearchOptions(spacing_deg=32.0, pixel_mm=3.0, refined=12, kept=4, seed=3)


@pytest.fixture(scope="module")
def bone() -> Attenuation:
    return attenuation_of(bone_ct(), "bone")


def truth_of(bone: Attenuation) -> RigidPose:
    """Turned far, and 10 mm aside."""
    return RigidPose.from_rotation(TURN, np.array([6.0, -5.0, 6.0]) - bone.centre_lps, bone.centre_lps)


@pytest.fixture(scope="module")
def pictures(bone: Attenuation) -> list[Radiograph]:
    projector = make_projector(bone.mu, bone.voxel_to_lps)
    note = IntensityNote("line-integral", None, True, "DRR")
    return [
        Radiograph(projector(camera, truth_of(bone)).numpy(), camera, note, SpacingSource.DETECTOR, view, name=view)
        for view, camera in BONE_CAMERAS.items()
    ]


# ---- rotations ------------------------------------------


@pytest.mark.parametrize("spacing", [20.0, 35.0])
def test_no_rotation_is_far_from_the_grid(spacing: float) -> None:
    """Against the uniform measure: the nearest grid point, over 5000 random rotations."""
    quaternions = Rotation.from_matrix(rotation_grid(spacing, seed=1)).as_quat()
    chords, _ = cKDTree(np.concatenate([quaternions, -quaternions])).query(
        Rotation.random(5000, random_state=2).as_quat()
    )
    distances = np.rad2deg(4 * np.arcsin(chords / 2))
    assert distances.max() < 0.95 * spacing
    assert distances.mean() == pytest.approx(0.49 * spacing, rel=0.05)


def test_super_fibonacci_rotations_are_uniform() -> None:
    """Means over the grid are those of the Haar measure: zero matrix, and E[cos of the angle] = -1/2."""
    grid = super_fibonacci(3000)
    assert np.abs(grid.as_matrix().mean(axis=0)).max() < 2e-3
    assert np.cos(grid.magnitude()).mean() == pytest.approx(-0.5, abs=2e-3)


def test_a_cone_holds_its_share_of_the_rotations() -> None:
    """The share of rotations of at most a is (a - sin a) / pi."""
    inside = rotation_grid(12.0, seed=5, cone_deg=60.0)
    angle = np.deg2rad(60)
    assert len(inside) == pytest.approx(count_for_spacing(12.0) * (angle - np.sin(angle)) / np.pi, rel=0.03)
    assert np.rad2deg(Rotation.from_matrix(inside).magnitude()).max() <= 60.0
    assert np.allclose(inside[0], np.eye(3))


def test_neighbours_lie_round_a_rotation_evenly() -> None:
    turns = Rotation.from_matrix(neighbours(7.0)).as_rotvec(degrees=True)
    assert np.linalg.norm(turns, axis=1) == pytest.approx([0] + [7.0] * 12)
    assert turns[1:].T @ turns[1:] == pytest.approx(4 * 49 * np.eye(3))


def test_the_top_of_a_parabola_is_found_exactly() -> None:
    turns, top = neighbours(8.0), np.array([3.0, -4.0, 2.0])
    shape = np.array([[2.0, 0.3, -0.2], [0.3, 1.0, 0.1], [-0.2, 0.1, 0.5]])
    away = Rotation.from_matrix(turns).as_rotvec(degrees=True) - top
    scores = 0.7 - 1e-3 * np.einsum("ni,ij,nj->n", away, shape, away)
    found = Rotation.from_matrix(top_of_parabola(turns, scores, 16.0)).as_rotvec(degrees=True)
    assert found == pytest.approx(top, abs=1e-6)
    short = Rotation.from_matrix(top_of_parabola(turns, scores, 2.0)).as_rotvec(degrees=True)
    assert short == pytest.approx(top * 2 / np.linalg.norm(top), abs=1e-6)
    uphill = Rotation.from_matrix(top_of_parabola(turns, -scores, 5.0)).magnitude()
    assert np.rad2deg(uphill) == pytest.approx(5.0)


def test_useless_spacings_are_refused() -> None:
    with pytest.raises(InputError, match="1 to 180 degrees, not 0"):
        rotation_grid(0.0)
    with pytest.raises(InputError, match="at least one"):
        super_fibonacci(0)


# ---- matching ------------------------------------------


def test_shifts_are_scored_as_opencv_scores_them() -> None:
    """OpenCV's normalised correlation of the two derivatives as channels, under the widened shadow."""
    generator = np.random.default_rng(0)
    gradient = gradient_field(cv2.GaussianBlur(generator.normal(size=(70, 80)).astype(np.float32), (0, 0), 1.5))
    blob = cv2.GaussianBlur(generator.uniform(size=(15, 11)).astype(np.float32), (0, 0), 1.0)
    template = np.pad(blob, ((9, 8), (7, 9)))
    scores = Matcher(gradient, 0.0)(template)
    edges = gradient_field(template)
    shadow = cv2.dilate((template > 0.02 * template.max()).astype(np.float32), np.ones((5, 5)))
    picture, wanted = (cv2.merge([g.real.copy(), g.imag.copy()]) for g in (gradient, edges))
    expected = cv2.matchTemplate(picture, wanted, cv2.TM_CCORR_NORMED, mask=cv2.merge([shadow, shadow]))
    assert expected.max() > 0.3
    assert scores[: expected.shape[0], : expected.shape[1]] == pytest.approx(expected, abs=0.03)


def test_a_drr_scores_best_where_it_lies(bone: Attenuation, pictures: list[Radiograph]) -> None:
    """Drawn at a place 12 mm from the bone, each picture alone and both together lead back to it."""
    pose, centre = truth_of(bone), bone.centre_lps
    place = pose.apply(centre)
    drawn_at = place + [6.0, 8.0, -6.0]
    projector = make_projector(*coarse_volume(bone, 1.4))
    views = [CoarseView.of(picture, drawn_at, 2.0) for picture in pictures]
    for chosen in (views[:1], views[1:], views):
        scan = PlaceScan(chosen, drawn_at, reach_of(bone) + 4, 20.0)
        shifted = RigidPose.from_rotation((0, 0, 0), drawn_at - place) @ pose
        score, found = scan([projector(camera, shifted).numpy() for camera in scan.cameras])
        across = found - place
        if len(chosen) == 1:
            beam = chosen[0].camera.view_direction
            across = across - beam * (beam @ across)
        assert np.linalg.norm(across) < 3.0 and score > 0.7


def test_a_bone_aside_is_seen_from_the_side(pictures: list[Radiograph]) -> None:
    """The turn takes the ray to the first place into the ray to the second."""
    view = CoarseView.of(pictures[0], np.zeros(3), 3.0)
    first, second = np.array([5.0, 3.0, -4.0]), np.array([-20.0, 9.0, 15.0])
    turn = PlaceScan([view], first, 20.0, None).turn_towards(second)
    rays = [(p - view.camera.source) / np.linalg.norm(p - view.camera.source) for p in (first, second)]
    assert turn @ rays[0] == pytest.approx(rays[1], abs=1e-9)
    assert turn.T @ turn == pytest.approx(np.eye(3), abs=1e-12)


def test_coarse_voxels_keep_mass_and_place(bone: Attenuation) -> None:
    mu, to_lps = coarse_volume(bone, 3.0)
    volumes = [abs(np.linalg.det(matrix[:3, :3])) for matrix in (to_lps, bone.voxel_to_lps)]
    assert mu.sum() * volumes[0] == pytest.approx(bone.mu.sum() * volumes[1], rel=1e-5)
    centres = []
    for values, matrix in ((mu, to_lps), (bone.mu, bone.voxel_to_lps)):
        index = np.argwhere(values > 0)
        weights = values[tuple(index.T)].astype(np.float64)
        centres.append(matrix[:3, :3] @ np.average(index[:, ::-1], axis=0, weights=weights) + matrix[:3, 3])
    # Masses move within their blocks, which cancels out but for hundredths of a voxel.
    assert centres[0] == pytest.approx(centres[1], abs=0.02)


# ---- searches ------------------------------------------


def rank_of(candidates: list[Candidate], bone: Attenuation, in_plane_of: Radiograph | None = None) -> int:
    """Place of the first candidate within 15 degrees and 10 mm; of one view without the depth."""
    truth, centre = truth_of(bone), bone.centre_lps
    for rank, candidate in enumerate(candidates):
        shift = candidate.pose.apply(centre) - truth.apply(centre)
        if in_plane_of is not None:
            beam = in_plane_of.camera.rays(in_plane_of.camera.project(truth.apply(centre)))
            shift = shift - beam * (beam @ shift)
        if candidate.pose.distance_to(truth, centre)[0] < 15 and np.linalg.norm(shift) < 10:
            return rank
    return -1


def test_two_views_find_the_bone_from_nothing(bone: Attenuation, pictures: list[Radiograph]) -> None:
    search = GlobalSearch(bone, pictures, QUICK)
    states = list(search.steps())
    assert rank_of(search.candidates, bone) == 0
    scores = [candidate.score for candidate in search.candidates]
    assert 1 < len(scores) <= QUICK.kept and scores == sorted(scores, reverse=True) and scores[0] <= 1.0
    fractions = [state.fraction for state in states]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0 and len(states) > 20
    for number, candidate in enumerate(search.candidates):
        for other in search.candidates[:number]:
            degrees, millimetres = candidate.pose.distance_to(other.pose, bone.centre_lps)
            assert degrees > QUICK.distinct_deg or millimetres > QUICK.distinct_mm


def test_one_view_and_a_rough_orientation_find_it_again_and_again(
    bone: Attenuation, pictures: list[Radiograph]
) -> None:
    rough = RigidPose.from_rotation((20, 15, -10), centre=bone.centre_lps) @ truth_of(bone)
    options = replace(QUICK, spacing_deg=15.0, cone_deg=35.0, depths=(1.0,), refined=8, kept=3)
    found = [global_search(bone, pictures[:1], options, about=rough) for _ in range(2)]
    assert rank_of(found[0], bone, pictures[0]) == 0
    assert all(np.array_equal(a.pose.matrix, b.pose.matrix) for a, b in zip(*found, strict=True))


def test_a_shaft_has_a_rival_turned_end_for_end() -> None:
    """An ellipsoid looks the same from both ends: the search says so, with next to no lead."""
    index = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in (48, 16, 16)], indexing="ij"))
    inside = (index[0] / 22) ** 2 + (index[1] / 6) ** 2 + (index[2] / 5) ** 2 <= 1
    to_lps = np.eye(4)
    to_lps[:3, 3] = [-7.5, -7.5, -23.5]
    shaft = Attenuation(0.05 * inside.astype(np.float32), to_lps, np.zeros(3), "an ellipsoid")
    note = IntensityNote("line-integral", None, True, "DRR")
    projector = make_projector(shaft.mu, shaft.voxel_to_lps)
    views = [
        Radiograph(projector(camera, RigidPose.identity()).numpy(), camera, note, SpacingSource.DETECTOR)
        for camera in BONE_CAMERAS.values()
    ]
    search = GlobalSearch(shaft, views, replace(QUICK, spacing_deg=40.0, kept=6))
    list(search.steps())
    rival = search.rival
    assert rival is not None and rival.turn_deg > 150 and rival.lead < 0.03
    assert rival.turned in ("end for end", "about its long axis")


def test_what_cannot_be_searched_is_said(bone: Attenuation, pictures: list[Radiograph]) -> None:
    with pytest.raises(InputError, match="at least one radiograph"):
        GlobalSearch(bone, [])
    flat = replace(pictures[0], pixels=np.ones_like(pictures[0].pixels))
    with pytest.raises(InputError, match="radiograph PA is flat"):
        GlobalSearch(bone, [flat])
    with pytest.raises(InputError, match="no place to look at"):
        list(GlobalSearch(bone, pictures, QUICK, place=(900.0, 0, 0), reach_mm=5.0).steps())
    with pytest.raises(InputError, match="has not ended"):
        _ = GlobalSearch(bone, pictures, QUICK).candidates
    with pytest.raises(InputError, match="greater than zero"):
        GlobalSearchOptions(pixel_mm=0.0)
    with pytest.raises(InputError, match="1 or more"):
        GlobalSearchOptions(kept=0)
