"""One CT series from a folder of DICOM slices, with its gaps found."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError, MissingInformationError
from XRayTo3DLib.imaging.dicom_files import decode_frame, is_dicom, open_dicom
from XRayTo3DLib.imaging.dicom_radiograph import CODES
from XRayTo3DLib.imaging.picture_files import require_size
from XRayTo3DLib.imaging.volume_headers import MOST_VALUES

SPACING_TOLERANCE = 0.02
"""Relative departure of a slice distance from the common one that still counts as rounding."""
UNIT_TOLERANCE = 5e-3
"""Departure of the directions from length 1 and from right angles that still counts as rounding."""


@dataclass(frozen=True)
class Slice:
    """A slice's file and place: (3,) ``position`` of its first voxel and (3, 2) ``axes`` (column, row step), LPS mm.

    ``rescaled``: whether the header says how stored values become Hounsfield units.
    """

    path: Path
    position: NDArray[np.float64]
    axes: NDArray[np.float64]
    size: tuple[int, int]
    rescaled: bool


def read_series(
    path: Path, series: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float64], tuple[str, ...], bool]:
    """Rescaled values (slices, rows, columns), voxel to LPS matrix, notes, and whether the header makes them HU.

    Args:
        path: A folder, or a file in one: then the series that this file belongs to.
        series: Which series of the folder, counted from 1; wins over the file's.

    Raises:
        MissingInformationError: A folder with several CT series and no ``series``.
        InputError: No CT slices, missing or doubled slices, unequal sizes, damaged files.
    """
    folder = path if path.is_dir() else path.parent
    groups = _series_of(folder)
    group, notes = _own(groups, path) if folder != path and series is None else _chosen(groups, series, folder)
    _require_room(group, folder)
    slices = _sorted(group, folder)
    step = _slice_step(slices, folder)
    to_lps = np.eye(4)
    to_lps[:3, :2], to_lps[:3, 2], to_lps[:3, 3] = slices[0].axes, step, slices[0].position
    if len({item.rescaled for item in slices}) > 1:
        raise InputError(
            f"CT: some slices in {folder} state how their values become Hounsfield units and others do not; export the "
            f"series again."
        )
    stored = np.stack([_hounsfield(item) for item in slices])
    return stored, to_lps, notes, slices[0].rescaled


def _series_of(folder: Path) -> list[list[Slice]]:
    """The folder's CT slices by series, largest first."""
    found: dict[str, list[Slice]] = defaultdict(list)
    others: set[str] = set()
    for path in sorted(item for item in folder.iterdir() if item.is_file() and item.stat().st_size > 132):
        if path.name.upper() == "DICOMDIR" or not is_dicom(path):
            continue
        header = open_dicom(path, "CT", pixels=False)
        modality = str(header.get("Modality", "") or "")
        if modality != "CT":
            others.add(modality if modality in CODES["Modality"] else "unknown")
        elif "LOCALIZER" not in str(header.get("ImageType", "")):
            found[_series_key(header)].append(_slice(header, path))
    if not found:
        raise InputError(f"CT: {folder} holds no CT slices ({_what_else(others)}); choose the folder of the CT series.")
    return sorted(found.values(), key=len, reverse=True)


def _series_key(header: Any) -> str:
    size = (header.get("Rows", 0), header.get("Columns", 0))
    return f"{header.get('SeriesInstanceUID', '')} {size}"


def _slice(header: Any, path: Path) -> Slice:
    if str(header.get("NumberOfFrames", "") or "1").strip() != "1":
        raise InputError(f"CT: {path.name} is an enhanced multi-frame CT; convert it to NRRD or classic slices first.")
    try:
        require_size((int(header.Columns), int(header.Rows)), path.name, "CT")
        orientation = np.array(header.ImageOrientationPatient, dtype=float).reshape(2, 3)
        if np.abs(orientation @ orientation.T - np.eye(2)).max() > UNIT_TOLERANCE:
            raise InputError(
                f"CT: the orientation of slice {path.name} is no two directions of length 1 at right angles, so that "
                f"the size of its voxels is not known; export the series again."
            )
        row_step, column_step = (float(value) for value in header.PixelSpacing)
        position = np.array(header.ImagePositionPatient, dtype=float).reshape(3)
        axes = np.stack([orientation[0] * column_step, orientation[1] * row_step], axis=1)
        slice_ = Slice(path, position, axes, (int(header.Columns), int(header.Rows)), _rescaled(header))
        positive = min(*slice_.size, row_step, column_step) > 0
        if not (positive and np.all(np.isfinite(axes)) and np.all(np.isfinite(position))):
            raise ValueError("no place")
        return slice_
    except InputError:
        raise
    except (AttributeError, TypeError, ValueError, ArithmeticError):  # it quotes the header
        raise InputError(
            f"CT: slice {path.name} lacks a position, orientation or pixel spacing; export the series again."
        ) from None


