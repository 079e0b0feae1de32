"""SYNTHETIC knees as a data set: what a person is made from, how it is prepared, views that swing about the leg."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from XRayTo3DLib.dataset.canonical_view import CanonicalView, turned_camera
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.exposure_sampler import Exposures, PoseRange
from XRayTo3DLib.dataset.knee_population import KNEE_BONES, KNEE_CENTRE_MM, draw_knee, write_knee_population
from XRayTo3DLib.dataset.prepared import preparation_of
from XRayTo3DLib.dataset.prepared_files import prepare_all
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import read_json
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.shape.meshes import points_of

VIEWS = [CanonicalView(view, 32, 4.4, 1040.0, KNEE_CENTRE_MM) for view in ("AP", "LAT")]


@pytest.fixture(scope="module")
def knees(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    folder = tmp_path_factory.mktemp("knees")
    write_knee_population(folder, 2, test=1, spacing=3.0, mesh_spacing=2.5, workers=1)
    return DatasetFolder.open(folder)


def test_cases_are_right_knees_of_four_bones_and_their_preparation_keeps_the_field(knees: DatasetFolder) -> None:
    assert knees.labels == KNEE_BONES
    assert knees.synthetic
    assert {case.side for case in knees.cases()} == {"right"}
    prepared = prepare_all(knees.folder, 1)[0]
    assert prepared.spacing_mm == 2.0
    reach = preparation_of(knees.cases()[0]).field_mm + preparation_of(knees.cases()[0]).margin_mm
    low, high = prepared.origin, prepared.origin + 2.0 * (np.array(prepared.mu.shape[::-1]) - 1)
    assert low[2] == pytest.approx(-reach, abs=2.0)
    assert high[2] == pytest.approx(reach, abs=2.0)
    assert all((prepared.distances[k] < 0).sum() > 1000 for k in range(4))


def test_a_person_depends_on_seed_and_number_only_and_whole_cases_are_kept(knees: DatasetFolder) -> None:
    made = knees.folder / "cases" / "knee-0001" / "ct.nrrd"
    before = made.stat().st_mtime_ns
    write_knee_population(knees.folder, 2, test=1, spacing=3.0, mesh_spacing=2.5, workers=1)
    assert made.stat().st_mtime_ns == before
    assert draw_knee(0, "train", 0) == draw_knee(0, "train", 0) != draw_knee(0, "test", 0)
    middles = {bone: points_of(mesh).mean(axis=0) for bone, mesh in knees.cases()[0].meshes().items()}
    assert middles["patella"][1] < -20  # in front
    assert middles["fibula"][0] < middles["tibia"][0] - 20  # on the outside: to a right leg's right
    assert middles["femur"][2] > 0 > middles["tibia"][2]


@pytest.mark.parametrize(
    "wrong",
    [
        {"spacing": 2.0},
        {"spacing": None},
        {"__class__": 1},
        {"spacing_mm": "2"},
        {"spacing_mm": True},
        {"spacing_mm": 0},
        {"clip_mm": -1},
        {"field_mm": -1.0},
        {"energy_kev": 0.0},
        {"margin_mm": -0.5},
        {"centre_mm": [0.0, 1.0]},
        {"centre_mm": [0.0, 1.0, "2"]},
        {"centre_mm": [0.0, 1.0, None]},
        {"centre_mm": 1.0},
        {"excess": 0.5},
        {"excess": 1},
    ],
)
def test_a_preparation_that_is_not_known_is_refused(knees: DatasetFolder, tmp_path: Path, wrong: dict) -> None:
    content = read_json(knees.folder / "dataset.json", "dataset", "xrayto3d.dataset/1")
    text = json.dumps({**content, "preparation": wrong})  # as somebody else's program writes it, NaN and all
    (tmp_path / "dataset.json").write_text(text, encoding="utf-8")
    shutil.copytree(knees.folder / "cases", tmp_path / "cases", copy_function=os.link)
    with pytest.raises(InputError, match=f"preparation {next(iter(wrong))}"):
        preparation_of(DatasetFolder.open(tmp_path).cases()[0])


def test_a_swung_view_shows_what_the_turned_leg_shows(knees: DatasetFolder) -> None:
    prepared = prepare_all(knees.folder, 1)
    grid = VoxelGrid(16, 8.0, KNEE_CENTRE_MM)
    exposures = Exposures(prepared, VIEWS, grid, PoseRange(0.0, 0.0), 0)
    swung = exposures.exposed(0, [RigidPose.identity()], turns_deg=(0.0, 10.0))
    held = RigidPose.from_rotation([0.0, 0.0, -10.0], centre=KNEE_CENTRE_MM)
    turned = exposures.exposed(0, [held])
    straight = exposures.exposed(0, [RigidPose.identity()])
    assert torch.equal(swung.images[0, 0], straight.images[0, 0])
    torch.testing.assert_close(swung.images[0, 1], turned.images[0, 1], atol=0.02, rtol=0.02)
    assert (swung.images[0, 1] - straight.images[0, 1]).abs().max() > 0.3
    wanted = turned_camera(VIEWS[1].camera(), KNEE_CENTRE_MM, 10.0)
    assert swung.cameras[0][1].is_close(wanted)
    assert swung.cameras[0][0].is_close(VIEWS[0].camera())


def test_random_swings_stay_within_their_limits_and_do_not_change_the_poses(knees: DatasetFolder) -> None:
    prepared = prepare_all(knees.folder, 1)
    grid = VoxelGrid(16, 8.0, KNEE_CENTRE_MM)
    still, swung = (Exposures(prepared, VIEWS, grid, PoseRange(4.0, 4.0), 3, view_turn_deg=turn) for turn in (0, 12))
    one, other = still.sample("a", range(6)), swung.sample("a", range(6))
    np.testing.assert_array_equal(one.poses, other.poses)
    beams = np.array([[camera.view_direction for camera in cameras] for cameras in other.cameras])
    angles = np.rad2deg(np.arccos(np.clip(np.einsum("nvi,vi->nv", beams, [[0, 1, 0], [1, 0, 0]]), -1, 1)))
    assert angles.max() <= 12.001
    assert angles.std() > 1.0
    with pytest.raises(InputError, match="swung by 0 to 45"):
        Exposures(prepared, VIEWS, grid, PoseRange(), 0, view_turn_deg=60)
