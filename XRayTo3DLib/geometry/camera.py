"""The geometry of one X-ray exposure: where the source is, and the detector as an oriented image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import read_json, write_json
from XRayTo3DLib.files.json_values import check_fields
from XRayTo3DLib.geometry.frames import FloatArray, apply_matrix, cross, matrix, unit, vector3

CAMERA_FORMAT = "xrayto3d.camera/1"
LARGEST_MM, SMALLEST_MM, MOST_PIXELS = 1e9, 1e-6, 1_000_000
"""A camera's lengths and picture sizes beyond these are no camera's, and cannot be counted with."""
LEAST_SDD_MM = 20.0
"""Of a file: less was written in m."""
NUMBERS = ["source", "origin", "column_direction", "row_direction", "spacing", "size"]
SHAPE: dict[str, Any] = {name: [float] for name in NUMBERS}
"""Fields of a camera.json, as ``json_values.check_fields`` takes them."""


@dataclass(frozen=True, eq=False)
class XRayCamera:
    """One X-ray exposure in LPS mm. Need not be square-pixelled, centred or perpendicular.

    Pixel (column, row) = (0, 0) is the CENTRE of the first pixel; the first row is the top of the picture.

    Attributes:
        source: (3,) focal spot, mm.
        origin: (3,) centre of pixel [row 0, column 0], mm.
        column_direction: (3,) unit vector towards increasing column.
        row_direction: (3,) unit vector towards increasing row.
        spacing: (column, row) pixel pitch **on the detector plane**, mm.
        size: (columns, rows) in pixels.

    Raises:
        InputError: Anything not finite, spacing or size not positive, directions not at right angles,
            or the source on the detector plane.
    """

    source: FloatArray
    origin: FloatArray
    column_direction: FloatArray
    row_direction: FloatArray
    spacing: tuple[float, float]
    size: tuple[int, int]

    def __post_init__(self) -> None:
        column = unit(self.column_direction, "camera column_direction")
        row = unit(self.row_direction, "camera row_direction")
        if abs(float(column @ row)) > 1e-4:
            raise InputError("camera column_direction and row_direction are not at right angles.")
        row = unit(row - column * (column @ row), "camera row_direction")
        for name, value in (("source", self.source), ("origin", self.origin)):
            object.__setattr__(self, name, vector3(value, f"camera {name}"))
            if np.abs(getattr(self, name)).max() > LARGEST_MM:
                raise InputError(f"camera {name} lies more than {LARGEST_MM:g} mm away; check the unit.")
        object.__setattr__(self, "column_direction", matrix(column, (3,), "camera column_direction"))
        object.__setattr__(self, "row_direction", matrix(row, (3,), "camera row_direction"))
        object.__setattr__(self, "spacing", _pair(self.spacing, "camera spacing (column, row)", float))
        object.__setattr__(self, "size", _pair(self.size, "camera size (columns, rows)", int))
        if max(self.spacing) > LARGEST_MM or min(self.spacing) < SMALLEST_MM or max(self.size) > MOST_PIXELS:
            raise InputError(f"camera spacing {self.spacing} mm or size {self.size} is no detector's; check both.")
        if abs(float((self.origin - self.source) @ self.normal)) < 1e-6:
            raise InputError("camera source lies on the detector plane; check the source and origin.")

    # ---- derived ------------------------------------------------------------------------------------------

    @property
    def normal(self) -> FloatArray:
        """(3,) unit normal of the detector, column_direction x row_direction."""
        return cross(self.column_direction, self.row_direction)

    @property
    def sdd(self) -> float:
        """Source to detector distance along the detector's normal, mm (DICOM 0018,1110)."""
        return abs(float((self.origin - self.source) @ self.normal))

    @property
    def principal_point(self) -> FloatArray:
        """(2,) pixel coordinates (column, row) of the foot of the perpendicular from the source."""
        offset = self.source - self.origin
        return np.array([offset @ self.column_direction, offset @ self.row_direction]) / self.spacing

    @property
    def centre(self) -> FloatArray:
        """(3,) centre of the detector, mm."""
        return self.pixel_to_world([(self.size[0] - 1) / 2, (self.size[1] - 1) / 2])

    @property
    def view_direction(self) -> FloatArray:
        """(3,) unit vector from the source to the centre of the detector."""
        return unit(self.centre - self.source, "view direction")

    @property
    def ray_matrix(self) -> FloatArray:
        """(3, 3) matrix M with M @ (column, row, 1) = pixel position minus source, mm."""
        return np.stack(
            [
                self.column_direction * self.spacing[0],
                self.row_direction * self.spacing[1],
                self.origin - self.source,
            ],
            axis=1,
        )

    @property
    def projection_matrix(self) -> FloatArray:
        """(3, 4) matrix P with P @ (x, y, z, 1) = w (column, row, 1); w > 0 in front, w = 1 on the detector."""
        inverse = np.linalg.inv(self.ray_matrix)
        return np.hstack([inverse, -(inverse @ self.source)[:, None]])

    @property
    def detector_to_world(self) -> FloatArray:
        """(4, 4) matrix from (column, row, 0, 1) to LPS mm; its third column is the unit normal."""
        result = np.eye(4)
        result[:3, 0] = self.column_direction * self.spacing[0]
        result[:3, 1] = self.row_direction * self.spacing[1]
        result[:3, 2], result[:3, 3] = self.normal, self.origin
        return result

    def project(self, points: Any) -> FloatArray:
        """Pixel coordinates (..., 2) as (column, row) of world points (..., 3). NaN behind the source."""
        homogeneous = np.asarray(points, dtype=np.float64) @ self.projection_matrix[:, :3].T
        homogeneous = homogeneous + self.projection_matrix[:, 3]
        depth = homogeneous[..., 2:]
        return np.where(depth > 0, homogeneous[..., :2] / np.where(depth > 0, depth, 1.0), np.nan)

    def pixel_to_world(self, pixels: Any) -> FloatArray:
        """Positions (..., 3) in mm on the detector of pixel coordinates (..., 2) as (column, row)."""
        pixels = np.asarray(pixels, dtype=np.float64)
        flat = np.concatenate([pixels, np.zeros_like(pixels[..., :1])], axis=-1)
        return apply_matrix(self.detector_to_world, flat)

    def rays(self, pixels: Any) -> FloatArray:
        """Unit directions (..., 3) from the source through pixel coordinates (..., 2)."""
        direction = self.pixel_to_world(pixels) - self.source
        return direction / np.linalg.norm(direction, axis=-1, keepdims=True)

    def magnification(self, point: Any) -> float:
        """How many times larger than life the detector shows a small object at ``point`` (3,) facing it."""
        depth = float((np.asarray(point, dtype=np.float64) - self.source) @ self.normal)
        towards = float((self.origin - self.source) @ self.normal)
        if depth * towards <= 0:
            raise InputError("magnification: the point lies beside or behind the source.")
        return towards / depth

    def pixel_size_at(self, point: Any) -> tuple[float, float]:
        """(column, row) mm that one pixel covers at world point ``point`` (3,): the spacing over the magnification."""
        magnification = self.magnification(point)
        return self.spacing[0] / magnification, self.spacing[1] / magnification

    # ---- other cameras ------------------------------------------------------------------------------------

    def cropped(self, column: int, row: int, columns: int, rows: int) -> XRayCamera:
        """The same exposure seen by the detector's pixels [row : row + rows, column : column + columns].

        The window may reach beyond the detector.
        """
        return replace(self, origin=self.pixel_to_world([column, row]), size=(columns, rows))

    def resampled(self, size: tuple[int, int]) -> XRayCamera:
        """The same detector area with another number of (columns, rows); outer pixel edges stay put."""
        columns, rows = _pair(size, "camera size (columns, rows)", int)
        factor = (self.size[0] / columns, self.size[1] / rows)
        first = [(factor[0] - 1) / 2, (factor[1] - 1) / 2]
        spacing = (self.spacing[0] * factor[0], self.spacing[1] * factor[1])
        return replace(self, origin=self.pixel_to_world(first), spacing=spacing, size=(columns, rows))

    def binned(self, factor: int | tuple[int, int]) -> XRayCamera:
        """Blocks of ``factor`` pixels, a number or a pair (column, row), become one; left-overs at the far edges fall.

        Raises:
            InputError: The factor is no whole number of at least 1, or larger than the picture.
        """
        across, down = bin_factors(factor, self.size)
        columns, rows = self.size[0] // across, self.size[1] // down
        return self.cropped(0, 0, columns * across, rows * down).resampled((columns, rows))

    def moved(self, motion: FloatArray) -> XRayCamera:
        """The camera after a rigid world motion (4x4, LPS mm): source and detector move together."""
        motion = matrix(motion, (4, 4), "camera motion")
        return replace(
            self,
            source=apply_matrix(motion, self.source),
            origin=apply_matrix(motion, self.origin),
            column_direction=motion[:3, :3] @ self.column_direction,
            row_direction=motion[:3, :3] @ self.row_direction,
        )

    def is_close(self, other: XRayCamera, tolerance_mm: float = 1e-6) -> bool:
        """Whether both describe the same exposure: same size, all four detector corners and source within tolerance."""
        corners = [[0, 0], [self.size[0], 0], [0, self.size[1]]]
        moved = np.abs(self.pixel_to_world(corners) - other.pixel_to_world(corners)).max()
        source = np.abs(self.source - other.source).max()
        return self.size == other.size and max(float(moved), float(source)) <= tolerance_mm

    # ---- files --------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON types, with format, frame and unit."""
        return {
            "format": CAMERA_FORMAT,
            "frame": "LPS",
            "unit": "mm",
            "source": self.source.tolist(),
            "origin": self.origin.tolist(),
            "column_direction": self.column_direction.tolist(),
            "row_direction": self.row_direction.tolist(),
            "spacing": list(self.spacing),
            "size": list(self.size),
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any], name: str = "camera") -> XRayCamera:
        """Inverse of :meth:`to_dict`; refuses another frame or unit rather than guessing."""
        check_fields(content, {}, name)
        if content.get("frame") != "LPS" or content.get("unit") != "mm":
            raise InputError(
                f"{name}: frame {content.get('frame')!r} and unit {content.get('unit')!r} given; "
                f'cameras are in frame "LPS" and unit "mm". Convert the numbers and the two fields.'
            )
        check_fields(content, SHAPE, name)
        try:
            return cls(**{field: content[field] for field in NUMBERS})
        except InputError as error:
            raise InputError(f"{name}: {error}") from error

    def save(self, path: Path | str) -> None:
        """Write ``camera.json``."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: Path | str) -> XRayCamera:
        """Read ``camera.json``.

        Raises:
            InputError: Missing file, not JSON, another format, or values that are no camera.
        """
        name = f"camera: {Path(path).name}"
        camera = cls.from_dict(read_json(path, "camera", CAMERA_FORMAT), name)
        if camera.sdd < LEAST_SDD_MM:
            raise InputError(
                f"{name}: its source lies {camera.sdd:.3g} mm from the detector; lengths in mm are needed, not in m."
            )
        return camera


def bin_factors(factor: int | tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """``factor``, a number or a pair, as (column, row) for a picture of ``size`` (columns, rows).

    Raises:
        InputError: Not whole numbers from 1 to the picture's size.
    """
    numbers = np.ravel(factor)
    across, down = (numbers[0], numbers[0]) if np.ndim(factor) == 0 else (numbers if len(numbers) == 2 else (0, 0))
    whole = across == int(across) and down == int(down)
    if not whole or not (1 <= across <= size[0] and 1 <= down <= size[1]):
        raise InputError(f"camera of {size[0]} x {size[1]} pixels cannot be binned by {factor}.")
    return int(across), int(down)


def _pair(values: Any, what: str, kind: type) -> tuple[Any, Any]:
    numbers = matrix(values, (2,), what)
    if kind is int and not np.all(numbers == np.round(numbers)):
        raise InputError(f"{what} must be whole numbers, not {numbers.tolist()}.")
    if np.any(numbers <= 0):
        raise InputError(f"{what} must be greater than zero, not {numbers.tolist()}.")
    return kind(numbers[0]), kind(numbers[1])
