"""Landmarks proposed on synthetic wrists in any position, against the phantoms' own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from XRayTo3DLib.dataset.landmarks_file import read_landmarks, write_landmarks
from XRayTo3DLib.dataset.phantoms import ForearmShape, PhantomCase, make_forearm
from XRayTo3DLib.dataset.wrist_landmarks import propose_on_surface, propose_wrist_landmarks
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.anatomical_frame import NOTCH_TO_STYLOID_DEG, WRIST_LANDMARKS, wrist_frame
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.shape.meshes import points_of

WITHIN_MM = 1.5
SIDES = {"right": "left", "left": "right"}


def person(number: int, spacing: float = 1.0) -> PhantomCase:
    shape = ForearmShape.sample(np.random.default_rng([5, number]), side=("right", "left")[number % 2])
    length = (80.0, 110.0, 65.0)[number % 3]
    return make_forearm(
        shape, spacing=spacing, length_mm=length, soft_tissue=False, carpals=False, mesh_spacing=0.7, seed=number
    )


@pytest.fixture(scope="module")
def people() -> list[PhantomCase]:
    return [person(number) for number in range(8)]


def test_they_lie_where_the_phantoms_have_them(people: list[PhantomCase]) -> None:
    for case in people:
        found = propose_wrist_landmarks(case.ct, case.shape.side)
        assert set(found) == set(WRIST_LANDMARKS)
        away = {name: np.linalg.norm(point - case.landmarks[name]) for name, point in found.items()}
        assert max(away.values()) < WITHIN_MM, away


def test_the_frame_they_give_is_nearly_the_phantoms(people: list[PhantomCase]) -> None:
    errors = []
    for case in people:
        found, own = wrist_frame(propose_wrist_landmarks(case.ct, case.shape.side)), wrist_frame(case.landmarks)
        assert found.mirrored == own.mirrored == (case.shape.side == "left")
        errors.append(found.rigid.distance_to(own.rigid, np.zeros(3)))
    assert np.max(errors, axis=0)[0] < 4.0 and np.mean(errors, axis=0)[0] < 2.0


def test_a_ct_lying_otherwise_changes_nothing(people: list[PhantomCase]) -> None:
    for number, case in enumerate(people[:4]):
        pose = RigidPose.from_rotation(80.0 * np.random.default_rng(number).normal(size=3), [40.0, -300.0, 700.0])
        ct = case.ct
        moved = CtVolume(ct.hu, pose.matrix @ ct.voxel_to_lps, ct.labels, ct.label_names)
        before, after = (propose_wrist_landmarks(each, case.shape.side) for each in (ct, moved))
        for name in WRIST_LANDMARKS:
            np.testing.assert_allclose(after[name], pose.apply(before[name]), atol=0.01)


def test_the_side_is_told_and_the_wrong_one_refused(people: list[PhantomCase]) -> None:
    for case in people:
        points = points_of(case.meshes["radius"])
        told, given = propose_on_surface(points), propose_on_surface(points, case.shape.side)
        for name in WRIST_LANDMARKS:
            np.testing.assert_array_equal(told[name], given[name])
        with pytest.raises(InputError, match="does not look like"):
            propose_on_surface(points, SIDES[case.shape.side])


def test_the_turn_from_notch_to_styloid_is_the_populations() -> None:
    angles = []
    for number in range(10):
        shape = ForearmShape.sample(np.random.default_rng([11, number]), side="right")
        marks = make_forearm(
            shape, spacing=4.0, length_mm=60, soft_tissue=False, carpals=False, mesh_spacing=1.0
        ).landmarks
        line = marks["radial styloid tip"] - marks["volar sigmoid notch"]
        angles.append(np.rad2deg(np.arctan2(line[1], line[0])))
    assert np.mean(angles) == pytest.approx(NOTCH_TO_STYLOID_DEG, abs=0.8) and np.std(angles) < 2.5


def test_what_is_no_distal_radius_is_refused(people: list[PhantomCase]) -> None:
    case = people[0]
    points = points_of(case.meshes["radius"])
    with pytest.raises(InputError, match="mm long"):
        propose_on_surface(points[points[:, 2] > -25.0], "right")
    with pytest.raises(InputError, match="wider"):
        propose_on_surface(points[points[:, 2] < -45.0] * np.array([1, 1, 3.0]), "right")
    with pytest.raises(InputError, match="side"):
        propose_on_surface(points, "up")
    with pytest.raises(InputError, match="carpus"):
        propose_wrist_landmarks(case.ct, "right", "carpus")


def test_a_proposal_can_be_dragged_in_slicer(people: list[PhantomCase], tmp_path: Path) -> None:
    found = propose_wrist_landmarks(people[0].ct, people[0].shape.side)
    path = write_landmarks(found, tmp_path / "landmarks.mrk.json", locked=False)
    assert '"locked": false' in path.read_text() and '"locked": true' not in path.read_text()
    for name, point in read_landmarks(path).items():
        np.testing.assert_allclose(point, found[name], atol=1e-5)
