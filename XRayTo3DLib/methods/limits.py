"""How large a configuration's numbers may be: one from elsewhere must not take this computer's memory.

Far beyond any model that can be trained today. That a network is no larger than its file says is seen when it is loaded
(``networks.loading``); here is refused what would not even get so far.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from XRayTo3DLib.errors import InputError

LARGEST = {
    "data.grid.size": 512,
    "data.image.size": 4096,
    "data.geometry.size": 4096,
    "network.depth": 16,
    "network.pooled": 64,
    "network.stem_stride": 64,
    "network.latent": 65_536,
    "network.code": 65_536,
    "network.convolutions": 64,
    "gan.blocks": 256,
    "gan.downs": 12,
    "gan.layers": 12,
    "channels": 4096,
    "discriminator_channels": 4096,
    "width": 4096,
    "points": 200_000,
    "vertices": 200_000,
    "modes": 10_000,
    "shape_modes": 10_000,
    "density_modes": 10_000,
    "image_components": 1_000_000,
    "shape_components": 100_000,
    "exposures": 1_000_000,
    "data.prerendered": 1_000_000,
    "people": 1_000_000,
}
"""By place, or by the last part of any place."""
LONGEST_LIST = 64
MOST_VALUES = 1 << 32
"""Values of the first feature maps, in pictures or voxels: 16 GB."""


def require_usual_sizes(content: Mapping[str, Any]) -> None:
    """Refuse a configuration that no computer could use.

    Args:
        content: Of a configuration, nested.

    Raises:
        InputError: A size beyond :data:`LARGEST`, a list of more than 64, or feature maps of more than 16 GB.
    """
    channels = 1.0
    for place, value in _numbers(content, ""):
        name = place.rpartition(".")[2]
        most = LARGEST.get(place, LARGEST.get(name, math.inf))
        if value > most:
            raise InputError(f"configuration: {place} is {min(value, 1e300):g}; {most} is the most that can be used.")
        channels = max(channels, value if name in ("channels", "width") else 1.0)
    grid, image = (_size(content, name) for name in ("grid", "image"))
    geometry = _size(content, "geometry")
    values = max(grid**3, channels * max(image, geometry) ** 2)
    if values > MOST_VALUES:
        raise InputError(
            f"configuration: pictures of {max(image, geometry):g} pixels with {channels:g} channels take more memory "
            f"than can be had; take smaller ones."
        )


def _numbers(content: Any, place: str) -> Iterator[tuple[str, float]]:
    """Every number by its place; of a list each under the list's place."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _numbers(value, f"{place}.{name}" if place else str(name))
    elif isinstance(content, list | tuple):
        if len(content) > LONGEST_LIST:
            raise InputError(f"configuration: {place} is a list of {len(content)}; {LONGEST_LIST} is the most.")
        for value in content:
            yield from _numbers(value, place)
    elif isinstance(content, int | float) and not isinstance(content, bool):
        yield place, content


def _size(content: Mapping[str, Any], name: str) -> float:
    """data.<name>.size, 0 where there is none."""
    data = content.get("data")
    part = data.get(name) if isinstance(data, Mapping) else None
    size = part.get("size") if isinstance(part, Mapping) else None
    return float(size) if isinstance(size, int | float) else 0.0
