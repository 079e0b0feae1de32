"""Refinement of ellipsoids whose radiographs are known in closed form, under gain, offset and uneven backgrounds.

Tolerances are for pixels of 3 mm at the bones and parts of 2.5 mm: a tenth of a pixel, and less, is asked of surfaces.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from phantoms_analytic import looking_camera
from shape_intensity_cases import Egg, egg, egg_picture, egg_surface

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.refinement.options import Anatomy, Level, Placed, RefineOptions, View
from XRayTo3DLib.refinement.prior import PosePrior, independent
from XRayTo3DLib.refinement.refine import refine_steps
from XRayTo3DLib.refinement.result import RefinedBone, Refinement, finished, refine
from XRayTo3DLib.refinement.scene import State
from XRayTo3DLib.refinement.start import start_from
from XRayTo3DLib.shape.meshes import make_surface, transformed
from XRayTo3DLib.shape.surface_distance import surface_distance

CAMERAS = [
    looking_camera((34, 30), 4.4, turn_deg=turn, target=(0.0, 0.0, 0.0))
    for turn in ((3.0, 5.0, 11.0), (-8.0, 12.0, 74.0), (10.0, -15.0, 130.0))
]
LONG, SHORT = Egg((15.0, 19.0, 33.0), 0.028, 0.043), Egg((13.0, 22.0, 27.5), 0.033, 0.038)
PEOPLE = {
    "a": (LONG, RigidPose.from_rotation([4.0, -8.0, 6.0], [-24.0, 3.0, 5.0])),
    "b": (SHORT, RigidPose.from_rotation([-5.0, 6.0, -7.0], [22.0, -4.0, -6.0])),
}
USUAL = {
    "a": RigidPose.from_rotation([0.0] * 3, [-22.0, 6.0, 2.0]),
    "b": RigidPose.from_rotation([0.0] * 3, [25.0, -2.0, -8.0]),
}
LEVELS = (Level(3.0, 6.0, 2, True, 0, 0, False, 5), Level(3.0, 6.0, 1, False, 100, 100, True, 10))
STILL = (LEVELS[0], replace(LEVELS[1], views=False))
CLEAR = RefineOptions(data=1500.0, levels=LEVELS, draws=0)
"""Without noise radiographs deserve more weight than real ones do."""


def anatomy(usual: dict[str, RigidPose] | None = None, deg: float = 6.0, mm: float = 4.0) -> Anatomy:
    """Of the bones named."""
    usual = usual or USUAL
    models = {name: egg() for name in usual}
    sizes = {name: (model.size, model.density_size) for name, model in models.items()}
    return Anatomy(models, usual, independent(sizes, {name: PosePrior((deg,) * 3, (mm,) * 3) for name in usual}))


def shaded(image: np.ndarray) -> np.ndarray:
    """With a gain that drifts by a fifth, an offset, and a background of soft tissue as bright as half a bone."""
    row, column = np.mgrid[: image.shape[0], : image.shape[1]] / max(image.shape)
    return np.asarray(2.5 * image * (0.9 + 0.2 * column) + 0.8 + 0.4 * row + 1.4 * column**2)


@functools.cache
def shots(*names: str) -> tuple[View, ...]:
    """What the cameras show of some of the people."""
    shown = [PEOPLE[name] for name in names or PEOPLE]
    return tuple(View(shaded(egg_picture(camera, shown)), camera, name=f"view {n}") for n, camera in enumerate(CAMERAS))


def off(name: str, bone: RefinedBone) -> float:
    """ASSD to the true ellipsoid, mm."""
    person, pose = PEOPLE[name]
    truth = transformed(make_surface(*egg_surface(person)), pose.matrix)
    return surface_distance(truth, make_surface(bone.points, bone.triangles), samples=1200).assd


def usual_off(name: str) -> float:
    person, pose = PEOPLE[name]
    truth = transformed(make_surface(*egg_surface(person)), pose.matrix)
    return surface_distance(truth, transformed(egg().surface(), USUAL[name].matrix), samples=1200).assd


@functools.cache
def refined(*numbers: int) -> Refinement:
    return refine(anatomy(), [shots()[number] for number in numbers], CLEAR)


@pytest.mark.parametrize(("numbers", "close_mm"), [((0, 1, 2), 0.3), ((0, 1), 0.55), ((0,), 1.2)], ids=str)
def test_bones_come_back(numbers: tuple[int, ...], close_mm: float) -> None:
    found = refined(*numbers)
    for name, bone in found.bones.items():
        assert usual_off(name) > 2.0 and off(name, bone) < close_mm
        assert bone.normal_sd_mm.shape == (len(bone.points),) and np.all(bone.normal_sd_mm > 0)
    for view, given in zip(found.views, [shots()[number] for number in numbers], strict=True):
        assert view.likeness > 0.97 and view.likeness > view.before + 0.03
        # Cameras were right and are left where they are.
        assert np.linalg.norm(view.motion.parameters()[0]) < 0.2 and view.name == given.name
        assert view.picture.shape == view.residual.shape == given.image.shape
        compared = np.isfinite(view.residual)
        assert 0.2 < compared.mean() < 1
        assert 1 - 0.5 * np.mean(view.residual[compared] ** 2) == pytest.approx(view.likeness, abs=1e-5)


def test_another_view_makes_more_certain() -> None:
    one, two, three = (refined(*numbers) for numbers in ((0,), (0, 1), (0, 1, 2)))
    for name in PEOPLE:
        certain = [np.mean(found.bones[name].normal_sd_mm) for found in (one, two, three)]
        assert certain[0] > 1.5 * certain[1] > 1.5 * certain[2]
        # One view leaves the depth open, and says so: about as open as the prior has it.
        depth = [
            np.sqrt(CAMERAS[0].normal @ each.posterior.block(name)[3:6, 3:6] @ CAMERAS[0].normal) for each in (one, two)
        ]
        assert depth[0] > 2.5 and depth[1] < 0.5 * depth[0]


def test_density_comes_back() -> None:
    """A dense core in a poor shell: told apart from the other person, whose core and shell are alike."""
    found = refined(0, 1, 2).bones
    for name, (person, _) in PEOPLE.items():
        bone = egg().instance(found[name].placed.theta, found[name].placed.phi)
        within = np.linalg.norm(np.asarray(bone.points) / person.radii, axis=1)
        ratio = np.median(bone.masses[within < 0.4]) / np.median(bone.masses[(within > 0.7) & (within < 0.85)])
        assert ratio == pytest.approx(person.core / person.shell, rel=0.12)


# ---- cameras ------------------------------------------------------------------------------------------------------


def test_a_camera_that_is_wrong_by_a_degree_is_put_right() -> None:
    """The other views and what is known of the bones' places say so."""
    camera = CAMERAS[1]
    axes = np.stack([camera.column_direction, camera.row_direction, camera.normal], axis=1)
    wrong = RigidPose.from_rotation(axes @ [0.6, -0.5, 0.62])
    given = [shots()[0], replace(shots()[1], camera=camera.moved(wrong.matrix)), shots()[2]]
    sure = anatomy({name: pose for name, (_, pose) in PEOPLE.items()}, 0.3, 0.3)
    options = replace(CLEAR, data=30000.0, levels=(LEVELS[0], replace(LEVELS[1], iterations=6)))
    found, held = (
        refine(sure, given, each)
        for each in (options, replace(options, levels=(LEVELS[0], replace(options.levels[1], views=False))))
    )
    truth = RigidPose.identity(), wrong, RigidPose.identity()
    left = [
        float(np.linalg.norm((view.motion @ each).parameters()[0]))
        for view, each in zip(found.views, truth, strict=True)
    ]
    assert left[1] < 0.4 and max(left[0], left[2]) < 0.4
    assert held.views[1].motion_sd is None and found.views[1].motion_sd is not None
    assert found.views[1].likeness > held.views[1].likeness
    assert found.views[1].camera.project([0.0] * 3) == pytest.approx(camera.project([0.0] * 3), abs=0.3)


