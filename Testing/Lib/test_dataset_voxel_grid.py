"""The voxel grid of a reconstruction, and soft labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from XRayTo3DLib.dataset.voxel_grid import VoxelGrid, soft_labels
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import apply_matrix


def test_the_papers_grid_is_eighty_millimetres() -> None:
    grid = VoxelGrid()
    assert (grid.size, grid.spacing_mm, grid.extent_mm) == (128, 0.625, 80.0)


@given(size=st.integers(2, 9), spacing=st.floats(0.1, 5), centre=st.tuples(*[st.floats(-50, 50)] * 3))
def test_points_are_voxels_through_the_matrix_in_slice_row_column_order(size, spacing, centre) -> None:
    grid = VoxelGrid(size, spacing, centre)
    points = grid.points()
    z, y, x = size - 1, 0, size // 2
    assert points[z, y, x] == pytest.approx(apply_matrix(grid.voxel_to_frame, [x, y, z]), abs=1e-9)
    assert points.mean(axis=(0, 1, 2)) == pytest.approx(centre, abs=1e-9)
    assert (points[0, 0, 0] - points[-1, -1, -1]) == pytest.approx([-(size - 1) * spacing] * 3, rel=1e-9)
    assert VoxelGrid.from_dict(grid.to_dict()) == grid


def test_a_flat_surface_fills_the_share_of_the_voxel_below_it() -> None:
    grid = VoxelGrid(6, 2.0, (0, 0, 0))
    heights = np.linspace(-3, 3, 25)
    z = grid.axes()[2]
    for height in heights:
        share = np.clip((height - (z - 1.0)) / 2.0, 0, 1)
        distances = torch.as_tensor(z - height)[None, :, None, None].expand(1, 6, 6, 6)
        assert soft_labels(distances, 2.0)[0, :, 3, 3].numpy() == pytest.approx(share)


def test_bones_that_overlap_share_a_voxel() -> None:
    distances = torch.tensor([-1.0, -0.5]).reshape(2, 1, 1, 1)
    assert soft_labels(distances, 1.0).flatten().tolist() == [0.5, 0.5]
    batch = soft_labels(torch.stack([distances, distances + 9]), 1.0)
    assert batch.shape == (2, 2, 1, 1, 1) and batch.sum().item() == 1.0


def test_impossible_grids_are_refused() -> None:
    for wrong in ({"size": 1}, {"size": 2.5}, {"spacing_mm": 0.0}, {"spacing_mm": float("nan")}, {"centre_mm": (0, 0)}):
        with pytest.raises(InputError):
            VoxelGrid(**wrong)
    for content in ({"size": 4}, {"size": 4, "centre_mm": [0, 0, 0], "pitch": 1}):
        with pytest.raises(InputError, match="voxel grid"):
            VoxelGrid.from_dict(content)
