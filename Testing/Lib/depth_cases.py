"""Ellipsoids for bones: their depth in closed form, and a small data set of them with registered radiographs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from solids import vtk_sphere
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.dataset_folder import CaseEntry, write_dataset_json
from XRayTo3DLib.dataset.view_pairs import write_true_pose
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.radiograph_header import write_radiograph
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.methods.configuration import changed, parsed
from XRayTo3DLib.methods.dual_face_depth.configuration import DualFaceConfiguration
from XRayTo3DLib.projection.depth_maps import mesh_depth
from XRayTo3DLib.shape.meshes import make_surface, points_of, triangles_of
from XRayTo3DLib.shape.surfaces import write_surface

LABELS = ("bone_right", "bone_left")
SDD_MM, FIELD_MM, SIZE = 1000.0, 200.0, 64
DEPTH_MM = 880.0
"""About how far the bones' middles are from the source."""
ATTENUATION = 0.03


def ap_camera(size: int = SIZE) -> XRayCamera:
    """Source in front of the person, detector behind: columns to the left, rows down, as radiographs are shown."""
    pixel = FIELD_MM / size
    corner = 0.5 * (size - 1) * pixel
    return XRayCamera(
        [0, -DEPTH_MM, 0], [-corner, SDD_MM - DEPTH_MM, corner], [1, 0, 0], [0, 0, -1], (pixel, pixel), (size, size)
    )


def sphere_z(camera: XRayCamera, centre: Any, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """(N, N) z of front and back of a sphere, mm from the source; NaN beside it. In closed form."""
    columns, rows = np.meshgrid(np.arange(camera.size[0]), np.arange(camera.size[1]))
    to_pixel = camera.pixel_to_world(np.stack([columns, rows], axis=-1)) - camera.source
    length = np.linalg.norm(to_pixel, axis=-1)
    offset = np.asarray(centre) - camera.source
    along = to_pixel @ offset / length
    half = np.sqrt(np.where((left := radius**2 - offset @ offset + along**2) >= 0, left, np.nan))
    scale = camera.sdd / length
    return (along - half) * scale, (along + half) * scale


def ellipsoid(centre: Any, radii: Any) -> vtkPolyData:
    """Surface, LPS mm."""
    unit = vtk_sphere(1.0, 32, 24)
    return make_surface(points_of(unit) * radii + centre, triangles_of(unit))


def write_depth_dataset(folder: Path, people: int, tested: int, views: int = 2, seed: int = 0) -> Path:
    """A data set of SYNTHETIC people with two ellipsoids each, held differently in every view.

    The right bone reaches beyond the picture's lower border, as femora do.
    """
    entries = [CaseEntry(f"p-{n}", f"p-{n}", "train" if n < people else "test") for n in range(people + tested)]
    for number, entry in enumerate(entries):
        rng = np.random.default_rng([seed, number])
        place = folder / "cases" / entry.id
        size = 1.0 + 0.1 * rng.standard_normal()
        bones = {
            label: ellipsoid(
                [side * 45, 3 * rng.standard_normal(), -45], np.array([18, 22, 60]) * size * rng.uniform(0.93, 1.07, 3)
            )
            for label, side in zip(LABELS, (-1, 1), strict=True)
        }
        (place / "meshes").mkdir(parents=True)
        for label, surface in bones.items():
            write_surface(surface, place / "meshes" / f"{label}.vtp")
        for view in range(views):
            _write_view(place / "views" / f"ap-{view + 1}", bones, rng)
    about = {"anatomy": "ellipsoids", "labels": list(LABELS), "landmarks": [], "frame": "lps", "synthetic": True}
    write_dataset_json(folder, entries, {**about, "provenance": "made up", "licence": "CC0-1.0"})
    return folder


def _write_view(place: Path, bones: dict[str, vtkPolyData], rng: np.random.Generator) -> None:
    place.mkdir(parents=True)
    camera = ap_camera(96)
    pose = RigidPose.from_rotation(3 * rng.standard_normal(3), [4, 8, 4] * rng.standard_normal(3))
    thickness = [
        np.nan_to_num(mesh_depth(camera, points_of(bone), triangles_of(bone), pose, strict=False).thickness_mm)
        for bone in bones.values()
    ]
    note = IntensityNote("line-integral", None, True, "made up")
    pixels = ATTENUATION * np.sum(thickness, axis=0)
    name = f"{place.parents[1].name} {place.name}"
    radiograph = Radiograph(pixels, camera, note, SpacingSource.DETECTOR, "AP", name=name, synthetic=True)
    camera.save(place / "camera.json")
    write_radiograph(radiograph, place / "radiograph.nrrd")
    write_true_pose(place, pose, [0, 0, 0], name, 1.0)


CONTENT = {
    "format": "xrayto3d.training/1",
    "method": "dual-face-depth",
    "data": {
        "folder": "people",
        "labels": list(LABELS),
        "geometry": {"size": SIZE, "field_mm": 200, "sdd_mm": 1000, "view": "AP"},
        "scale": 2.0,
        "validation_share": 0.25,
    },
    "network": {"encoder": "tiny", "channels": 16, "segmentation": "tiny"},
    "stages": {
        "segmentation": {"steps": 2, "batch": 2},
        "depth": {"steps": 2, "batch": 2},
    },
}


def configuration(*changes: str) -> DualFaceConfiguration:
    return parsed(DualFaceConfiguration, changed(CONTENT, changes))
