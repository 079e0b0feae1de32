"""The bones over each radiograph, live: outlines on the detector, or the first one's DRR, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk

from XRayTo3DGui.parameters import OVERLAY_DRR, OVERLAY_OUTLINE
from XRayTo3DGui.registration.bone import BoneCache
from XRayTo3DGui.scene import layouts, mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.geometry import RigidPose, XRayCamera

OUTLINE_SHARE = 0.08
"""Height of the outline: share of the DRR's brightest pixel, low enough for the thin edge of a bone."""
OUTLINE_COLOUR, FURTHER_COLOUR = (1.0, 0.95, 0.2), (0.55, 1.0, 0.55)
DRR_TABLE = "XRayTo3D DRR"


@dataclass(frozen=True)
class DrawnBone:
    """A bone where it is drawn."""

    bone: Any
    cache: BoneCache
    pose: RigidPose

    def corners(self) -> np.ndarray:
        """(8, 3) corners of its box in the world, LPS mm."""
        return self.pose.apply(self.cache.cornersLps(self.bone))

    def drr(self, camera: XRayCamera) -> np.ndarray:
        """(rows, columns) line integrals."""
        return self.cache.drr(self.bone, camera, self.pose)


class Overlays:
    """Draws the overlay nodes of all radiographs. They live in this session only: made again by the next update."""

    def __init__(self) -> None:
        self._outlines: dict[tuple[str, int], Any] = {}
        self._drrs: dict[str, Any] = {}

    def update(self, parameters: Any, bones: list[DrawnBone], width: int) -> None:
        """Draw for every radiograph in use, with ``width`` pixels along a bone; the first bone is the one judged.

        Raises:
            InputError: A bone or a radiograph cannot be used.
        """
        corners = [each.corners() for each in bones]
        used = {node.GetID() for node in radiographs.usedRadiographNodes()}
        with slicer.util.RenderBlocker():
            for node in radiographs.radiographNodes():
                mode = parameters.overlayMode if node.GetID() in used else ""
                outlined = len(bones) if mode == OVERLAY_OUTLINE else 0
                self._hideOutlines(node, outlined)
                for number in range(outlined):
                    camera = nearCamera(radiographs.cameraFromNode(node), corners[number], width)
                    self._updateOutline(node, number, camera, bones[number], parameters)
                near = mode == OVERLAY_DRR
                camera = nearCamera(radiographs.cameraFromNode(node), corners[0], width) if near else None
                if camera is not None:
                    self._drawDrr(node, bones[0].drr(camera), camera, parameters)
                else:
                    self._hideDrr(node)

    def clear(self) -> None:
        """Remove every overlay node of the scene."""
        for node in radiographs.radiographNodes():
            self._hideBoth(node)
        for each in [*self._outlines.values(), *self._drrs.values()]:
            if slicer.mrmlScene.IsNodePresent(each):
                slicer.mrmlScene.RemoveNode(each)
        self._outlines, self._drrs = {}, {}

    def hideAll(self) -> None:
        """Hide what is drawn (nothing to draw any more)."""
        for node in radiographs.radiographNodes():
            self._hideBoth(node)

    def outlineOf(self, node: Any, number: int = 0) -> Any:
        """The outline model of a bone (0: the first) in a radiograph, or None."""
        return _present(self._outlines.get((node.GetID(), number)))

    def drrOf(self, node: Any) -> Any:
        """The DRR volume of a radiograph, or None."""
        return _present(self._drrs.get(node.GetID()))

    # ---- outline -------------------------------------------------------------------------------------------------

    def _updateOutline(
        self, node: Any, number: int, camera: XRayCamera | None, bone: DrawnBone, parameters: Any
    ) -> None:
        from XRayTo3DLib.projection.contours import drr_outline

        model = self.outlineOf(node, number)
        if camera is None:
            if model is not None:
                model.GetDisplayNode().SetVisibility(False)
            return
        if model is None:
            model = newOutline(node, FURTHER_COLOUR if number else OUTLINE_COLOUR)
            self._outlines[node.GetID(), number] = model
        image = bone.drr(camera)
        brightest = float(image.max())
        lines = drr_outline(image, OUTLINE_SHARE * brightest) if brightest > 0 else []
        model.SetAndObservePolyData(polylines([camera.pixel_to_world(line) for line in lines]))
        _showOutline(model, node, parameters)

    def _hideOutlines(self, node: Any, first: int = 0) -> None:
        """Of the bones from number ``first`` on."""
        for identifier, number in self._outlines:
            model = self.outlineOf(node, number) if identifier == node.GetID() and number >= first else None
            if model is not None:
                model.GetDisplayNode().SetVisibility(False)

    # ---- DRR -----------------------------------------------------------------------------------------------------

    def _drawDrr(self, node: Any, image: np.ndarray, camera: XRayCamera, parameters: Any) -> None:
        volume = self.drrOf(node)
        if volume is None:
            volume = self._drrs[node.GetID()] = _newDrr(node)
        slicer.util.updateVolumeFromArray(volume, image[None].astype(np.float32))
        mrml.setIjkToLps(volume, camera.detector_to_world)
        brightest = max(float(image.max()), 1e-3)
        display = volume.GetDisplayNode()
        display.SetWindowLevelMinMax(0.0, brightest)
        display.SetThreshold(OUTLINE_SHARE / 2 * brightest, brightest)
        composite = compositeOf(node)
        if composite is not None:
            composite.SetForegroundVolumeID(volume.GetID())
            composite.SetForegroundOpacity(parameters.overlayOpacity)

    def _hideDrr(self, node: Any) -> None:
        """Take the DRR, or one that was not saved with the scene, out of the view; a person's own foreground stays."""
        composite = compositeOf(node)
        shown = composite.GetForegroundVolumeID() if composite is not None else None
        if shown and slicer.mrmlScene.GetNodeByID(shown) in (None, self.drrOf(node)):
            composite.SetForegroundVolumeID(None)

    def _hideBoth(self, node: Any) -> None:
        self._hideDrr(node)
        self._hideOutlines(node)


