"""A rigid thing that throws a shadow, ready to be projected at any resolution, with its cut ends known."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from XRayTo3DLib.geometry.frames import FloatArray, apply_matrix
from XRayTo3DLib.imaging.attenuation import PADDING, Attenuation
from XRayTo3DLib.projection.engines import Engine, Projector, make_projector

VOXELS_PER_PIXEL = 0.75
"""Voxels are averaged until they are about so large against a pixel at the bone; larger ones would show."""
CUT_MM = 6.0
"""How far from a face that cuts the bone its shadow is not trusted, mm."""
SAMPLE_STEP = 3
SOLID_SHARE = 0.2
"""Share of the largest attenuation above which a voxel is the body's own and not its faded edge."""
SIDE_ON = 0.5
"""A cut face draws an edge where the view lies in it: |cosine| between its normal and the view below this."""


class Body:
    """One part of a CT that moves rigidly.

    Args:
        part: Its attenuation.
        device: "cpu" or "cuda".
        engine: Projector engine.

    Raises:
        InputError: An empty volume, or an engine that cannot be used.
    """

    def __init__(self, part: Attenuation, device: str = "cpu", engine: Engine = "auto") -> None:
        self.part = part
        self.centre: FloatArray = np.asarray(part.centre_lps, dtype=np.float64)
        self._device, self._engine = device, engine
        self._projectors: dict[tuple[int, int, int], Projector] = {}
        self._cuts: dict[tuple[tuple[int, int], tuple[int, int, int]], Projector | None] = {}
        self.projector(0.0)

    def projector(self, pixel_mm: float) -> Projector:
        """What draws pictures whose pixels measure ``pixel_mm`` at the bone; coarse pictures from a coarse volume."""
        factors = self._factors(pixel_mm)
        if factors not in self._projectors:
            mu, to_lps = averaged(self.part.mu, self.part.voxel_to_lps, factors)
            self._projectors[factors] = make_projector(mu, to_lps, self._device, self._engine)
        return self._projectors[factors]

    def sample(self, count: int = 100) -> FloatArray:
        """(N, 3) points of the body in the CT, LPS mm: voxels drawn evenly from what attenuates, always the same."""
        filled = _solid(self.part.mu, SAMPLE_STEP)
        if len(filled) == 0:  # a plate of one voxel, between the sampled planes
            filled = _solid(self.part.mu, 1)
        chosen = np.random.default_rng(0).choice(len(filled), min(count, len(filled)), replace=False)
        return apply_matrix(self.part.voxel_to_lps, filled[chosen])

    def cut_projectors(self, pixel_mm: float, view_direction: FloatArray) -> list[Projector]:
        """What draws the parts close to cut faces that this view (CT coordinates) sees from the side."""
        found = []
        for axis, end in self.part.cuts:
            normal = self.part.voxel_to_lps[:3, axis]
            if abs(float(normal @ view_direction)) < SIDE_ON * float(np.linalg.norm(normal)):
                projector = self._cut_projector((axis, end), self._factors(pixel_mm))
                found += [projector] if projector is not None else []
        return found

    def _factors(self, pixel_mm: float) -> tuple[int, int, int]:
        x, y, z = (max(1, round(VOXELS_PER_PIXEL * pixel_mm / step)) for step in self.part.spacing)
        return x, y, z

    def _cut_projector(self, face: tuple[int, int], factors: tuple[int, int, int]) -> Projector | None:
        key = face, factors
        if key not in self._cuts:
            slab, to_lps = _slab(self.part, *face)
            mu, to_lps = averaged(slab, to_lps, factors)
            self._cuts[key] = make_projector(mu, to_lps, self._device, self._engine) if mu.any() else None
        return self._cuts[key]


def averaged(
    mu: NDArray[np.float32], voxel_to_lps: FloatArray, factors: tuple[int, int, int]
) -> tuple[NDArray[np.float32], FloatArray]:
    """Means of blocks of ``factors`` (column, row, slice) voxels, air added at the far ends, and their matrix."""
    if factors == (1, 1, 1):
        return mu, voxel_to_lps
    blocks = factors[::-1]
    padded = np.pad(mu, [(0, -size % block) for size, block in zip(mu.shape, blocks, strict=True)])
    means = torch.nn.functional.avg_pool3d(torch.from_numpy(padded)[None, None], blocks)[0, 0].numpy()
    matrix = np.array(voxel_to_lps)
    matrix[:3, 3] += matrix[:3, :3] @ ((np.array(factors) - 1) / 2)
    matrix[:3, :3] *= factors
    return means, matrix


def _solid(mu: NDArray[np.float32], step: int) -> NDArray[np.int_]:
    """(N, 3) indices (column, row, slice) of the voxels that attenuate, of every ``step``-th along each axis."""
    sampled = np.abs(mu[::step, ::step, ::step])
    return step * np.argwhere(sampled > SOLID_SHARE * sampled.max())[:, ::-1]


def _slab(part: Attenuation, axis: int, end: int) -> tuple[NDArray[np.float32], FloatArray]:
    """What attenuates within CUT_MM of a cut face, as absolute values, and its matrix; with the air in front of it."""
    place, size = 2 - axis, part.mu.shape[2 - axis]
    count = min(size, PADDING + max(1, round(CUT_MM / float(part.spacing[axis]))))
    keep = [slice(None)] * 3
    keep[place] = slice(size - count, None) if end else slice(0, count)
    matrix = np.array(part.voxel_to_lps)
    matrix[:3, 3] += matrix[:3, axis] * (size - count if end else 0)
    return np.abs(part.mu[tuple(keep)]), matrix
