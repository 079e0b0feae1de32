"""The synthetic forearm's pro- and supination: the ulna turns about its head, and nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from XRayTo3DLib.dataset.case import write_case
from XRayTo3DLib.dataset.phantoms import ForearmShape, PhantomCase, make_forearm
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.meshes import points_of


def made(turn: float, side: str = "right") -> PhantomCase:
    return make_forearm(
        ForearmShape(side=side),
        spacing=1.5,
        length_mm=60,
        soft_tissue=False,
        carpals=False,
        mesh_spacing=1.0,
        forearm_turn_deg=turn,
    )


@pytest.fixture(scope="module")
def straight() -> PhantomCase:
    return made(0.0)


@pytest.mark.parametrize(("side", "turn"), [("right", 25.0), ("left", -40.0)])
def test_the_ulna_is_the_same_bone_turned_about_its_head(straight: PhantomCase, side: str, turn: float) -> None:
    base = straight if side == "right" else made(0.0, side)
    turned = made(turn, side)
    sign = 1.0 if side == "right" else -1.0
    about = RigidPose.from_rotation([0, 0, sign * turn], centre=base.landmarks["ulnar head centre"])
    moved = about.apply(points_of(base.meshes["ulna"]))
    assert closest_points(turned.meshes["ulna"], moved).distances.max() < 0.25
    assert closest_points(base.meshes["ulna"], moved).distances.max() > 1.0
    np.testing.assert_allclose(
        turned.landmarks["ulnar styloid tip"], about.apply(base.landmarks["ulnar styloid tip"]), atol=0.8
    )
    np.testing.assert_allclose(turned.landmarks["ulnar head centre"], base.landmarks["ulnar head centre"])


def test_the_labels_follow_the_turned_mesh() -> None:
    turned = made(40.0)
    assert turned.ct.labels is not None
    voxels = turned.ct.voxel_points(np.argwhere(turned.ct.labels == 2)[:, ::-1])
    mesh = points_of(turned.meshes["ulna"])
    np.testing.assert_allclose(voxels.min(axis=0), mesh.min(axis=0), atol=1.6)
    np.testing.assert_allclose(voxels.max(axis=0), mesh.max(axis=0), atol=1.6)


def test_the_radius_stays_as_it_is(straight: PhantomCase) -> None:
    turned = made(25.0)
    np.testing.assert_array_equal(points_of(turned.meshes["radius"]), points_of(straight.meshes["radius"]))
    assert turned.ct.labels is not None and straight.ct.labels is not None
    np.testing.assert_array_equal(turned.ct.labels == 1, straight.ct.labels == 1)


def test_it_is_written_down(tmp_path: Path) -> None:
    write_case(made(-12.5), tmp_path)
    assert json.loads((tmp_path / "phantom.json").read_text())["forearm_turn_deg"] == -12.5


@pytest.mark.parametrize("turn", [61.0, -90.0, float("nan")])
def test_an_impossible_turn_is_refused(turn: float) -> None:
    with pytest.raises(InputError, match="turn"):
        made(turn)
