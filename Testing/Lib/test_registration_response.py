"""Scatter in the picture: its formula, its fit, and the depth that it no longer takes away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from phantoms_analytic import BONE, BONE_CAMERAS, bone_ct, line_integrals
from phantoms_limb import WATER, pictures, radiograph

from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.attenuation import attenuation_of
from XRayTo3DLib.registration.register import RegistrationOptions, register
from XRayTo3DLib.registration.response import SCATTER, Response, fitted_response
from XRayTo3DLib.registration.similarity import GradientCorrelation

TRUTH = RigidPose.from_rotation((3, -4, 2), (2, 1, -3))
DENSE = 2.0
"""The bone's attenuation times this: a thick limb."""


def scattered(integrals: NDArray[np.float64], share: float, gain: float = 1.0) -> NDArray[np.float64]:
    """What a detector shows when ``share`` of the open beam is added everywhere, again as line integrals."""
    light = np.exp(-gain * integrals) + share
    return np.log(1 + share) - np.log(light)


@given(st.floats(0.3, 2.0), st.floats(1e-3, 1.0), st.lists(st.floats(0, 6), min_size=1, max_size=20))
def test_it_is_light_with_scatter_added(gain: float, scatter: float, values: list[float]) -> None:
    response, integrals = Response(gain, scatter), torch.tensor(values, dtype=torch.float64)
    shown = response(integrals).numpy()
    assert shown == pytest.approx(scattered(np.array(values), scatter, gain), abs=1e-9)
    assert float(response(torch.zeros(1, dtype=torch.float64))) == pytest.approx(0, abs=1e-12)


@given(st.floats(0.3, 2.0), st.one_of(st.just(0.0), st.floats(1e-3, 1.0)), st.floats(0, 6))
def test_the_slope_is_the_finite_difference(gain: float, scatter: float, value: float) -> None:
    """Without scatter too, where line integrals stay as they are whatever the gain."""
    response, step = Response(gain, scatter), 1e-4
    low, high = (response(torch.tensor([value + side], dtype=torch.float64)) for side in (-step, step))
    numeric = float(high - low) / (2 * step)
    assert float(response.slope(torch.tensor([value], dtype=torch.float64))) == pytest.approx(numeric, rel=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.03, 0.12, 0.3, 0.5])
def test_known_scatter_is_fitted_to_a_grid_step(share: float) -> None:
    integrals = DENSE * WATER * line_integrals(BONE, BONE_CAMERAS["PA"], TRUTH)
    picture = torch.tensor(scattered(integrals, share), dtype=torch.float32)
    similarity = GradientCorrelation(picture, torch.ones_like(picture))
    found = fitted_response(torch.tensor(integrals, dtype=torch.float32), similarity)
    place = int(np.searchsorted(SCATTER, share))
    assert SCATTER[max(place - 1, 0)] <= found.scatter <= SCATTER[min(place + 1, len(SCATTER) - 1)]
    inside = integrals[integrals > 0]
    shown = found(torch.tensor(inside)).numpy(), inside
    bent, straight = (1 - np.corrcoef(values, scattered(inside, share))[0, 1] for values in shown)
    assert bent < 2e-5 and (share == 0 or bent < 0.02 * straight)


def depth(share: float, everything: bool) -> float:
    """Depth error, mm, of the bone found in one view of which ``share`` is scatter."""
    part = attenuation_of(bone_ct())
    dense = replace(part, mu=DENSE * part.mu, whole=everything)
    view = pictures([(BONE, TRUTH)], BONE_CAMERAS)[0]
    shown = radiograph(scattered(DENSE * view.pixels.astype(float), share), view.camera, "PA")
    start = RigidPose.from_rotation((2, -1, 2), (2, -2, 3), TRUTH.apply(part.centre_lps)) @ TRUTH
    result = register(dense, [shown], start, RegistrationOptions(starts=1, pixel_mm=(1.6, 0.8)))
    return float((result.pose.apply(part.centre_lps) - TRUTH.apply(part.centre_lps))[1])


def test_scatter_no_longer_moves_a_bone_in_depth() -> None:
    """One view with 0.3 of scatter. Measured: 3.6 mm when the picture is taken literally, 0.4 mm when it is fitted."""
    literal = depth(0.3, False) - depth(0.0, False)
    fitted = depth(0.3, True) - depth(0.0, True)
    assert abs(literal) > 2.5 and abs(fitted) < 1.0
    assert abs(depth(0.3, True)) < 0.6 * abs(depth(0.3, False))
