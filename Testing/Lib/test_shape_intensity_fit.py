"""Fits of shape and intensity models: bones known in closed form are found again; slopes are those of differences."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from shape_intensity_cases import Egg, egg, egg_picture, egg_surface, three_cameras

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.shape import shape_intensity_fit
from XRayTo3DLib.shape.meshes import make_surface, points_of, transformed
from XRayTo3DLib.shape.model_fitting_contours import Outline, outline_of_mask
from XRayTo3DLib.shape.shape_intensity_fit import Bone, IntensityFitOptions, Level, fit_shape_intensity
from XRayTo3DLib.shape.shape_intensity_scene import Placed, Scene
from XRayTo3DLib.shape.shape_intensity_similarity import METRICS, Likeness, Metric
from XRayTo3DLib.shape.surface_distance import surface_distance

CAMERAS = three_cameras()
LONG = Egg((15.0, 19.0, 33.0), 0.028, 0.043)
SHORT = Egg((13.0, 22.0, 27.5), 0.033, 0.038)
BESIDE = RigidPose.from_rotation([4.0, -8.0, 6.0], [-24.0, 3.0, 5.0])
OTHER = RigidPose.from_rotation([-5.0, 6.0, -7.0], [22.0, -4.0, -6.0])
FINE = Level(1, False, 3, 2, 30)


def off(bone: Egg, pose: RigidPose, fitted: object) -> float:
    """ASSD of a fitted bone, mm."""
    truth = transformed(make_surface(*egg_surface(bone)), pose.matrix)
    return surface_distance(truth, fitted.surface(), samples=3000).assd  # type: ignore[attr-defined]


def test_an_instance_of_the_model_is_found_again() -> None:
    """Pose, shape and density of two bones, from what the model itself shows of them."""
    rng = np.random.default_rng(4)
    truth = {
        name: Placed(pose, rng.normal(size=3) * 0.8, rng.normal(size=2) * 0.8)
        for name, pose in (("a", BESIDE), ("b", OTHER))
    }
    usual = {name: RigidPose.from_rotation([0.0, 0.0, 0.0], each.pose.translation) for name, each in truth.items()}
    bones = {name: Bone(egg(), usual[name]) for name in truth}
    blank = [np.arange(32.0 * 32).reshape(32, 32)] * 3
    options = IntensityFitOptions("ssd", prior=0.0)
    shown = Scene(bones, CAMERAS, blank, FINE, options).pictures(truth)
    # The fit blurs what it is given as a detector's picture differs from the model's: undo that.
    levels = (Level(2, True, 0, 0, 10), Level(2, False, 0, 0, 10), Level(1, False, 3, 2, 40))
    sharp = [_unblurred(picture) for picture in shown]
    found = fit_shape_intensity(bones, CAMERAS, sharp, IntensityFitOptions("ssd", 1e-9, levels=levels, tolerance=1e-5))
    assert found.misfit < 1e-5
    for name, each in truth.items():
        fitted = found.bones[name]
        # An egg has ways to look the same: what is told apart is its surface and its density.
        surface = transformed(egg().surface(each.theta), each.pose.matrix)
        assert surface_distance(surface, fitted.surface(), samples=3000).assd < 0.05
        assert fitted.phi == pytest.approx(each.phi, abs=0.15)
        assert fitted.theta == pytest.approx(each.theta, abs=0.1)
        assert np.linalg.norm(fitted.pose.translation - each.pose.translation) < 0.1


def _unblurred(picture: np.ndarray) -> np.ndarray:
    from XRayTo3DLib.projection.point_mass_drr import like_footprints

    sharp = picture.copy()
    for _ in range(30):
        sharp += picture - like_footprints(sharp)
    return sharp


@pytest.mark.parametrize("metric", ["ncc", "ngcc"])
def test_bones_are_found_in_closed_form_radiographs(metric: Metric) -> None:
    people = {"a": (LONG, BESIDE), "b": (SHORT, OTHER)}
    images = [egg_picture(camera, list(people.values())) for camera in CAMERAS]
    usual = {name: RigidPose.from_rotation([0.0, 0.0, 0.0], pose.translation) for name, (_, pose) in people.items()}
    start = {name: RigidPose.from_rotation([3.0, 2.0, 0.0], [2.0, -3.0, 2.0]) @ pose for name, pose in usual.items()}
    bones = {name: Bone(egg(), pose) for name, pose in usual.items()}
    found = fit_shape_intensity(bones, CAMERAS, images, IntensityFitOptions(metric), start)
    for name, (person, pose) in people.items():
        before = surface_distance(
            transformed(make_surface(*egg_surface(person)), pose.matrix),
            transformed(egg().surface(), start[name].matrix),
            samples=2000,
        ).assd
        assert before > 1.5 and off(person, pose, found.bones[name]) < 0.25


def test_gain_and_offset_of_a_radiograph_are_no_matter() -> None:
    images = [egg_picture(camera, [(LONG, BESIDE)]) for camera in CAMERAS]
    options = IntensityFitOptions("ncc", levels=(Level(2, False, 3, 1, 6),))
    found = [
        fit_shape_intensity({"a": Bone(egg(), BESIDE)}, CAMERAS, shown, options).bones["a"].surface()
        for shown in (images, [3.0 * image + 0.7 for image in images])
    ]
    assert points_of(found[0]) == pytest.approx(points_of(found[1]), abs=1e-3)


def test_the_prior_counts_standard_deviations() -> None:
    """Two of rotation about the bone's middle, one of translation, and coefficients: their squares add up."""
    bone = Bone(egg(), BESIDE, rotation_sd_deg=5.0, translation_sd_mm=4.0)
    images = [egg_picture(camera, [(LONG, BESIDE)]) for camera in CAMERAS]
    scene = Scene({"a": bone}, CAMERAS, images, Level(2, False, 3, 2, 1), IntensityFitOptions("ncc", prior=0.01))
    pose = RigidPose.from_rotation([0.0, 10.0, 0.0], [0.0, 0.0, -4.0], BESIDE.apply(bone.middle)) @ BESIDE
    placed = {"a": Placed(pose, np.array([1.0, -2.0, 0.0]), np.array([0.5, 0.0]))}
    wanted = 0.01 * (2.0**2 + 1.0 + 1.0 + 2.0**2 + 0.5**2)
    assert scene.cost(placed) - len(CAMERAS) * scene.misfit(placed) == pytest.approx(wanted)