def _rescaled(header: Any) -> bool:
    """Whether RescaleIntercept is there and its result, where the header names it, is Hounsfield units."""
    return header.get("RescaleIntercept", None) is not None and str(header.get("RescaleType", "") or "HU") == "HU"


def _require_room(group: list[Slice], folder: Path) -> None:
    values = len(group) * group[0].size[0] * group[0].size[1]
    if values > MOST_VALUES:
        raise InputError(f"CT: the slices in {folder} state {values} voxels, more than {MOST_VALUES}; export fewer.")


def _own(groups: list[list[Slice]], path: Path) -> tuple[list[Slice], tuple[str, ...]]:
    """The series that a file belongs to."""
    number = next((n for n, group in enumerate(groups, 1) if any(item.path == path for item in group)), None)
    if number is None:
        raise InputError(f"CT: {path.name} is no CT slice (a scout or another kind of image); choose one of the CT.")
    several = f"Of {len(groups)} series in the folder, the one of {path.name} was read."
    return groups[number - 1], (several,) if len(groups) > 1 else ()


def _chosen(groups: list[list[Slice]], series: int | None, folder: Path) -> tuple[list[Slice], tuple[str, ...]]:
    """The only series, or the one asked for."""
    if series is not None:
        if not 1 <= series <= len(groups):
            raise InputError(f"CT: {folder} holds {len(groups)} series, there is no series {series} (--ct-series).")
        return groups[series - 1], (f"Series {series} of {len(groups)} in the folder.",)
    if len(groups) == 1:
        return groups[0], ()
    listed = "; ".join(
        f"{number}: {len(group)} slices of {group[0].size[0]} x {group[0].size[1]}"
        for number, group in enumerate(groups, 1)
    )
    raise MissingInformationError(
        f"CT: {folder} holds {len(groups)} series ({listed}); say which (--ct-series) or keep one in the folder.",
        ("ct_series",),
    )


def _sorted(group: list[Slice], folder: Path) -> list[Slice]:
    """Slices along the normal of the first; all must be parallel."""
    first = group[0]
    if len(group) < 2:
        raise InputError(f"CT: {folder} holds a single CT slice; a volume needs at least two.")
    if any(not np.allclose(item.axes, first.axes, atol=1e-3) for item in group):
        raise InputError(f"CT: the slices in {folder} differ in orientation or pixel spacing; export one series.")
    normal = np.cross(first.axes[:, 0], first.axes[:, 1])
    return sorted(group, key=lambda item: float(item.position @ normal))


def _slice_step(slices: list[Slice], folder: Path) -> NDArray[np.float64]:
    """(3,) mm from slice to slice, which must be the same all along."""
    positions = np.stack([item.position for item in slices])
    distances = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    common = float(np.median(distances))
    if common < 1e-3 or distances.min() < 0.01 * common:
        raise InputError(f"CT: some slices in {folder} lie at the same place (doubled, or several phases); export one.")
    for index in np.flatnonzero(np.abs(distances / common - 1) > SPACING_TOLERANCE):
        ratio = distances[index] / common
        whole = round(ratio)
        what = f"{whole - 1} missing" if whole > 1 and abs(ratio - whole) < 0.05 else "unequal slice distance"
        raise InputError(
            f"CT: between slice {index + 1} and {index + 2} of {len(slices)} in {folder.name} there are "
            f"{distances[index]:.4g} mm, elsewhere {common:.4g} mm ({what}); copy the whole series or resample it."
        )
    return (positions[-1] - positions[0]) / (len(slices) - 1)


def _hounsfield(item: Slice) -> NDArray[np.float32]:
    """(rows, columns) rescaled values of a slice."""
    path = item.path
    dataset = open_dicom(path, "CT")
    values = decode_frame(dataset, 0, path, "CT")
    if values.shape != item.size[::-1]:
        raise InputError(f"CT: the pixels of slice {path.name} are not one grey picture; export the series again.")
    try:
        slope, intercept = _number(dataset, "RescaleSlope", 1.0), _number(dataset, "RescaleIntercept", 0.0)
    except (TypeError, ValueError):  # it quotes the header
        slope = intercept = float("nan")
    if not (np.isfinite(slope) and np.isfinite(intercept) and slope > 0):
        text = f"CT: the rescaling of slice {path.name} is no number above 0; export the series again."
        raise InputError(text) from None
    return (values * slope + intercept).astype(np.float32)


def _number(dataset: Any, keyword: str, default: float) -> float:
    value = dataset.get(keyword, None)
    return default if value is None or value == "" else float(value)


def _what_else(others: set[str]) -> str:
    return f"found {', '.join(sorted(others))}" if others else "no DICOM files found"