# ---- starts -------------------------------------------------------------------------------------------------------


def test_a_start_keeps_what_one_view_does_not_show() -> None:
    """Bones lie 10 mm nearer to the detector than they usually do: one view shows next to nothing of that."""
    beam = 10.0 * CAMERAS[0].normal
    nearer = {name: RigidPose.from_rotation([0.0] * 3, -beam) @ pose for name, (_, pose) in PEOPLE.items()}
    known = {
        name: Placed(RigidPose.from_rotation([2.0, -2.0, 1.0], [2.0, 0.0, -2.0], pose.translation) @ pose)
        for name, (_, pose) in PEOPLE.items()
    }
    found = {
        said: refine(anatomy(nearer), shots()[:1], CLEAR, start)
        for said, start in (("nothing", None), ("all", known), ("one", {"a": known["a"]}))
    }

    def depth(said: str, name: str) -> float:
        pose = found[said].bones[name].placed.pose
        return float(CAMERAS[0].normal @ (pose.translation - PEOPLE[name][1].translation))

    for name, (person, pose) in PEOPLE.items():
        truth = transformed(make_surface(*egg_surface(person)), pose.matrix)
        begun = surface_distance(truth, transformed(egg().surface(), known[name].pose.matrix), samples=1200).assd
        assert abs(depth("all", name)) < 2.0 and depth("nothing", name) < -5.0
        assert off(name, found["all"].bones[name]) < min(begun, 0.5 * off(name, found["nothing"].bones[name]))
    assert abs(depth("one", "a")) < 2.0 and depth("one", "b") < -5.0


def test_a_start_from_meshes() -> None:
    meshes = {
        name: transformed(make_surface(*egg_surface(person, 20)), pose.matrix)
        for name, (person, pose) in PEOPLE.items()
    }
    start = start_from(anatomy(), meshes)
    for name, placed in start.items():
        reached = transformed(egg().surface(placed.theta), placed.pose.matrix)
        assert surface_distance(meshes[name], reached, samples=1200).assd < 0.3
    assert start_from(anatomy(), {"b": meshes["b"]}).keys() == {"b"}
    with pytest.raises(InputError, match="no model of femur; the models are a, b"):
        start_from(anatomy(), {"femur": meshes["a"]})
    with pytest.raises(InputError, match="mesh of a has no surface"):
        start_from(anatomy(), {"a": make_surface(np.zeros((3, 3)), np.zeros((0, 3), dtype=int))})


