"""What is drawn over each radiograph, as nodes: the bones' outlines on the detector, or one picture in front of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

from XRayTo3DGui.parameters import OVERLAY_DIFFERENCE, OVERLAY_EDGES
from XRayTo3DGui.scene import layouts, mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DGui.scene.overlay_pictures import EDGE_LEAST, OUTLINE_SHARE, Drawing, Picture
from XRayTo3DGui.scene.overlay_pictures import nearCamera as nearCamera
from XRayTo3DLib.geometry.frames import FloatArray

OUTLINE_COLOUR, FURTHER_COLOUR = (1.0, 0.95, 0.2), (0.55, 1.0, 0.55)
TABLE = "XRayTo3D overlay"
DIFFERENCE_COLOURS = ((0.10, 0.45, 0.95), (0.0, 0.0, 0.0), (1.0, 0.60, 0.10))
"""Where the DRR is brighter, both alike, where the radiograph is brighter."""
DIFFERENCE_PERCENTILE = 99.0


class Overlays:
    """The overlay nodes of all radiographs. They live in this session only: made again by the next update."""

    def __init__(self) -> None:
        self._outlines: dict[tuple[str, int], Any] = {}
        self._drrs: dict[str, Any] = {}

    def show(self, drawing: Drawing, parameters: Any) -> None:
        """Show what was drawn, and hide what is older."""
        pictures = {picture.nodeId: picture for picture in drawing.pictures}
        with slicer.util.RenderBlocker():
            self._removeStrays()
            for node in radiographs.radiographNodes():
                picture = pictures.get(node.GetID(), Picture(""))
                for number, lines in enumerate(picture.lines):
                    self._updateOutline(node, number, lines, parameters)
                self._hideOutlines(node, len(picture.lines))
                if picture.image is not None:
                    self._drawPicture(node, picture, parameters)
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
        self._removeStrays()
        for node in radiographs.radiographNodes():
            self._hideBoth(node)

    def _removeStrays(self) -> None:
        """What was drawn over radiographs that have left the scene leaves it, too."""
        there = {node.GetID() for node in radiographs.radiographNodes()}
        removeStrays(self._outlines, lambda key: key[0] in there)
        removeStrays(self._drrs, lambda key: key in there)

    def outlineOf(self, node: Any, number: int = 0) -> Any:
        """The outline model of a bone (0: the first) in a radiograph, or None."""
        return _present(self._outlines.get((node.GetID(), number)))

    def drrOf(self, node: Any) -> Any:
        """The picture over a radiograph (DRR, edges or difference), or None."""
        return _present(self._drrs.get(node.GetID()))

    def shownOf(self, node: Any) -> Any:
        """What is drawn over a radiograph and seen: the first bone's outline, else the picture; None where nothing."""
        outline = self.outlineOf(node)
        if (
            outline is not None
            and outline.GetDisplayNode().GetVisibility()
            and outline.GetPolyData().GetNumberOfPoints()
        ):
            return outline
        composite, drr = compositeOf(node), self.drrOf(node)
        return drr if drr is not None and composite and composite.GetForegroundVolumeID() == drr.GetID() else None

    # ---- outline -------------------------------------------------------------------------------------------------

    def _updateOutline(self, node: Any, number: int, lines: list[FloatArray], parameters: Any) -> None:
        model = self.outlineOf(node, number)
        if model is None:
            model = newOutline(node, FURTHER_COLOUR if number else OUTLINE_COLOUR)
            self._outlines[node.GetID(), number] = model
        model.SetAndObservePolyData(polylines(lines))
        _showOutline(model, node, parameters)

    def _hideOutlines(self, node: Any, first: int = 0) -> None:
        """Of the bones from number ``first`` on."""
        for identifier, number in self._outlines:
            model = self.outlineOf(node, number) if identifier == node.GetID() and number >= first else None
            if model is not None:
                model.GetDisplayNode().SetVisibility(False)

    # ---- picture -------------------------------------------------------------------------------------------------

    def _drawPicture(self, node: Any, picture: Picture, parameters: Any) -> None:
        volume = self.drrOf(node)
        if volume is None:
            volume = self._drrs[node.GetID()] = _newDrr(node)
        image, camera = picture.image, picture.camera
        assert image is not None and camera is not None
        display = volume.GetDisplayNode()
        if parameters.overlayMode == OVERLAY_DIFFERENCE:
            known = np.abs(image[np.isfinite(image)])
            high = max(float(np.percentile(known, DIFFERENCE_PERCENTILE)) if known.size else 0.0, 1e-3)
            image = np.where(np.isfinite(image), np.clip(image, -high, high), -10 * high)
            shown, low, colours = (-high, high), -2 * high, _colours("difference", DIFFERENCE_COLOURS)
        else:
            high = max(float(image.max()), 1e-3)
            share = EDGE_LEAST if parameters.overlayMode == OVERLAY_EDGES else OUTLINE_SHARE / 2
            shown, low = (0.0, high), share * high
            colours = _colours(radiographs.viewLetter(node), ((0.0, 0.0, 0.0), radiographs.colourOf(node)))
        slicer.util.updateVolumeFromArray(volume, image[None].astype(np.float32))
        mrml.setIjkToLps(volume, camera.detector_to_world)
        display.SetAndObserveColorNodeID(colours.GetID())
        display.SetWindowLevelMinMax(*shown)
        display.SetThreshold(low, max(high, low))
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


def _present(node: Any) -> Any:
    return node if node is not None and slicer.mrmlScene.IsNodePresent(node) else None


def removeStrays(nodes: dict[Any, Any], stays: Callable[[Any], bool]) -> None:
    """Take the nodes whose key does not stay out of the scene, and out of ``nodes``."""
    for key in [each for each in nodes if not stays(each)]:
        node = nodes.pop(key)
        if slicer.mrmlScene.IsNodePresent(node):
            slicer.mrmlScene.RemoveNode(node)


def polylines(lines: list[np.ndarray]) -> vtk.vtkPolyData:
    """Lines of (n, 3) points, LPS mm, as RAS for a model node."""
    result, points, cells = vtk.vtkPolyData(), vtk.vtkPoints(), vtk.vtkCellArray()
    if lines:
        everything = np.concatenate(lines)
        points.SetData(numpy_to_vtk(np.ascontiguousarray(mrml.rasFromLps(everything)), deep=True))
        offsets = np.cumsum([0, *(len(line) for line in lines)]).astype(np.int64)
        connectivity = np.arange(len(everything), dtype=np.int64)
        cells.SetData(numpy_to_vtkIdTypeArray(offsets, deep=True), numpy_to_vtkIdTypeArray(connectivity, deep=True))
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
    opacity = min(1.0, 2 * parameters.overlayOpacity)  # half is right for a picture, too faint for a line
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
    return volume


def _colours(name: str, points: tuple[tuple[float, float, float], ...]) -> Any:
    """A table that goes evenly from one colour to the next; a DRR's differs from the radiograph's grey."""
    table = slicer.mrmlScene.GetFirstNodeByName(f"{TABLE} {name}")
    if table is None:
        table = _hiddenNode("vtkMRMLColorTableNode", f"{TABLE} {name}")
        table.SetTypeToUser()
        table.SetNumberOfColors(256)
        places, shares = np.linspace(0, 1, len(points)), np.linspace(0, 1, 256)
        parts = [np.interp(shares, places, part).tolist() for part in zip(*points, strict=True)]
        with slicer.util.NodeModify(table):  # told once, not for every colour
            for index, colour in enumerate(zip(*parts, strict=True)):
                table.SetColor(index, *colour, 1.0)
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
