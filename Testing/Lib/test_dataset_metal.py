"""Metal of simulated pictures: its chords against closed forms of balls and cylinders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms_analytic import Ellipsoid, line_integrals, looking_camera

from XRayTo3DLib.dataset.metal import STEEL_MU, Metal
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.calibration import standard_camera

NO_BEADS, NO_WIRES = np.zeros((0, 3)), np.zeros((0, 2, 3))
POSE = RigidPose.from_rotation((10, -20, 5), (4, -3, 6))


def test_beads_are_balls() -> None:
    """Against the closed form for ellipsoids, from an oblique camera and under a pose."""
    camera = looking_camera((90, 80), 0.5)
    centres = np.array([[0.0, 0, 0], [5, -8, 3]])
    balls = [Ellipsoid(tuple(centre), (2.5,) * 3, (0, 0, 0), STEEL_MU) for centre in centres]
    found = Metal(centres, NO_WIRES, bead_radius=2.5).line_integrals(camera, POSE)
    assert found.max() == pytest.approx(STEEL_MU * 5.0, rel=0.02)
    np.testing.assert_allclose(found, line_integrals(balls, camera, POSE), atol=1e-6)


def test_a_long_wire_is_a_cylinder() -> None:
    """A ray at distance d from the axis, at an angle a to it, has a chord of 2 sqrt(r^2 - d^2) / sin a."""
    camera = standard_camera(1000.0, (0.5, 0.5), (41, 31), source_isocentre=800.0)
    radius, axis = 1.2, np.array([0.6, 0.48, 0.64])
    metal = Metal(NO_BEADS, np.array([[-500 * axis, 500 * axis]]), wire_radius=radius)
    found = metal.line_integrals(camera, RigidPose.identity())
    for row, column in ((15, 20), (14, 21), (20, 16), (10, 10), (0, 0)):
        ray = camera.rays([column, row])
        sine = np.linalg.norm(np.cross(ray, axis))
        distance = abs(camera.source @ np.cross(ray, axis)) / sine
        chord = 2 * np.sqrt(max(radius**2 - distance**2, 0)) / sine
        assert found[row, column] == pytest.approx(STEEL_MU * chord, abs=1e-9)
    assert found[15, 20] > 2 * STEEL_MU and found[0, 0] == 0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3).filter(lambda v: np.linalg.norm(v) > 0.1))
def test_a_wire_of_any_direction_has_its_volume(direction: list[float]) -> None:
    """Chords summed over a picture from very far away are a volume, ends included: pi r^2 L."""
    camera = standard_camera(1e6, (0.25, 0.25), (61, 61), source_isocentre=1e6 - 100)
    half = 4.0 * np.array(direction) / np.linalg.norm(direction)
    metal = Metal(NO_BEADS, np.array([[-half, half]]), wire_radius=1.5)
    total = metal.line_integrals(camera, RigidPose.identity()).sum() / STEEL_MU * 0.25**2
    assert total == pytest.approx(np.pi * 1.5**2 * 8.0, rel=0.03)


def test_a_wire_seen_end_on_is_as_thick_as_it_is_long() -> None:
    camera = standard_camera(1000.0, (0.5, 0.5), (21, 21), source_isocentre=900.0)
    ends = np.array([[[0.0, -15, 0], [0, 15, 0]]])
    found = Metal(NO_BEADS, ends).line_integrals(camera, RigidPose.identity())
    assert found[10, 10] == pytest.approx(STEEL_MU * 30.0)
    assert found[10, 13] == 0


def test_metal_around_a_bone_stays_there_and_follows_the_generator() -> None:
    centre = np.array([10.0, -20, 30])
    first, again = (Metal.around(centre, 35.0, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first.beads, again.beads) and np.array_equal(first.wires, again.wires)
    assert first.beads.shape == (4, 3) and np.abs(first.beads - centre).max() <= 35.0
    assert np.linalg.norm(first.wires[0, 1] - first.wires[0, 0]) == pytest.approx(70.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"beads": np.zeros(3)},
        {"wires": np.zeros((1, 2, 3))},
        {"wires": np.zeros((2, 3))},
        {"bead_radius": 0.0},
        {"wire_radius": -1.0},
    ],
)
def test_impossible_metal_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match="metal"):
        Metal(**{"beads": NO_BEADS, "wires": NO_WIRES, **wrong})  # type: ignore[arg-type]