def nearCamera(camera: XRayCamera, points: np.ndarray, width: int) -> XRayCamera | None:
    """The part of a detector that can see a bone, with at most ``width`` pixels along its longer side.

    Args:
        camera: Of the whole radiograph.
        points: (N, 3) in the world, LPS mm: the bone's, or the corners of its box.
        width: Pixels.
    """
    pixels = camera.project(points)
    if np.isnan(pixels).any():
        return None
    low = np.maximum(np.floor(pixels.min(axis=0)), 0).astype(int)
    high = np.minimum(np.ceil(pixels.max(axis=0)) + 1, camera.size).astype(int)
    if np.any(high - low < 2):
        return None
    size = high - low
    near = camera.cropped(*low.tolist(), *size.tolist())
    smaller = np.maximum(2, np.round(size * min(1.0, width / size.max()))).astype(int)
    return near.resampled((int(smaller[0]), int(smaller[1])))


def _present(node: Any) -> Any:
    return node if node is not None and slicer.mrmlScene.IsNodePresent(node) else None


def polylines(lines: list[np.ndarray]) -> vtk.vtkPolyData:
    """Lines of (n, 3) points, LPS mm, as RAS for a model node."""
    points, cells = vtk.vtkPoints(), vtk.vtkCellArray()
    for line in lines:
        ids = [points.InsertNextPoint(position) for position in mrml.rasFromLps(line)]
        cells.InsertNextCell(len(ids))
        for each in ids:
            cells.InsertCellPoint(each)
    result = vtk.vtkPolyData()
    result.SetPoints(points)
    result.SetLines(cells)
    return result


def newOutline(node: Any, colour: tuple[float, float, float]) -> Any:
    """A model for outlines on a radiograph, for the eye only: in no selector, not saved, shown nowhere yet."""
    model = _hiddenNode("vtkMRMLModelNode", f"{node.GetName()} outline")
    model.CreateDefaultDisplayNodes()
    display = model.GetDisplayNode()
    display.SetSaveWithScene(False)
    display.SetColor(*colour)
    display.SetLineWidth(2)
    display.SetLighting(False)
    display.SetVisibility2D(True)
    display.SetSliceDisplayModeToProjection()
    display.SetSliceIntersectionThickness(2)
    return model


def _showOutline(model: Any, node: Any, parameters: Any) -> None:
    """In the radiograph's own view, and in 3D where that is wanted."""
    views = [layouts.sliceNode(radiographs.viewLetter(node))]
    if parameters.overlayIn3D:
        views += slicer.util.getNodesByClass("vtkMRMLViewNode")
    ids = [view.GetID() for view in views if view is not None]
    display = model.GetDisplayNode()
    if list(display.GetViewNodeIDs() or ()) != ids:
        display.SetViewNodeIDs(ids)
    opacity = min(1.0, 2 * parameters.overlayOpacity)  # half is right for a DRR, too faint for a line
    display.SetOpacity(opacity)
    display.SetSliceIntersectionOpacity(opacity)
    display.SetVisibility(bool(ids))  # an empty list of views would mean: every view


def _newDrr(node: Any) -> Any:
    volume = _hiddenNode("vtkMRMLScalarVolumeNode", f"{node.GetName()} DRR")
    volume.CreateDefaultDisplayNodes()
    display = volume.GetDisplayNode()
    display.SetSaveWithScene(False)
    display.SetAutoWindowLevel(False)
    display.SetAutoThreshold(False)
    display.SetApplyThreshold(True)
    display.SetAndObserveColorNodeID(_drrColours(node).GetID())
    return volume


def _drrColours(node: Any) -> Any:
    """Black to the view's colour: a DRR over a grey radiograph must be told from it."""
    name = f"{DRR_TABLE} {radiographs.viewLetter(node)}"
    table = slicer.mrmlScene.GetFirstNodeByName(name)
    if table is None:
        table = _hiddenNode("vtkMRMLColorTableNode", name)
        table.SetTypeToUser()
        table.SetNumberOfColors(256)
        colour = np.array(radiographs.colourOf(node))
        for index, share in enumerate(np.linspace(0, 1, 256)):
            table.SetColor(index, *(share * colour), 1.0)
        table.SetNamesFromColors()
    return table


def compositeOf(node: Any) -> Any:
    """Which volumes the view of a radiograph shows; None before the layout was first shown."""
    view = layouts.sliceNode(radiographs.viewLetter(node))
    logic = slicer.app.applicationLogic().GetSliceLogic(view) if view is not None else None
    return logic.GetSliceCompositeNode() if logic is not None else None


def _hiddenNode(className: str, name: str) -> Any:
    """A node for the eye only: in no selector, not saved."""
    node = slicer.mrmlScene.CreateNodeByClass(className)
    node.UnRegister(None)
    node.SetName(name)
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    return slicer.mrmlScene.AddNode(node)
