"""The compiled sums read nothing but the volume, also where a tile of the lattice begins exactly at its end."""

from __future__ import annotations

import numpy as np

from XRayTo3DLib.projection.shear_warp_slabs import make_slab
from XRayTo3DLib.projection.shear_warp_sums import sums


def test_a_tile_that_begins_on_the_last_row_reads_no_foreign_memory() -> None:
    """Seven rows and their air end at 8, where the second tile of eight rows begins. Freed memory is NaN all round."""
    slab = make_slab(np.ones((1, 7, 20), np.float32), axis=2)
    right = np.zeros((12, 22), np.float32)
    right[1:8, 1:21] = 1
    for _ in range(50):
        freed = [np.full(count, np.nan, np.float32) for count in (200, 400, 800, 1200, 1600, 2400, 3000) * 20]
        del freed
        found = np.zeros((1, 12, 22), np.float32)
        source, tile = np.array([0.0, 0.0, -100.0]), (8, 22)
        sums(slab.blocks, slab.filled, slab.ranges, slab.columns, source, 1.0, 1.0, (0, 0), tile, (0, 2), found)
        assert np.array_equal(found[0], right)
