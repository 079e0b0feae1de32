"""How alike two radiographs are, as sums of squares: what Gauss-Newton needs, and NCC and NGCC exactly.

Both pictures' pixels (or their differences between neighbours) are brought to mean 0 and length 1; the squared length
of what is left between them is ``2 - 2 NCC``. Gain and offset of a radiograph do not matter then.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError

Array = NDArray[np.floating]
Metric = Literal["ngcc", "ncc", "ssd"]
METRICS: tuple[Metric, ...] = get_args(Metric)
BESIDE = "the model's bones are in none of a radiograph's pixels; check pose and camera."


class Likeness:
    """One radiograph to be matched.

    Args:
        target: (rows, columns).
        metric: "ncc", "ngcc" (mean NCC of the differences along columns and rows) or "ssd" (squared differences over
            the target's own squares: gain counts).

    Raises:
        InputError: Another metric, or a picture without any contrast.
    """

    def __init__(self, target: Array, metric: Metric) -> None:
        if metric not in METRICS:
            raise InputError(f"similarity {metric!r} is not known; choose {', '.join(METRICS)}.")
        self.metric = metric
        self._target = [part.ravel() for part in self._parts(np.asarray(target, dtype=np.float64)[..., None])]
        if any(np.ptp(part) == 0 for part in self._target):
            raise InputError("a radiograph shows nothing: all its pixels are the same.")
        self._size = float(np.linalg.norm(self._target[0]))
        if metric != "ssd":
            self._target = [_unit(part)[0] for part in self._target]

    def residuals(self, picture: Array) -> NDArray[np.float64]:
        """(r,) for a picture (rows, columns); their squares add up to 2 - 2 NCC, 2 - 2 NGCC, or the squared share."""
        return self.linearised(picture, np.empty((picture.size, 0)))[0]

    def linearised(self, picture: Array, derivatives: Array) -> tuple[NDArray[np.float64], Array]:
        """Residuals (r,) and their change (r, P), from a picture and its derivatives (rows * columns, P).

        Raises:
            InputError: The picture shows nothing.
        """
        parts = [part.ravel() for part in self._parts(picture[..., None])]
        count = derivatives.shape[1]
        stacked = self._parts(derivatives.reshape(*picture.shape, count))
        slopes = [each.reshape(each.shape[0] * each.shape[1], count) for each in stacked]
        if self.metric == "ssd":
            if not picture.any():
                raise InputError(BESIDE)
            return (parts[0] - self._target[0]) / self._size, slopes[0] / self._size
        share = 1.0 / np.sqrt(len(parts))
        residuals, changes = [], []
        for part, slope, target in zip(parts, slopes, self._target, strict=True):
            unit, length = _unit(part)
            slope = slope - slope.mean(axis=0)
            residuals.append(share * (unit - target))
            changes.append((share / length) * (slope - unit[:, None].astype(slope.dtype) * (unit @ slope)))
        return np.concatenate(residuals), np.concatenate(changes)

    def _parts(self, pictures: Array) -> list[Array]:
        """Of (rows, columns, P): themselves, or differences along columns and rows."""
        if self.metric != "ngcc":
            return [pictures]
        return [np.diff(pictures, axis=1), np.diff(pictures, axis=0)]


def _unit(values: Array) -> tuple[NDArray[np.float64], float]:
    """Mean 0 and length 1, and the length it had."""
    values = values - values.mean()
    length = float(np.linalg.norm(values))
    if length == 0:
        raise InputError(BESIDE)
    return values / length, length
