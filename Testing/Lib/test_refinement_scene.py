"""The scene of a refinement: matrices and gradients against differences, views against bones, and the prior."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from phantoms_analytic import looking_camera
from shape_intensity_cases import Egg, egg, egg_picture

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.refinement.likeness import LikenessOptions
from XRayTo3DLib.refinement.options import Anatomy, Level, Placed, RefineOptions, View
from XRayTo3DLib.refinement.prior import JointPrior, PosePrior, independent
from XRayTo3DLib.refinement.scene import Scene, State, binned

CAMERAS = [
    looking_camera((34, 30), 4.4, turn_deg=turn, target=(0.0, 0.0, 0.0))
    for turn in ((3.0, 5.0, 11.0), (-8.0, 12.0, 74.0))
]
PEOPLE = {
    "a": (Egg((15.0, 19.0, 33.0), 0.028, 0.043), RigidPose.from_rotation([4.0, -8.0, 6.0], [-24.0, 3.0, 5.0])),
    "b": (Egg((13.0, 22.0, 27.5), 0.033, 0.038), RigidPose.from_rotation([-5.0, 6.0, -7.0], [22.0, -4.0, -6.0])),
}
FREE = Level(4.0, 8.0, 2, False, 3, 2, True, 1)
TOGETHER = replace(FREE, together=True)
VIEW_PRIOR = PosePrior((0.6, 0.8, 1.0), (1.5, 2.0, 9.0))
KINDS = ("rotation", "translation", "shape", "density", "common rotation", "common translation", "view", "view shift")
PLAIN = RefineOptions(likeness=LikenessOptions(robust=None))


def anatomy(correlated: bool = True) -> Anatomy:
    """Two eggs that go with each other."""
    models = {name: egg() for name in PEOPLE}
    sizes = {name: (model.size, model.density_size) for name, model in models.items()}
    prior = independent(sizes, {name: PosePrior() for name in models})
    if correlated:
        rows = np.random.default_rng(1).normal(size=(60, len(prior.mean)))
        prior = JointPrior(sizes, 0.1 * rows[0], prior.covariance + rows.T @ rows / 20)
    usual = {name: RigidPose.from_rotation([0] * 3, pose.translation) for name, (_, pose) in PEOPLE.items()}
    return Anatomy(models, usual, prior)


def views() -> list[View]:
    """Closed-form radiographs."""
    images = [egg_picture(camera, list(PEOPLE.values())) for camera in CAMERAS]
    return [View(*each, prior=VIEW_PRIOR) for each in zip(images, CAMERAS, strict=True)]


def state(moved: bool = True) -> State:
    """Somewhere beside the truth; the cameras too, where they may be moved."""
    rng = np.random.default_rng(2)
    bones = {
        name: Placed(pose @ RigidPose.from_rotation([2.0, -3.0, 1.0], [1.0, 2.0, -1.0]), *rng.normal(size=(2, 3)))
        for name, pose in anatomy().usual.items()
    }
    bones = {name: Placed(each.pose, each.theta, each.phi[:2]) for name, each in bones.items()}
    motion = RigidPose.from_rotation([0.5, -0.4, 0.7], [1.0, -1.0, 2.0]) if moved else RigidPose.identity()
    return State(bones, (motion, RigidPose.identity()))


def scene(level: Level, options: RefineOptions = PLAIN, joined: bool = True) -> Scene:
    return Scene(anatomy(joined), views(), level, options, state())


def kinds(level: Level) -> list[str]:
    """Of every unknown of a step."""
    pose = ["rotation"] * 3 + ["translation"] * 3
    own = ["shape"] * 3 + ["density"] * 2
    bones = ([f"common {each}" for each in pose] + 2 * own) if level.together else 2 * (pose + own)
    return bones + (2 * (["view"] * 3 + ["view shift"] * 3) if level.views else [])


def stacked(about: Scene, where: State) -> np.ndarray:
    """(r,) residuals whose squares sum up to the cost."""
    parts = [about._prior(where)]
    for likeness, picture in zip(about.likeness, about.pictures(where), strict=True):
        residuals = likeness.residuals(picture).astype(np.float64)
        parts.append(residuals * np.sqrt(PLAIN.data / len(residuals)))
    return np.concatenate(parts)


def differences(about: Scene, where: State, count: int, by: float = 0.02) -> np.ndarray:
    """(r, u) change of the residuals per unknown, by central differences."""
    return np.stack(
        [
            (stacked(about, about.moved(where, step)) - stacked(about, about.moved(where, -step))) / (2 * by)
            for step in by * np.eye(count)
        ],
        axis=1,
    )


@pytest.mark.parametrize("level", [FREE, TOGETHER], ids=["each by itself", "together"])
def test_matrices_and_gradients_are_those_of_differences(level: Level) -> None:
    """Each kind of unknown by itself, and as one."""
    about, where = scene(level), state()
    found = about.linearised(where)
    residuals, slopes = stacked(about, where), differences(about, where, len(found.gradient))
    assert found.cost == pytest.approx(float(residuals @ residuals), rel=1e-5)
    assert about.cost(where, found.weights) == pytest.approx(found.cost, rel=1e-5)
    count = len(about._prior(where))
    told = kinds(level)
    for matrix, part, close in ((found.data, slopes[count:], 1e-3), (found.prior, slopes[:count], 0.03)):
        # Rotations of the prior add up only to first order: 3 degrees away from the usual pose that shows.
        wanted = part.T @ part
        scale = np.sqrt(np.diag(wanted))
        for kind in dict.fromkeys(told):
            chosen = [number for number, each in enumerate(told) if each == kind]
            off = np.abs(matrix - wanted)[chosen] / np.outer(scale[chosen], scale)
            assert off.max() < close, kind
    wanted, scale = slopes.T @ residuals, np.linalg.norm(slopes, axis=0) * np.linalg.norm(residuals)
    assert np.abs((found.gradient - wanted) / scale).max() < 2e-3
    assert set(told) <= set(KINDS)
    assert len(told) == len(found.gradient) == len(about.longest(5.0, 8.0, 1.5))


def test_a_gradient_leads_downhill_with_robust_weights() -> None:
    about, where = scene(FREE, RefineOptions()), state()
    found = about.linearised(where)
    assert about.cost(where, found.weights) == pytest.approx(found.cost, rel=1e-5)
    assert all(0 < weight.min() < 0.5 < weight.max() <= 1 for weight in found.weights)
    step = -np.linalg.solve(found.data + found.prior, found.gradient)
    assert about.cost(about.moved(where, 0.5 * step), found.weights) < found.cost
    assert about.settled(about.moved(where, 0.5 * step)) < about.settled(where)


def test_moving_all_cameras_is_moving_everything_else_the_other_way() -> None:
    about, where = scene(FREE), state(moved=False)
    motion = RigidPose.from_rotation([3.0, -5.0, 4.0], [6.0, 2.0, -9.0], [5.0, 5.0, 5.0])
    by_cameras = about.pictures(State(where.bones, (motion, motion)))
    back = motion.inverse()
    bones = {name: Placed(back @ each.pose, each.theta, each.phi) for name, each in where.bones.items()}
    by_bones = about.pictures(State(bones, where.motions))
    still = about.pictures(where)
    for first, second, other in zip(by_cameras, by_bones, still, strict=True):
        assert first == pytest.approx(second, abs=1e-5 * second.max())
        assert np.abs(first - other).max() > 0.1 * other.max()


def test_one_views_slopes_are_minus_those_of_all_bones_together() -> None:
    """Of its rotation about the bones' middle, and of translations along its own axes."""
    about = Scene(anatomy(), views()[:1], TOGETHER, PLAIN, State(state().bones, (RigidPose.identity(),)))
    found = about.linearised(about.fitting(State(state().bones, (RigidPose.identity(),)))).data
    camera = CAMERAS[0]
    axes = np.stack([camera.column_direction, camera.row_direction, camera.normal], axis=1)
    turned = np.block([[np.eye(3), np.zeros((3, 3))], [np.zeros((3, 3)), axes]])
    size = np.abs(np.diag(found)).max()
    assert -turned.T @ found[:6] == pytest.approx(found[-6:], abs=1e-4 * size)


