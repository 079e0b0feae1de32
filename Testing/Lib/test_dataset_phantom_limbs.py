"""The synthetic knee and hip: sizes, closed and separate bones, tissues, sides, and pictures without symmetry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion
from scipy.ndimage import label as connected
from scipy.signal import fftconvolve

from XRayTo3DLib.dataset.case import read_phantom, write_case
from XRayTo3DLib.dataset.phantoms import (
    HIP_LABELS,
    HIP_POPULATION,
    KNEE_LABELS,
    KNEE_POPULATION,
    HipShape,
    KneeShape,
    PhantomCase,
    hip_camera,
    knee_camera,
    make_hip,
    make_knee,
    measure_hip,
    measure_knee,
)
from XRayTo3DLib.dataset.phantoms.hip import make_hip_parts
from XRayTo3DLib.dataset.phantoms.knee import make_knee_parts
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.meshes import boundary_edges, enclosed_volume, points_of
from XRayTo3DLib.shape.surfaces import field_text

BONES = [("knee", bone) for bone in KNEE_LABELS] + [("hip", bone) for bone in HIP_LABELS]
VOLUMES_ML = {
    ("knee", "femur"): (150, 300),
    ("knee", "tibia"): (130, 260),
    ("knee", "patella"): (13, 28),
    ("knee", "fibula"): (15, 40),
    ("hip", "femur"): (120, 260),
    ("hip", "pelvis"): (150, 330),
}
"""Plausible volumes of the cut bones of a mean adult."""
# Measurement: how far the mean may lie from what was set (rounded edges), and how far one person from that.
KNEE_TOLERANCES = {
    "epicondylar_width": (0.6, 0.5),
    "condyle_depth": (0.4, 0.4),
    "notch_width": (1.0, 0.9),
    "plateau_width": (0.8, 0.4),
    "plateau_depth": (0.4, 0.5),
    "plateau_slope": (1.0, 1.0),
    "spine_height": (0.8, 0.8),
    "patella_width": (0.5, 0.5),
    "patella_length": (0.7, 0.5),
    "patella_thickness": (0.8, 0.7),
    "femur_shaft_width": (1.4, 1.6),
    "tibia_shaft_width": (0.7, 1.0),
    "femur_valgus": (0.5, 0.6),
}
HIP_TOLERANCES = {
    "head_diameter": (0.2, 0.2),
    "femoral_offset": (1.4, 1.2),
    "neck_shaft_angle": (1.0, 1.2),
    "anteversion": (2.2, 1.8),
    "neck_width": (1.0, 1.2),
    "trochanter_height": (0.6, 0.9),
    "femur_shaft_width": (1.2, 0.8),
    "adduction": (0.9, 0.5),
}


@pytest.fixture(scope="module")
def cases() -> dict[str, PhantomCase]:
    return {"knee": make_knee(spacing=1.4, mesh_spacing=1.2), "hip": make_hip(spacing=1.6, mesh_spacing=1.2)}


def volume_of(case: PhantomCase, bone: str) -> float:
    """Labelled volume in ml."""
    return float(case.ct.label_mask(bone).sum() * np.prod(case.ct.spacing) / 1000)


def levels(case: PhantomCase, low: float, high: float) -> np.ndarray:
    """Voxels with z (mm) from low to high."""
    z = case.ct.voxel_points(np.array([[0, 0, k] for k in range(case.ct.size[2])]))[:, 2]
    return ((z >= low) & (z <= high))[:, None, None] & np.ones(case.ct.hu.shape, dtype=bool)


@pytest.mark.parametrize(("region", "bone"), BONES)
def test_bones_are_closed_one_piece_and_of_human_volume(cases: dict, region: str, bone: str) -> None:
    mesh, ct = cases[region].meshes[bone], cases[region].ct
    low, high = VOLUMES_ML[region, bone]
    assert len(boundary_edges(mesh)) == 0
    assert field_text(mesh, "synthetic") == "true"
    assert low < enclosed_volume(mesh) / 1000 < high
    assert volume_of(cases[region], bone) == pytest.approx(enclosed_volume(mesh) / 1000, rel=0.03)
    assert connected(ct.label_mask(bone))[1] == 1


@pytest.mark.parametrize(
    ("make", "measure", "shape", "tolerances"),
    [(make_knee, measure_knee, KneeShape, KNEE_TOLERANCES), (make_hip, measure_hip, HipShape, HIP_TOLERANCES)],
)
def test_made_bones_measure_what_was_asked_for(make, measure, shape, tolerances) -> None:
    people = [shape.sample(np.random.default_rng([7, number])) for number in range(4)]
    found = [measure(make(person, spacing=5.0, soft_tissue=False, mesh_spacing=1.6).meshes) for person in people]
    for name, (bias, spread) in tolerances.items():
        errors = np.array([one[name] - getattr(person, name) for one, person in zip(found, people, strict=True)])
        assert abs(errors.mean()) < bias, (name, errors)
        assert np.abs(errors - errors.mean()).max() < spread, (name, errors)


def test_the_mean_adult_has_published_dimensions(cases: dict) -> None:
    """Ranges of the means of women and men in the papers that leg_shapes.py cites."""
    knee, hip = measure_knee(cases["knee"].meshes), measure_hip(cases["hip"].meshes)
    ranges = {
        "epicondylar_width": (74, 86), "condyle_depth": (57, 66), "notch_width": (16, 23), "plateau_width": (69, 80),
        "plateau_depth": (45, 54), "plateau_slope": (4, 11), "patella_width": (41, 48), "patella_length": (37, 45),
        "patella_thickness": (19, 25), "spine_height": (5, 12), "fibula_head_width": (18, 27),
    }  # fmt: skip
    ranges |= {
        "head_diameter": (43, 50), "neck_shaft_angle": (122, 132), "anteversion": (7, 18), "femoral_offset": (38, 48),
        "neck_width": (29, 37), "half_pelvis": (83, 98), "pelvis_height": (185, 230), "pelvis_depth": (125, 165),
    }  # fmt: skip
    for name, (low, high) in ranges.items():
        assert low < (knee | hip)[name] < high, name


@given(data=st.data())
@settings(max_examples=5, deadline=None, derandomize=True)
def test_no_shape_makes_bones_touch(data: st.DataObject) -> None:
    """Any person the sampler can draw, at the extremes of every parameter."""
    for kind, population, make in (
        (KneeShape, KNEE_POPULATION, make_knee_parts),
        (HipShape, HIP_POPULATION, make_hip_parts),
    ):
        values = {
            name: data.draw(st.sampled_from([-2.4, 0.0, 2.4]), label=name) * parameter.sd + parameter.mean
            for name, parameter in population.items()
        }
        parts = make(kind(**values), *([70.0, 70.0] if kind is KneeShape else [90.0]))
        x = np.arange(-60.0, 60.0, 2.0)[None, None, :]
        y = np.arange(-60.0, 50.0, 2.0)[None, :, None]
        z = np.arange(-60.0, 60.0, 2.0)[:, None, None]
        inside = [part.field(x, y, z) < 0.4 for part in parts]  # at least 0.8 mm between two bones
        assert all(mask.any() for mask in inside)
        assert np.sum(inside, axis=0).max() == 1


def test_femoral_head_sits_in_its_cup_and_condyles_over_the_plateau(cases: dict) -> None:
    """Joint spaces as on radiographs, and the cup covers the head from above and behind but not from below."""
    hip, knee = cases["hip"], cases["knee"]
    head = points_of(hip.meshes["femur"])
    head = head[np.linalg.norm(head, axis=1) < 23.7]
    gap = closest_points(hip.meshes["pelvis"], head).distances
    above = (head[:, 2] > 15) & (np.abs(head[:, 1]) < 12) & (head[:, 0] > -8)
    assert 2.5 < np.median(gap[above]) < 5.5
    assert np.median(gap[head[:, 2] < -18]) > 8
    condyles = points_of(knee.meshes["femur"])
    condyles = condyles[(condyles[:, 2] < 3.5) & (np.abs(condyles[:, 0]) > 15)]
    space = closest_points(knee.meshes["tibia"], condyles).distances
    assert 3.0 < np.median(space) < 7.0


def test_tissues_have_their_hounsfield_units(cases: dict) -> None:
    for region, case in cases.items():
        hu, labels, bone = case.ct.hu, case.ct.labels, "femur"
        z = (95, 130) if region == "knee" else (-135, -100)
        shaft = case.ct.label_mask(bone) & levels(case, *z)
        assert 1300 < np.percentile(hu[shaft], 90) < 1800  # cortex
        assert -90 < np.percentile(hu[shaft], 3) < 120  # marrow
        z = (12, 22) if region == "knee" else (-12, 6)
        core = binary_erosion(case.ct.label_mask(bone), iterations=4) & levels(case, *z)
        assert 120 < hu[core].mean() < 420 and hu[core].std() > 25  # trabecular, textured
        soft = hu[(labels == 0) & (hu > -900)]
        assert 0.1 < np.mean((soft > -110) & (soft < -80)) < 0.6  # fat
        assert np.mean((soft > 5) & (soft < 80)) > 0.35  # muscle and tendon
        for side in (hu[:, [0, -1], :], hu[:, :, [0, -1]]):
            assert np.mean(side > -900) < 0.01  # nothing is cut off at the sides
        assert case.synthetic and case.ct.synthetic and f"SYNTHETIC {region}" in case.ct.notes[0]


@pytest.mark.parametrize(("make", "kind"), [(make_knee, KneeShape), (make_hip, HipShape)])
def test_left_is_right_mirrored_and_only_the_texture_follows_the_seed(make, kind) -> None:
    options = {"spacing": 3.0, "mesh_spacing": 2.0}
    right, again, other = (make(seed=seed, **options) for seed in (3, 3, 4))
    left = make(kind(side="left"), seed=3, **options)
    assert np.array_equal(left.ct.hu[:, :, ::-1], right.ct.hu)
    assert np.array_equal(left.ct.labels[:, :, ::-1], right.ct.labels)
    assert np.array_equal(right.ct.hu, again.ct.hu) and not np.array_equal(right.ct.hu, other.ct.hu)
    assert np.array_equal(right.ct.labels, other.ct.labels)
    for name, point in right.landmarks.items():
        tolerance = [9.0, 9.0, 2.5] if name == "iliac crest" else 2.5  # its top is flat: only the height is sharp
        assert np.all(np.abs(left.landmarks[name] - point * [-1, 1, 1]) < tolerance), name
    assert enclosed_volume(left.meshes["femur"]) == pytest.approx(enclosed_volume(right.meshes["femur"]), rel=0.01)


def test_lateral_is_where_it_belongs(cases: dict) -> None:
    """Right limb in LPS: the patient's left, which is medial, is +x, and the front is -y."""
    knee, hip = cases["knee"].landmarks, cases["hip"].landmarks
    assert knee["fibula styloid"][0] < -20 and knee["patella apex"][1] < -30 and knee["fibula styloid"][1] > 10
    assert knee["lateral epicondyle"][0] < -35 < 35 < knee["medial epicondyle"][0]
    assert hip["greater trochanter"][0] < -25 and hip["pubic symphysis"][0] > 80
    assert hip["anterior superior iliac spine"][1] < -40 and hip["posterior superior iliac spine"][1] > 70
    assert hip["lesser trochanter"][1] > 10 and hip["ischial tuberosity"][2] < -50


