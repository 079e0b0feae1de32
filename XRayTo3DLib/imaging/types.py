"""The two images everything passes: a radiograph of line integrals, and a CT in any orientation."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray, apply_matrix, matrix
from XRayTo3DLib.imaging.radiograph_facts import RadiographFacts


class SpacingSource(Enum):
    """Where a radiograph's pixel spacing came from."""

    DETECTOR = "detector"
    CALIBRATED = "calibrated"
    USER = "user"


@dataclass(frozen=True)
class IntensityNote:
    """How stored pixel values became line integrals.

    Attributes:
        mode: ``transmitted`` (stored value falls with attenuation), ``attenuation`` (stored value rises with it)
            or ``line-integral`` (stored as is).
        i0: Stored value taken as the unattenuated beam (air), in stored units; ``None`` for line integrals.
        absolute: Whether the line integrals have a physical scale (true for linear detectors with a measured I0).
        how: One sentence for the person at the screen.
    """

    mode: str
    i0: float | None
    absolute: bool
    how: str


@dataclass(frozen=True, eq=False)
class Radiograph:
    """A projection image and its X-ray geometry.

    Attributes:
        pixels: (rows, columns) float32 line integrals of attenuation, dimensionless, bone bright.
        camera: The exposure's geometry; its size equals the picture's.
        intensity: How the values were obtained.
        spacing_source: Where the pixel spacing came from.
        view: "AP", "PA", "LAT", ... or "" when not known.
        laterality: "L", "R" or "".
        name: A short name without patient data (used in the scene and in file names).
        notes: What the reader did or noticed, one sentence each.
        synthetic: Whether the picture is simulated.
        assumed_placement: Whether the camera was placed in the world by the view's name (AP, LAT) and not given as a
            whole; one view is as good so, several do not fit together to the millimetre.
        facts: Where each value of the geometry came from, and what the file declares about the picture.

    Raises:
        InputError: Not 2-D, not finite, empty, or another size than the camera's.
    """

    pixels: NDArray[np.float32]
    camera: XRayCamera
    intensity: IntensityNote
    spacing_source: SpacingSource
    view: str = ""
    laterality: str = ""
    name: str = "radiograph"
    notes: tuple[str, ...] = ()
    synthetic: bool = False
    assumed_placement: bool = False
    facts: RadiographFacts = RadiographFacts()

    def __post_init__(self) -> None:
        pixels = np.ascontiguousarray(self.pixels, dtype=np.float32)
        if pixels.ndim != 2 or pixels.size == 0:
            raise InputError(f"radiograph {self.name}: a two-dimensional picture is needed, not shape {pixels.shape}.")
        if not np.all(np.isfinite(pixels)):
            raise InputError(f"radiograph {self.name} holds values that are not finite (NaN); export it again.")
        columns, rows = self.camera.size
        if pixels.shape != (rows, columns):
            raise InputError(
                f"radiograph {self.name} has {pixels.shape[1]} x {pixels.shape[0]} pixels (columns x rows) but its "
                f"camera {columns} x {rows}; use the camera of this picture, cropped or resampled with it."
            )
        object.__setattr__(self, "pixels", pixels)


@dataclass(frozen=True, eq=False)
class CtVolume:
    """A CT in Hounsfield units, in any orientation (oblique and flipped allowed).

    Attributes:
        hu: (slices, rows, columns) float32, HU.
        voxel_to_lps: (4, 4) matrix from voxel centres (column, row, slice, 1) to LPS mm.
        labels: (slices, rows, columns) integer label map or ``None``.
        label_names: Name to label value.
        name: A short name without patient data.
        notes: What the reader did or noticed, one sentence each.
        synthetic: Whether the anatomy is simulated.

    Raises:
        InputError: Wrong shapes, values not finite, a singular or sheared matrix.
    """

    hu: NDArray[np.float32]
    voxel_to_lps: FloatArray
    labels: NDArray[Any] | None = None
    label_names: dict[str, int] = field(default_factory=dict)
    name: str = "ct"
    notes: tuple[str, ...] = ()
    synthetic: bool = False

    def __post_init__(self) -> None:
        hu = np.ascontiguousarray(self.hu, dtype=np.float32)
        if hu.ndim != 3 or hu.size == 0:
            raise InputError(f"CT {self.name}: a three-dimensional volume is needed, not shape {hu.shape}.")
        if not np.all(np.isfinite(hu)):
            raise InputError(f"CT {self.name} holds values that are not finite (NaN); export it again.")
        transform = matrix(self.voxel_to_lps, (4, 4), f"CT {self.name} voxel_to_lps")
        steps = transform[:3, :3]
        if abs(np.linalg.det(steps)) < 1e-9:
            raise InputError(f"CT {self.name}: its geometry is degenerate (zero voxel size); export it again.")
        cosines = steps / np.linalg.norm(steps, axis=0)
        if np.abs(cosines.T @ cosines - np.eye(3)).max() > 1e-3:
            raise InputError(f"CT {self.name} is sheared (gantry tilt); resample it to a straight grid first.")
        if self.labels is not None and self.labels.shape != hu.shape:
            raise InputError(
                f"CT {self.name} has shape {hu.shape} but its label map {self.labels.shape} (slices, rows, columns); "
                f"resample the label map to the CT."
            )
        object.__setattr__(self, "hu", hu)
        object.__setattr__(self, "voxel_to_lps", transform)

    @property
    def spacing(self) -> FloatArray:
        """(3,) voxel size along (column, row, slice), mm."""
        return np.linalg.norm(self.voxel_to_lps[:3, :3], axis=0)

    @property
    def size(self) -> tuple[int, int, int]:
        """(columns, rows, slices)."""
        return self.hu.shape[2], self.hu.shape[1], self.hu.shape[0]

    def voxel_points(self, indices: Any) -> FloatArray:
        """LPS mm (..., 3) of voxel indices (..., 3) given as (column, row, slice)."""
        return apply_matrix(self.voxel_to_lps, indices)

    def label_value(self, label: str | int) -> int:
        """The number of a label given by name (case ignored) or number.

        Raises:
            InputError: No label map, unknown name, no voxel carries it, or 0: that is the background.
        """
        if self.labels is None:
            raise InputError(f"CT {self.name} has no label map; give one (--labels).")
        names = {name.lower(): value for name, value in self.label_names.items()}
        text = str(label).strip().lower()
        value = names.get(text, int(text) if text.isdecimal() else None)
        if value is None:
            known = ", ".join(self.label_names) or "numbers " + ", ".join(map(str, np.unique(self.labels)[:20]))
            raise InputError(f"label {label!r} is not in the label map of CT {self.name}; it has {known}.")
        if value == 0:
            raise InputError(f"label {label!r} of CT {self.name}: 0 is the background, not a bone; give another label.")
        if not np.any(self.labels == value):
            raise InputError(f"label {label!r} (value {value}) of CT {self.name} is empty: no voxel carries it.")
        return value

    def label_mask(self, label: str | int) -> NDArray[np.bool_]:
        """Boolean (slices, rows, columns) of one label; see :meth:`label_value`."""
        return self.labels == self.label_value(label)  # type: ignore[return-value]

    def mask_centre(self, mask: NDArray[np.bool_]) -> FloatArray:
        """(3,) centroid of a mask's voxels, LPS mm."""
        indices = np.argwhere(mask)
        if indices.size == 0:
            raise InputError(f"CT {self.name}: the mask is empty.")
        return self.voxel_points(indices.mean(axis=0)[::-1])
