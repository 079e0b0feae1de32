"""What a reconstruction leaves in the scene: a text node with its record, and by it bones, pictures, tables.

The text node is the reconstruction: it refers to everything else, so that all of it is saved, loaded, shown, hidden and
removed together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from XRayTo3DGui.scene import folders, mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import safe_file_name
from XRayTo3DLib.files.json_values import check_fields, parse_json
from XRayTo3DLib.geometry import XRayCamera

ROLE_RECONSTRUCTION = "Reconstruction"
BONE, PICTURE, TABLE, VIEW = (f"XRayTo3D.Reconstruction{part}" for part in ("Bone", "Picture", "Table", "View"))
"""References of the text node to what belongs to it, and to the radiographs it was made from."""
KIND, OF_VIEW, BONE_NAME = "XRayTo3D.Kind", "XRayTo3D.Of", "XRayTo3D.Bone"
"""Attributes: what a picture is (drr, residual), the letter of the radiograph it belongs to, a model's bone."""
DRR, RESIDUAL = "drr", "residual"
MOTION = "XRayTo3D.Motion"
"""Attribute of the text node, with a radiograph's letter: how the refinement moved that camera, (4, 4) LPS mm."""
SD_ARRAY = "NormalSD_mm"
COLOURS = ((0.18, 0.90, 0.84), (1.0, 0.62, 0.11), (0.88, 0.36, 1.0), (0.61, 0.88, 0.36))
"""Outlines, as the command line's pictures have them; a bone's model has the same hue, paler."""
IVORY = np.array((0.95, 0.87, 0.72))
FORMAT = "xrayto3d.reconstruction/1"
SENTENCES = [{"code??": str, "text??": str}]
RECORD = {
    **{"model": str, "method": str, "views": [str], "bones": [str], "side??": str, "seconds??": float},
    **{"missing??": [str], "notes??": [str], "outside??": SENTENCES},
    "measurements??": [
        {"name": str, "value??": float, "sd??": float, "unit??": str, "definition??": str, "interval_95??": [float]}
    ],
    "quality??": {
        "views??": [{"name??": str, "before??": float, "after??": float, "moved_deg??": float, "moved_mm??": float}],
        "warnings??": SENTENCES,
    },
}
"""What is used of a record, which may come from elsewhere."""
UNUSABLE: dict[str, Any] = {"model": "", "method": "", "views": [], "bones": []}


# ---- the record ------------------------------------------------------------------------------------------------------


def resultNodes() -> list[Any]:
    """All reconstructions of the scene, oldest first."""
    nodes = slicer.util.getNodesByClass("vtkMRMLTextNode")
    return [node for node in nodes if node.GetAttribute(mrml.ROLE) == ROLE_RECONSTRUCTION]


def recordOf(result: Any) -> dict[str, Any]:
    """Content of reconstruction.json as the scene keeps it; empty for none, and where a scene's is not usable."""
    text = result.GetText() if result is not None else ""
    if not text:
        return {}
    try:
        content = parse_json(text, "reconstruction")
        check_fields(content, RECORD, "reconstruction")
        return content
    except InputError as error:
        return {
            **UNUSABLE,
            "notes": [_("The scene's record of this result cannot be used: {error}").format(error=error)],
        }


def parts(result: Any, role: str) -> list[Any]:
    """The nodes that a reconstruction refers to in that role."""
    count = result.GetNumberOfNodeReferences(role) if result is not None else 0
    return [node for node in (result.GetNthNodeReference(role, index) for index in range(count)) if node is not None]


def hasUncertainty(result: Any) -> bool:
    """Whether its bones know how sure each spot is."""
    return any(node.GetPolyData().GetPointData().HasArray(SD_ARRAY) for node in parts(result, BONE))


def pictureKinds(result: Any) -> set[str]:
    """Which computed pictures it has: "drr", "residual"."""
    return {node.GetAttribute(KIND) for node in parts(result, PICTURE)}


