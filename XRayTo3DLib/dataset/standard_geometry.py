"""One geometry for every radiograph of a view: what a network that estimates depth sees.

Depth can only be told from a single picture where the exposure is standard (Gu et al., 3DDX, MICCAI 2024). A radiograph
taken nearly so is brought exactly there: same source, same axes, another plane and pixel grid behind the same rays.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.imaging.types import Radiograph

SDD_NOTED, SDD_REFUSED = 0.02, 0.10
"""From which relative difference of the source to detector distance on it is said, and refused."""
SMALLEST_SHARE = 0.5
"""How much of the radiograph must lie inside the standard field, and how much of the field inside the radiograph."""
NOTED_SHARE = 0.9


class Pictured(Protocol):
    """What is known of a radiograph besides its pixels."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def view(self) -> str: ...  # noqa: D102
    @property
    def camera(self) -> XRayCamera: ...  # noqa: D102


@dataclass(frozen=True)
class StandardGeometry:
    """A square detector at a fixed distance from the source, centred on the principal point.

    Attributes:
        size: Rows and columns.
        field_mm: Width and height of the detector, mm.
        sdd_mm: Source to detector distance, mm.
        view: "AP", ...

    Raises:
        InputError: A size below 8 or lengths not positive.
    """

    size: int = 256
    field_mm: float = 400.0
    sdd_mm: float = 1000.0
    view: str = "AP"

    def __post_init__(self) -> None:
        if self.size < 8:
            raise InputError(f"standard geometry: a size of {self.size} pixels is too small; use 8 or more.")
        if not (0 < self.field_mm < np.inf and 0 < self.sdd_mm < np.inf):
            raise InputError("standard geometry: field_mm and sdd_mm must be greater than zero (mm).")

    @property
    def pixel_mm(self) -> float:
        """Pixel pitch on the detector, mm."""
        return self.field_mm / self.size

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON types."""
        return asdict(self)

    def camera_for(self, camera: XRayCamera) -> XRayCamera:
        """The standard camera behind the same source: its rays are rays of ``camera``'s, its plane is parallel.

        Args:
            camera: The exposure as it was.
        """
        towards = np.sign((camera.origin - camera.source) @ camera.normal)
        corner = 0.5 * (self.size - 1) * self.pixel_mm
        foot = camera.source + towards * self.sdd_mm * camera.normal
        origin = foot - corner * (camera.column_direction + camera.row_direction)
        spacing = (self.pixel_mm, self.pixel_mm)
        size = (self.size, self.size)
        return XRayCamera(camera.source, origin, camera.column_direction, camera.row_direction, spacing, size)

    def resampled(self, radiograph: Radiograph) -> tuple[NDArray[np.float32], XRayCamera, tuple[str, ...]]:
        """A radiograph as the standard camera would have shown it.

        The planes being parallel the homography between them only scales and shifts: each new pixel is the exact mean
        of the old ones it covers where the picture shrinks, and linear between their centres where it grows. Beyond
        the radiograph the picture is 0, as in the open beam. A mirror image (its camera looks at the
        detector from behind) is turned round first: right bones are to look like right bones.

        Args:
            radiograph: The picture; its view, if it is known, must be this one.

        Returns:
            (size, size) float32 line integrals, their camera, and what should be said about it, one sentence each.

        Raises:
            InputError: Another view, a source to detector distance that differs by more than 10 %, or a radiograph of
                which the standard field shows less than half, or that fills less than half of it.
        """
        notes = self.noticed(radiograph)
        if _is_mirrored(radiograph.camera):
            pixels = np.ascontiguousarray(radiograph.pixels[:, ::-1])
            radiograph = replace(radiograph, pixels=pixels, camera=_seen_from_source(radiograph.camera))
        old, new = radiograph.camera, self.camera_for(radiograph.camera)
        across, down = (_weights(*_old_pixels(new, old, axis), self.size, old.size[axis]) for axis in (0, 1))
        image = down @ radiograph.pixels.astype(np.float64) @ across.T
        return image.astype(np.float32), new, notes

    def noticed(self, radiograph: Pictured) -> tuple[str, ...]:
        """What should be said of bringing a radiograph here, one sentence each; its pixels are not asked for.

        Raises:
            InputError: As :meth:`resampled`.
        """
        if radiograph.view and radiograph.view.upper() != self.view.upper():
            raise InputError(
                f"{radiograph.name} shows view {radiograph.view}; this model reads {self.view} views only."
            )
        notes = self._distance_notes(radiograph)
        if not radiograph.view:
            notes += (f"the view of {radiograph.name} is not known; it was read as {self.view}.",)
        old = radiograph.camera
        if _is_mirrored(old):
            notes += (f"{radiograph.name} is a mirror image, as its camera says; it was turned round.",)
            old = _seen_from_source(old)
        new = self.camera_for(old)
        shares = [_shares(*_old_pixels(new, old, axis), self.size, old.size[axis]) for axis in (0, 1)]
        return notes + self._field_notes(radiograph, shares[0][0] * shares[1][0], shares[0][1] * shares[1][1])

    def covered(self, camera: XRayCamera, standard: XRayCamera) -> NDArray[np.bool_]:
        """(size, size): which pixels of the ``standard`` camera the radiograph of ``camera`` has anything to say of."""
        pixels = np.stack(np.meshgrid(np.arange(self.size), np.arange(self.size)), axis=-1)
        places = camera.project(standard.pixel_to_world(pixels))
        return ((places >= -0.5) & (places <= np.array(camera.size) - 0.5)).all(axis=-1)

    def _distance_notes(self, radiograph: Pictured) -> tuple[str, ...]:
        sdd = radiograph.camera.sdd
        off = abs(sdd / self.sdd_mm - 1.0)
        what = (
            f"{radiograph.name} was exposed at {sdd:.0f} mm from the source, the model learnt at {self.sdd_mm:.0f} mm"
        )
        if off > SDD_REFUSED:
            raise InputError(
                f"{what}: more than 10 % apart, so its depths would be wrong. Check the distance, or expose it so."
            )
        return (f"{what}; the picture was rescaled, its perspective stays.",) if off > SDD_NOTED else ()

    def _field_notes(self, radiograph: Pictured, shown: float, filled: float) -> tuple[str, ...]:
        if min(shown, filled) < SMALLEST_SHARE:
            raise InputError(
                f"{radiograph.name}: the standard field of {self.field_mm:.0f} mm shows {100 * shown:.0f} % of the "
                f"picture and the picture fills {100 * filled:.0f} % of it; at least half is needed. Check pixel "
                f"spacing and SDD, or crop the picture."
            )
        notes = ()
        if shown < NOTED_SHARE:
            notes += (f"{100 * (1 - shown):.0f} % of {radiograph.name} lie outside the model's field, unused.",)
        if filled < NOTED_SHARE:
            notes += (f"{radiograph.name} fills {100 * filled:.0f} % of the model's field; the rest is left empty.",)
        return notes


def _is_mirrored(camera: XRayCamera) -> bool:
    """Whether it looks at its detector from behind, so that its picture is a mirror image."""
    return float((camera.origin - camera.source) @ camera.normal) <= 0


def _seen_from_source(camera: XRayCamera) -> XRayCamera:
    """The camera of the mirror image's mirror image."""
    last = camera.pixel_to_world([camera.size[0] - 1, 0])
    return replace(camera, origin=last, column_direction=-camera.column_direction)


