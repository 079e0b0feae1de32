"""Radiographs in the scene: a one-slice volume that lies on its detector, its source, and the beam between them.

Everything the library needs is read back from the nodes, so a radiograph survives saving, reloading and editing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import slicer
import vtk
from scipy.ndimage import binary_erosion

from XRayTo3DGui.scene import mrml
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.imaging.radiograph_edit import exposed_field
from XRayTo3DLib.imaging.scene_attributes import LETTER, SOURCE, radiograph_attributes, radiograph_from_attributes
from XRayTo3DLib.imaging.types import Radiograph

BEAM, LANDMARKS, ORIGIN = "XRayTo3D.Beam", "XRayTo3D.Landmarks", "XRayTo3D.Origin"
USED, SHOW_BEAM = "XRayTo3D.Used", "XRayTo3D.ShowBeam"
COLOURS = ((0.96, 0.66, 0.14), (0.16, 0.76, 0.86), (0.82, 0.47, 0.87), (0.55, 0.80, 0.33))
"""Amber, cyan, magenta, green: one per view, told apart by colour-blind people too."""
WINDOW_PERCENTILES = (0.5, 99.8)
RIM_SHARE_STEPS = 8
"""Width of the rim left out, in 1/128 of the picture."""
LETTERS = "ABCD"
MOST_VIEWS = len(LETTERS)


def radiographNodes() -> list[Any]:
    """All radiographs of the scene, in the order they were added."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return [node for node in nodes if node.GetAttribute(mrml.ROLE) == mrml.ROLE_RADIOGRAPH]


def usedRadiographNodes() -> list[Any]:
    """Those that a person did not leave out."""
    return [node for node in radiographNodes() if node.GetAttribute(USED) != "0"]


def viewLetter(node: Any) -> str:
    """A, B, C or D, kept on the node so that colours stay when another radiograph is removed."""
    return node.GetAttribute(LETTER) or LETTERS[0]


def colourOf(node: Any) -> tuple[float, float, float]:
    return COLOURS[LETTERS.index(viewLetter(node))]


def sourceNode(node: Any) -> Any:
    return node.GetNodeReference(SOURCE)


# ---- to the scene ----------------------------------------------------------------------------------------------------


def radiographToScene(radiograph: Radiograph) -> Any:
    """Add a radiograph: volume, source point and (hidden) beam.

    Raises:
        InputError: Four views are loaded already.
    """
    taken = {viewLetter(node) for node in radiographNodes()}
    free = [letter for letter in LETTERS if letter not in taken]
    if not free:
        raise InputError(f"{MOST_VIEWS} radiographs are loaded already; remove one first.")
    mark = mrml.SYNTHETIC_MARK if radiograph.synthetic and mrml.SYNTHETIC_MARK.strip() not in radiograph.name else ""
    name = slicer.mrmlScene.GenerateUniqueName(f"{radiograph.name}{mark}")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, radiograph.pixels[None])
    mrml.setIjkToLps(node, radiograph.camera.detector_to_world)
    for key, value in _attributes(radiograph, free[0]).items():
        node.SetAttribute(key, value)
    node.SetDescription("\n".join(radiograph.notes))
    _display(node, radiograph)
    _addSource(node, radiograph.camera)
    updateBeam(node)
    return node


def _attributes(radiograph: Radiograph, letter: str) -> dict[str, str]:
    return {**radiograph_attributes(radiograph, letter), USED: "1", SHOW_BEAM: "1"}