def test_landmarks_lie_on_bones(cases: dict) -> None:
    for case in cases.values():
        for name, point in case.landmarks.items():
            nearest = min(closest_points(mesh, point[None]).distances[0] for mesh in case.meshes.values())
            assert nearest < 0.5 or name == "femoral head centre", name


def best_match(first: np.ndarray, second: np.ndarray) -> float:
    """Highest normalised cross correlation over all shifts (frame padded with zeros)."""
    product = fftconvolve(first, second[::-1, ::-1])
    return float(product.max() / np.sqrt(np.sum(first**2) * np.sum(second**2)))


@pytest.mark.parametrize(("region", "bone"), [pair for pair in BONES if pair[1] not in ("patella", "fibula")])
def test_no_bone_looks_like_its_mirror_image_or_itself_turned(cases: dict, region: str, bone: str) -> None:
    """Parallel projection of each bone: mirrored or turned by 180 degrees about its axis it is another picture."""
    ct = cases[region].ct
    dense = np.where(ct.label_mask(bone), np.maximum(ct.hu + 1000.0, 0.0), 0.0)
    for axis in (1, 2):
        picture = dense.sum(axis=axis)
        assert best_match(picture, picture) == pytest.approx(1.0, abs=1e-6)
        assert best_match(picture, picture[:, ::-1]) < 0.99
        edges = np.gradient(picture, axis=1)
        assert best_match(edges, -edges[:, ::-1]) < 0.93


