"""Changes of training views that keep picture, depth and camera consistent, RandAugment-like (Cubuk et al., 2020).

Geometric: the mirror image of a person (right and left bones change names), and turns about the principal point, which
in the standard geometry is the picture's middle: depth along the detector's normal does not change with either, and
the camera stays as it is. Photometric: whatever changes line integrals but not where bones are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as functional
from torch import Generator, Tensor

from XRayTo3DLib.methods.dual_face_depth.configuration import AugmentationConfiguration

SIDES = {"right": "left", "left": "right"}


def uniform(generator: Generator) -> float:
    """A number between -1 and 1."""
    return float(torch.rand((), generator=generator)) * 2 - 1


# ---- geometric ----------------------------------------------------------------------------------------------------


def mirrored_order(labels: Sequence[str]) -> list[int]:
    """Which bone's map each bone has in the mirror image: of ``<bone>_right`` that of ``<bone>_left``."""
    return [labels.index(twin_of(label)) for label in labels]


def mirrored(image: Tensor, depth: Tensor, labels: Sequence[str]) -> tuple[Tensor, Tensor]:
    """The mirror image of a person: picture (N, N) and depth maps (faces * bones, N, N), all faces in turn."""
    bones = mirrored_order(labels)
    order = [face * len(bones) + bone for face in range(len(depth) // len(bones)) for bone in bones]
    return image.flip(-1), depth[order].flip(-1)


def turned(image: Tensor, depth: Tensor, angle_deg: float) -> tuple[Tensor, Tensor]:
    """Picture (N, N) and depth maps (maps, N, N; NaN outside bones) turned about the picture's middle.

    Positive angles turn from columns towards rows. Depth is interpolated between a bone's own pixels only; a pixel
    belongs to the bone if half of the weights do. What comes in from outside the picture is the border's going on in
    the picture, and no bone.
    """
    cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    inverse = torch.tensor([[cosine, sine, 0.0], [-sine, cosine, 0.0]], dtype=image.dtype)
    grid = functional.affine_grid(inverse[None], [1, 1, *image.shape], align_corners=False)
    inside = torch.isfinite(depth)
    channels = torch.cat([torch.where(inside, depth, 0.0), inside.to(depth.dtype)])[None]
    values, weights = functional.grid_sample(channels, grid, align_corners=False)[0].chunk(2)
    moved = torch.where(weights > 0.5, values / weights.clamp(min=0.5), math.nan)
    picture = functional.grid_sample(image[None, None], grid, padding_mode="border", align_corners=False)
    return picture[0, 0], moved


def can_mirror(labels: Sequence[str]) -> bool:
    """Whether every bone of a side has its twin among them: a lone right femur must not learn left ones."""
    sided = [label for label in labels if label.rpartition("_")[2] in SIDES]
    return all(twin_of(label) in labels for label in sided)


def twin_of(label: str) -> str:
    """The bone on the other side; itself where the label names no side."""
    bone, _, side = label.rpartition("_")
    return f"{bone}_{SIDES[side]}" if side in SIDES else label


# ---- photometric --------------------------------------------------------------------------------------------------


def _gain(image: Tensor, magnitude: float, generator: Generator) -> Tensor:
    return image * math.exp(0.3 * magnitude * uniform(generator))


def _offset(image: Tensor, magnitude: float, generator: Generator) -> Tensor:
    return image + 0.15 * magnitude * uniform(generator)


def _gamma(image: Tensor, magnitude: float, generator: Generator) -> Tensor:
    top = image.amax().clamp(min=1e-6)
    return top * (image / top).clamp(min=0) ** math.exp(0.4 * magnitude * uniform(generator))


def _noise(image: Tensor, magnitude: float, generator: Generator) -> Tensor:
    return image + 0.04 * magnitude * abs(uniform(generator)) * torch.randn(image.shape, generator=generator)


def _blur(image: Tensor, magnitude: float, generator: Generator) -> Tensor:
    return _smooth(image, 0.3 + 1.2 * magnitude * abs(uniform(generator)))


def _sharpen(image: Tensor, magnitude: float, generator: Generator) -> Tensor:
    return image + magnitude * abs(uniform(generator)) * (image - _smooth(image, 1.0))


def _ramp(image: Tensor, magnitude: float, generator: Generator) -> Tensor:
    steps = torch.linspace(-1, 1, image.shape[-1], dtype=image.dtype)
    across, down = uniform(generator), uniform(generator)
    return image * (1 + 0.2 * magnitude * (across * steps[None, :] + down * steps[:, None]))


def _collimation(image: Tensor, magnitude: float, generator: Generator) -> Tensor:
    margins = [int(0.1 * magnitude * abs(uniform(generator)) * image.shape[-1]) for _ in range(4)]
    top, bottom, left, right = margins
    shut = torch.ones_like(image, dtype=torch.bool)
    shut[top : image.shape[0] - bottom, left : image.shape[1] - right] = False
    return torch.where(shut, image.amax(), image)


def _smooth(image: Tensor, sigma: float) -> Tensor:
    reach = max(1, math.ceil(2.5 * sigma))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=image.dtype) / sigma) ** 2)
    weights = weights / weights.sum()
    padded = functional.pad(image[None, None], [reach] * 4, mode="replicate")
    return functional.conv2d(functional.conv2d(padded, weights[None, None, None]), weights[None, None, :, None])[0, 0]


OPERATIONS: dict[str, Callable[[Tensor, float, Generator], Tensor]] = {
    "gain": _gain,
    "offset": _offset,
    "gamma": _gamma,
    "noise": _noise,
    "blur": _blur,
    "sharpen": _sharpen,
    "ramp": _ramp,
    "collimation": _collimation,
}
"""Photometric operations on pictures (N, N) of line integrals divided by the scale: magnitude 0 leaves them nearly as
they are, 1 is the strongest a radiograph could show: exposure, tube voltage, noise, focus, heel effect, shutters."""


def photometric(image: Tensor, settings: AugmentationConfiguration, generator: Generator) -> Tensor:
    """A picture (N, N) after ``settings.operations`` operations drawn at random, one after the other."""
    names = list(OPERATIONS)
    for _ in range(settings.operations if settings.magnitude else 0):
        chosen = names[int(torch.randint(len(names), (), generator=generator))]
        image = OPERATIONS[chosen](image, settings.magnitude, generator)
    return image


def augmented(
    image: Tensor, depth: Tensor, labels: Sequence[str], settings: AugmentationConfiguration, generator: Generator
) -> tuple[Tensor, Tensor]:
    """One training view changed at random.

    Args:
        image: (N, N) line integrals divided by the scale.
        depth: (faces * bones, N, N) z, mm; NaN outside.
        labels: Names of the bones.
        settings: What, and how far.
        generator: Same state, same view.
    """
    if settings.mirror and uniform(generator) > 0 and can_mirror(labels):
        image, depth = mirrored(image, depth, labels)
    if settings.rotation_deg:
        angle = settings.rotation_deg * float(torch.randn((), generator=generator))
        image, depth = turned(image, depth, angle)
    return photometric(image, settings, generator), depth