def _display(node: Any, radiograph: Radiograph) -> None:
    """Bone bright; contrast from what the beam reached, the collimator's surround (nothing but white) left out."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    field = exposed_field(radiograph)
    exposed = radiograph.pixels[field]
    low, high = np.percentile(_inner(radiograph.pixels, field), WINDOW_PERCENTILES)
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(float(low), float(max(high, low + 1e-3)))
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    display.SetInterpolate(True)
    if not field.all():
        display.SetAutoThreshold(False)
        display.SetThreshold(float(radiograph.pixels.min()), float(exposed.max()))
        display.SetApplyThreshold(True)


def _inner(pixels: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Values well inside the exposed field (a share of all pixels): the rim beside the collimator is half in shade."""
    step = max(1, min(pixels.shape) // 128)
    small = field[::step, ::step]
    inside = small if small.all() else binary_erosion(small, iterations=RIM_SHARE_STEPS, border_value=1)
    values = pixels[::step, ::step][inside]
    return values if values.size else pixels


def _addSource(node: Any, camera: XRayCamera) -> None:
    source = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", f"{node.GetName()} source")
    source.AddControlPoint(vtk.vtkVector3d(*mrml.rasFromLps(camera.source)), f"{viewLetter(node)} source")
    source.SetDescription("Focal spot of the X-ray tube; moving it changes the radiograph's geometry.")
    source.SetLocked(True)
    source.CreateDefaultDisplayNodes()
    display = source.GetDisplayNode()
    display.SetSelectedColor(*colourOf(node))
    display.SetColor(*colourOf(node))
    display.SetGlyphType(display.Sphere3D)
    display.SetUseGlyphScale(False)
    display.SetGlyphSize(15.0)
    display.SetTextScale(3.0)
    display.SetVisibility2D(False)
    display.SetVisibility(False)
    node.SetNodeReferenceID(SOURCE, source.GetID())


# ---- from the scene --------------------------------------------------------------------------------------------------


def cameraFromNode(node: Any) -> XRayCamera:
    """The camera as the scene has it now, parent transforms included.

    Raises:
        InputError: The source or the pixels are gone, or the source was moved onto the detector.
    """
    source = sourceNode(node)
    if source is None or source.GetNumberOfControlPoints() < 1:
        raise InputError(f"radiograph {node.GetName()} has lost its X-ray source point; load it again.")
    if node.GetImageData() is None:
        raise InputError(f"radiograph {node.GetName()} has no pixels (its file was not found?); load it again.")
    toLps = mrml.ijkToLps(node, world=True)
    spacing = np.linalg.norm(toLps[:3, :2], axis=0)
    columns, rows, _slices = node.GetImageData().GetDimensions()
    (position,) = list(mrml.landmarks(source, world=True).values())[:1]
    return XRayCamera(
        source=position,
        origin=toLps[:3, 3],
        column_direction=toLps[:3, 0],
        row_direction=toLps[:3, 1],
        spacing=(float(spacing[0]), float(spacing[1])),
        size=(columns, rows),
    )


def radiographFromNode(node: Any) -> Radiograph:
    """Pixels, camera and what was known about them, from nodes alone.

    Raises:
        InputError: Not a radiograph, or without pixels or source.
    """
    if node.GetAttribute(mrml.ROLE) != mrml.ROLE_RADIOGRAPH or node.GetImageData() is None:
        raise InputError(f"{node.GetName()} is not a radiograph with its X-ray geometry; load it in section 1.")

    name = node.GetName().removesuffix(mrml.SYNTHETIC_MARK)
    pixels = slicer.util.arrayFromVolume(node)[0]
    return radiograph_from_attributes(node.GetAttribute, pixels, cameraFromNode(node), name)


def withoutPixels(radiograph: Radiograph) -> Radiograph:
    """A cheap stand-in where only the camera matters (cache keys, tests)."""
    return replace(radiograph, pixels=np.zeros_like(radiograph.pixels))


def pixelOf(node: Any, pointsLps: Any) -> np.ndarray:
    """Pixel coordinates (N, 2) as (column, row) of world points (N, 3) LPS that lie on the radiograph."""
    toPixel = np.linalg.inv(mrml.ijkToLps(node, world=True))
    points = np.asarray(pointsLps, dtype=np.float64)
    return (points @ toPixel[:3, :3].T + toPixel[:3, 3])[..., :2]


# ---- the beam --------------------------------------------------------------------------------------------------------


def updateBeam(node: Any) -> Any:
    """Detector frame, four edges to the source and the central ray, as a thin model; made where missing."""
    camera = cameraFromNode(node)
    beam = node.GetNodeReference(BEAM)
    if beam is None:
        beam = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", f"{node.GetName()} beam")
        beam.CreateDefaultDisplayNodes()
        display = beam.GetDisplayNode()
        display.SetColor(*colourOf(node))
        display.SetLineWidth(2)
        display.SetLighting(False)
        display.SetVisibility2D(False)
        display.SetVisibility(False)
        node.SetNodeReferenceID(BEAM, beam.GetID())
    beam.SetAndObservePolyData(_beamLines(camera))
    return beam


def _beamLines(camera: XRayCamera) -> vtk.vtkPolyData:
    columns, rows = camera.size
    corners = [[-0.5, -0.5], [columns - 0.5, -0.5], [columns - 0.5, rows - 0.5], [-0.5, rows - 0.5]]
    positions = [camera.source, *camera.pixel_to_world(corners), camera.centre]
    points, lines = vtk.vtkPoints(), vtk.vtkCellArray()
    for position in mrml.rasFromLps(positions):
        points.InsertNextPoint(position)
    for ids in ((1, 2, 3, 4, 1), (0, 1), (0, 2), (0, 3), (0, 4)):
        lines.InsertNextCell(len(ids))
        for each in ids:
            lines.InsertCellPoint(each)
    result = vtk.vtkPolyData()
    result.SetPoints(points)
    result.SetLines(lines)
    return result


def showBeam(node: Any, visible: bool) -> None:
    for each in (node.GetNodeReference(BEAM), sourceNode(node)):
        if each is not None and each.GetDisplayNode() is not None:
            each.GetDisplayNode().SetVisibility(visible)


def removeRadiograph(node: Any) -> None:
    """Remove a radiograph and everything that belongs to it alone."""
    for role in (SOURCE, BEAM, LANDMARKS, ORIGIN):
        each = node.GetNodeReference(role)
        if each is not None:
            slicer.mrmlScene.RemoveNode(each)
    slicer.mrmlScene.RemoveNode(node)
