"""Radiographs in the scene: a one-slice volume that lies on its detector, its source, and the beam between them.

Everything the library needs is read back from the nodes, so a radiograph survives saving, reloading and editing.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene.radiograph_display import DisplayRange, applyDisplay, displayRange
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.imaging.radiograph_facts import EDITED, depth_of
from XRayTo3DLib.imaging.scene_attributes import LETTER, SOURCE, radiograph_attributes, radiograph_from_attributes
from XRayTo3DLib.imaging.types import Radiograph

BEAM, LANDMARKS, ORIGIN = "XRayTo3D.Beam", "XRayTo3D.Landmarks", "XRayTo3D.Origin"
UNCROPPED, APPLIED, AS_LOADED = "XRayTo3D.Uncropped", "XRayTo3D.Applied", "XRayTo3D.AsLoaded"
BONE_MARK = "XRayTo3D.BoneMark"
"""References of a radiograph; the last is the point list with the one point where a bone is to be placed."""
USED, SHOW_BEAM = "XRayTo3D.Used", "XRayTo3D.ShowBeam"
COLOURS = ((0.96, 0.66, 0.14), (0.16, 0.76, 0.86), (0.82, 0.47, 0.87), (0.55, 0.80, 0.33))
"""Amber, cyan, magenta, green: one per view, told apart by colour-blind people too."""
LETTERS = "ABCD"
MOST_VIEWS = len(LETTERS)
MOVED_MM = 1e-3
"""Beyond this (mm, and pixels of the central ray) source or detector were moved by hand; files round less."""


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


def radiographToScene(radiograph: Radiograph, shown: DisplayRange | None = None) -> Any:
    """Add a radiograph: volume, source point and (hidden) beam.

    Args:
        radiograph: With its camera.
        shown: Its contrast where that was found already (it takes a moment for large pictures).

    Raises:
        InputError: Four views are loaded already.
    """
    taken = {viewLetter(node) for node in radiographNodes()}
    free = [letter for letter in LETTERS if letter not in taken]
    if not free:
        raise InputError(_("{count} radiographs are loaded already; remove one first.").format(count=MOST_VIEWS))
    mark = mrml.SYNTHETIC_MARK if radiograph.synthetic and mrml.SYNTHETIC_MARK.strip() not in radiograph.name else ""
    name = f"{radiograph.name}{mark}"
    if slicer.mrmlScene.GetFirstNodeByName(name) is not None:  # else Slicer counts names of removed nodes, too
        name = slicer.mrmlScene.GenerateUniqueName(name)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    applyDisplay(node, shown or displayRange(radiograph))  # before the pixels: else Slicer looks for a window in them
    slicer.util.updateVolumeFromArray(node, radiograph.pixels[None])
    mrml.setIjkToLps(node, radiograph.camera.detector_to_world)
    for key, value in {**attributesOf(radiograph, free[0]), USED: "1", SHOW_BEAM: "1"}.items():
        node.SetAttribute(key, value)
    node.SetDescription("\n".join(radiograph.notes))
    _addSource(node, radiograph.camera)
    updateBeam(node)
    node.SetAttribute(AS_LOADED, _asLoadedText(radiograph))
    return node


def _asLoadedText(radiograph: Radiograph) -> str:
    """What "back to the file" returns to."""
    content = {
        "camera": radiograph.camera.to_dict(),
        "view": radiograph.view,
        "laterality": radiograph.laterality,
        "spacing_source": radiograph.spacing_source.value,
        "facts": radiograph.facts.to_text(),
    }
    return json.dumps(content)


def attributesOf(radiograph: Radiograph, letter: str) -> dict[str, str]:
    """What the node says about the radiograph, and what moving it in the scene is noticed by."""
    return {**radiograph_attributes(radiograph, letter), APPLIED: _appliedText(radiograph)}


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
        raise InputError(
            _("radiograph {name} has lost its X-ray source point; load it again.").format(name=node.GetName())
        )
    if node.GetImageData() is None:
        raise InputError(
            _("radiograph {name} has no pixels (its file was not found?); load it again.").format(name=node.GetName())
        )
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
        raise InputError(
            _("{name} is not a radiograph with its X-ray geometry; load it in section 1.").format(name=node.GetName())
        )

    name = node.GetName().removesuffix(mrml.SYNTHETIC_MARK)
    pixels = slicer.util.arrayFromVolume(node)[0]
    return _movedFacts(node, radiograph_from_attributes(node.GetAttribute, pixels, cameraFromNode(node), name))


def withoutPixels(radiograph: Radiograph) -> Radiograph:
    """A cheap stand-in where only the camera matters (cache keys, tests)."""
    return replace(radiograph, pixels=np.zeros_like(radiograph.pixels))


def pixelOf(node: Any, pointsLps: Any) -> np.ndarray:
    """Pixel coordinates (N, 2) as (column, row) of world points (N, 3) LPS that lie on the radiograph."""
    toPixel = np.linalg.inv(mrml.ijkToLps(node, world=True))
    points = np.asarray(pointsLps, dtype=np.float64)
    return (points @ toPixel[:3, :3].T + toPixel[:3, 3])[..., :2]


# ---- moved by hand ---------------------------------------------------------------------------------------------------


def setCamera(node: Any, camera: XRayCamera) -> None:
    """Put a radiograph and its source where a camera has them in the world; transforms above them stay."""
    mrml.setIjkToLps(
        node, mrml.LPS_TO_RAS @ np.linalg.inv(mrml.parentToWorld(node)) @ mrml.LPS_TO_RAS @ camera.detector_to_world
    )
    sourceNode(node).SetNthControlPointPositionWorld(0, *mrml.rasFromLps(camera.source))


def _intrinsics(camera: XRayCamera) -> np.ndarray:
    """What a motion of source and detector together leaves as it is."""
    return np.array([camera.sdd, *camera.spacing, *(camera.principal_point - (np.array(camera.size) - 1) / 2)])


def _appliedText(radiograph: Radiograph) -> str:
    """SDD, spacing and central ray as they were set, then where the object is."""
    camera = radiograph.camera
    towards = camera.normal * np.sign((camera.origin - camera.source) @ camera.normal)
    place = camera.source + towards * (radiograph.facts.isocentre_mm or camera.sdd)
    return " ".join(repr(float(value)) for value in (*_intrinsics(camera), *place))


def _movedFacts(node: Any, radiograph: Radiograph) -> Radiograph:
    """A source or detector that was dragged says so; the object stays where it was."""
    text = node.GetAttribute(APPLIED)
    if not text:
        return radiograph
    numbers = np.array([float(value) for value in text.split()])
    if np.allclose(numbers[:5], _intrinsics(radiograph.camera), rtol=0, atol=MOVED_MM):
        return radiograph
    facts, said = radiograph.facts, f"{EDITED}: moved in the scene"
    depth = depth_of(radiograph.camera, tuple(numbers[5:]))
    known = facts.isocentre_mm is not None and 0 < depth <= radiograph.camera.sdd
    isocentre = depth if known else facts.isocentre_mm
    facts = replace(facts, sdd_from=said, principal_from=said, isocentre_mm=isocentre)
    return replace(radiograph, facts=facts)


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
    for role in (SOURCE, BEAM, LANDMARKS, ORIGIN, BONE_MARK, UNCROPPED):
        each = node.GetNodeReference(role)
        if each is not None:
            slicer.mrmlScene.RemoveNode(each)
    slicer.mrmlScene.RemoveNode(node)
