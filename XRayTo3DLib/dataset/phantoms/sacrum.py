"""Sacrum, coccyx and lumbar vertebrae L5 to L2 as implicit surfaces, plain but recognisable on an AP radiograph.

Frame LPS mm of a mean adult's pelvis: origin midway between the femoral heads, +y to the back, +z up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from XRayTo3DLib.dataset.phantoms import tissue
from XRayTo3DLib.dataset.phantoms.anatomy import Part
from XRayTo3DLib.dataset.phantoms.fields import Field, cone, ellipsoid, smooth_max, smooth_min
from XRayTo3DLib.geometry.frames import FloatArray

ILIUM_GAP = 2.2
"""Sacroiliac joint space, mm."""
# z, y of the middle, half width, half thickness of the plate (mm)
PLATE = np.array([
    (-16.0, 62.0, 2.5, 2.5),
    (-6.0, 70.5, 5.0, 3.8),
    (3.0, 75.5, 7.5, 4.6),
    (12.0, 79.0, 11.5, 5.4),
    (22.0, 81.0, 19.0, 6.2),
    (32.0, 81.5, 26.5, 6.9),
    (42.0, 80.5, 33.5, 7.6),
    (52.0, 77.0, 41.5, 8.8),
    (62.0, 70.5, 51.0, 11.0),
    (72.0, 63.0, 57.0, 13.2),
    (82.0, 55.0, 59.0, 15.0),
    (92.0, 48.5, 57.0, 15.5),
    (104.0, 43.0, 46.0, 15.5),
])  # fmt: skip
FORAMINA = ((71.0, 20.0, 5.4), (52.5, 17.0, 4.8), (37.0, 14.0, 4.0), (23.0, 11.0, 3.2))
"""z, x and radius of the holes between the upper five levels, mm."""
# Vertebral bodies: y, z of the middle, half width, half depth, half height (mm), lean of the upper plate (deg).
PROMONTORY = (42.0, 84.0, 25.5, 16.5, 15.0, 38.0)
LUMBAR = (
    (14.0, 116.0, 26.0, 17.5, 14.0, 18.0),
    (5.0, 150.0, 25.0, 17.0, 14.5, 2.0),
    (5.0, 185.0, 24.0, 16.5, 14.5, -6.0),
    (10.0, 220.0, 23.0, 16.0, 14.5, -10.0),
)


def make_sacrum_parts(scale: float, ilia: Sequence[Field], trabecular_hu: float) -> list[Part]:
    """Sacrum with coccyx and L5 to L2, all labelled "sacrum".

    Args:
        scale: Size of the pelvis relative to a mean adult's.
        ilia: The hemipelves: the sacrum is cut back to a joint space from them.
        trabecular_hu: Mean of the trabecular bone, HU.
    """
    hounsfield = partial(tissue.short_bone_hu, 1.1, trabecular=0.8 * trabecular_hu)
    low, high = scale * np.array([-64.0, 14.0, -20.0]), scale * np.array([64.0, 104.0, 108.0])
    parts = [Part("sacrum", _cut_back(_scaled(_sacrum(), scale), ilia), low, high, hounsfield)]
    for body in LUMBAR:
        low, high = scale * np.array([-50.0, -22.0, body[1] - 32.0]), scale * np.array([50.0, 82.0, body[1] + 24.0])
        parts.append(Part("sacrum", _scaled(_lumbar(body), scale), low, high, hounsfield))
    return parts


def _scaled(field: Field, scale: float) -> Field:
    return lambda x, y, z: (scale * field(x / scale, y / scale, z / scale)).astype(np.float32)


def _cut_back(field: Field, ilia: Sequence[Field]) -> Field:
    def cut(x: Any, y: Any, z: Any) -> NDArray[Any]:
        result = field(x, y, z)
        for ilium in ilia:
            result = smooth_max(result, ILIUM_GAP - ilium(x, y, z), 1.5)
        return result

    return cut


def _sacrum() -> Field:
    """A bent plate with an outline, a body for the promontory, a crest of knobs behind, and the foramina."""
    curve = PchipInterpolator(PLATE[:, 0], PLATE[:, 1:])
    slope = curve.derivative()
    body = _body(PROMONTORY)
    lean = np.deg2rad(PROMONTORY[5])
    knobs = [ellipsoid((0.0, _behind(curve, z), z), (4.5, 6.5, 7.5)) for z in (76.0, 58.0, 41.0, 27.0)]
    holes = [_hole(curve, slope, *hole) for hole in FORAMINA]

    def field(x: Any, y: Any, z: Any) -> NDArray[Any]:
        x = np.abs(x)
        level = np.clip(z, PLATE[0, 0], PLATE[-1, 0])
        middle, width, thick = np.moveaxis(curve(level), -1, 0)
        bend, narrow, _ = np.moveaxis(slope(level), -1, 0)
        # The wings turn forward at their sides, and their upper edge falls off from the promontory.
        sheet = (np.abs(y - middle + 0.0022 * x * x) - thick + 0.05 * x) / np.sqrt(1 + bend * bend)
        outline = (x - width) / np.sqrt(1 + np.minimum(narrow * narrow, 4.0))
        top = np.cos(lean) * (z - PROMONTORY[1]) - np.sin(lean) * (y - PROMONTORY[0]) + 0.10 * x - 11.5
        plate = smooth_max(smooth_max(sheet, outline, 7.0), smooth_max(top, PLATE[0, 0] - z, 1.0), 7.0)
        result = smooth_min(plate, body(x, y, z), 7.0)
        result = reduce(lambda a, b: smooth_min(a, b, 5.0), [knob(x, y, z) for knob in knobs], result)
        return reduce(lambda a, b: smooth_max(a, -b, 3.0), [hole(x, y, z) for hole in holes], result)

    return field


def _behind(curve: PchipInterpolator, z: float) -> float:
    """y of the plate's back at a height, mm."""
    return float(curve(z)[0] + curve(z)[2])