@pytest.mark.parametrize(("camera", "region"), [(knee_camera, "knee"), (hip_camera, "hip")])
def test_exposures_show_the_joint_and_are_mirrored_for_the_left(cases: dict, camera, region: str) -> None:
    for view in ("AP", "lat"):
        right, left = camera(view), camera(view, "left")
        marks = cases[region].landmarks
        points = np.array([point for name, point in marks.items() if name != "iliac crest"])
        pixels = right.project(points)
        assert np.all(pixels > 5) and np.all(pixels < np.array(right.size) - 5)
        mirrored = left.project(points * [-1.0, 1.0, 1.0])
        columns = left.size[0] - 1 - pixels[:, 0] if view == "AP" else pixels[:, 0]  # the front is on the left
        assert mirrored[:, 0] == pytest.approx(columns, abs=1e-6)
        assert mirrored[:, 1] == pytest.approx(pixels[:, 1], abs=1e-6)
        assert max(right.size) <= 512
    with pytest.raises(InputError, match="AP or LAT"):
        camera("skyline")
    with pytest.raises(InputError, match="right or left"):
        camera("AP", "middle")


@pytest.mark.parametrize(("camera", "region"), [(knee_camera, "knee"), (hip_camera, "hip")])
def test_the_body_fits_before_the_detector_and_its_cut_ends_are_not_in_the_picture(cases, camera, region: str) -> None:
    ct = cases[region].ct
    body = np.argwhere(ct.hu > -900)
    for view in ("AP", "LAT"):
        exposure = camera(view)
        for end, edge in ((0, "bottom"), (ct.size[2] - 1, "top")):
            points = ct.voxel_points(body[body[:, 0] == end][:, ::-1])
            rows = exposure.project(points)[:, 1]
            assert np.all(rows > exposure.size[1] - 0.5 if edge == "bottom" else rows < -0.5), (view, edge)
        points = ct.voxel_points(body[::50, ::-1])
        assert np.max((points - exposure.source) @ exposure.view_direction) < exposure.sdd, view


