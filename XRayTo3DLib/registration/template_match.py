"""Where in a picture a DRR fits best, for all shifts in the picture at once, by fast Fourier transforms.

With the complex gradient g = dI/dx + i dI/dy of a picture and t of a template whose shadow (a little widened) is m,

    S(s) = Re sum_x conj(t(x)) g(x + s) / sqrt( sum |t|^2  sum_x m(x) |g(x + s)|^2 )

is the normalised correlation of the gradient fields at shift s: 1 where they are the same up to a factor, whatever lies
outside the shadow. Numerator and local energy are correlations (Lewis, Fast normalized cross-correlation, 1995; of
gradients: Fitch et al., Orientation correlation, BMVC 2002). The radiograph's gradients are first divided by their own
strength in the neighbourhood, so that the skin's and strong bones' edges do not outshine the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import binary_erosion, gaussian_filter

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray, apply_matrix
from XRayTo3DLib.imaging.attenuation import Attenuation
from XRayTo3DLib.imaging.radiograph_edit import bin_radiograph, exposed_field
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.registration.bodies import averaged

EXTENT_MM = 2.0
"""How finely a bone is looked at for its extent, mm."""
SIGMA = 1.0
"""Width of the derivative filter, coarse pixels."""
SHADOW_SHARE = 0.02
"""Share of a DRR's largest value above which a pixel counts as the bone's shadow."""
WIDEN = 2
"""Coarse pixels by which the shadow is widened for comparing."""
EVEN_MM, EVEN_FLOOR = 6.0, 0.3
"""Neighbourhood of a radiograph's gradient strength, mm at the bone; added to it, a share of the mean strength."""
BORDER_MM = 8.0
"""How far from the collimator's shadow gradients are left out, mm at the bone: its edge is the strongest of all."""
ENERGY_FLOOR = 0.1
"""Least gradient energy counted under a shadow, as a share of the picture's mean: empty areas match nothing."""

ComplexImage = NDArray[np.complex64]


