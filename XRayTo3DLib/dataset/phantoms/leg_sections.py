"""Sections of the leg's bones, drawn for a mean adult's RIGHT leg in LPS mm, and the loft through them."""

from __future__ import annotations

from typing import Any

import numpy as np

from XRayTo3DLib.dataset.phantoms.fields import Loft, fitted_section
from XRayTo3DLib.geometry.frames import FloatArray

FEMUR_DISTAL = 2.5
"""Where the femoral condyles end, mm above the joint line; the tibia follows ``joint_space`` below."""

# Outline of a femoral condyle seen from the side: front to back and up, as fractions of its box.
CONDYLE = (
    (-1.00, 0.58), (-0.98, 0.42), (-0.86, 0.25), (-0.66, 0.11), (-0.38, 0.02), (-0.05, -0.01), (0.28, 0.00),
    (0.58, 0.05), (0.83, 0.18), (0.98, 0.36), (1.01, 0.55), (0.92, 0.72), (0.72, 0.84), (0.40, 0.90),
    (0.00, 0.97), (-0.45, 1.04), (-0.80, 1.00), (-0.94, 0.82),
)  # fmt: skip
# x, front, back, bottom, top of the sagittal profiles, mm
CONDYLES = np.array([
    (-41.0, -4.0, 17.0, 17.0, 36.0),
    (-37.5, -13.0, 24.0, 9.0, 41.0),
    (-33.0, -23.0, 28.5, 3.8, 47.0),
    (-25.0, -30.0, 30.5, 2.5, 50.0),
    (-17.0, -31.0, 30.5, 3.2, 50.5),
    (-9.0, -28.6, 27.0, 6.5, 44.0),
    (-2.0, -25.5, 20.0, 8.5, 38.0),
    (7.0, -27.6, 27.0, 6.5, 43.0),
    (13.5, -28.2, 30.5, 3.6, 48.5),
    (22.0, -25.0, 31.0, 2.5, 49.5),
    (30.0, -18.0, 30.0, 3.6, 48.5),
    (36.0, -8.0, 26.0, 8.0, 43.0),
    (41.0, 0.0, 19.0, 18.0, 37.0),
])  # fmt: skip
GROOVE = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.56, 1.0, 0.45, 0.0, 0.0, 0.0, 0.0, 0.0])
"""How much of the groove's depth each profile of :data:`CONDYLES` carries."""

_TURN = np.deg2rad(np.arange(16) * 22.5)
ROUND = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)
POPLITEAL = (
    (1.00, 0.30), (0.95, 0.75), (0.70, 1.00), (0.35, 0.92), (0.00, 0.88), (-0.35, 0.92), (-0.70, 1.00),
    (-0.95, 0.75), (-1.00, 0.30), (-0.98, -0.20), (-0.80, -0.70), (-0.45, -0.98), (0.00, -1.00), (0.45, -0.90),
    (0.75, -0.60), (0.95, -0.15),
)  # fmt: skip
ASPERA = ROUND * (1 + 0.10 * np.exp(-(((_TURN - np.pi / 2) / 0.35) ** 2)))[:, None]
PLATEAU = (
    (1.00, 0.10), (0.97, 0.55), (0.78, 0.95), (0.48, 1.04), (0.20, 0.88), (0.00, 0.74), (-0.20, 0.80),
    (-0.48, 0.93), (-0.78, 0.80), (-0.98, 0.40), (-1.00, -0.05), (-0.88, -0.50), (-0.58, -0.86), (-0.15, -1.02),
    (0.40, -0.98), (0.82, -0.55),
)  # fmt: skip
CREST = (
    (1.00, 0.35), (0.92, 0.75), (0.60, 0.98), (0.20, 1.00), (-0.25, 1.00), (-0.65, 0.92), (-0.95, 0.60),
    (-1.00, 0.20), (-0.88, -0.15), (-0.70, -0.50), (-0.48, -0.85), (-0.25, -1.06), (-0.02, -1.00), (0.28, -0.66),
    (0.62, -0.28), (0.88, 0.05),
)  # fmt: skip
FACETS = (
    (1.00, -0.15), (0.92, 0.20), (0.68, 0.52), (0.40, 0.85), (0.15, 1.04), (0.12, 1.04), (-0.15, 0.80),
    (-0.50, 0.48), (-0.85, 0.20), (-1.00, -0.10), (-0.90, -0.50), (-0.60, -0.82), (-0.20, -1.00), (0.20, -1.00),
    (0.60, -0.85), (0.90, -0.52),
)  # fmt: skip