def test_long_steps_are_shortened_all_alike() -> None:
    scene = SimpleNamespace(longest=lambda *limits: np.array([5.0, 8.0]))
    for square, expected in ((np.eye(2), [5.0, -0.25]), (10 * np.eye(2), [2.0, -0.1])):
        step = shape_intensity_fit._step(square, np.array([-20.0, 1.0]), 0.0, scene)  # type: ignore[arg-type]
        assert step == pytest.approx(expected)


def test_a_step_that_leaves_the_pictures_is_tried_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    real, first = shape_intensity_fit._step, [np.array([0.0, 0.0, 0.0, 400.0, 0.0, 0.0])]
    monkeypatch.setattr(shape_intensity_fit, "_step", lambda *given: first.pop() if first else real(*given))
    images = [egg_picture(camera, [(LONG, BESIDE)]) for camera in CAMERAS]
    start = {"a": RigidPose.from_rotation([0.0, 0.0, 0.0], [3.0, 0.0, -3.0]) @ BESIDE}
    options = IntensityFitOptions("ncc", levels=(Level(2, True, 0, 0, 4),))
    found = fit_shape_intensity({"a": Bone(egg(), BESIDE)}, CAMERAS, images, options, start).bones["a"]
    assert not first and np.linalg.norm(found.pose.translation - BESIDE.translation) < 1.0


@pytest.mark.parametrize(("metric", "together"), [("ncc", True), ("ngcc", False), ("ssd", False)])
def test_slopes_are_those_of_differences(metric: Metric, together: bool) -> None:
    images = [egg_picture(camera, [(LONG, BESIDE), (SHORT, OTHER)]) for camera in CAMERAS]
    bones = {"a": Bone(egg(), BESIDE), "b": Bone(egg(), OTHER)}
    scene = Scene(bones, CAMERAS, images, Level(2, together, 3, 2, 1), IntensityFitOptions(metric, prior=0.01))
    rng = np.random.default_rng(2)
    placed = {
        name: Placed(RigidPose.from_rotation([2.0, -3.0, 1.0], [1.0, 2.0, -1.0]) @ bone.usual, *rng.normal(size=(2, 3)))
        for name, bone in bones.items()
    }
    placed = {name: Placed(each.pose, each.theta, each.phi[:2]) for name, each in placed.items()}
    cost, _, gradient = scene.linearised(placed)
    assert cost == pytest.approx(scene.cost(placed), rel=1e-6)
    slopes = []
    for step in 2e-3 * np.eye(len(gradient)):
        slopes.append((scene.cost(scene.moved(placed, step)) - scene.cost(scene.moved(placed, -step))) / 8e-3)
    assert gradient == pytest.approx(np.array(slopes), abs=1e-3 * float(np.abs(gradient).max()))


def test_likenesses_are_the_correlations_written_out() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 9, 11))

    def ncc(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.corrcoef(x.ravel(), y.ravel())[0, 1])

    ngcc = 0.5 * (ncc(np.diff(a, axis=1), np.diff(b, axis=1)) + ncc(np.diff(a, axis=0), np.diff(b, axis=0)))
    wanted = {"ncc": 2 - 2 * ncc(a, b), "ngcc": 2 - 2 * ngcc, "ssd": ((a - b) ** 2).sum() / (a**2).sum()}
    for metric in METRICS:
        likeness = Likeness(a, metric)
        assert (likeness.residuals(b) ** 2).sum() == pytest.approx(wanted[metric])
        assert (likeness.residuals(a) ** 2).sum() == pytest.approx(0.0, abs=1e-12)
        gained = (likeness.residuals(2 * a + 3) ** 2).sum()
        assert (gained < 1e-12) == (metric != "ssd")