def removeResult(result: Any) -> None:
    """Remove a reconstruction and all that belongs to it; the radiographs stay."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(result))
    with slicer.util.RenderBlocker():
        for role in (PICTURE, TABLE, BONE):
            for node in parts(result, role):
                slicer.mrmlScene.RemoveNode(node)
        slicer.mrmlScene.RemoveNode(result)
    children = vtk.vtkIdList()
    hierarchy.GetItemChildren(folder, children, True)
    if hierarchy.GetItemLevel(folder) == "Folder" and not _dataNodes(hierarchy, children):
        hierarchy.RemoveItem(folder)


def _dataNodes(hierarchy: Any, items: vtk.vtkIdList) -> list[Any]:
    nodes = [hierarchy.GetItemDataNode(items.GetId(index)) for index in range(items.GetNumberOfIds())]
    return [node for node in nodes if node is not None]


# ---- into the scene --------------------------------------------------------------------------------------------------


def importSteps(folder: Path, request: dict[str, Any]) -> Iterator[Any]:
    """Put a worker's result into the scene, one node or two a step; every item is the text node.

    Args:
        folder: With reconstruction.json, surfaces and pictures.
        request: Names and IDs of the radiographs, bundle and case.

    Raises:
        InputError: The folder is not whole.
    """
    from XRayTo3DLib.files import read_json

    record = read_json(folder / "reconstruction.json", "reconstruction", FORMAT, RECORD)
    if request.get("checksum") and record.get("model_checksum", request["checksum"]) != request["checksum"]:
        raise InputError(_("The model was changed after it was chosen; choose it again and look at its card."))
    views = [_radiograph(*each) for each in zip(request["radiographs"], request["names"], strict=True)]
    result = _addRecord(record, [node for node in views if node is not None], request)
    yield result
    for number, bone in enumerate(record["bones"]):
        _addBone(result, record, bone, number, folder)
        yield result
    for name, node in zip(request["names"], views, strict=True):
        if node is None or node.GetImageData() is None:  # removed meanwhile
            continue
        for kind in (DRR, RESIDUAL):
            path = folder / f"{kind}_{safe_file_name(name)}.nrrd"
            if path.is_file():
                _addPicture(result, node, path, kind)
                yield result
    if record.get("measurements"):
        _addTable(result, record["measurements"])
        yield result


def _radiograph(identifier: str, name: str) -> Any:
    """The radiograph of that ID, if it still is that one: a scene that was loaded may have given it another."""
    there = radiographs.radiographNodes()
    named = [node for node in there if node.GetName().removesuffix(mrml.SYNTHETIC_MARK) == name]
    same = [node for node in named or there if node.GetID() == identifier]
    return next(iter([*same, *named]), None)


def _addRecord(record: dict[str, Any], views: list[Any], request: dict[str, Any]) -> Any:
    mark = mrml.SYNTHETIC_MARK if record.get("synthetic") else ""
    name = slicer.mrmlScene.GenerateUniqueName(f"{record['model']}{mark}")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", name)
    node.SetText(json.dumps(record))
    node.SetAttribute(mrml.ROLE, ROLE_RECONSTRUCTION)
    node.SetAttribute(mrml.SYNTHETIC, "1" if record.get("synthetic") else "0")
    for view in views:
        node.AddNodeReferenceID(VIEW, view.GetID())
    folders.fileIn(node, request["case"], _("Reconstruction {name}").format(name=name))
    return node


def _add(result: Any, role: str, node: Any) -> None:
    result.AddNodeReferenceID(role, node.GetID())
    node.SetAttribute(mrml.SYNTHETIC, result.GetAttribute(mrml.SYNTHETIC))
    folders.fileBeside(node, result, _("Computed radiographs") if role == PICTURE else "")


def _addBone(result: Any, record: dict[str, Any], bone: str, number: int, folder: Path) -> None:
    from XRayTo3DLib.shape.surfaces import read_surface

    mark = mrml.SYNTHETIC_MARK if record.get("synthetic") else ""
    side = f" {record['side']}" if record.get("side") else ""
    surface = read_surface(folder / f"{safe_file_name(bone)}.vtp", what=bone, merge_points=False)
    model = mrml.surfaceToScene(surface, slicer.mrmlScene.GenerateUniqueName(f"{bone}{side} reconstructed{mark}"))
    model.SetAttribute(BONE_NAME, bone)
    model.GetDisplayNode().SetColor(*(0.35 * np.array(COLOURS[number % len(COLOURS)]) + 0.65 * IVORY))
    _add(result, BONE, model)


def _addPicture(result: Any, node: Any, path: Path, kind: str) -> None:
    """A computed radiograph or a difference, pixel on pixel of the radiograph; where the camera truly was is kept."""
    from XRayTo3DLib.imaging.radiograph_reader import read_radiograph

    picture, letter = read_radiograph(path), radiographs.viewLetter(node)
    camera = radiographs.cameraFromNode(node)
    _keepMotion(result, letter, _motion(camera, picture.camera))
    title = _("computed radiograph") if kind == DRR else _("difference")
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"{title} {letter}")
    slicer.util.updateVolumeFromArray(volume, np.nan_to_num(picture.pixels)[None])
    mrml.setIjkToLps(volume, camera.resampled(picture.camera.size).detector_to_world)
    volume.SetAttribute(KIND, kind)
    volume.SetAttribute(OF_VIEW, letter)
    volume.CreateDefaultDisplayNodes()
    _add(result, PICTURE, volume)


# ---- where the refinement put the cameras ----------------------------------------------------------------------------


def motionOf(result: Any, node: Any) -> np.ndarray:
    """(4, 4), LPS mm: how the refinement moved a radiograph's camera; the identity where it did not."""
    text = result.GetAttribute(MOTION + radiographs.viewLetter(node))
    try:
        motion = np.array([float(value) for value in text.split()]).reshape(4, 4) if text else np.eye(4)
    except ValueError:  # a scene from elsewhere
        return np.eye(4)
    return motion if np.isfinite(motion).all() else np.eye(4)