def test_people_differ_as_published_and_women_are_smaller() -> None:
    rng = np.random.default_rng(5)
    for kind, name, women, men in ((KneeShape, "epicondylar_width", 75, 85), (HipShape, "head_diameter", 44, 50)):
        drawn = {sex: [kind.sample(rng, sex) for _ in range(60)] for sex in ("female", "male")}
        assert np.mean([getattr(one, name) for one in drawn["female"]]) == pytest.approx(women, abs=1.2)
        assert np.mean([getattr(one, name) for one in drawn["male"]]) == pytest.approx(men, abs=1.2)
        assert {one.side for one in drawn["male"]} == {"right", "left"}
    assert KneeShape.sample(np.random.default_rng(1)) == KneeShape.sample(np.random.default_rng(1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: KneeShape(side="middle"), "knee side"),
        (lambda: HipShape(sex="x"), "hip sex"),
        (lambda: KneeShape(plateau_slope=40.0), "knee plateau_slope"),
        (lambda: make_knee(spacing=0.01), "spacing"),
        (lambda: make_hip(mesh_spacing=9.0), "spacing"),
        (lambda: measure_knee({}), "femur"),
        (lambda: measure_hip({}), "femur"),
    ],
)
def test_mistakes_are_explained(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_a_knee_is_written_and_made_again_from_its_file(tmp_path: Path) -> None:
    case = make_knee(KneeShape.sample(np.random.default_rng(2)), spacing=3.0, seed=8, mesh_spacing=2.0)
    write_case(case, tmp_path)
    shape, seed = read_phantom(tmp_path / "phantom.json")
    assert shape == case.shape and isinstance(shape, KneeShape)
    assert np.array_equal(make_knee(shape, 3.0, seed, mesh_spacing=2.0).ct.hu, case.ct.hu)
    assert {path.stem for path in (tmp_path / "meshes").iterdir()} == set(KNEE_LABELS)
    write_case(make_hip(spacing=4.0, mesh_spacing=2.5), tmp_path)
    assert {path.stem for path in (tmp_path / "meshes").iterdir()} == set(HIP_LABELS)
