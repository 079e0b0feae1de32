"""How exposures of the same bones differ: how a person is held before the detector, and the noise of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import vector3

if TYPE_CHECKING:
    from torch import Tensor

NORMAL_LIMIT = 3.0
"""Normally distributed poses are kept within this many standard deviations."""


@dataclass(frozen=True)
class PoseRange:
    """How differently people are held before the detector.

    The rotation vector's and the translation's three components are drawn independently; the rotation is about
    ``centre_mm``.

    Attributes:
        rotation_deg: One number or one per axis (x, y, z), degrees: half the range if uniform, else standard deviation.
        translation_mm: The same in mm. Shiode et al. (Sci Rep 11:15249, 2021): uniform within 30 degrees and 30 mm.
        distribution: "uniform" or "normal" (cut at :data:`NORMAL_LIMIT` standard deviations).
        centre_mm: (3,) centre of rotation in the anatomical frame, mm.

    Raises:
        InputError: Ranges below zero, or another distribution.
    """

    rotation_deg: float | tuple[float, float, float] = 30.0
    translation_mm: float | tuple[float, float, float] = 30.0
    distribution: str = "uniform"
    centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if self.distribution not in ("uniform", "normal"):
            raise InputError(f"poses are distributed uniform or normal, not {self.distribution!r}.")
        for name in ("rotation_deg", "translation_mm"):
            widths = vector3(np.broadcast_to(np.asarray(getattr(self, name), dtype=float), 3), f"pose range {name}")
            if np.any(widths < 0):
                raise InputError(f"pose range {name} must be 0 or more, not {widths.tolist()}.")

    def draw(self, rng: np.random.Generator) -> RigidPose:
        """One pose, from the anatomical to the reconstruction frame, mm."""
        if self.distribution == "uniform":
            units = rng.uniform(-1.0, 1.0, (2, 3))
        else:
            units = np.clip(rng.standard_normal((2, 3)), -NORMAL_LIMIT, NORMAL_LIMIT)
        return RigidPose.from_rotation(
            units[0] * np.asarray(self.rotation_deg), units[1] * np.asarray(self.translation_mm), self.centre_mm
        )


@dataclass(frozen=True)
class PictureNoise:
    """What differs from exposure to exposure of the same bones; all zero leaves line integrals as they are.

    Attributes:
        gain: Standard deviation of the logarithm of a factor on the whole picture (beam hardness).
        offset: Standard deviation of a line integral added to the whole picture.
        noise: Standard deviation of white noise in every pixel, line integral.

    Raises:
        InputError: A value below zero.
    """

    gain: float = 0.0
    offset: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        if not min(self.gain, self.offset, self.noise) >= 0:
            raise InputError("gain, offset and noise of training pictures must be 0 or more.")

    def apply(self, images: Tensor, rng: np.random.Generator) -> Tensor:
        """(views, rows, columns) pictures with this noise; the numbers are drawn on the CPU, whatever the device."""
        count = len(images)
        gain = np.exp(self.gain * rng.standard_normal((count, 1, 1)))
        added = self.offset * rng.standard_normal((count, 1, 1))
        if self.noise > 0:
            added = added + self.noise * rng.standard_normal(tuple(images.shape), dtype=np.float32)
        import torch

        factor, added = (torch.as_tensor(each, dtype=images.dtype, device=images.device) for each in (gain, added))
        return images * factor + added