def _keepMotion(result: Any, letter: str, motion: np.ndarray) -> None:
    result.SetAttribute(MOTION + letter, " ".join(f"{value:.9g}" for value in motion.ravel()))


def _motion(before: XRayCamera, after: XRayCamera) -> np.ndarray:
    """The rigid motion between two cameras that are one machine."""
    axes = [np.stack([c.column_direction, c.row_direction, c.normal], axis=1) for c in (before, after)]
    motion = np.eye(4)
    motion[:3, :3] = axes[1] @ axes[0].T
    motion[:3, 3] = after.source - motion[:3, :3] @ before.source
    return motion


def _addTable(result: Any, measurements: list[dict[str, Any]]) -> None:
    """Measurements as a table that Slicer's Tables module opens and exports."""
    table = vtk.vtkTable()
    texts = {"Measurement": [str(each["name"]) for each in measurements]}
    numbers = {
        "Value": [each.get("value") for each in measurements],
        "SD": [each.get("sd") for each in measurements],
        "Low 95 %": [(each.get("interval_95") or (None, None))[0] for each in measurements],
        "High 95 %": [(each.get("interval_95") or (None, None))[1] for each in measurements],
    }
    units = {"Unit": [str(each.get("unit", "")) for each in measurements]}
    for title, values in (*texts.items(), *numbers.items(), *units.items()):
        column = vtk.vtkDoubleArray() if title in numbers else vtk.vtkStringArray()
        column.SetName(title)
        for value in values:
            column.InsertNextValue(value if title not in numbers else float("nan") if value is None else float(value))
        table.AddColumn(column)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", f"{result.GetName()} measurements")
    node.SetAndObserveTable(table)
    node.SetUseColumnTitleAsColumnHeader(True)
    _add(result, TABLE, node)
