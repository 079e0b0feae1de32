"""Warnings of a refinement: metal in closed-form pictures, eggs of the wrong side, limits of known distributions."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from phantoms_analytic import looking_camera
from scipy.stats import norm
from shape_intensity_cases import Egg, egg, egg_picture

from XRayTo3DLib.dataset.metal import Metal
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.anatomical_frame import MIRROR
from XRayTo3DLib.refinement.metal_in_picture import LEAST_MM, MetalSign, metal_sign
from XRayTo3DLib.refinement.options import Anatomy, Level, Placed, RefineOptions, View
from XRayTo3DLib.refinement.out_of_model import (
    Evidence,
    Limits,
    evidence_of,
    findings_from,
    findings_of,
    limits_from,
)
from XRayTo3DLib.refinement.prior import PosePrior, independent
from XRayTo3DLib.refinement.result import RefinedView, Refinement, refine
from XRayTo3DLib.refinement.scene import State, binned
from XRayTo3DLib.refinement.signs import Signs, ViewSigns, from_front, signs_of, unusual_of
from XRayTo3DLib.refinement.trials import Trial, other_side

MIDDLE, STILL = np.zeros(3), RigidPose.identity()
FINE = looking_camera((200, 240), 0.6, turn_deg=(2.0, 3.0, 8.0), target=(0.0, 0.0, 0.0))
BONE = [(Egg(), RigidPose.from_rotation([5.0, 3.0, 0.0], [2.0, 0.0, 1.0]))]
NOTHING = np.zeros((0, 3))
STEEL_SHARE = 2.0
"""Metal's attenuation against that of ``Metal``, in a soft beam."""


# ---- metal ---------------------------------------------------------------------------------------------------------


@functools.cache
def bone_picture() -> np.ndarray:
    return egg_picture(FINE, BONE)


def wire(start: list[float], end: list[float], radius: float = 0.9) -> Metal:
    return Metal(NOTHING, np.array([[start, end]]), wire_radius=radius)


def sign_of(metal: Metal | None, gain: float = 1.0, offset: float = 0.0, mask: np.ndarray | None = None) -> MetalSign:
    """Of a bone under uneven soft tissue and noise, and a model that shows exactly that bone."""
    image = bone_picture() + 1.0
    row, column = np.mgrid[: image.shape[0], : image.shape[1]] / 240
    image += 0.5 * column**2 + 0.3 * row + np.random.default_rng(1).normal(0, 0.02, image.shape)
    if metal is not None:
        image += STEEL_SHARE * metal.line_integrals(FINE, STILL)
    picture = binned(bone_picture(), 3)
    found = RefinedView("it", FINE.binned(3), STILL, None, picture, np.zeros(picture.shape), 0.9, 0.5)
    return metal_sign(View(gain * image + offset, FINE, mask), found, MIDDLE)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.3, -0.4), (40.0, 700.0)])
def test_a_pin_over_the_bone_is_metal_whatever_the_gain(gain: float, offset: float) -> None:
    sign = sign_of(wire([-8.0, 0.0, -20.0], [8.0, 0.0, 18.0]), gain, offset)
    assert sign.sharpness > Limits().metal
    # Its length in the picture, but for what lies where the bone ends.
    assert 25.0 < sign.length_mm < 48.0
    assert sign_of(None, gain, offset).sharpness < 0.5 * Limits().metal


def test_beads_markers_and_metal_beside_the_bone_are_none() -> None:
    beads = Metal(np.array([[0.0, 0, 0], [5, 0, 12], [-6, 0, -10]]), np.zeros((0, 2, 3)))
    beside = wire([34.0, 0.0, -20.0], [34.0, 0.0, 20.0], radius=2.0)
    assert sign_of(beads).sharpness == 0.0 and sign_of(beside).sharpness < 0.5 * Limits().metal


def test_a_short_pin_counts_from_the_length_on() -> None:
    half = LEAST_MM / 2
    assert sign_of(wire([0, 0, -half - 3], [0, 0, half + 3])).sharpness > Limits().metal
    assert sign_of(wire([0, 0, -half + 3], [0, 0, half - 3])).sharpness == 0.0


