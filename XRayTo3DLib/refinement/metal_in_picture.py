"""Metal over the bones of a radiograph: long, far brighter than the fitted bones explain, and with edges like a cut.

Brightness and edges are measured against the bones' own contrast in the same picture, so that gain and offset do not
matter. A side marker lies outside of the bones' shadow, a bead over it is short, and a cortex that the model does not
follow rises over millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter, label, map_coordinates

from XRayTo3DLib.refinement.options import View
from XRayTo3DLib.refinement.result import RefinedView
from XRayTo3DLib.refinement.scene import binned

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]
PIXEL_MM = 0.4
"""Finer pictures are binned to about this, mm at the bones."""
BLUR_MM = 0.45
"""Standard deviation of the smoothing: noise falls, metal's edges stay."""
WIDE_MM = 6.0
"""Of the window beyond which brightness is background: soft tissue, scatter."""
SHADOW, NEAR_MM = 0.02, 3.0
"""Share of the largest line integral above which the model shows bone; contrast is measured so far around."""
EDGE_MM = 2.5
"""Left out beside a blade or the picture's edge, which blurs into it."""
BRIGHTER = (0.7, 1.0)
"""What is looked at is brighter than explained by so much of the bones' height: the better of two."""
MASKED, ROUNDS = 0.4, 4
"""What is brighter by so much is left out when contrast and background are measured again, so many times."""
LEAST_MM = 13.0
"""Shorter pieces are beads, and corners of the cortex."""


@dataclass(frozen=True)
class MetalSign:
    """What looks most like metal over the bones of one view.

    Attributes:
        sharpness: Slope at three quarters along its border (75th percentile), bones' heights per mm; 0 where no piece
            is bright and long enough.
        length_mm: Of that piece, mm at the bones.
    """

    sharpness: float = 0.0
    length_mm: float = 0.0


def metal_sign(view: View, found: RefinedView, middle: Array) -> MetalSign:
    """Look for metal over the bones.

    Args:
        view: The radiograph as it was given to the refinement.
        found: What the refinement made of it.
        middle: (3,) of the bones, mm, in the frame.
    """
    factor = round(found.camera.spacing[0] / view.camera.spacing[0])
    step = max(1, int(PIXEL_MM * factor / float(np.mean(found.camera.pixel_size_at(middle)))))
    mm = float(np.mean(found.camera.pixel_size_at(middle))) * step / factor
    image = gaussian_filter(binned(view.image, step), BLUR_MM / mm)
    seen = np.ones(image.shape, dtype=bool) if view.mask is None else binned(view.mask, step) > 0.99
    shown = _spread_over(found.picture, image.shape, step / factor)
    inner = distance_transform_edt(np.pad(seen, 1), sampling=mm)[1:-1, 1:-1] > EDGE_MM
    shadow = (shown > SHADOW * max(float(shown.max()), 1e-12)) & inner
    if not shadow.any():
        return MetalSign()
    brighter, height = _unexplained(image, shown, shadow, seen, mm)
    if height <= 0:
        return MetalSign()
    slope = np.hypot(*np.gradient(image, mm)) / height
    signs = [each for least in BRIGHTER for each in _pieces((brighter > least * height) & shadow, slope, mm)]
    return max(signs, key=lambda sign: sign.sharpness, default=MetalSign())


def _spread_over(picture: Array, shape: tuple[int, int], share: float) -> NDArray[np.float64]:
    """A coarse picture at the finer pixels (rows, columns), each ``share`` of a coarse one."""
    where = np.meshgrid(*((np.arange(count) + 0.5) * share - 0.5 for count in shape), indexing="ij")
    return map_coordinates(np.asarray(picture, dtype=np.float64), where, order=1, mode="nearest")


def _unexplained(image: Array, shown: Array, shadow: Mask, seen: Mask, mm: float) -> tuple[NDArray[np.float64], float]:
    """How much brighter (rows, columns) the radiograph is than the bones explain, and the bones' own height in it.

    Contrast is a ratio of medians, and both are found again without what stands out.
    """
    near = binary_dilation(shadow, iterations=max(1, round(NEAR_MM / mm))) & seen
    kept = seen
    for _ in range(ROUNDS):
        cover = np.maximum(gaussian_filter(kept.astype(np.float64), WIDE_MM / mm), 1e-2)
        even, bones = (
            each - gaussian_filter(np.where(kept, each, 0.0), WIDE_MM / mm) / cover for each in (image, shown)
        )
        counted = near & kept
        if not counted.any():
            break
        contrast = np.median(np.abs(even[counted])) / max(float(np.median(np.abs(bones[counted]))), 1e-12)
        height = float(contrast * np.percentile(shown[shadow], 95))
        brighter = even - contrast * bones
        kept = seen & ~binary_dilation((brighter > MASKED * height) & near, iterations=2)
    return brighter, height


def _pieces(bright: Mask, slope: Array, mm: float) -> list[MetalSign]:
    """Connected pieces that are long enough."""
    pieces, count = label(bright, structure=np.ones((3, 3)))
    found = []
    for number in range(1, count + 1):
        piece = pieces == number
        length = float(np.hypot(*(np.ptp(along) + 1 for along in np.nonzero(piece)))) * mm
        if length >= LEAST_MM:
            border = binary_dilation(piece, iterations=2) & ~piece
            found.append(MetalSign(float(np.percentile(slope[border], 75)), length))
    return found
