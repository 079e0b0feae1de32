"""Simulated radiographs: line integrals, noise, blur and scatter behave as physics says, and say they are synthetic."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from phantoms_analytic import Box, Ellipsoid, centred_grid, line_integrals, looking_camera, relative_rms, voxelised

from XRayTo3DLib.dataset.phantoms import wrist_camera
from XRayTo3DLib.dataset.simulate import SimulatedLimb, expose, simulate_radiograph
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.attenuation import SOFT_TISSUE_HU, hu_to_attenuation, water_attenuation
from XRayTo3DLib.imaging.types import CtVolume, Radiograph

THICKNESS = 30.0


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
    return standard_camera(1000.0, (1.0, 1.0), (120, 120), source_isocentre=900.0, view="AP")


def centre(picture: Radiograph, half: int = 8) -> NDArray[np.float32]:
    return picture.pixels[60 - half : 60 + half, 60 - half : 60 + half]


def test_without_noise_it_is_the_line_integral(slab: CtVolume, camera: XRayCamera) -> None:
    picture = simulate_radiograph(slab, camera, photons=0, blur_mm=0, scatter=0, energy_kev=60)
    assert centre(picture).mean() == pytest.approx(THICKNESS * water_attenuation(60), rel=0.01)
    assert picture.pixels[:5].max() == pytest.approx(0.0, abs=1e-6)


def test_softer_rays_are_absorbed_more(slab: CtVolume, camera: XRayCamera) -> None:
    soft, hard = (
        centre(simulate_radiograph(slab, camera, photons=0, scatter=0, energy_kev=energy)).mean() for energy in (35, 80)
    )
    assert soft / hard == pytest.approx(water_attenuation(35) / water_attenuation(80), rel=0.01)


def test_noise_is_poisson_and_follows_the_seed(slab: CtVolume, camera: XRayCamera) -> None:
    options = {"photons": 500.0, "blur_mm": 0.0, "scatter": 0.0}
    first, again, other = (simulate_radiograph(slab, camera, seed=seed, **options) for seed in (1, 1, 2))
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, other.pixels)
    counts = 500.0 * np.exp(-centre(first))
    assert counts.std() == pytest.approx(np.sqrt(counts.mean()), rel=0.2)
    assert first.intensity.i0 == pytest.approx(500.0) and first.intensity.absolute


def test_several_seeds_make_a_noise_of_their_own(slab: CtVolume, camera: XRayCamera) -> None:
    options = {"photons": 500.0, "blur_mm": 0.0, "scatter": 0.0}
    pictures = [simulate_radiograph(slab, camera, seed=seed, **options) for seed in ((3, 1), (3, 2), (4, 1), 3)]
    air = [picture.pixels[:20].ravel() for picture in pictures]
    assert np.abs(np.corrcoef(air) - np.eye(4)).max() < 0.1
    assert np.array_equal(pictures[0].pixels, simulate_radiograph(slab, camera, seed=[3, 1], **options).pixels)
    assert "seed 3, 1." in pictures[0].notes[0]


def test_scatter_fogs_the_picture_and_air_stays_air(slab: CtVolume, camera: XRayCamera) -> None:
    clear, foggy = (simulate_radiograph(slab, camera, photons=0, scatter=scatter) for scatter in (0.0, 0.4))
    assert centre(foggy).mean() < 0.97 * centre(clear).mean()
    assert foggy.pixels[0, 0] == pytest.approx(0.0, abs=0.05)


def test_blur_softens_the_edge(slab: CtVolume, camera: XRayCamera) -> None:
    sharp, soft = (simulate_radiograph(slab, camera, photons=0, scatter=0, blur_mm=blur) for blur in (0.0, 2.0))
    steepest = [np.abs(np.diff(picture.pixels[60])).max() for picture in (sharp, soft)]
    assert steepest[1] < 0.6 * steepest[0]


def test_the_pose_moves_the_picture(slab: CtVolume, camera: XRayCamera) -> None:
    still = simulate_radiograph(slab, camera, photons=0, scatter=0)
    moved = simulate_radiograph(slab, camera, RigidPose.from_rotation((0, 0, 0), (9, 0, 0)), photons=0, scatter=0)
    assert np.abs(np.roll(still.pixels, 10, axis=1) - moved.pixels)[:, 12:].max() < 0.06  # magnification 10 / 9


def test_it_says_what_it_is(slab: CtVolume, camera: XRayCamera) -> None:
    picture = simulate_radiograph(slab, camera, view="AP", laterality="L", seed=4)
    assert picture.synthetic and "SYNTHETIC" in picture.notes[0] and "seed 4" in picture.notes[0]
    assert (picture.view, picture.laterality) == ("AP", "L")


def test_impossible_exposures_are_refused(slab: CtVolume, camera: XRayCamera) -> None:
    for wrong in ({"photons": -1}, {"blur_mm": float("nan")}, {"scatter": -0.1}, {"energy_kev": 5}):
        with pytest.raises(InputError):
            simulate_radiograph(slab, camera, **wrong)


@pytest.mark.parametrize("side", ["right", "left"])
def test_wrist_cameras_show_fingers_up_and_the_joint_in_the_field(side: str) -> None:
    for view in ("PA", "LAT"):
        camera = wrist_camera(view, side=side)
        joint, fingers = camera.project(np.array([[0.0, 0, 0], [0, 0, 30.0]]))
        assert fingers[1] < joint[1]  # rows run from the fingers to the elbow
        assert np.all(joint > 100) and np.all(joint < np.array(camera.size) - 100)
    assert wrist_camera("PA").magnification((0.0, 0.0, -30.0)) == pytest.approx(1000 / 955, rel=1e-6)
    with pytest.raises(InputError, match="PA or LAT"):
        wrist_camera("skyline", side=side)


# ---- bones that move by themselves -----------------------------------------------------------------------------------

BONE_HU = 900.0
BONES = {
    "left": Ellipsoid((-14, 3, 0), (7, 6, 18), (0, 10, 0), 1.0),
    "right": Ellipsoid((15, -2, 4), (6, 8, 15), (12, 0, 0), 1.0),
}
FLESH = Box((0, 0, 0), (34, 26, 34), (0, 0, 0), 1.0)
REST = RigidPose.from_rotation((3, -5, 8), (2, 1, -3))
OWN = RigidPose.from_rotation((4, 6, -5), (3, -2, 12), REST.apply([-14.0, 3, 0])) @ REST


@pytest.fixture(scope="module")
def limb() -> SimulatedLimb:
    """Two bones in a block of soft tissue, 1 mm voxels."""
    size = (78, 62, 78)
    grid = centred_grid(size, 1.0)
    filled = {name: voxelised([bone], size, grid) for name, bone in BONES.items()}
    share = sum(filled.values())
    flesh = voxelised([FLESH], size, grid)
    hu = -1000 + flesh * (1000 + SOFT_TISSUE_HU) + share * (BONE_HU - SOFT_TISSUE_HU)
    labels = sum((filled[name] > 0.5) * number for number, name in enumerate(BONES, start=1))
    names = {name: number for number, name in enumerate(BONES, start=1)}
    return SimulatedLimb(CtVolume(hu.astype(np.float32), grid, labels, names, "limb"), energy_kev=60)


@pytest.fixture(scope="module")
def oblique() -> XRayCamera:
    return looking_camera((80, 70), 1.4)


def expected(camera: XRayCamera, poses: dict[str, RigidPose]) -> NDArray[np.float64]:
    """Closed-form line integrals of the block at rest and each bone's excess over it at its own pose."""
    tissue, bone = (float(hu_to_attenuation(np.array(hu), energy_kev=60)[0]) for hu in (SOFT_TISSUE_HU, BONE_HU))
    bones = [(bone - tissue) * line_integrals([BONES[name]], camera, pose) for name, pose in poses.items()]
    return tissue * line_integrals([FLESH], camera, REST) + sum(bones)


