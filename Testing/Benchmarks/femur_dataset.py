"""A data set of ten REAL proximal femora with MADE-UP attenuation, from ``femur_proximal_population``.

The surfaces (Narra et al., Sci Rep 2018, 8:4823; GPL-3.0, never committed here) come from MRI, lie each in a frame of
its own and are open where the shaft was cut. Every bone is prolonged straight there by 15 mm, so that no picture shows
the cut, closed, brought to one frame and filled by a simple rule, so that radiographs of it can be computed: a cortex
of 2 mm and 1300 HU, trabecular bone of 300 HU inside, air outside. What pictures of these bones look like is therefore
invented; their shapes are not.

Frame (mm; LPS of a right hip): origin in the middle of the femoral head, +z up along the normal of the cut, +x medial,
from the middle of the cut towards the head, +y backwards. Left femora are mirrored.

  python Testing/Benchmarks/femur_dataset.py -o FOLDER
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.dataset_builder import add_case, start_dataset
from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetFolder
from XRayTo3DLib.dataset.phantoms.leg_morphometry import fitted_sphere
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.shape.distance_grid import signed_distance_grid
from XRayTo3DLib.shape.meshes import make_surface, points_of, transformed, triangles_of
from XRayTo3DLib.shape.surfaces import read_surface, write_surface

DATA = Path(os.environ.get("XRAYTO3D_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
SOURCE = "femur_proximal_population"
PROVENANCE = (
    "REAL shapes, MADE-UP attenuation: ten proximal femora from MRI (Narra et al., Sci Rep 2018, 8:4823), "
    "filled with a cortex of 2 mm, 1300 HU, and trabecular bone of 300 HU."
)
LEFT = ("femur_11", "femur_15", "femur_19")
"""Mirrored, these fit the others 1.0 to 1.5 mm closer (vertex to vertex); which side is right was found by fitting them
to LibHip's femora, whose sides are known: 1.8 to 2.2 mm as here, 2.4 to 2.9 mm the other way round."""
CORTEX_MM, CORTEX_HU, TRABECULAR_HU, AIR_HU = 2.0, 1300.0, 300.0, -1000.0
SPACING_MM, PAD_MM, PROLONGED_MM = 1.0, 8.0, 15.0
HEAD_REACH_MM = 22.0
"""The scans' slices run across the neck, the head first: this far up, there is nothing but head."""


def write_femur_dataset(folder: Path, source: Path) -> DatasetFolder:
    """Write the data set, or open it where it is whole.

    Args:
        folder: Gets ``dataset.json`` and ``cases/<femur>/``.
        source: The folder ``femur_proximal_population``.
    """
    paths = sorted(source.glob("femur_*.ply"))
    if not (folder / "dataset.json").exists():
        start_dataset(
            folder, bones=("femur",), anatomy="proximal femur", frame="lps", provenance=PROVENANCE, licence="GPL-3.0"
        )
    for path in paths:
        if not (folder / "cases" / path.stem / "meshes" / "femur.vtp").exists():
            bone = standing(closed(read_surface(path)), mirrored=path.stem in LEFT)
            place = add_case(folder, CaseEntry(path.stem, path.stem, side=side_of(path.stem)), filled(bone, path.stem))
            write_surface(bone, place / "meshes" / "femur.vtp")
    return DatasetFolder.open(folder)


def side_of(name: str) -> str:
    """Side of a femur; all stand in the data set as right ones."""
    return "left" if name in LEFT else "right"


def closed(surface: vtkPolyData) -> vtkPolyData:
    """The surface with its shaft prolonged straight from the cut and closed; the last vertex is the lid's middle."""
    points, triangles = points_of(surface), triangles_of(surface)
    rim = rim_of(triangles)
    ends = points[rim[:, 0]]
    down = -up_from(ends, points)
    ring = np.full(len(points), -1)
    ring[rim[:, 0]] = len(points) + np.arange(len(rim))
    start, end = rim.T
    middle = np.full(len(rim), len(points) + len(rim))
    wall = np.concatenate(
        [np.stack([end, start, ring[start]], axis=1), np.stack([end, ring[start], ring[end]], axis=1)]
    )
    lid = np.stack([ring[end], ring[start], middle], axis=1)
    lower = ends + PROLONGED_MM * down
    return make_surface(
        np.concatenate([points, lower, lower.mean(axis=0)[None]]), np.concatenate([triangles, wall, lid])
    )


def up_from(rim: FloatArray, points: FloatArray) -> FloatArray:
    """Normal (3,) of the plane through the rim, towards the bone."""
    cut = rim.mean(axis=0)
    up = np.linalg.svd(rim - cut)[2][2]
    return up * np.sign(up @ (points.mean(axis=0) - cut))


def rim_of(triangles: np.ndarray) -> np.ndarray:
    """(n, 2) directed edges that only one triangle has."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    known = {(int(a), int(b)) for a, b in edges}
    return np.array([edge for edge in known if edge[::-1] not in known])


def standing(surface: vtkPolyData, mirrored: bool) -> vtkPolyData:
    """A closed femur in the common frame."""
    points, triangles = points_of(surface), triangles_of(surface)
    lid = np.unique(triangles[(triangles == len(points) - 1).any(axis=1)])
    up, cut = up_from(points[lid[:-1]], points), points[-1]
    head = head_centre(points)
    medial = head - cut - ((head - cut) @ up) * up
    medial /= np.linalg.norm(medial)
    backwards = np.cross(up, medial) * (-1.0 if mirrored else 1.0)
    to_frame = np.eye(4)
    to_frame[:3, :3] = np.stack([medial, backwards, up])
    to_frame[:3, 3] = -to_frame[:3, :3] @ head
    return transformed(surface, to_frame)


def head_centre(points: FloatArray) -> FloatArray:
    """Middle of the femoral head (3,) in the frame of the scan, whose z runs down the neck."""
    centre, radius = fitted_sphere(points[points[:, 2] < points[:, 2].min() + HEAD_REACH_MM])
    return fitted_sphere(points[np.linalg.norm(points - centre, axis=1) < 1.02 * radius])[0]


def filled(bone: vtkPolyData, name: str) -> CtVolume:
    """A CT of the bone in air: cortex and trabecular bone by depth below the surface, blurred over one voxel."""
    points = points_of(bone)
    low, high = np.floor(points.min(axis=0) - PAD_MM), np.ceil(points.max(axis=0) + PAD_MM)
    columns, rows, slices = ((high - low) / SPACING_MM).astype(int) + 1
    distances = signed_distance_grid(bone, low, SPACING_MM, (int(slices), int(rows), int(columns)), PAD_MM - 2.0)
    cortex = np.clip(0.5 + (distances + CORTEX_MM) / SPACING_MM, 0.0, 1.0)
    share = np.clip(0.5 - distances / SPACING_MM, 0.0, 1.0)
    inside = TRABECULAR_HU + (CORTEX_HU - TRABECULAR_HU) * cortex
    to_lps = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    to_lps[:3, 3] = low
    hu = np.round(share * inside + (1.0 - share) * AIR_HU).astype(np.float32)
    return CtVolume(hu, to_lps, (distances < 0).astype(np.uint8), {"femur": 1}, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    if not (DATA / SOURCE).is_dir():
        print(f"skipped: real anatomy not found at {DATA / SOURCE} (set XRAYTO3D_DATA)")
        return
    dataset = write_femur_dataset(args.output, DATA / SOURCE)
    print(f"{len(dataset.entries)} femora in {args.output}: {dataset.provenance}")


if __name__ == "__main__":
    main()