def test_metal_under_a_blade_is_not_seen() -> None:
    mask = np.zeros(bone_picture().shape, dtype=bool)
    assert sign_of(wire([-8.0, 0.0, -20.0], [8.0, 0.0, 18.0]), mask=mask) == MetalSign()
    mask[:, :60] = True
    assert sign_of(wire([-8.0, 0.0, -20.0], [8.0, 0.0, 18.0]), mask=mask) == MetalSign()


# ---- the other side --------------------------------------------------------------------------------------------------

CAMERA = looking_camera((34, 30), 4.4, turn_deg=(3.0, 5.0, 11.0), target=(0.0, 0.0, 0.0))
USUAL = {
    "thick": RigidPose.from_rotation([0.0] * 3, [-20.0, 0.0, 6.0]),
    "thin": RigidPose.from_rotation([0.0] * 3, [22.0, 0.0, -18.0]),
}
SHOWN = [
    (Egg((16.0, 20.0, 31.0)), RigidPose.from_rotation([4.0, -6.0, 3.0], [-22.0, 1.0, 7.0])),
    (Egg((13.0, 20.0, 28.0)), RigidPose.from_rotation([-4.0, 3.0, -5.0], [21.0, -2.0, -17.0])),
]
LEVELS = (Level(3.0, 6.0, 2, True, 0, 0, False, 5), Level(3.0, 6.0, 1, False, 100, 100, True, 10))


@functools.cache
def pair() -> Anatomy:
    models = {name: egg() for name in USUAL}
    sizes = {name: (model.size, model.density_size) for name, model in models.items()}
    return Anatomy(models, USUAL, independent(sizes, {name: PosePrior((4.0,) * 3, (3.0,) * 3) for name in USUAL}))


def shot(mirrored: bool) -> View:
    """Two eggs of which one lies higher; and the same camera as it stands if somebody takes them for the other side."""
    view = View(2.0 * egg_picture(CAMERA, SHOWN) + 0.7, CAMERA, name="hand")
    return replace(view, camera=CAMERA.moved(MIRROR)) if mirrored else view


@functools.cache
def refined(mirrored: bool) -> Refinement:
    return refine(pair(), [shot(mirrored)], RefineOptions(data=300.0, levels=LEVELS, draws=0, poor=-1.0))


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_other_side_explains_what_was_taken_for_it(mirrored: bool) -> None:
    trial = other_side(pair(), shot(mirrored), refined(mirrored).posterior.state)
    # Parts three times as large are coarse for eggs: a good fit loses half of its likeness, but says which is which.
    assert (trial.likeness > 0.6 and trial.gain > 0.15) if mirrored else trial.gain < 0.02


def test_it_is_told_and_right_ones_are_not() -> None:
    limits = Limits()
    limits = replace(limits, front=replace(limits.front, doubt=0.95, poor=0.4, none=0.2), unusual=9.0, moved=9.0)
    wrong = findings_of(refined(True), [shot(True)], limits)
    assert [each.code for each in wrong] == ["wrong-side"] and "hand" in wrong[0].text
    assert findings_of(refined(False), [shot(False)], limits) == ()
    # Nothing is tried where the likeness leaves no doubt.
    known = evidence_of(refined(False), [shot(False)], limits)
    assert known.other_side == (None,)
    assert known.signs == signs_of(refined(False), [shot(False)])


def test_a_view_beside_the_bones_explains_nothing() -> None:
    """Turned by a right angle about a far axis, nothing is in the picture."""
    far = shot(False).camera.moved(RigidPose.from_rotation([0.0] * 3, [400.0, 0.0, 0.0]).matrix)
    state = refined(False).posterior.state
    back = RigidPose.from_rotation([0.0] * 3, [-400.0, 0.0, 0.0])
    trial = other_side(pair(), replace(shot(False), camera=far), State(state.bones, (back,)))
    assert trial.likeness == -1.0 and trial.gain < -1.5


