"""Simulated radiographs: line integrals, noise, blur and scatter behave as physics says, and say they are synthetic."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from XRayTo3DLib.dataset.phantoms import wrist_camera
from XRayTo3DLib.dataset.simulate import simulate_radiograph
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.attenuation import water_attenuation
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