def _hole(curve: PchipInterpolator, slope: PchipInterpolator, z: float, x: float, radius: float) -> Field:
    """From front to back at right angles to the plate; wider in front."""
    bend = float(slope(z)[0])
    across = np.array([0.0, 1.0, -bend]) / np.hypot(1.0, bend)
    middle = np.array([x, float(curve(z)[0]), z])
    return cone(middle - 20.0 * across, middle + 20.0 * across, 1.35 * radius, 0.75 * radius)


def _body(body: tuple[float, ...]) -> Field:
    """A vertebral body: oval from above, flat above and below, with a waist, leaning forward."""
    y, z, width, depth, height, lean = body
    turn = np.deg2rad(lean)
    cosine, sine = float(np.cos(turn)), float(np.sin(turn))

    def field(x: Any, y_: Any, z_: Any) -> NDArray[Any]:
        back = cosine * (y_ - y) + sine * (z_ - z)
        up = cosine * (z_ - z) - sine * (y_ - y)
        u, v = np.abs(x) / width, np.abs(back) / depth
        norm = (u**2.5 + v**2.5 + 1e-6) ** (1 / 2.5)
        steep = np.sqrt((u / width) ** 2 + (v / depth) ** 2) / np.maximum(norm, 1e-3) + 1e-4
        side = (norm - 1.0) / steep + 2.4 * np.exp(-((up / (0.6 * height)) ** 2))
        return smooth_max(side, np.abs(up) - height, 4.0)

    return field


def _lumbar(body: tuple[float, ...]) -> Field:
    """A vertebra: body, pedicles, transverse processes, articular processes and the spinous process."""
    y, z, _, depth, height, lean = body
    turn = np.deg2rad(lean)

    def at(x: float, back: float, up: float) -> FloatArray:
        return np.array([x, y + back * np.cos(turn) - up * np.sin(turn), z + back * np.sin(turn) + up * np.cos(turn)])

    parts = [
        cone(at(14.0, depth - 6.0, 5.0), at(15.0, depth + 10.0, 4.0), 5.5, 5.5),
        cone(at(17.0, depth + 9.0, 3.0), at(41.0, depth + 13.0, 6.0), 5.0, 3.5),
        cone(at(16.0, depth + 13.0, 11.0), at(18.0, depth + 18.0, -14.0), 6.0, 5.5),
        cone(at(14.0, depth + 17.0, -2.0), at(0.0, depth + 25.0, -5.0), 4.5, 4.5),
        cone(at(0.0, depth + 24.0, -4.0), at(0.0, depth + 44.0, -0.6 * height), 3.6, 4.6),
    ]
    block = _body(body)

    def field(x: Any, y_: Any, z_: Any) -> NDArray[Any]:
        x = np.abs(x)
        arch = reduce(lambda a, b: smooth_min(a, b, 4.0), [part(x, y_, z_) for part in parts])
        return smooth_min(block(x, y_, z_), arch, 3.0)

    return field
