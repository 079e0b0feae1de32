"""The training person whose radiographs look most like these: the answer is always a whole bone, but another's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkFiltersCore import vtkQuadricDecimation

from XRayTo3DLib.dataset.prepared import PreparedCase
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.validation import grid_box, reaches
from XRayTo3DLib.shape.field_surface import clipped_to_box, surface_from_field
from XRayTo3DLib.shape.meshes import make_surface, points_of, transformed, triangles_of


class NearestShape:
    """The bones of the exposure whose images correlate best with those given, as that person was held.

    Args:
        arrays: images (E, views, n, n) of training exposures, case (E,) whose they are, poses (E, 4, 4) from the
            anatomical to the reconstruction frame, mm; and :func:`surface_arrays` of the bones, person by person.
        labels: Bones.
        grid: Bones end where it ends, as those of grid methods do.
    """

    calibrated = False

    def __init__(self, arrays: Mapping[str, NDArray[Any]], labels: Sequence[str], grid: VoxelGrid) -> None:
        self.labels, self.grid = tuple(labels), grid
        self._known = standardised(np.asarray(arrays["images"], dtype=np.float32))
        self._case, self._poses = arrays["case"], np.asarray(arrays["poses"], dtype=float)
        self._arrays = arrays

    def predict(self, images: NDArray[np.float32], cameras: object = None) -> list[dict[str, vtkPolyData]]:
        """Bones by name, in the reconstruction frame, mm, for each of (N, views, rows, columns) canonical images.

        Raises:
            InputError: Not the views, or the size of pictures, of the training exposures.
        """
        del cameras
        return [self._posed(exposure) for exposure in self.nearest(images)]

    def nearest(self, images: NDArray[np.float32]) -> list[int]:
        """The exposure with the highest mean correlation over views, for each of the images.

        Raises:
            InputError: Not the views, or the size of pictures, of the training exposures.
        """
        shown = standardised(np.asarray(images, dtype=np.float32))
        if shown.shape[1:] != self._known.shape[1:]:
            (views, pixels), given = self._known.shape[1:], shown.shape[1:]
            raise InputError(
                f"nearest training shape: it knows {views} view(s) of {pixels} pixels, but was given {given[0]} of "
                f"{given[1]}."
            )
        return [int(np.einsum("evp,vp->e", self._known, each).argmax()) for each in shown]

    def _posed(self, exposure: int) -> dict[str, vtkPolyData]:
        pose, box, first = self._poses[exposure], grid_box(self.grid), int(self._case[exposure]) * len(self.labels)
        found = {}
        for number, label in enumerate(self.labels, start=first):
            mesh = transformed(stored_surface(self._arrays, number), pose)
            if reaches(mesh, *box):
                found[label] = clipped_to_box(mesh, *box)
        return found


def standardised(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, views, pixels) with mean 0 and length 1, so that products are correlations; a picture of one grey is 0."""
    pixels = images.reshape(*images.shape[:2], -1)
    pixels = pixels - pixels.mean(axis=-1, keepdims=True)
    lengths = np.linalg.norm(pixels, axis=-1, keepdims=True)
    return np.divide(pixels, lengths, out=np.zeros_like(pixels), where=lengths > 1e-12)


def simple_surface(case: PreparedCase, number: int, vertices: int) -> vtkPolyData:
    """A bone's surface with about so many vertices, in the anatomical frame, mm; open where the field of view cut it.

    Quadric decimation (Garland and Heckbert, 1997): with 1000 vertices a knee's bones keep to within 0.06 mm.
    """
    surface = surface_from_field(-case.distances[number].astype(np.float32), case.voxel_to_frame, 0.0)
    decimation = vtkQuadricDecimation()
    decimation.SetInputData(surface)
    decimation.SetTargetReduction(max(0.0, 1.0 - 2.0 * vertices / max(surface.GetNumberOfCells(), 1)))
    decimation.VolumePreservationOn()
    decimation.Update()
    return decimation.GetOutput()


def surface_arrays(surfaces: Sequence[vtkPolyData]) -> dict[str, NDArray[Any]]:
    """Vertices (float32, mm) and triangles of surfaces, one after the other, and where each surface's begin."""
    arrays: dict[str, NDArray[Any]] = {}
    triangles = [triangles_of(mesh) for mesh in surfaces]
    kind = np.min_scalar_type(max(int(each.max(initial=0)) for each in triangles))
    parts = {"points": [points_of(mesh).astype(np.float32) for mesh in surfaces], "triangles": triangles}
    for name, each in parts.items():
        arrays[name] = np.concatenate(each).astype(kind if name == "triangles" else np.float32)
        arrays[f"{name}_begin"] = np.cumsum([0, *map(len, each)]).astype(np.int32)
    return arrays


def stored_surface(arrays: Mapping[str, NDArray[Any]], number: int) -> vtkPolyData:
    """One of the surfaces of :func:`surface_arrays`, mm."""
    points, triangles = (
        arrays[name][slice(*arrays[f"{name}_begin"][number : number + 2])] for name in ("points", "triangles")
    )
    return make_surface(points.astype(float), triangles.astype(np.int64))