# ---- outlines -----------------------------------------------------------------------------------------------------


def outlines_of(bone: Egg, pose: RigidPose) -> tuple[Outline, ...]:
    """As a segmented radiograph would give them: fine masks of the shadow."""
    fine = [camera.resampled((128, 128)) for camera in CAMERAS]
    return tuple(outline_of_mask(camera, egg_picture(camera, [(bone, pose)]) > 1e-3) for camera in fine)


def test_outlines_hold_a_bone_whose_picture_lies() -> None:
    """Half of the bone shows twice as bright: no person of the model does. Its outlines are right all the same."""
    images = []
    for camera in CAMERAS:
        image = egg_picture(camera, [(LONG, OTHER)])
        image[:, : image.shape[1] // 2] *= 2.0
        images.append(image)
    usual = RigidPose.from_rotation([0.0, 0.0, 0.0], OTHER.translation + [3.0, 2.0, -3.0])
    errors = []
    for outlines in ((), outlines_of(LONG, OTHER)):
        options = IntensityFitOptions("ncc", contour=1.0)
        found = fit_shape_intensity({"a": Bone(egg(), usual, outlines=outlines)}, CAMERAS, images, options)
        errors.append(off(LONG, OTHER, found.bones["a"]))
    assert errors[1] < 0.4 and errors[1] < 0.5 * errors[0]


def test_slopes_of_outlines() -> None:
    """Pairs are found anew at every place, so only the direction and about the size of the slope can agree."""
    from XRayTo3DLib.shape.shape_intensity_contours import OutlinesOfBone

    outlines = OutlinesOfBone(egg().shape, outlines_of(LONG, OTHER))
    pose = RigidPose.from_rotation([2.0, 1.0, -1.0], [1.0, 1.5, -1.0]) @ OTHER
    theta, middle = np.array([0.5, -0.5, 0.3]), pose.apply([0.0, 0.0, 0.0])
    found = outlines.linearised(pose, theta, middle)
    assert found is not None and found[0] == pytest.approx(outlines.cost(pose, theta))

    def cost(step: np.ndarray) -> float:
        moved = RigidPose.from_rotation(step[:3], step[3:6], middle) @ pose
        return outlines.cost(moved, theta + step[6:])

    slopes = np.array([(cost(step) - cost(-step)) / 0.4 for step in 0.1 * np.eye(9)])
    agreement = float(slopes @ found[2] / np.linalg.norm(slopes) / np.linalg.norm(found[2]))
    assert agreement > 0.95 and 0.7 < np.linalg.norm(slopes) / np.linalg.norm(found[2]) < 1.4
    downhill = -found[2] * found[0] / float(found[2] @ found[2])
    assert cost(0.5 * downhill) < found[0]
    assert OutlinesOfBone(egg().shape, ()).linearised(pose, theta, middle) is None


# ---- what is refused ----------------------------------------------------------------------------------------------


def test_what_cannot_be_fitted() -> None:
    bones, image = {"a": Bone(egg())}, egg_picture(CAMERAS[0], [(LONG, RigidPose.identity())])
    with pytest.raises(InputError, match="at least one bone"):
        fit_shape_intensity({}, CAMERAS[:1], [image])
    with pytest.raises(InputError, match="1 radiographs for 3 cameras"):
        fit_shape_intensity(bones, CAMERAS, [image])
    with pytest.raises(InputError, match=r"\(30, 32\)"):
        fit_shape_intensity(bones, CAMERAS[:1], [image[:30]])
    with pytest.raises(InputError, match="not finite"):
        fit_shape_intensity(bones, CAMERAS[:1], [np.where(image > 1, np.nan, image)])
    with pytest.raises(InputError, match="shows nothing"):
        fit_shape_intensity(bones, CAMERAS[:1], [np.ones_like(image)])
    with pytest.raises(InputError, match="none of a radiograph's pixels"):
        fit_shape_intensity(bones, CAMERAS[:1], [image], start={"a": RigidPose.from_rotation([0] * 3, [400.0, 0, 0])})
    aside = {"a": RigidPose.from_rotation([0] * 3, [400.0, 0, 0])}
    with pytest.raises(InputError, match="none of a radiograph's pixels"):
        fit_shape_intensity(bones, CAMERAS[:1], [image], IntensityFitOptions("ssd", prior=0.0), aside)
    with pytest.raises(InputError, match="behind the X-ray source"):
        fit_shape_intensity(
            bones, CAMERAS[:1], [image], start={"a": RigidPose.from_rotation([0] * 3, CAMERAS[0].source)}
        )
    with pytest.raises(InputError, match="0 or more"):
        IntensityFitOptions(prior=-1.0)
    with pytest.raises(InputError, match="not known"):
        Likeness(image, "mi")  # type: ignore[arg-type]
