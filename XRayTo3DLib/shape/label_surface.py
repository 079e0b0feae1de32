"""From a label map to the surface of one of its structures, in LPS mm."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import find_objects, gaussian_filter
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData, vtkPolyData
from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.closest_points import oriented
from XRayTo3DLib.shape.meshes import make_surface, points_of, triangles_of, triangulated

_MARGIN = 4  # Voxels of background kept around the structure, so that smoothing and closing have room.


def surface_from_labels(
    labels: np.ndarray, voxel_to_lps: np.ndarray, label: int = 1, *, smoothing_voxels: float = 0.7
) -> vtkPolyData:
    """Surface of the voxels equal to ``label`` (flying edges at one half of the smoothed mask), facing outward.

    Args:
        labels: ``(slices, rows, columns)``.
        voxel_to_lps: ``(4, 4)``, takes (column, row, slice, 1) to LPS mm; oblique and mirrored grids are fine.
        label: Which value; 1 by default.
        smoothing_voxels: Gaussian sigma applied to the mask, in voxels; removes the staircase. 0 for none.

    Returns:
        A surface that is closed even where the structure runs out of the volume.

    Raises:
        InputError: No such label, or a structure so thin that smoothing removes it.
    """
    box = find_objects((np.asarray(labels) == label).astype(np.uint8))
    if not box:
        raise InputError(f"Label {label} does not occur in the label map: check the label number.")
    mask = np.pad((labels[box[0]] == label).astype(np.float32), _MARGIN)
    if smoothing_voxels > 0:
        mask = gaussian_filter(mask, smoothing_voxels)
    if mask.max() <= 0.5:
        raise InputError(f"Label {label} is too thin: smoothing by {smoothing_voxels} voxels removes it; give 0.")
    contour = _contour(mask)
    start = np.array([axis.start for axis in box[0]][::-1]) - _MARGIN
    voxels = points_of(contour) + start
    lps = voxels @ voxel_to_lps[:3, :3].T + voxel_to_lps[:3, 3]
    return oriented(make_surface(lps, triangles_of(contour)))


def _contour(mask: np.ndarray) -> vtkPolyData:
    """The surface at 0.5 in voxel coordinates (column, row, slice)."""
    image = vtkImageData()
    image.SetDimensions(*mask.shape[::-1])
    array = numpy_to_vtk(mask.ravel(), deep=True)
    image.GetPointData().SetScalars(array)
    edges = vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.SetValue(0, 0.5)
    edges.ComputeNormalsOff()
    edges.ComputeScalarsOff()
    edges.Update()
    return triangulated(edges.GetOutput())
