"""How far a measurement may be off: the spread of what it is on draws of everything that goes into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from XRayTo3DLib.geometry.frames import FloatArray

Points = Mapping[str, FloatArray]
MeasureFunction = Callable[[Points], dict[str, float]]
INTERVAL = (2.5, 97.5)


@dataclass(frozen=True)
class Spread:
    """A measurement's value and how far it may be off.

    Attributes:
        value: At the mean.
        sd: Of both sources together; None where either is missing, so that it never promises too much.
        interval_95: 2.5 and 97.5 percentile of both together; None where ``sd`` is.
        sd_of_shape: Of the shape's draws alone; None without them.
        sd_of_landmarks: Of the landmarks' own errors alone; None without them.
    """

    value: float
    sd: float | None = None
    interval_95: tuple[float, float] | None = None
    sd_of_shape: float | None = None
    sd_of_landmarks: float | None = None


def measured(
    function: MeasureFunction, mean: Points, draws: Points | None = None, errors: Points | None = None
) -> dict[str, Spread]:
    """Measure at the mean and on draws.

    Args:
        function: From landmarks (3,) by name to values by name.
        mean: Landmarks (3,) mm of the reconstruction.
        draws: The same landmarks on draws of the shape, (S, 3) by name, number s of all names from one draw.
        errors: Draws (S, 3) mm of how far the landmarks themselves may be off, independent of ``draws``; a landmark
            without is exact on its shape. None: not known.

    Returns:
        By name. The interval is about the value at the mean: what bends the draws' mean away from it is small, and
        neither is better known.
    """
    values = function(mean)
    names = list(values)
    shape = None if draws is None else _on(function, names, draws)
    own = None if errors is None else _on(function, names, _moved(mean, errors))
    both = None
    if draws is not None and errors is not None:
        both = _on(function, names, {name: draws[name] + errors.get(name, 0.0) for name in draws})
    return {
        name: Spread(value, _sd(both, number), _interval(both, number, value), _sd(shape, number), _sd(own, number))
        for number, (name, value) in enumerate(values.items())
    }


def _moved(mean: Points, errors: Points) -> Points:
    """The mean's landmarks with their own errors, (S, 3) by name; one draw of itself where there are none."""
    count = max((len(each) for each in errors.values()), default=2)
    return {name: point + errors.get(name, np.zeros((count, 3))) for name, point in mean.items()}


def _on(function: MeasureFunction, names: list[str], draws: Points) -> FloatArray:
    """Values (S, names) of draws; NaN where a draw does not allow a measurement."""
    count = len(next(iter(draws.values())))
    found = [function({name: points[number] for name, points in draws.items()}) for number in range(count)]
    return np.array([[each.get(name, np.nan) for name in names] for each in found])


def _sd(values: FloatArray | None, number: int) -> float | None:
    if values is None or not np.isfinite(values[:, number]).all():
        return None
    return float(values[:, number].std(ddof=1))


def _interval(values: FloatArray | None, number: int, value: float) -> tuple[float, float] | None:
    if values is None or not np.isfinite(values[:, number]).all():
        return None
    low, high = np.percentile(values[:, number], INTERVAL) - np.median(values[:, number]) + value
    return float(low), float(high)
