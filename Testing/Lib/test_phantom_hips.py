"""Both hips of one synthetic person: bones apart, where they belong, healthy and diseased, and their AP picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from XRayTo3DLib.dataset.case import read_phantom, write_case
from XRayTo3DLib.dataset.phantoms import (
    HIPS_LABELS,
    HipShape,
    HipsShape,
    PhantomCase,
    make_hips,
    measure_hip,
    pelvis_camera,
)
from XRayTo3DLib.dataset.phantoms.hips import REACH, make_hips_parts
from XRayTo3DLib.dataset.phantoms.hips_shape import GROUPS
from XRayTo3DLib.dataset.phantoms.leg_morphometry import fitted_sphere
from XRayTo3DLib.dataset.phantoms.sacrum import ILIUM_GAP
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.meshes import boundary_edges, enclosed_volume, make_surface, points_of, transformed, triangles_of
from XRayTo3DLib.shape.surfaces import field_text

BONES = [bone for bone in HIPS_LABELS if bone != "sacrum"]


@pytest.fixture(scope="module")
def mean() -> PhantomCase:
    return make_hips(spacing=4.0, mesh_spacing=2.0, seed=5)


def person(seed: int, group: str) -> PhantomCase:
    return make_hips(
        HipsShape.sample(np.random.default_rng(seed), group=group), 5.0, soft_tissue=False, mesh_spacing=2.5
    )


@pytest.fixture(scope="module")
def people() -> dict[str, list[PhantomCase]]:
    return {group: [person(seed, group) for seed in (11, 12)] for group in GROUPS}


def right_frame(case: PhantomCase, side: str) -> dict:
    """Femur (to 145 mm) and pelvis of a side in the frame of a right hip: origin at the head, +x medial."""
    sign = 1.0 if side == "right" else -1.0
    move = np.diag([sign, 1.0, 1.0, 1.0])
    move[0, 3] = case.shape.half_pelvis
    bones = {bone: transformed(case.meshes[f"{bone}_{side}"], move) for bone in ("femur", "pelvis")}
    points, triangles = points_of(bones["femur"]), triangles_of(bones["femur"])
    kept = triangles[(points[triangles][:, :, 2] > -145.0).all(axis=1)]
    used, numbers = np.unique(kept, return_inverse=True)
    return bones | {"femur": make_surface(points[used], numbers.reshape(-1, 3))}


def test_labels_and_meshes_are_the_same_bones(mean: PhantomCase) -> None:
    assert mean.ct.label_names == HIPS_LABELS and mean.ct.synthetic and "SYNTHETIC" in mean.ct.notes[0]
    voxel = np.prod(mean.ct.spacing)
    for bone, value in HIPS_LABELS.items():
        mesh = mean.meshes[bone]
        assert len(boundary_edges(mesh)) == 0 and field_text(mesh, "synthetic") == "true"
        assert np.count_nonzero(mean.ct.labels == value) * voxel == pytest.approx(enclosed_volume(mesh), rel=0.05)
        centre = mean.ct.mask_centre(mean.ct.labels == value)
        assert np.linalg.norm(centre - mass_centre(mesh)) < 1.5


def mass_centre(mesh) -> np.ndarray:
    corners = points_of(mesh)[triangles_of(mesh)]
    volumes = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    return (volumes[:, None] * corners.sum(axis=1) / 4).sum(axis=0) / volumes.sum()


def test_the_origin_lies_midway_between_the_heads(mean: PhantomCase) -> None:
    for side, x in (("right", -90.0), ("left", 90.0)):
        points = points_of(mean.meshes[f"femur_{side}"])
        head = points[np.linalg.norm(points - [0.93 * x, -3.0, 3.0], axis=1) < 24.0]
        centre, radius = fitted_sphere(head)
        assert centre == pytest.approx([x, 0.0, 0.0], abs=0.6) and radius == pytest.approx(23.5, abs=0.4)
    assert points_of(mean.meshes["pelvis_right"])[:, 0].max() < 0 < points_of(mean.meshes["pelvis_left"])[:, 0].min()


def test_the_mean_adult_is_symmetric_and_people_are_nearly_so(mean: PhantomCase, people: dict) -> None:
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    for bone in ("femur", "pelvis"):
        left = transformed(mean.meshes[f"{bone}_left"], mirror)
        apart = closest_points(mean.meshes[f"{bone}_right"], points_of(left)).distances
        assert apart.mean() < 0.08 and apart.max() < 0.8  # Only the sampling differs.
    for case in people["healthy"]:
        shape = case.shape
        assert shape.left != shape.right and shape.left.half_pelvis == shape.right.half_pelvis
        left = transformed(case.meshes["femur_left"], mirror)
        apart = closest_points(case.meshes["femur_right"], points_of(left)).distances
        assert 0.5 < apart.mean() < 6.0


@pytest.mark.parametrize("group", GROUPS)
def test_no_two_bones_touch(people: dict, group: str) -> None:
    for case in people[group]:
        for side in ("right", "left"):
            femur, pelvis = case.meshes[f"femur_{side}"], case.meshes[f"pelvis_{side}"]
            near = cKDTree(points_of(pelvis))
            space = near.query(points_of(femur))[0].min()
            assert space > 0.6 * getattr(case.shape, side).joint_space
            assert 0.6 * ILIUM_GAP < near.query(points_of(case.meshes["sacrum"]))[0].min() < 2.0 * ILIUM_GAP
        volume = sum(np.count_nonzero(case.ct.labels == value) for value in HIPS_LABELS.values())
        assert volume == np.count_nonzero(case.ct.labels)


def test_each_side_is_the_hip_that_was_asked_for(people: dict) -> None:
    for case in people["healthy"]:
        for side in ("right", "left"):
            found = measure_hip(right_frame(case, side))
            asked = getattr(case.shape, side)
            assert found["head_diameter"] == pytest.approx(asked.head_diameter, abs=0.5)
            assert found["femoral_offset"] == pytest.approx(asked.femoral_offset, abs=2.5)
            assert found["neck_shaft_angle"] == pytest.approx(asked.neck_shaft_angle, abs=3.5)


def test_osteoarthritis_is_seen_in_the_bones(people: dict) -> None:
    def space(case: PhantomCase, side: str) -> float:
        """From the top of the head up to the cup, mm."""
        bones = right_frame(case, side)
        points = points_of(bones["femur"])
        angle = points @ np.array([-0.42, -0.08, 0.9]) / np.linalg.norm(points, axis=1)
        return float(np.median(closest_points(bones["pelvis"], points[(angle > 0.93) & (points[:, 2] > 12)]).distances))

    spaces = {group: [space(c, s) for c in cases for s in ("right", "left")] for group, cases in people.items()}
    assert max(spaces["osteoarthritis"]) < min(spaces["healthy"])
    draws = {group: [HipsShape.sample(np.random.default_rng(n), group=group) for n in range(80)] for group in GROUPS}
    necks = {group: np.mean([s.left.neck_shaft_angle for s in shapes]) for group, shapes in draws.items()}
    assert 4.0 < necks["healthy"] - necks["osteoarthritis"] < 8.0
    assert all(s.right.head_flattening == 0 for s in draws["healthy"])
    assert all(s.right.head_flattening > 0.5 and s.left.joint_space < 3.0 for s in draws["osteoarthritis"])
    same = [(a.right.half_pelvis, a.right.head_diameter) for a in draws["healthy"]]
    assert same == [(b.right.half_pelvis, b.right.head_diameter) for b in draws["osteoarthritis"]]


def test_a_worn_head_is_flat_on_top_and_has_a_rim() -> None:
    healthy, worn = HipsShape(), HipsShape(right=HipShape(head_flattening=3.0))
    heads = []
    for shape in (healthy, worn):
        femur = make_hips_parts(shape)[0]
        up = np.array([-0.42, -0.08, 0.9])
        up /= np.linalg.norm(up)
        along = np.linspace(10.0, 30.0, 401)
        line = up * along[:, None] - [90.0, 0.0, 0.0]
        top = along[np.argmax(femur.field(*line.T) > 0)]
        rim = np.array([-0.52, 0.0, -0.55]) * 23.5
        across = np.array([-0.65, 0.0, 0.76])
        line = rim + across * np.linspace(15.0, 32.0, 341)[:, None] - [90.0, 0.0, 0.0]
        heads.append((top, np.linspace(15.0, 32.0, 341)[np.argmax(femur.field(*line.T) > 0)]))
    assert 0.3 < heads[0][0] - heads[1][0] < 2.0  # Worn by 3 mm, moved up by 2.1 mm.
    assert heads[1][1] > heads[0][1] + 0.5


def test_an_ap_picture_shows_the_pelvis_and_no_cut_end(mean: PhantomCase, people: dict) -> None:
    camera = pelvis_camera("AP")
    assert camera.sdd == pytest.approx(1000.0) and np.multiply(camera.size, camera.spacing) == pytest.approx([400, 400])
    for case in (mean, *people["healthy"], *people["osteoarthritis"]):
        for bone in BONES:
            points = points_of(case.meshes[bone])
            pixels = camera.project(points)
            inside = ((pixels > 0) & (pixels < np.array(camera.size) - 1)).all(axis=1)
            if bone.startswith("pelvis"):
                assert inside.all()
            else:
                assert not inside[points[:, 2] < REACH[0] + 20].any() and inside[points[:, 2] > -120].mean() > 0.9
    left = camera.project(points_of(mean.meshes["femur_left"]))[:, 0]
    assert left.min() > camera.size[0] / 2  # The patient's left is at the right of the picture.
    back = np.argwhere(mean.ct.hu > -500)[:, 1].max()
    assert mean.ct.voxel_points([0, back, 0])[1] < (camera.origin - camera.source) @ camera.normal + camera.source[1]


def test_soft_tissue_covers_the_bones_and_gas_none_of_them(mean: PhantomCase) -> None:
    bone = mean.ct.labels > 0
    assert np.percentile(mean.ct.hu[bone], 0.5) > -150
    middle = mean.ct.size[0] // 2
    body = mean.ct.hu[:, :, middle] > -500
    crotch = mean.ct.voxel_points([0, 0, np.argwhere(body.any(axis=1))[0, 0]])[2]
    assert -110 < crotch < -60  # Between the thighs there is air.
    again = make_hips(spacing=4.0, mesh_spacing=2.0, seed=6)
    assert np.array_equal(again.ct.labels, mean.ct.labels) and not np.array_equal(again.ct.hu, mean.ct.hu)


def test_a_case_is_written_and_made_again_from_its_file(people: dict, tmp_path: Path) -> None:
    case = people["osteoarthritis"][0]
    write_case(case, tmp_path)
    shape, seed = read_phantom(tmp_path / "phantom.json")
    assert shape == case.shape and seed == case.seed and shape.group == "osteoarthritis"
    assert {path.stem for path in (tmp_path / "meshes").iterdir()} == set(HIPS_LABELS)
    assert set(case.landmarks) >= {"femoral head centre left", "pubic symphysis right"}
    surface = make_surface(points_of(case.meshes["pelvis_left"]), triangles_of(case.meshes["pelvis_left"]))
    assert closest_points(surface, case.landmarks["iliac crest left"][None]).distances.max() < 1e-6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HipsShape(group="fractured"), "healthy or osteoarthritis"),
        (lambda: HipsShape(HipShape(side="left"), HipShape(side="left")), "exchange the sides"),
        (lambda: HipsShape(HipShape(fat=20.0), HipShape(side="left")), "fat differs"),
        (lambda: make_hips(spacing=9.0), "0.1 to 5 mm"),
        (lambda: pelvis_camera("LAT"), "use AP"),
    ],
)
def test_mistakes_are_explained(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
