"""What a refinement's pictures are made of: its cameras at a radiograph's pixels, and what belongs to each pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph
from XRayTo3DLib.projection.contours import drr_outline
from XRayTo3DLib.projection.silhouette import mesh_silhouette
from XRayTo3DLib.refinement.quality import ViewQuality
from XRayTo3DLib.shape.meshes import point_array, points_of, triangles_of, vertex_normals

RIM = 0.35
"""A vertex is on the rim of a bone's shadow where its normal and the ray make a cosine below this."""


def corrected_camera(radiograph: Radiograph, view: ViewQuality) -> XRayCamera:
    """The camera of all of a radiograph's pixels where the refinement put it, in the world.

    Args:
        radiograph: As it was given.
        view: Its quality; the pictures' pixels are whole blocks of the radiograph's.
    """
    blocks = view.camera
    factor = np.round(np.divide(blocks.spacing, radiograph.camera.spacing))
    first = (1.0 - factor) / (2.0 * factor)
    return replace(
        blocks, origin=blocks.pixel_to_world(first), spacing=radiograph.camera.spacing, size=radiograph.camera.size
    )


def at_pixels(view: ViewQuality, picture: FloatArray, camera: XRayCamera) -> NDArray[np.float64]:
    """A refinement's picture at the pixels of ``camera``, which has the same source and detector; NaN outside.

    Args:
        view: Of which it is.
        picture: (rows, columns) its ``picture`` or its ``residual``.
        camera: Part of the same detector, any pixels.
    """
    columns, rows = camera.size
    ends = view.camera.project(camera.pixel_to_world(np.array([[0.0, 0.0], [columns - 1.0, rows - 1.0]])))
    across, down = (np.linspace(ends[0, k], ends[1, k], count) for k, count in ((0, columns), (1, rows)))
    where = np.meshgrid(down, across, indexing="ij")
    known = np.isfinite(picture)
    weight = map_coordinates(known.astype(np.float64), where, order=1, mode="nearest")
    values = map_coordinates(np.where(known, picture, 0.0), where, order=1, mode="nearest")
    return np.where(weight > 0.5, values / np.maximum(weight, 1e-9), np.nan)


def computed_radiographs(radiograph: Radiograph, view: ViewQuality) -> dict[str, Radiograph]:
    """The model's radiograph ("drr") and what is left over ("residual"), over the whole of the radiograph's detector.

    Both have about the refinement's pixels and the corrected camera. A residual is model minus radiograph, both locally
    normalised; it is 0 where nothing was compared.
    """
    camera = corrected_camera(radiograph, view).resampled(view.camera.size)
    how = {
        "drr": "computed from the refined model",
        "residual": "model minus radiograph, locally normalised; 0 where not compared",
    }
    pictures = {"drr": view.picture, "residual": view.residual}
    return {
        kind: Radiograph(
            np.nan_to_num(at_pixels(view, picture, camera)).astype(np.float32),
            camera,
            IntensityNote("line-integral", None, False, how[kind]),
            radiograph.spacing_source,
            view=radiograph.view,
            laterality=radiograph.laterality,
            name=f"{radiograph.name} {kind}",
            synthetic=True,
        )
        for kind, picture in pictures.items()
    }


def outlines(camera: XRayCamera, mesh: vtkPolyData) -> list[FloatArray]:
    """Lines (n, 2) in pixels (column, row) round a bone's shadow."""
    shadow = mesh_silhouette(camera, points_of(mesh), triangles_of(mesh))
    return [np.asarray(line) for line in drr_outline(shadow.astype(np.float64), 0.5)]


def along_outlines(camera: XRayCamera, mesh: vtkPolyData, array: str, lines: list[FloatArray]) -> list[FloatArray]:
    """What a point array says at every point of a bone's outlines: of the vertex on the shadow's rim nearest to it."""
    points, values = points_of(mesh), np.asarray(point_array(mesh, array), dtype=np.float64)
    normals = vertex_normals(points, triangles_of(mesh))
    rays = points - camera.source
    rim = np.abs(np.einsum("nd,nd->n", normals, rays / np.linalg.norm(rays, axis=1, keepdims=True))) < RIM
    tree = cKDTree(camera.project(points[rim]))
    return [values[rim][tree.query(line)[1]] for line in lines]