# z, half width, half depth, centre x, centre y (mm), blend from the first outline to the second
FEMUR_SHAFT = np.array([
    (26.0, 30.0, 14.0, -1.0, -3.0, 0.0),
    (40.0, 33.5, 17.0, -1.5, -6.5, 0.0),
    (50.0, 29.5, 17.5, -2.5, -7.0, 0.0),
    (60.0, 24.5, 17.0, -3.4, -7.5, 0.1),
    (75.0, 19.8, 16.4, -4.5, -8.0, 0.4),
    (95.0, 16.4, 15.6, -5.0, -8.0, 0.8),
    (125.0, 14.5, 15.0, -5.0, -8.5, 1.0),
    (220.0, 14.0, 14.8, -5.0, -9.5, 1.0),
])  # fmt: skip
TIBIA_SHAFT = np.array([
    (-220.0, 12.2, 15.0, -2.0, -6.0, 1.0),
    (-120.0, 13.0, 15.8, -3.0, -6.5, 1.0),
    (-85.0, 14.8, 17.2, -3.2, -6.0, 0.9),
    (-62.0, 17.6, 19.0, -3.0, -4.8, 0.7),
    (-44.0, 22.0, 20.6, -2.4, -3.0, 0.45),
    (-30.0, 28.0, 22.2, -1.5, -1.0, 0.2),
    (-19.0, 34.0, 24.0, -0.5, 1.2, 0.05),
    (-10.0, 37.2, 25.0, 0.0, 2.0, 0.0),
    (-3.0, 37.3, 24.8, 0.0, 2.0, 0.0),
    (12.0, 36.0, 23.5, 0.0, 2.0, 0.0),
])  # fmt: skip
FIBULA_SHAFT = np.array([
    (-220.0, 6.6, 7.2, -24.0, 19.0, 1.0),
    (-110.0, 6.6, 7.4, -27.0, 20.0, 1.0),
    (-60.0, 6.0, 6.8, -29.5, 21.0, 0.9),
    (-44.0, 6.4, 7.2, -30.5, 21.0, 0.5),
    (-32.0, 9.6, 10.2, -31.0, 21.0, 0.2),
    (-22.0, 11.0, 12.0, -31.0, 21.0, 0.0),
    (-8.0, 10.0, 11.0, -31.0, 21.5, 0.0),
])  # fmt: skip
# along the bone from apex to base (-1..1), half width, half depth, shift to the back, as fractions of half extents
PATELLA = np.array([
    (-1.10, 0.12, 0.30, 0.20),
    (-0.85, 0.36, 0.52, 0.16),
    (-0.50, 0.66, 0.80, 0.06),
    (-0.10, 0.92, 1.00, 0.00),
    (0.30, 1.00, 1.00, 0.00),
    (0.65, 0.90, 0.92, 0.02),
    (0.90, 0.66, 0.76, 0.02),
    (1.10, 0.44, 0.60, 0.02),
])  # fmt: skip


def axial_loft(table: FloatArray, first: Any, second: Any, bump: Any = None) -> Loft:
    """Loft sections along z.

    Args:
        table: (S, 6) z (increasing), half width, half depth, centre x, centre y, mm; blend from ``first`` to
            ``second``.
        first, second: (P, 2) control polygons in half widths and half depths.
        bump: Added radius in mm at (angle, z).
    """
    first, second = np.asarray(first), np.asarray(second)
    sections = [
        fitted_section((1 - row[5]) * first + row[5] * second, row[3:5] - row[1:3], row[3:5] + row[1:3])
        for row in table
    ]
    return Loft.from_sections(table[:, 0], sections, table[:, 3:5], bump)