def test_a_bone_moved_to_where_it_was_changes_nothing(limb: SimulatedLimb, oblique: XRayCamera) -> None:
    still = limb.line_integrals(oblique, REST)
    assert still.max() > 1.0
    np.testing.assert_allclose(limb.line_integrals(oblique, REST, {"left": REST}), still, atol=1e-9)


def test_a_moved_bone_leaves_soft_tissue_behind(limb: SimulatedLimb, oblique: XRayCamera) -> None:
    """What changes in the picture, against closed forms."""
    still, moved = (limb.line_integrals(oblique, REST, own) for own in (None, {"left": OWN}))
    poses = {"left": REST, "right": REST}
    right = expected(oblique, {**poses, "left": OWN}) - expected(oblique, poses)
    assert np.abs(right).max() > 0.2
    assert relative_rms(moved - still, right) < 0.1
    assert relative_rms(moved, expected(oblique, {**poses, "left": OWN})) < 0.015


def test_what_two_bones_change_adds_up(limb: SimulatedLimb, oblique: XRayCamera) -> None:
    still = limb.line_integrals(oblique, REST)
    other = RigidPose.from_rotation((0, 0, 6), (-3, 2, 5)) @ REST
    changes = [limb.line_integrals(oblique, REST, moved) - still for moved in ({"left": OWN}, {"right": other})]
    both = limb.line_integrals(oblique, REST, {"left": OWN, "right": other}) - still
    assert min(np.abs(change).max() for change in changes) > 0.1
    np.testing.assert_allclose(both, sum(changes), atol=1e-6)


def test_only_bones_that_are_there_can_move(limb: SimulatedLimb, oblique: XRayCamera) -> None:
    with pytest.raises(InputError, match="middle"):
        limb.line_integrals(oblique, REST, {"middle": OWN})


def test_an_even_layer_stays_what_it_is_whatever_the_scatter(camera: XRayCamera) -> None:
    """Blur and scatter of an even field are even: -log(e^-c (1 + s) / (1 + s)) = c."""
    picture = expose(np.full((120, 120), 1.7), camera, photons=0, scatter=0.3, blur_mm=1.0)
    np.testing.assert_allclose(picture.pixels, 1.7, atol=1e-5)
    assert picture.synthetic and picture.intensity.absolute and picture.intensity.i0 == pytest.approx(1.3)


def test_exposing_line_integrals_is_what_simulating_does(slab: CtVolume, camera: XRayCamera) -> None:
    integrals = SimulatedLimb(slab, 60).line_integrals(camera, RigidPose.identity())
    picture = expose(integrals, camera, seed=(2, 1))
    whole = simulate_radiograph(slab, camera, energy_kev=60, seed=(2, 1))
    assert np.array_equal(picture.pixels, whole.pixels)
    with pytest.raises(InputError, match="0 or more"):
        expose(integrals, camera, photons=-1)
