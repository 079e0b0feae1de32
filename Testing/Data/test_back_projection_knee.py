"""Points marked on real calibrated biplane radiographs of a knee land in the voxels that their two rays cross.

Heads of the two screws that hold markers on the skin can be told in both pictures; they were marked by hand, to about
two pixels (0.3 mm). The cameras stand at 52 degrees to each other.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.calibration import opencv_camera
from XRayTo3DLib.imaging import read_radiograph
from XRayTo3DLib.projection.back_projection import back_projected, lifting_grid

pytestmark = pytest.mark.data

MARKS = {"tibia": ((317.7, 580.5), (1330.8, 1091.6)), "femur": ((919.5, 524.7), (701.4, 1195.9))}
"""(column, row) of a screw's head in both pictures."""
VOXEL_MM = 2.0


@pytest.fixture(scope="module")
def folder(data_dir: Path) -> Path:
    return data_dir / "knee_biplane_autoscoper"


@pytest.fixture(scope="module")
def calibration(folder: Path) -> list[dict]:
    content = json.loads((folder / "calibration.json").read_text())
    return [content["cam01"], content["cam02"]]


@pytest.fixture(scope="module")
def cameras(calibration: list[dict]) -> list[XRayCamera]:
    names = ("K", "R_world_to_camera", "t_world_to_camera_mm")
    return [opencv_camera(*(v[name] for name in names), tuple(v["image_size"]), sdd=1200.0) for v in calibration]


def crossing(calibration: list[dict], pixels: tuple) -> tuple[np.ndarray, float]:
    """Where two rays are nearest to each other and how far apart, mm; from the calibration's numbers alone."""
    starts, rays = [], []
    for values, (column, row) in zip(calibration, pixels, strict=True):
        rotation, shift = np.array(values["R_world_to_camera"]), np.array(values["t_world_to_camera_mm"])
        ray = rotation.T @ np.linalg.solve(np.array(values["K"]), [column, row, 1.0])
        starts.append(-rotation.T @ shift)
        rays.append(ray / np.linalg.norm(ray))
    apart = np.cross(*rays) / np.linalg.norm(np.cross(*rays))
    a, gap, b = np.linalg.solve(np.stack([rays[0], apart, -rays[1]], axis=1), starts[1] - starts[0])
    return 0.5 * (starts[0] + a * rays[0] + starts[1] + b * rays[1]), abs(gap)


@pytest.mark.parametrize("bone", MARKS)
def test_marked_points_meet_in_one_voxel(calibration: list[dict], cameras: list[XRayCamera], bone: str) -> None:
    point, gap = crossing(calibration, MARKS[bone])
    assert gap < 0.6  # the marks are of one thing
    # A grid that knows nothing of the point: a corner of it lies in the world's origin.
    grid = VoxelGrid(40, VOXEL_MM, tuple((np.floor(point / 40) * 40 + 20).tolist()))
    marked = torch.zeros(1, 2, 1760, 1760)
    for view, (column, row) in enumerate(MARKS[bone]):
        across, down = np.arange(1760) - column, np.arange(1760)[:, None] - row
        marked[0, view] = torch.from_numpy(np.exp(-(across**2 + down**2) / (2 * 8.0**2)))  # 1.3 mm
    lifted = back_projected(marked, torch.stack([lifting_grid(camera, grid.points()) for camera in cameras]))[0]
    z, y, x = np.unravel_index(int(lifted.prod(dim=0).argmax()), (40, 40, 40))
    assert np.abs(grid.points()[z, y, x] - point).max() <= VOXEL_MM
    assert float(lifted[:, z, y, x].min()) > 0.3


def test_the_voxel_of_a_screw_is_dark_in_both_pictures(
    folder: Path, calibration: list[dict], cameras: list[XRayCamera]
) -> None:
    """The pictures themselves: where both rays cross there is metal in both, 12 mm off in one at most."""
    shown = [
        read_radiograph(folder / f"left_knee_cam0{number}_frame0138.png", camera=camera).pixels
        for number, camera in enumerate(cameras, start=1)
    ]
    images = torch.from_numpy(np.stack(shown).astype(np.float32))[None]
    for marks in MARKS.values():
        point, _ = crossing(calibration, marks)
        offsets = np.array([[0.0, 0, 0], *(12.0 * sign * axis for axis in np.eye(3) for sign in (1, -1))])
        grids = torch.stack([lifting_grid(camera, (point + offsets)[:, None, None]) for camera in cameras])
        lifted = back_projected(images, grids)[0, :, :, 0, 0]
        metal = [np.asarray(each)[round(row), round(column)] for each, (column, row) in zip(shown, marks, strict=True)]
        assert np.allclose(lifted[:, 0], metal, atol=0.1)
        assert int(lifted.amin(dim=0).argmax()) == 0