@dataclass(frozen=True, eq=False)
class CoarseView:
    """A radiograph with large pixels, as its gradient field.

    Attributes:
        camera: The exposure with the large pixels.
        gradient: (rows, columns) complex: along columns plus i times along rows, evened; 0 outside the exposed field.
        field: (rows, columns) mask of where gradients are known.
        energy: Mean of |gradient|^2 in the field.
    """

    camera: XRayCamera
    gradient: ComplexImage
    field: NDArray[np.bool_]
    energy: float

    @classmethod
    def of(cls, radiograph: Radiograph, place: FloatArray, pixel_mm: float) -> CoarseView:
        """The view with pixels of about ``pixel_mm`` at world point ``place`` (3,)."""
        fine = radiograph.camera.pixel_size_at(place)
        largest = [max(1, count // 8) for count in radiograph.camera.size]
        factor = [min(max(1, round(pixel_mm / size)), most) for size, most in zip(fine, largest, strict=True)]
        small = bin_radiograph(radiograph, (factor[0], factor[1]))
        field = exposed_field(radiograph)
        rows, columns = small.pixels.shape
        blocks = field[: rows * factor[1], : columns * factor[0]].reshape(rows, factor[1], columns, factor[0])
        inside = blocks.all(axis=(1, 3))
        if not inside.all():
            inside = binary_erosion(inside, iterations=max(1, round(BORDER_MM / pixel_mm)), border_value=1)
        gradient = np.where(inside, gradient_field(small.pixels), 0)
        if not np.abs(gradient).max() > 0:
            raise InputError(f"radiograph {radiograph.name} is flat; there is nothing to search a bone in.")
        gradient = _evened(gradient, inside, EVEN_MM / pixel_mm)
        return cls(small.camera, gradient, inside, float(np.mean(np.abs(gradient[inside]) ** 2)))

    def part(self, first: NDArray[np.int_], size: NDArray[np.int_]) -> ComplexImage:
        """The gradient of the window of ``size`` (columns, rows) from pixel ``first``; 0 beyond the picture."""
        rows, columns = self.gradient.shape
        result = np.zeros((size[1], size[0]), np.complex64)
        low, high = np.maximum(first, 0), np.minimum(first + size, (columns, rows))
        if np.all(high > low):
            window = self.gradient[low[1] : high[1], low[0] : high[0]]
            to = low - first
            result[to[1] : to[1] + window.shape[0], to[0] : to[0] + window.shape[1]] = window
        return result


def _evened(gradient: ComplexImage, inside: NDArray[np.bool_], sigma: float) -> ComplexImage:
    """The gradient over the root mean square of its surroundings."""
    square = np.abs(gradient) ** 2
    floor = EVEN_FLOOR**2 * square[inside].mean()
    return (gradient / np.sqrt(gaussian_filter(square, sigma) + floor)).astype(np.complex64)


def gradient_field(image: NDArray[np.float32]) -> ComplexImage:
    """(rows, columns) complex Gaussian derivatives: along columns plus i times along rows."""
    across = gaussian_filter(image, SIGMA, order=(0, 1), mode="nearest")
    down = gaussian_filter(image, SIGMA, order=(1, 0), mode="nearest")
    return (across + 1j * down).astype(np.complex64)


def coarse_volume(bone: Attenuation, voxel_mm: float) -> tuple[NDArray[np.float32], FloatArray]:
    """The bone in voxels of about ``voxel_mm`` (means of blocks), and their (4, 4) voxel-to-LPS matrix."""
    factor = np.maximum(1, np.round(voxel_mm / bone.spacing)).astype(int)
    # One block of air all around keeps the borders soft.
    padded = np.pad(bone.mu, [(int(count), int(count)) for count in factor[::-1]])
    to_lps = bone.voxel_to_lps.copy()
    to_lps[:3, 3] = apply_matrix(bone.voxel_to_lps, -factor)
    return averaged(padded, to_lps, (int(factor[0]), int(factor[1]), int(factor[2])))


def reach_of(bone: Attenuation) -> float:
    """Radius of the sphere about the bone's centre that holds it, mm."""
    mu, to_lps = bone.thinned(EXTENT_MM)
    inside = np.argwhere(mu > 0.05 * mu.max())[:, ::-1]
    return float(np.linalg.norm(apply_matrix(to_lps, inside) - bone.centre_lps, axis=1).max())


class Matcher:
    """One view's picture, or a part of it, ready to be compared with templates.

    Args:
        gradient: (rows, columns) complex gradient field. Only shifts at which a template lies wholly inside are right:
            widen it by zeros.
        energy: Mean of |gradient|^2 of the whole view.
    """

    def __init__(self, gradient: ComplexImage, energy: float) -> None:
        self._shape = tuple(fft.next_fast_len(count) for count in gradient.shape)
        self._picture = fft.fft2(gradient, self._shape)
        self._energy = fft.rfft2((gradient.real**2 + gradient.imag**2).astype(np.float32), self._shape)
        self._floor = np.float32(ENERGY_FLOOR * energy)
        frequency = [2 * np.pi * fft.fftfreq(count).astype(np.float32) for count in self._shape]
        blur = np.exp(-0.5 * SIGMA**2 * (frequency[0][:, None] ** 2 + frequency[1][None, :] ** 2))
        # The transform of d/dx + i d/dy is i wx - wy.
        self._derivative = ((1j * frequency[1][None, :] - frequency[0][:, None]) * blur).astype(np.complex64)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the maps."""
        return self._shape  # type: ignore[return-value]

    def __call__(self, template: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, columns) map of S: at [r, c] the template's first pixel lies on pixel (r, c).

        A template without any shadow scores 0 everywhere.
        """
        peak = float(template.max())
        if peak <= 0:
            return np.zeros(self._shape, np.float32)
        if _touches_border(template > SHADOW_SHARE * peak):
            # Cut off by the template's own border, which is no edge of the body.
            edges = fft.fft2(gradient_field(template), self._shape)
        else:
            edges = fft.fft2(template, self._shape) * self._derivative
        strength = np.vdot(edges, edges).real / edges.size
        shadow = _widened(template > SHADOW_SHARE * peak).astype(np.float32)
        above = fft.ifft2(np.conj(edges) * self._picture).real
        below = fft.irfft2(np.conj(fft.rfft2(shadow, self._shape)) * self._energy, self._shape)
        below = np.maximum(below, self._floor * shadow.sum())
        return above / np.sqrt(np.float32(strength) * below)


def _touches_border(mask: NDArray[np.bool_]) -> bool:
    return bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())


def _widened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``mask`` grown by :data:`WIDEN` pixels along rows and columns."""
    for axis in (0, 1):
        grown = mask.copy()
        for step in range(1, WIDEN + 1):
            low = (slice(None),) * axis + (slice(step, None),)
            high = (slice(None),) * axis + (slice(None, -step),)
            grown[high] |= mask[low]
            grown[low] |= mask[high]
        mask = grown
    return mask