def _old_pixels(new: XRayCamera, old: XRayCamera, axis: int) -> tuple[float, float]:
    """Where the first new pixel's centre lies along an axis, and the new pitch, both in old pixels."""
    pitch = new.spacing[axis] / new.sdd * old.sdd / old.spacing[axis]
    return float(old.principal_point[axis] - new.principal_point[axis] * pitch), float(pitch)


def _edges(first: float, pitch: float, count: int) -> NDArray[np.float64]:
    return first + pitch * (np.arange(count + 1) - 0.5)


def _weights(first: float, pitch: float, count: int, length: int) -> NDArray[np.float64]:
    """(count, length) weights of the old pixels in each new one; rows sum to the share that the old picture covers."""
    if pitch >= 1.0:
        edges, steps = _edges(first, pitch, count), np.arange(length)
        low = np.maximum(edges[:-1, None], steps - 0.5)
        high = np.minimum(edges[1:, None], steps + 0.5)
        return np.maximum(high - low, 0.0) / pitch
    centres = first + pitch * np.arange(count)
    inside = (centres >= -0.5) & (centres <= length - 0.5)
    held = np.clip(centres, 0, length - 1)
    return np.maximum(1.0 - np.abs(held[:, None] - np.arange(length)), 0.0) * inside[:, None]


def _shares(first: float, pitch: float, count: int, length: int) -> tuple[float, float]:
    """Along one axis: how much of the old picture the new one shows, and how much of the new one the old one fills."""
    edges = _edges(first, pitch, count)
    common = max(0.0, min(edges[-1], length - 0.5) - max(edges[0], -0.5))
    return common / length, common / (edges[-1] - edges[0])
