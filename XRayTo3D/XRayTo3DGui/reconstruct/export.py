"""A reconstruction as files: surfaces, or a label map of the filled bones, with the record beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import vtk
from slicer.i18n import tr as _

from XRayTo3DGui.parameters import EXPORTS
from XRayTo3DGui.reconstruct import nodes
from XRayTo3DGui.scene import mrml
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import safe_file_name, write_json

SUFFIXES = dict(zip(EXPORTS, (".stl", ".ply", ".vtp", ".seg.nrrd"), strict=True))
VOXEL_MM, MARGIN_MM = 0.5, 2.0


def exportResult(result: Any, folder: Path, kind: str) -> list[Path]:
    """Write a reconstruction; surfaces and label map are in LPS mm, transforms of the models applied.

    Args:
        result: Its text node.
        folder: Made where missing.
        kind: One of ``parameters.EXPORTS``.

    Returns:
        The files, reconstruction.json among them.

    Raises:
        InputError: No bone in the scene any more, or an unknown kind.
        OSError: The folder cannot be written.
    """
    bones = nodes.parts(result, nodes.BONE)
    if kind not in SUFFIXES:
        raise InputError(_("Export as one of {kinds}.").format(kinds=", ".join(SUFFIXES)))
    if not bones:
        raise InputError(_("{name} has no bones any more.").format(name=result.GetName()))
    folder.mkdir(parents=True, exist_ok=True)
    suffix = SUFFIXES[kind]
    if suffix == ".seg.nrrd":
        paths = [_writeLabels(result, bones, folder / f"reconstruction{suffix}")]
    else:
        paths = [_writeSurface(bone, folder, suffix) for bone in bones]
    record = {**nodes.recordOf(result), "files": [path.name for path in paths]}
    write_json(folder / "reconstruction.json", record)
    return [*paths, folder / "reconstruction.json"]


def _writeSurface(bone: Any, folder: Path, suffix: str) -> Path:
    from XRayTo3DLib.shape.surfaces import write_surface

    path = folder / f"{safe_file_name(bone.GetAttribute(nodes.BONE_NAME))}{suffix}"
    return write_surface(mrml.surfaceFromNode(bone, world=True), path)


def _writeLabels(result: Any, bones: list[Any], path: Path) -> Path:
    """Half-millimeter voxels round all bones; an end that the field of view cut open is closed flat."""
    from XRayTo3DLib.imaging.ct_writer import write_labels
    from XRayTo3DLib.imaging.types import CtVolume
    from XRayTo3DLib.shape.distance_grid import inside_grid
    from XRayTo3DLib.shape.meshes import points_of

    surfaces = [_closed(mrml.surfaceFromNode(bone, world=True)) for bone in bones]
    points = np.concatenate([points_of(surface) for surface in surfaces])
    low, high = points.min(axis=0) - MARGIN_MM, points.max(axis=0) + MARGIN_MM
    columns, rows, slices = (int(size) for size in np.ceil((high - low) / VOXEL_MM) + 1)
    labels = np.zeros((slices, rows, columns), dtype=np.uint8)
    for number, surface in enumerate(surfaces, start=1):
        labels[inside_grid(surface, low.tolist(), VOXEL_MM, labels.shape)] = number
    toLps = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    toLps[:3, 3] = low
    names = {bone.GetAttribute(nodes.BONE_NAME): number for number, bone in enumerate(bones, start=1)}
    synthetic = result.GetAttribute(mrml.SYNTHETIC) == "1"
    nothing = np.zeros(labels.shape, dtype=np.float32)
    return write_labels(CtVolume(nothing, toLps, labels, names, result.GetName(), synthetic=synthetic), path)


def _closed(surface: vtk.vtkPolyData) -> vtk.vtkPolyData:
    fill = vtk.vtkFillHolesFilter()
    fill.SetInputData(surface)
    fill.SetHoleSize(1e6)
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(fill.GetOutputPort())
    normals.SplittingOff()
    normals.Update()
    return normals.GetOutput()
