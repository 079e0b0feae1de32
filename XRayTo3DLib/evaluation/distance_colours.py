"""The colours of a distance map, one table for reports and for the Slicer scene.

Ivory where the surfaces agree, then orange and purple: a shortened, reversed "magma" (Smith and van der Walt,
matplotlib, CC0) from an ivory start, steadily darker, readable with colour-blindness and in print. Light at zero so
that shading still shows the shape of a good result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

# (share of the range 0..1, red, green, blue); multiply the share by the range in mm for a VTK transfer function.
DISTANCE_COLOURS: tuple[tuple[float, float, float, float], ...] = (
    (0.000, 0.965, 0.929, 0.851),
    (0.125, 0.997, 0.777, 0.541),
    (0.250, 0.992, 0.588, 0.406),
    (0.375, 0.956, 0.404, 0.361),
    (0.500, 0.841, 0.269, 0.425),
    (0.625, 0.678, 0.202, 0.486),
    (0.750, 0.519, 0.150, 0.507),
    (0.875, 0.360, 0.088, 0.497),
    (1.000, 0.198, 0.064, 0.404),
)


def colour_map() -> Colormap:
    """The same colours for matplotlib."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("distance", [(share, rgb) for share, *rgb in DISTANCE_COLOURS])
