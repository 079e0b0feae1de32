"""A population of synthetic hips on disk: people, groups, radiographs in true poses; restartable and in shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from XRayTo3DLib.dataset.case import read_phantom
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.depth_view_files import depth_views
from XRayTo3DLib.dataset.depth_views import views_of
from XRayTo3DLib.dataset.hip_population import HIP_BONES, draw_hips, write_hip_population
from XRayTo3DLib.dataset.simulate import SimulatedLimb
from XRayTo3DLib.dataset.standard_geometry import StandardGeometry
from XRayTo3DLib.dataset.view_pairs import gradient_correlation
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.radiograph_reader import read_radiograph

SMALL = {"spacing": 5.0, "mesh_spacing": 3.0, "exposures": 2, "pixel_mm": 4.0, "workers": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hips")
    write_hip_population(place, 2, 7, test=1, diseased_share=0.5, **SMALL)
    return place


def times(folder: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("cases/*/ct.nrrd")}


def test_the_folder_is_a_data_set_with_groups(folder: Path) -> None:
    dataset = DatasetFolder.open(folder)
    assert dataset.synthetic and "SYNTHETIC" in dataset.provenance and dataset.labels == HIP_BONES
    assert dataset.frame == "lps" and [case.id for case in dataset.cases("test")] == ["hips-test-0001"]
    for number, case in enumerate(dataset.cases("train")):
        shape, texture = draw_hips(7, "train", number, 0.5)
        assert case.group == shape.group and read_phantom(case.folder / "phantom.json") == (shape, texture)
        assert set(case.meshes()) == set(HIP_BONES) and views_of(case) == ("ap-1", "ap-2")


def test_disease_has_its_share_and_changes_nobody_else() -> None:
    people = [draw_hips(3, "train", number, 0.25)[0] for number in range(200)]
    assert np.mean([person.group == "osteoarthritis" for person in people]) == pytest.approx(0.25, abs=0.08)
    assert len({person.right.head_diameter for person in people}) == 200
    healthy = [draw_hips(3, "train", number, 0.0)[0] for number in range(40)]
    assert all(a == b for a, b in zip(healthy, people, strict=False) if b.group == "healthy")


def test_radiographs_show_the_bones_where_their_poses_say(folder: Path) -> None:
    case = DatasetFolder.open(folder).cases("train")[0]
    body = SimulatedLimb(case.ct(), 55.0)
    poses = []
    for view in views_of(case):
        place = case.folder / "views" / view
        seen = XRayCamera.load(place / "camera.json")
        picture = read_radiograph(place / "radiograph.nrrd", camera=seen)
        pose = RigidPose.load(place / "pose.tfm")
        assert picture.synthetic and picture.view == "AP"
        there = gradient_correlation(picture, body.line_integrals(seen, pose))
        for shift in ((8.0, 0.0, 0.0), (0.0, 0.0, 8.0), (-8.0, 0.0, 0.0), (0.0, 0.0, -8.0)):
            beside = RigidPose.from_rotation((0, 0, 0), shift) @ pose
            assert gradient_correlation(picture, body.line_integrals(seen, beside)) < there - 0.02
        assert there > 0.8
        poses.append(pose)
    assert poses[0].distance_to(poses[1], np.zeros(3))[1] > 1.0


def test_depth_views_of_a_population(folder: Path) -> None:
    views = depth_views(DatasetFolder.open(folder).cases(), StandardGeometry(40), workers=1)
    assert len(views) == 6 and {view.group for view in views} <= {"healthy", "osteoarthritis"}
    for view in views:
        assert view.mask.any(axis=(1, 2)).all() and view.notes == ()
        assert 650 < np.nanmin(view.front_mm) < np.nanmax(view.back_mm) < 1000
        assert (np.nan_to_num(view.back_mm - view.front_mm) >= 0).all()
        right, left = (np.argwhere(view.mask[channel])[:, 1].mean() for channel in (0, 2))
        assert right < left
        bone, air = view.image[view.mask.any(axis=0)], view.image[~view.mask.any(axis=0)]
        assert bone.mean() > air.mean() + 0.5


def test_it_goes_on_where_it_was_stopped_and_shards_make_the_same(folder: Path, tmp_path: Path) -> None:
    before = times(folder)
    options = {"diseased_share": 0.5, **SMALL}
    write_hip_population(folder, 2, 7, test=1, **options)
    assert times(folder) == before
    write_hip_population(tmp_path, 2, 7, test=1, shard=(2, 3), **options)
    assert set(times(tmp_path)) == {"hips-0002"}
    ours, theirs = (place / "cases/hips-0002/views/ap-2/radiograph.nrrd" for place in (folder, tmp_path))
    assert np.array_equal(read_radiograph(ours).pixels, read_radiograph(theirs).pixels)
    fewer = options | {"exposures": 1, "pixel_mm": 5.0}
    write_hip_population(tmp_path, 2, 7, test=1, shard=(2, 3), **fewer)
    assert [place.name for place in (tmp_path / "cases/hips-0002/views").iterdir()] == ["ap-1"]


@pytest.mark.parametrize(
    "options",
    [{"exposures": 100}, {"pixel_mm": 0.0}, {"diseased_share": 1.5}, {"people": 0}, {"shard": (3, 2)}, {"workers": 0}],
)
def test_numbers_that_cannot_be(tmp_path: Path, options: dict) -> None:
    with pytest.raises(InputError, match="population"):
        write_hip_population(tmp_path, **({"people": 1} | options))