# ---- signs -----------------------------------------------------------------------------------------------------------


def test_unusual_counts_standard_deviations() -> None:
    anatomy = pair()
    assert unusual_of(anatomy, State(anatomy.mean(), ())) == pytest.approx(0.0, abs=1e-9)
    count = egg().size
    bones = {**anatomy.mean(), "thin": Placed(USUAL["thin"], np.r_[3.0, np.zeros(count - 1)], np.zeros(0))}
    unknowns = 12 + count
    assert unusual_of(anatomy, State(bones, ())) == pytest.approx(3.0 / np.sqrt(unknowns))


def test_front_and_side_by_the_beam() -> None:
    turn = RigidPose.from_rotation([0.0, 0.0, 90.0], [0.0] * 3, [0.0] * 3)
    assert from_front(CAMERA, MIDDLE) and not from_front(CAMERA.moved(turn.matrix), MIDDLE)


def test_limits_are_those_of_the_distribution() -> None:
    rng = np.random.default_rng(5)
    z = rng.normal([1.3, 1.0], [0.1, 0.2], (4000, 2))
    people = [
        Signs(tuple(_sign(likeness=float(np.tanh(value)), front=not k) for k, value in enumerate(row)), 0.4 + 0.1 * u)
        for row, u in zip(z, rng.uniform(size=len(z)), strict=True)
    ]
    limits = limits_from(people, 0.02)
    for found, mean, sd in ((limits.front, 1.3, 0.1), (limits.side, 1.0, 0.2)):
        expected = np.tanh(mean + sd * np.array([-1, norm.ppf(0.02), 2 * norm.ppf(0.02)]))
        assert [found.doubt, found.poor, found.none] == pytest.approx(expected.tolist(), abs=0.01)
    assert limits.unusual == pytest.approx(0.498, abs=1e-3) and limits.metal == Limits().metal
    assert limits_from([replace(each, views=each.views[:1]) for each in people]).side == Limits().side
    with pytest.raises(InputError, match="twenty|20"):
        limits_from(people[:19])


# ---- words -----------------------------------------------------------------------------------------------------------


def _sign(likeness: float = 0.9, front: bool = True, moved: float = 0.1, metal: float = 0.0) -> ViewSigns:
    return ViewSigns("wrist.dcm", front, likeness, moved, MetalSign(metal, 30.0 if metal else 0.0))


def _codes(sign: ViewSigns, mirrored: Trial | None = None, unusual: float = 0.3) -> list[str]:
    evidence = Evidence(Signs((sign,), unusual), (mirrored,))
    found = findings_from(evidence, Limits())
    assert all(each.text.endswith(".") for each in found)
    assert all("wrist.dcm" in each.text for each in found if each.code != "unusual-shape")
    return [each.code for each in found]


def test_each_sign_has_its_code() -> None:
    usual = Limits().front
    assert _codes(_sign()) == []
    assert _codes(_sign(usual.doubt - 0.02), Trial(0.4, -0.2)) == []
    assert _codes(_sign(usual.doubt - 0.02), Trial(0.8, 0.0)) == ["wrong-side"]
    assert _codes(_sign(usual.poor - 0.02), Trial(0.2, -0.4)) == ["poor-match"]
    assert _codes(_sign(usual.none - 0.1)) == ["not-these-bones"]
    assert _codes(_sign(metal=2.0)) == ["implant"]
    # Metal is why a view is poor.
    assert _codes(_sign(usual.poor - 0.02, metal=2.0), Trial(0.2, -0.4)) == ["implant"]
    assert _codes(_sign(usual.poor - 0.02, metal=2.0), Trial(0.8, 0.2)) == ["implant", "wrong-side"]
    # But other bones have sharp edges too.
    assert _codes(_sign(usual.none - 0.1, metal=2.0)) == ["not-these-bones"]
    assert _codes(_sign(moved=3.0)) == ["camera-moved-far"]
    assert _codes(_sign(), unusual=2.0) == ["unusual-shape"]
