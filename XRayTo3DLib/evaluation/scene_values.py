"""Small questions to the data that go into a Slicer scene: names, grey values, extents."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.decimal_point import decimal_point


def safe_name(name: str) -> str:
    """``name`` as a file name that every system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._") or "node"


def range_of(values: np.ndarray) -> tuple[float, float]:
    """Smallest and largest value, never the same."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return (low, high) if low < high else (low, low + 1.0)


def grey_window(values: np.ndarray) -> tuple[float, float]:
    """Window and level between the darkest and the brightest half percent."""
    low, high = np.percentile(values, [0.5, 99.5])
    return float(max(high - low, 1e-6)), float((low + high) / 2)


def read_volume(path: Path) -> tuple[FloatArray, np.ndarray]:
    """The eight corners (8, 3) of a NRRD volume in LPS mm, and a sample of its values.

    Raises:
        InputError: Not readable, or not three-dimensional.
    """
    import SimpleITK as sitk

    try:
        with decimal_point():
            image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(f"scene volume: {path.name} is not a readable NRRD file; export it again.") from error
    size = image.GetSize()
    if len(size) != 3:
        raise InputError(f"scene volume: {path.name} has {len(size)} dimensions; a volume has 3.")
    ends = np.stack(np.meshgrid(*[(0, n - 1) for n in size]), axis=-1).reshape(-1, 3)
    corners = [image.TransformContinuousIndexToPhysicalPoint([float(number) for number in end]) for end in ends]
    values = sitk.GetArrayViewFromImage(image)
    steps = tuple(slice(None, None, max(1, n // 64)) for n in values.shape)
    return np.array(corners), np.asarray(values[steps])
