"""Augmentation keeps picture, depth and camera consistent: moved maps still show the moved sphere, in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from depth_cases import LABELS, ap_camera, sphere_z
from scipy.spatial.transform import Rotation
from torch import Generator

from XRayTo3DLib.methods.dual_face_depth.augmentation import (
    OPERATIONS,
    augmented,
    can_mirror,
    mirrored,
    photometric,
    turned,
)
from XRayTo3DLib.methods.dual_face_depth.configuration import AugmentationConfiguration
from XRayTo3DLib.shape.depth_surface import depth_points

CAMERA = ap_camera(128)
CENTRES, RADII = ([-40, 8, 12], [30, -12, -20]), (25.0, 18.0)
MIDDLES = np.array(CENTRES, dtype=float)


def two_spheres() -> tuple[torch.Tensor, torch.Tensor]:
    """Picture (N, N): how much bone each ray meets, along z, in cm; depth (front right, front left, back ...)."""
    faces = [sphere_z(CAMERA, centre, radius) for centre, radius in zip(CENTRES, RADII, strict=True)]
    depth = np.stack([each[0] for each in faces] + [each[1] for each in faces])
    image = np.nansum(depth[2:] - depth[:2], axis=0) / 10
    return torch.from_numpy(image.astype(np.float32)), torch.from_numpy(depth.astype(np.float32))


def distances(depth: torch.Tensor, bone: int, centre: np.ndarray) -> np.ndarray:
    """From the points that a bone's maps show to a point, mm."""
    return np.linalg.norm(depth_points(CAMERA, depth[bone].numpy(), depth[2 + bone].numpy()) - centre, axis=1)


@pytest.mark.parametrize("angle", [-31.0, -4.0, 7.5, 90.0])
def test_turned_maps_show_the_sphere_turned_about_the_beam(angle: float) -> None:
    image, depth = turned(*two_spheres(), angle)
    # Columns are x and rows are -z: from columns towards rows is about +y, the beam.
    turn = Rotation.from_rotvec([0, angle, 0], degrees=True)
    for bone, radius in enumerate(RADII):
        off = np.abs(distances(depth, bone, turn.apply(MIDDLES[bone])) - radius)
        assert np.quantile(off, 0.9) < 0.15 and off.max() < 2.0  # at the rim a pixel's depth varies most
        pixels = int(two_spheres()[1][bone].isfinite().sum())
        assert abs(int(depth[bone].isfinite().sum()) - pixels) < 0.03 * pixels
    thickness = torch.nansum(depth[2:] - depth[:2], dim=0) / 10
    assert float((image - thickness).abs().mean()) < 0.02 * float(thickness.mean())  # bone where the picture shows it
    wrong = np.abs(distances(depth, 0, turn.inv().apply(MIDDLES[0])) - RADII[0])
    assert wrong.mean() > 1  # the test would see a turn the other way


def test_a_mirrored_person_has_the_other_sides_bones() -> None:
    image, depth = two_spheres()
    seen, moved = mirrored(image, depth, LABELS)
    for bone, other in ((0, 1), (1, 0)):
        np.testing.assert_allclose(distances(moved, bone, MIDDLES[other] * [-1, 1, 1]), RADII[other], atol=1e-3)
    assert torch.equal(seen, image.flip(-1))
    again, back = mirrored(seen, moved, LABELS)
    assert torch.equal(again, image) and torch.equal(back.nan_to_num(), depth.nan_to_num())


def test_the_mirror_needs_every_twin() -> None:
    assert can_mirror(LABELS) and can_mirror(("sacrum", "femur_left", "femur_right"))
    assert not can_mirror(("femur_right", "pelvis_right", "pelvis_left"))
    image, depth = two_spheres()
    settings = AugmentationConfiguration(operations=0, mirror=True, rotation_deg=0)
    for seed in range(8):
        kept, _ = augmented(image, depth, ("femur_right", "tibia_right"), settings, Generator().manual_seed(seed))
        assert torch.equal(kept, image)


@pytest.mark.parametrize("name", OPERATIONS)
def test_photometric_operations_change_the_picture_as_far_as_asked(name: str) -> None:
    image = two_spheres()[0] / 4
    strong, weak = (
        [float((OPERATIONS[name](image, size, Generator().manual_seed(n)) - image).abs().mean()) for n in range(6)]
        for size in (1.0, 0.02)
    )
    assert max(strong) > 2e-3 and np.mean(weak) < 0.3 * np.mean(strong)
    assert all(torch.isfinite(OPERATIONS[name](image, 1.0, Generator().manual_seed(n))).all() for n in range(6))


def test_the_same_seed_gives_the_same_view_and_leaves_depth_to_geometry() -> None:
    image, depth = two_spheres()
    settings = AugmentationConfiguration(operations=3, magnitude=1.0, mirror=False, rotation_deg=0)
    first, second, third = (augmented(image, depth, LABELS, settings, Generator().manual_seed(n)) for n in (5, 5, 6))
    assert torch.equal(first[0], second[0]) and not torch.equal(first[0], third[0])
    assert torch.equal(first[1].nan_to_num(), depth.nan_to_num())
    none = AugmentationConfiguration(operations=3, magnitude=0.0)
    assert torch.equal(photometric(image, none, Generator().manual_seed(1)), image)
