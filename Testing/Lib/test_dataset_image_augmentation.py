"""Affine augmentation of picture pairs, against OpenCV, and the same bits for the same item."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from XRayTo3DLib.dataset.image_augmentation import AffineRange, PairAugmentation, warped
from XRayTo3DLib.errors import InputError

SIZE = 40
WIDE = AffineRange(0.1, 25.0, 0.2, 12.0)


@pytest.fixture(scope="module")
def pairs() -> torch.Tensor:
    """Five pairs of smooth pictures; the second of each pair is twice the first."""
    rng = np.random.default_rng(0)
    first = np.stack([gaussian_filter(rng.normal(size=(SIZE, SIZE)), 2.0) for _ in range(5)])
    return torch.as_tensor(np.stack([first, 2 * first], axis=1), dtype=torch.float32)


def test_pictures_are_warped_as_opencv_warps_them(pairs: torch.Tensor) -> None:
    # Pixels (column, row) from half widths from the middle: p = (n - 1) / 2 + q n / 2.
    half, middle = SIZE / 2, (SIZE - 1) / 2
    for seed in range(5):
        affine = WIDE.draw(np.random.default_rng(seed))
        shift = middle * np.ones(2) + half * affine[:, 2] - affine[:, :2] @ (middle * np.ones(2))
        theirs = cv2.warpAffine(
            pairs[0, 0].numpy(),
            np.column_stack([affine[:, :2], shift]),
            (SIZE, SIZE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        ours = warped(pairs[0], affine)[0].numpy()
        assert np.abs(ours - theirs).max() < 0.02 * np.ptp(theirs)  # OpenCV's coordinates are 1/32 pixel
        assert np.abs(ours - pairs[0, 0].numpy()).max() > 0.2 * np.ptp(theirs)


def test_both_pictures_of_a_pair_move_alike(pairs: torch.Tensor) -> None:
    moved = PairAugmentation(WIDE, 3).batch(pairs, range(10))
    assert torch.allclose(moved[:, 1], 2 * moved[:, 0], atol=1e-6)


def test_an_item_is_the_same_bits_in_any_batch(pairs: torch.Tensor) -> None:
    augmentation = PairAugmentation(WIDE, 3)
    many = augmentation.batch(pairs, [7, 0, 12, 7])
    assert torch.equal(many[0], many[3])
    assert torch.equal(many[2], PairAugmentation(WIDE, 3).batch(pairs, [12])[0])
    assert not torch.equal(many[0], PairAugmentation(WIDE, 4).batch(pairs, [7])[0])


def test_a_hundred_copies_of_every_pair_come_before_the_first_returns() -> None:
    augmentation = PairAugmentation(WIDE, 0)
    seen = [augmentation.pair_of(item, 5) for item in range(augmentation.length(5))]
    assert len(seen) == len(set(seen)) == 500
    maps = {augmentation.affine(pair, copy).tobytes() for pair, copy in seen}
    assert len(maps) == 500
    assert sorted(augmentation.pair_of(item, 5) for item in range(500, 1000)) == sorted(seen)


def test_maps_stay_within_their_limits_and_fill_them() -> None:
    maps = np.stack([WIDE.draw(np.random.default_rng(seed)) for seed in range(2000)])
    determinants = np.log(np.linalg.det(maps[:, :, :2])) / 2
    angles = np.rad2deg(np.arctan2(maps[:, 1, 0], maps[:, 0, 0]))
    lean = np.einsum("nij,nik->njk", maps[:, :, :2], maps[:, :, :2])
    shears = np.rad2deg(np.arctan(lean[:, 0, 1] / lean[:, 0, 0]))
    for values, limit in ((determinants, 0.2), (angles, 25.0), (shears, 12.0), (maps[:, 0, 2], 0.2)):
        assert 0.98 * limit < np.abs(values).max() <= limit * (1 + 1e-9)
        assert values.std() == pytest.approx(limit / 3**0.5, rel=0.05)


def test_no_limits_leave_pictures_alone(pairs: torch.Tensor) -> None:
    still = PairAugmentation(AffineRange(0, 0, 0, 0), 0)
    order = [still.pair_of(item, 5)[0] for item in range(5)]
    assert torch.allclose(still.batch(pairs, range(5)), pairs[order], atol=1e-6)


def test_what_cannot_be_augmented_is_refused(pairs: torch.Tensor) -> None:
    for wrong in ({"translation": -0.1}, {"shear_deg": 45.0}, {"scale": float("nan")}):
        with pytest.raises(InputError, match="limits"):
            AffineRange(**wrong)
    for seed, copies in ((-1, 1), (0, 0)):
        with pytest.raises(InputError, match="copies"):
            PairAugmentation(WIDE, seed, copies)
    augmentation = PairAugmentation(WIDE, 0)
    for pictures in (pairs[0], pairs[..., 1:], pairs[:0]):
        with pytest.raises(InputError, match=r"\(pairs, channels, N, N\)"):
            augmentation.batch(pictures, [0])
    for items in ([], [-1]):
        with pytest.raises(InputError, match="items"):
            augmentation.batch(pairs, items)