def test_views_turn_about_the_bones_and_shift_along_their_own_axes() -> None:
    about, where = scene(FREE), state(moved=False)
    middles = [where.bones[name].pose.apply(egg().middle) for name in PEOPLE]
    assert about.centre == pytest.approx(np.mean(middles, axis=0))
    step = np.zeros(len(about.longest(1.0, 1.0, 1.0)))
    step[-12:-6] = [0.0, 0.0, 0.0, 2.0, -3.0, 5.0]
    step[-6:] = [0.0, 30.0, 0.0, 0.0, 0.0, 0.0]
    first, second = about.cameras_of(about.moved(where, step))
    camera = CAMERAS[0]
    shift = 2.0 * camera.column_direction - 3.0 * camera.row_direction + 5.0 * camera.normal
    assert first.source - camera.source == pytest.approx(shift)
    assert first.normal == pytest.approx(camera.normal)
    # About the frame's y axis, through the bones: they stay where they are in the picture, seen from elsewhere.
    assert second.project(about.centre) == pytest.approx(CAMERAS[1].project(about.centre))
    arms = [each.source - about.centre for each in (CAMERAS[1], second)]
    assert arms[1][1] == pytest.approx(arms[0][1]) and np.linalg.norm(arms[1]) == pytest.approx(np.linalg.norm(arms[0]))
    turned = np.rad2deg(np.arctan2(arms[1][0], arms[1][2]) - np.arctan2(arms[0][0], arms[0][2]))
    assert (turned + 180) % 360 - 180 == pytest.approx(30.0)


