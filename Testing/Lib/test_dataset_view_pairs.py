"""Simulated "actual" radiographs, and pairs with their registration-DRR, through the files and into canonical views."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phantoms_analytic import relative_rms

from XRayTo3DLib.dataset.actual_radiograph import BLADE, ActualOptions, actual_radiograph
from XRayTo3DLib.dataset.canonical_view import CanonicalView
from XRayTo3DLib.dataset.dataset_folder import DatasetCase, DatasetFolder
from XRayTo3DLib.dataset.exposure_sampler import Exposures, PoseRange
from XRayTo3DLib.dataset.population import write_population
from XRayTo3DLib.dataset.prepared import truth_meshes
from XRayTo3DLib.dataset.simulate import simulate_radiograph
from XRayTo3DLib.dataset.view_pairs import read_pair, write_pairs
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import read_json
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.registration.result import RESULT_FORMAT, Review, record_review
from XRayTo3DLib.shape.meshes import points_of

VIEWS = ("PA", "LAT")
PLAIN = ActualOptions((38, 38), (8000, 8000), (0.1, 0.1), (0.2, 0.2), (1, 1), (0, 0), (0, 0), (4, 4), (0, 0), False)
"""What ``simulate_radiograph`` makes, and nothing else."""


@pytest.fixture(scope="module")
def slab() -> CtVolume:
    """A block of water, 60 x 30 x 60 mm (x, y, z), in the middle of air."""
    hu = np.full((50, 50, 50), -1000.0, dtype=np.float32)
    hu[10:40, 17:32, 10:40] = 0.0
    matrix = np.diag([2.0, 2.0, 2.0, 1.0])
    matrix[:3, 3] = [-49, -48, -49]
    return CtVolume(hu, matrix, name="water")


@pytest.fixture(scope="module")
def camera() -> XRayCamera:
    return standard_camera(1000.0, (0.5, 0.5), (240, 240), source_isocentre=900.0, view="AP")


def expose(slab: CtVolume, camera: XRayCamera, seed: int = 0, laterality: str = "", **options: object):
    return actual_radiograph(
        slab, camera, RigidPose.identity(), replace(PLAIN, **options), seed, laterality=laterality
    ).pixels


def test_with_nothing_added_it_is_the_simulated_radiograph(slab: CtVolume, camera: XRayCamera) -> None:
    plain = simulate_radiograph(slab, camera, photons=0, scatter=0.1, blur_mm=0.2, energy_kev=38).pixels
    found = expose(slab, camera)
    assert found.mean() == pytest.approx(plain.mean(), abs=0.002)
    assert (found - plain).std() < 0.03  # 8000 photons


def test_gain_and_offset_are_the_detectors(slab: CtVolume, camera: XRayCamera) -> None:
    plain, other = expose(slab, camera), expose(slab, camera, gain=(1.2, 1.2), offset=(-0.2, -0.2))
    assert other == pytest.approx(1.2 * plain - 0.2, abs=1e-5)


def test_blades_are_bright_at_the_edge_and_the_field_is_open(slab: CtVolume, camera: XRayCamera) -> None:
    covered = expose(slab, camera, blades_mm=(10.0, 10.0))  # 20 pixels on every side
    inside = np.zeros(covered.shape, dtype=bool)
    inside[20:-20, 20:-20] = True
    assert covered[~inside].min() > 1.5 and np.median(covered[:15]) < BLADE  # scatter reaches behind blades
    assert covered[21:40, 21:40].max() < 0.3


def test_grid_lines_come_back_at_their_alias(slab: CtVolume, camera: XRayCamera) -> None:
    # 4.4 lines per mm in pixels of 0.5 mm: 2.2 per pixel, seen as 0.2 per pixel.
    lined = expose(slab, camera, grid=(0.05, 0.05), grid_per_mm=(4.4, 4.4)) - expose(slab, camera)
    spectrum = np.abs(np.fft.rfft(lined.mean(axis=0)))
    assert np.fft.rfftfreq(240)[np.argmax(spectrum)] == pytest.approx(0.2, abs=0.005)
    assert lined.std() == pytest.approx(0.05 / 2**0.5, rel=0.02)


def test_the_marker_is_the_sides_letter(slab: CtVolume, camera: XRayCamera) -> None:
    clean = expose(slab, camera)
    letters = {}
    for side in ("L", "R"):
        marked = expose(slab, camera, marker=True, laterality=side)
        changed = np.argwhere(marked != clean)
        assert np.all(marked[tuple(changed.T)] == clean.max())
        assert changed.min(axis=0) == pytest.approx([10, 10]) and changed.max() < 32
        letters[side] = len(changed)
    assert letters["R"] > letters["L"] > 50
    assert np.array_equal(expose(slab, camera, marker=True), clean)  # the side is not known


def test_the_seed_says_it_all_and_the_picture_says_what_it_is(slab: CtVolume, camera: XRayCamera) -> None:
    pictures = [actual_radiograph(slab, camera, RigidPose.identity(), seed=seed) for seed in ((1, 2), (1, 2), (1, 3))]
    assert np.array_equal(pictures[0].pixels, pictures[1].pixels)
    assert not np.array_equal(pictures[0].pixels, pictures[2].pixels)
    assert pictures[0].synthetic and pictures[0].notes[0].startswith("SYNTHETIC") and not pictures[0].intensity.absolute
    for wrong in ({"scatter": (-0.1, 0.2)}, {"photons": (5, 2)}, {"gain": (1.0, float("nan"))}):
        with pytest.raises(InputError, match="low, high"):
            ActualOptions(**wrong)


# ---- pairs -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> tuple[DatasetCase, ...]:
    """A left and a right wrist."""
    folder = tmp_path_factory.mktemp("wrists")
    write_population(folder, 2, 0, soft_tissue=True, spacing=1.4, mesh_spacing=1.5, workers=1)
    dataset = DatasetFolder.open(folder)
    write_pairs(dataset, VIEWS, seed=5)
    found = dataset.cases()
    assert {case.side for case in found} == {"left", "right"}
    return found


@pytest.mark.parametrize("view", VIEWS)
def test_the_drr_in_the_canonical_view_is_the_samplers_in_the_pose_held(cases, view: str) -> None:
    canonical, grid = CanonicalView(view, 48, 2.0), VoxelGrid(16, 5.0)
    for case in cases:
        pair = read_pair(case, view)
        found = pair.canonical(canonical)
        sampled = Exposures([pair.case], [canonical], grid, PoseRange(), 0).exposed(0, [found.pose])
        assert relative_rms(found.drr, sampled.images[0, 0]) < 0.04
        turn, _ = found.pose.parameters()
        assert 0.5 < np.abs(turn).max() < 16 and np.abs(found.pose.translation).max() < 13


def test_a_limb_askew_in_the_picture_is_put_upright_when_told_where_distal_is(cases) -> None:
    for case in cases:
        pair = read_pair(case, "PA")
        ends = pair.radiograph.camera.project(pair.frame_to_world.apply(np.array([[0.0, 0, -20], [0, 0, 0]])))
        found = pair.canonical(CanonicalView("PA", 48, 2.0), up=tuple(ends[1] - ends[0]))
        axis = found.pose.rotation[:, 2]
        assert abs(np.rad2deg(np.arctan2(axis[0], axis[2]))) < 0.5  # but for perspective, along the picture's rows
        askew = pair.canonical(CanonicalView("PA", 48, 2.0)).pose.rotation[:, 2]
        assert abs(np.rad2deg(np.arctan2(askew[0], askew[2]))) > 1


@pytest.mark.parametrize("view", VIEWS)
def test_truth_meshes_in_that_pose_lie_in_the_radiograph(cases, view: str) -> None:
    for case in cases:
        pair = read_pair(case, view)
        found = pair.canonical(CanonicalView(view, 48, 2.0))
        points = found.pose.apply(points_of(truth_meshes(case)["radius"]))
        points[:, 0] *= -1 if pair.case.frame.mirrored else 1
        seen = pair.radiograph.camera.project(found.frame_to_world.apply(points))
        columns, rows = np.round(seen).astype(int).T
        inside = (columns >= 0) & (columns < pair.drr.shape[1]) & (rows >= 0) & (rows < pair.drr.shape[0])
        assert inside.mean() > 0.9
        shadow = np.pad(pair.drr > 0.01, 3)
        near = np.any(
            [shadow[rows[inside] + 3 + r, columns[inside] + 3 + c] for r in (-3, 0, 3) for c in (-3, 0, 3)], 0
        )
        assert near.mean() > 0.99


def test_the_files_say_that_a_simulation_accepted_them(cases) -> None:
    place = cases[0].folder / "views" / "pa"
    content = read_json(place / "registration.json", "registration", RESULT_FORMAT)
    assert content["review"] == {"status": "accepted", "note": "", "by_role": "simulation"} and content["synthetic"]
    assert 0.1 < content["mean_similarity"] < 1.0
    pose = RigidPose.load(place / "pose.tfm")
    assert np.abs(pose.matrix - np.array(content["pose_ct_to_world"])).max() < 1e-9
    assert {path.name for path in place.iterdir()} == {
        "radiograph.nrrd", "drr.nrrd", "camera.json", "pose.tfm", "registration.json",
    }  # fmt: skip


def test_pairs_follow_from_the_seed(cases, tmp_path: Path) -> None:
    before = read_pair(cases[0], "PA")
    dataset = DatasetFolder.open(cases[0].folder.parent.parent)
    write_pairs(dataset, ("PA",), seed=5)
    again = read_pair(cases[0], "PA")
    assert np.array_equal(before.radiograph.pixels, again.radiograph.pixels)
    assert not np.array_equal(read_pair(cases[1], "PA").radiograph.pixels, again.radiograph.pixels)


def test_pairs_that_nobody_accepted_are_refused(cases) -> None:
    path = cases[1].folder / "views" / "lat" / "registration.json"
    record_review(path, Review.REJECTED, "shifted", "tester")
    with pytest.raises(InputError, match=f"case {cases[1].id}.*rejected"):
        read_pair(cases[1], "LAT")
    record_review(path, Review.ACCEPTED, "", "simulation")
    with pytest.raises(InputError, match=cases[1].id):
        read_pair(cases[1], "AP")
    with pytest.raises(InputError, match="skyline"):
        write_pairs(DatasetFolder.open(cases[0].folder.parent.parent), ("skyline",))