def test_draws_find_bones_that_lie_far_off() -> None:
    """21 mm beside and turned by 25 degrees: people drawn from the prior come nearer than the usual one."""
    aside = RigidPose.from_rotation([0.0, 25.0, 0.0], [16.0, 0.0, 14.0], PEOPLE["a"][1].translation)
    usual = {"a": aside @ PEOPLE["a"][1]}
    options = replace(CLEAR, levels=(LEVELS[0], replace(LEVELS[1], views=False)), draws=20, candidates=2)
    found = refine(anatomy(usual, 15.0, 12.0), shots("a")[:2], options)
    assert off("a", found.bones["a"]) < 1.2 and min(view.likeness for view in found.views) > 0.95


# ---- steps --------------------------------------------------------------------------------------------------------


def test_stopping_early_leaves_a_whole_state() -> None:
    costs, steps = [], []
    for step in refine_steps(anatomy(), shots()[:2], CLEAR):
        steps.append(step)
        costs.append((step.level, step.cost))
    assert [level for level, _ in costs] == sorted(level for level, _ in costs) and costs[-1][0] == 1
    errors = []
    for number in (0, 3, len(steps) - 1):
        stopped = finished(steps[number], number + 1, {})
        assert set(stopped.bones) == set(PEOPLE) and stopped.steps == number + 1
        for bone in stopped.bones.values():
            assert np.isfinite(bone.points).all() and np.isfinite(bone.normal_sd_mm).all()
            assert len(bone.points) == egg().surface_points().shape[0] and bone.pose_sd.shape == (6,)
        for view in stopped.views:
            assert np.isfinite(view.picture).all() and -1 <= view.likeness <= 1
        errors.append(np.mean([off(name, bone) for name, bone in stopped.bones.items()]))
    assert errors[0] > errors[1] > errors[2]
    whole = refined(0, 1)
    assert whole.steps == len(steps)
    for name in PEOPLE:
        assert np.array_equal(whole.bones[name].points, stopped.bones[name].points)  # bitwise, run twice
        assert np.array_equal(whole.bones[name].normal_sd_mm, stopped.bones[name].normal_sd_mm)


def test_draws_are_the_same_every_time() -> None:
    options = replace(CLEAR, levels=(replace(LEVELS[0], iterations=1), replace(LEVELS[1], iterations=1)), draws=3)
    options = replace(options, candidates=1, start_iterations=1, poor=-1.0)
    first, second = (refine(anatomy(), shots()[:1], options) for _ in range(2))
    for name in PEOPLE:
        assert np.array_equal(first.bones[name].points, second.bones[name].points)
    assert first.misfit == second.misfit and first.steps == second.steps


def test_a_start_far_beside_is_told_and_left() -> None:
    """A start that the last stage's pixels do not show has no likeness; nothing else fails for it."""
    *_, last = refine_steps(anatomy({"a": USUAL["a"]}), shots("a")[:1], CLEAR)
    aside = RigidPose.from_rotation([0.0] * 3, 52.0 * CAMERAS[0].column_direction)
    start = {name: Placed(aside @ each.pose) for name, each in last.state.bones.items()}
    shown = last.scene.pictures(last.scene.fitting(State(start, last.state.motions)))[0]
    assert shown.any() and not shown[last.scene.likeness[0].mask].any()
    assert finished(last, 1, start).views[0].before == 0.0


# ---- what is refused ----------------------------------------------------------------------------------------------


def sentence(call: Sequence[object], match: str) -> None:
    """One sentence, of what and where."""
    with pytest.raises(InputError, match=match) as told:
        refine(*call)  # type: ignore[arg-type]
    assert str(told.value).endswith(".") and "\n" not in str(told.value)


def test_what_cannot_be_refined() -> None:
    view = shots()[0]
    sentence((anatomy(), [], CLEAR), "at least one radiograph")
    sentence((anatomy(), [replace(view, image=np.full_like(view.image, 3.7))], CLEAR), "view 0: it shows nothing")
    sentence((anatomy(), [replace(view, mask=np.zeros(view.image.shape, bool))], CLEAR), "view 0: fewer than")
    away = view.camera.moved(RigidPose.from_rotation([0.0] * 3, 300.0 * view.camera.column_direction).matrix)
    sentence((anatomy(), [replace(view, camera=away)], CLEAR), "check pose")
    about = RigidPose.from_rotation(180.0 * view.camera.row_direction, centre=view.camera.source)
    turned = view.camera.moved(about.matrix)
    sentence((anatomy(), [replace(view, camera=turned)], CLEAR), "behind the")
    sentence((anatomy(), [view], CLEAR, {"femur": Placed(RigidPose.identity())}), "no model of femur")