def test_the_prior_counts_standard_deviations() -> None:
    """Of poses against the usual ones, of coefficients, and of views against where they were believed to be."""
    about, usual = scene(FREE, joined=False), anatomy().usual
    turn = RigidPose.from_rotation([0.0, 10.0, 0.0], [0.0, 0.0, -5.0], usual["a"].apply(egg().middle))
    bones = {
        "a": Placed(turn @ usual["a"], np.array([1.0, -2.0, 0.0]), np.array([0.5, 0.0])),
        "b": Placed(usual["b"]),
    }
    column, normal = CAMERAS[1].column_direction, CAMERAS[1].normal
    motion = RigidPose.from_rotation([0.6, 0.0, -2.0], 1.5 * column - 9.0 * normal, about.centre)
    where = about.fitting(State(bones, (RigidPose.identity(), motion)))
    of_bone, of_view = (10.0 / 5) ** 2 + 1 + 1 + 4 + 0.25, 1 + (2.0 / 1.0) ** 2 + 1 + 1
    unweighted = sum(
        PLAIN.data * float(np.mean(likeness.residuals(picture) ** 2))
        for likeness, picture in zip(about.likeness, about.pictures(where), strict=True)
    )
    ones = [np.ones(len(likeness.target), dtype=np.float32) for likeness in about.likeness]
    assert about.cost(where, ones) - unweighted == pytest.approx(of_bone + of_view, rel=1e-4)


def test_a_step_there_and_back() -> None:
    for level in (FREE, TOGETHER):
        about, where = scene(level), state()
        step = np.random.default_rng(3).normal(size=len(kinds(level)))
        there = about.moved(where, step)
        assert list(there.bones) == list(where.bones)
        for name, each in there.bones.items():
            assert each.pose.distance_to(where.bones[name].pose, egg().middle)[1] > 0.1
            assert each.theta.shape == (3,) and each.phi.shape == (2,)
        small = about.moved(about.moved(where, 1e-3 * step), -1e-3 * step)
        for name, each in small.bones.items():
            assert each.pose.matrix == pytest.approx(where.bones[name].pose.matrix, abs=1e-5)
            assert each.theta == pytest.approx(where.bones[name].theta)


def test_only_what_lies_near_the_bones_and_in_the_field_is_compared() -> None:
    given = views()
    field = np.zeros(given[0].image.shape, dtype=bool)
    field[:, 8:] = True
    given[0] = replace(given[0], mask=field)
    narrow, wide = (Scene(anatomy(), given, FREE, replace(PLAIN, margin_mm=margin), state()) for margin in (4.0, 14.0))
    for number, (near, far) in enumerate(zip(narrow.likeness, wide.likeness, strict=True)):
        assert np.all(far.mask[near.mask]) and far.mask.sum() > near.mask.sum() + 50
        if number == 0:
            assert not far.mask[:, :8].any() and far.mask[:, 8:].any()
    # The corners of the second picture are farther than 14 mm from every bone.
    assert not wide.likeness[1].mask[[0, 0, -1, -1], [0, -1, 0, -1]].any()


def test_coefficients_that_a_level_does_not_have_are_left_out() -> None:
    about = scene(replace(FREE, shape_modes=1, density_modes=0))
    fitted = about.fitting(state()).bones["a"]
    assert fitted.theta == pytest.approx(state().bones["a"].theta[:1]) and fitted.phi.shape == (0,)
    back = scene(FREE).fitting(State({name: Placed(each) for name, each in anatomy().usual.items()}, state().motions))
    assert back.bones["a"].theta.tolist() == [0.0] * 3 and back.bones["b"].phi.tolist() == [0.0] * 2


def test_binned_pixels_are_means_of_blocks() -> None:
    image = np.random.default_rng(0).normal(size=(11, 7))
    wanted = [[image[3 * r : 3 * r + 3, 3 * c : 3 * c + 3].mean() for c in range(2)] for r in range(3)]
    assert binned(image, 3) == pytest.approx(np.array(wanted))
    coarse = scene(replace(FREE, pixel_mm=6.0))
    assert coarse.cameras[0].size == (17, 15) and coarse.likeness[0].mask.shape == (15, 17)


def test_what_no_scene_can_be_made_of() -> None:
    image, camera = views()[0].image, CAMERAS[0]
    with pytest.raises(InputError, match=r"AP: pixels of \(29, 34\) .* for a camera of \(30, 34\)"):
        View(image[1:], camera, name="AP")
    with pytest.raises(InputError, match=r"pixels of \(30, 33\)"):
        View(image, camera, np.ones((30, 33), dtype=bool))
    with pytest.raises(InputError, match="not finite"):
        View(np.where(image > image.mean(), np.nan, image), camera)
    with pytest.raises(InputError, match="at least one bone"):
        Anatomy({}, {}, anatomy().prior)
    with pytest.raises(InputError, match="the prior is of"):
        Anatomy({"b": egg(), "a": egg()}, anatomy().usual, anatomy().prior)
    behind = {name: Placed(RigidPose.from_rotation([0] * 3, camera.source)) for name in PEOPLE}
    with pytest.raises(InputError, match="beside or behind the"):
        Scene(anatomy(), views(), FREE, PLAIN, State(behind, state().motions))
    for wrong in ({"data": 0.0}, {"data": np.inf}, {"margin_mm": 0.0}, {"tolerance": 0.0}, {"start_share": 0.0}):
        with pytest.raises(InputError, match="refinement"):
            RefineOptions(**wrong)
    with pytest.raises(InputError, match="at least one level"):
        RefineOptions(levels=())
