"""Are these stored numbers Hounsfield units, or Hounsfield units plus 1024?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError, MissingInformationError

VALUES = ("auto", "hu", "offset1024")
AIR_HU = -500.0
OFFSET = 1024.0
SOFT_STORED, SOFT_SHARE = 700, 0.1
"""In HU + 1024 hardly a voxel of a body lies between 1 and 700 (lung, -1023 to -324 HU): 0.9 % of the wrist pieces in
``wrist_biplane_autoscoper``, against most of the spongy bone of a masked volume in plain HU."""


def to_hounsfield(stored: NDArray[Any], values: str, name: str) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Hounsfield units (same shape, float32) of stored values, and what was decided.

    Args:
        stored: (slices, rows, columns).
        values: ``hu``, ``offset1024`` (stored = HU + 1024) or ``auto``: values below -500 are taken as air in HU;
            values from 0 up with a large exactly-zero outside and little from 1 to 700 as HU + 1024.
        name: For messages.

    Raises:
        MissingInformationError: ``auto`` and the numbers do not tell.
        InputError: Not finite, the same everywhere, or far outside any CT's range.
    """
    if values not in VALUES:
        raise InputError(f"CT values {values!r} is not known; use one of {', '.join(VALUES)} (--ct-values).")
    _refuse_unusable(stored, name)
    low, high = float(stored.min()), float(stored.max())
    if values == "auto":
        values = _guess(stored, low, high, name)
        note = () if values == "hu" else (_offset_note(stored),)
    else:
        note = ("The values were taken as given: " + ("Hounsfield units." if values == "hu" else "HU + 1024."),)
    shift = OFFSET if values == "offset1024" else 0.0
    return np.asarray(stored, dtype=np.float32) - np.float32(shift), note


def _guess(stored: NDArray[Any], low: float, high: float, name: str) -> str:
    if low < AIR_HU:
        return "hu"
    zeros = float(np.mean(stored == 0))
    if low >= 0 and zeros > 0.2 and high > OFFSET and _soft_share(stored) <= SOFT_SHARE:
        return "offset1024"
    raise MissingInformationError(
        f"CT {name}: values from {low:g} to {high:g} hold no air (below {AIR_HU:g} HU), so they may be Hounsfield "
        f"units of tissue only or HU + 1024; say which with --ct-values hu or offset1024.",
        ("ct_values",),
    )


def _soft_share(stored: NDArray[Any]) -> float:
    """Share of the voxels inside (above 0) that would be air or lung if the values were HU + 1024."""
    inside = stored[stored > 0]
    return float(np.mean(inside < SOFT_STORED))


def _offset_note(stored: NDArray[Any]) -> str:
    zeros = 100 * float(np.mean(stored == 0))
    return (
        f"The values are not negative and {zeros:.0f} % are exactly 0 (the outside): taken as HU + 1024; "
        f"use --ct-values hu if they are Hounsfield units."
    )


def _refuse_unusable(stored: NDArray[Any], name: str) -> None:
    if not np.issubdtype(stored.dtype, np.number) or stored.dtype.kind == "c":
        raise InputError(f"CT {name}: its voxels are no numbers; export it again.")
    if stored.dtype.kind == "f" and not np.all(np.isfinite(stored)):
        count = int(np.sum(~np.isfinite(stored)))
        raise InputError(f"CT {name}: {count} voxels are not finite (NaN or infinite); export it again.")
    low, high = float(stored.min()), float(stored.max())
    if low == high:
        raise InputError(f"CT {name}: every voxel has the value {low:g}; it shows nothing.")
    if high > 70000 or low < -70000:
        raise InputError(f"CT {name}: values from {low:g} to {high:g} are no Hounsfield units; rescale the volume.")
    if high - low < 100:
        raise InputError(
            f"CT {name}: values only go from {low:g} to {high:g}; this is a label map or a normalised volume, "
            f"not a CT in Hounsfield units."
        )
