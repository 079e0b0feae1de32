"""A reconstruction as files: surfaces, or a label map of the filled bones (or that as DICOM SEG), and its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import vtk
from slicer.i18n import tr as _

from XRayTo3DGui.parameters import EXPORTS
from XRayTo3DGui.radiographs.sources import awaited
from XRayTo3DGui.reconstruct import nodes
from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene.dicom_study import instanceFiles
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import safe_file_name, write_json, written_together

SUFFIXES = dict(zip(EXPORTS, (".stl", ".ply", ".vtp", ".seg.nrrd", ".dcm", ".dcm"), strict=True))
DICOM_SEG = EXPORTS[4]
"""Joins the patient's study where the radiographs are in Slicer's DICOM database; the last one never does."""
FRAME_OF_REFERENCE = "XRayTo3D.FrameOfReferenceUID"
"""Attribute of the text node: what is exported twice lies in the same DICOM space."""
RECORD = "reconstruction.json"
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
        InputError: No bone in the scene any more, an unknown kind, or DICOM SEG cannot be written (without highdicom,
            or of two people's radiographs).
        CannotWrite: No room or no right to write there; the folder is as it was.
    """
    bones = nodes.parts(result, nodes.BONE)
    if kind not in SUFFIXES:
        raise InputError(_("Export as one of {kinds}.").format(kinds=", ".join(SUFFIXES)))
    if not bones:
        raise InputError(_("{name} has no bones any more.").format(name=result.GetName()))
    suffix, record = SUFFIXES[kind], nodes.recordOf(result)
    with written_together(folder, RECORD) as new:
        if suffix in (".seg.nrrd", ".dcm"):
            paths = [_writeLabels(result, bones, new / f"reconstruction{suffix}", joinStudy=kind == DICOM_SEG)]
        else:
            paths = [_writeSurface(bone, new, suffix) for bone in bones]
        write_json(new / RECORD, {**record, "files": [path.name for path in paths]})
    return [*(folder / path.name for path in paths), folder / RECORD]


def _writeSurface(bone: Any, folder: Path, suffix: str) -> Path:
    from XRayTo3DLib.shape.surfaces import write_surface

    path = folder / f"{safe_file_name(bone.GetAttribute(nodes.BONE_NAME))}{suffix}"
    return write_surface(mrml.surfaceFromNode(bone, world=True), path)


def _writeLabels(result: Any, bones: list[Any], path: Path, joinStudy: bool) -> Path:
    """What needs the scene first; filling and writing in a thread, for a long bone takes seconds."""
    from XRayTo3DLib.imaging.ct_writer import write_labels
    from XRayTo3DLib.imaging.dicom_segmentation import write_dicom_segmentation

    surfaces = {bone.GetAttribute(nodes.BONE_NAME): mrml.surfaceFromNode(bone, world=True) for bone in bones}
    title, synthetic = result.GetName(), result.GetAttribute(mrml.SYNTHETIC) == "1"
    if path.suffix != ".dcm":
        return awaited(lambda: write_labels(_filled(surfaces, title, synthetic), path))
    origin, views = _origin(result), instanceFiles(nodes.parts(result, nodes.VIEW)) if joinStudy else []
    return awaited(lambda: write_dicom_segmentation(_filled(surfaces, title, synthetic), path, origin, views))


def _origin(result: Any) -> Any:
    from XRayTo3DLib.imaging.dicom_segmentation import Origin
    from XRayTo3DLib.imaging.dicom_study import new_uid

    record = nodes.recordOf(result)
    if not result.GetAttribute(FRAME_OF_REFERENCE):
        result.SetAttribute(FRAME_OF_REFERENCE, new_uid())
    warnings = record.get("quality", {}).get("warnings", [])
    return Origin(
        model=str(record.get("model") or ""),
        method=str(record.get("method") or ""),
        side=str(record.get("side") or ""),
        notes=(*record.get("notes", ()), *(each["text"] for each in warnings)),
        frame_of_reference=result.GetAttribute(FRAME_OF_REFERENCE),
    )


def _filled(surfaces: dict[str, vtk.vtkPolyData], title: str, synthetic: bool) -> Any:
    """Half-millimeter voxels round all bones; an end that the field of view cut open is closed flat."""
    from XRayTo3DLib.imaging.types import CtVolume
    from XRayTo3DLib.shape.distance_grid import inside_grid
    from XRayTo3DLib.shape.meshes import points_of

    points = np.concatenate([points_of(surface) for surface in surfaces.values()])
    low, high = points.min(axis=0) - MARGIN_MM, points.max(axis=0) + MARGIN_MM
    columns, rows, slices = (int(size) for size in np.ceil((high - low) / VOXEL_MM) + 1)
    labels = np.zeros((slices, rows, columns), dtype=np.uint8)
    names = {name: number for number, name in enumerate(surfaces, start=1)}
    for name, surface in surfaces.items():
        labels[inside_grid(_closed(surface), low.tolist(), VOXEL_MM, labels.shape)] = names[name]
    toLps = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    toLps[:3, 3] = low
    nothing = np.zeros(labels.shape, dtype=np.float32)
    return CtVolume(nothing, toLps, labels, names, title, synthetic=synthetic)


def _closed(surface: vtk.vtkPolyData) -> vtk.vtkPolyData:
    fill = vtk.vtkFillHolesFilter()
    fill.SetInputData(surface)
    fill.SetHoleSize(1e6)
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(fill.GetOutputPort())
    normals.SplittingOff()
    normals.Update()
    return normals.GetOutput()
