"""Paint a synthetic limb into a CT: anti-aliased Hounsfield units and a label map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.phantoms import tissue
from XRayTo3DLib.dataset.phantoms.anatomy import Part
from XRayTo3DLib.geometry.frames import FloatArray

LABELS = {"radius": 1, "ulna": 2, "carpals": 3}
"""Values of the label map of a forearm."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What to paint and on which grid.

    Attributes:
        parts: The bones, in the frame of a right limb.
        label_values: Value in the label map of each part's label.
        steps: (3,) voxel size along x, y, z, mm.
        low: (3,) lower corner of the volume of a right limb, mm; the first voxels begin exactly there.
        high: (3,) upper corner, mm.
        mirror: +1 for a right limb, -1 for a left one.
        background: HU of everything but bone, as f(random generator, x, y, z, voxel width).
        texture: Shortest and longest wavelength of the bones' texture, across and along them, mm.
    """

    parts: Sequence[Part]
    label_values: Mapping[str, int]
    steps: FloatArray
    low: FloatArray
    high: FloatArray
    mirror: float
    background: Callable[..., NDArray[np.float32]]
    texture: tuple[tuple[float, float], tuple[float, float]] = ((1.2, 4.0), (4.0, 16.0))

    @property
    def width(self) -> float:
        """Mean voxel width, mm."""
        return float(np.prod(self.steps) ** (1 / 3))

    def axes(self) -> list[FloatArray]:
        """Voxel centres along x, y, z, LPS mm."""
        counts = np.maximum(np.floor((self.high - self.low) / self.steps).astype(int), 1)
        x, y, z = (self.low[axis] + self.steps[axis] * (np.arange(counts[axis]) + 0.5) for axis in range(3))
        return [x if self.mirror > 0 else -x[::-1], y, z]


def render_ct(scene: Scene, seed: int) -> tuple[NDArray[np.float32], NDArray[np.uint8], FloatArray]:
    """HU and labels (slices, rows, columns) and the voxel-to-LPS matrix (4, 4), mm."""
    rng = np.random.default_rng(seed)
    axes = scene.axes()
    hu = scene.background(rng, *_open_grid(axes, scene.mirror), scene.width)
    labels = np.zeros(hu.shape, dtype=np.uint8)
    for part in scene.parts:
        _paint(scene, part, tissue.Texture(rng, *scene.texture, 36), axes, hu, labels)
    matrix = np.diag([*scene.steps, 1.0])
    matrix[:3, 3] = [axis[0] for axis in axes]
    return np.round(hu), labels, matrix


def _paint(scene: Scene, part: Part, texture: tissue.Texture, axes: Any, hu: Any, labels: Any) -> None:
    where, local = _block(axes, part, scene)
    x, y, z = _open_grid(local, scene.mirror)
    values = part.field(x, y, z).astype(np.float32)
    near = np.nonzero(values < scene.width)
    x, y, z = x[0, 0, near[2]], y[0, near[1], 0], z[near[0], 0, 0]
    close = values[near]
    inside = part.hounsfield(texture, x, y, z, close, scene.width)
    block = hu[where]
    block[near] = tissue.blend(block[near], inside, tissue.coverage(close, scene.width))
    labels[where][values < 0] = scene.label_values[part.label]


def _open_grid(axes: list[FloatArray], mirror: float) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Coordinates in the frame of a right forearm, broadcastable to (slices, rows, columns), float32."""
    x, y, z = (axis.astype(np.float32) for axis in axes)
    return (np.float32(mirror) * x)[None, None, :], y[None, :, None], z[:, None, None]


def _block(axes: Any, part: Part, scene: Scene) -> tuple[tuple[slice, ...], list[FloatArray]]:
    """Slices (z, y, x) of the voxels around a bone and their coordinates along x, y, z, LPS mm."""
    margin, sign = 2 * scene.width, np.array([scene.mirror, 1.0, 1.0])
    low, high = np.sort([part.low * sign, part.high * sign], axis=0)
    ranges = [
        slice(int(np.searchsorted(axis, least - margin)), int(np.searchsorted(axis, most + margin)))
        for axis, least, most in zip(axes, low, high, strict=True)
    ]
    return tuple(ranges[::-1]), [axis[part] for axis, part in zip(axes, ranges, strict=True)]
