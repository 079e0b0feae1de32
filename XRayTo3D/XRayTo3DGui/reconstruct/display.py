"""How a reconstruction is looked at: which one is shown, computed radiographs, colors of uncertainty."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from XRayTo3DGui.parameters import SHOWN_DRR, SHOWN_RESIDUAL
from XRayTo3DGui.reconstruct import nodes
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DGui.scene.overlays import compositeOf

RELIABLE_MM, RANGE_MM = 3.0, 4.0
"""Colors run to the first; from there to the second, and beyond, one color says: do not rely on it."""
COLOUR_ROLE = "XRayTo3D.Colors"
UNRELIABLE = (1.0, 0.25, 0.72)
SD_COLOURS = (
    (0.0, 0.25, 0.42, 0.80),
    (1.0, 0.16, 0.66, 0.68),
    (2.0, 0.52, 0.82, 0.36),
    (RELIABLE_MM, 0.99, 0.91, 0.14),
    (RELIABLE_MM + 1e-6, *UNRELIABLE),
    (RANGE_MM, *UNRELIABLE),
)
"""Blue to yellow, ever lighter, as the colour-blind see it too; bright enough to show the shape. Pink is not in it."""
RESIDUAL_COLOURS = ((-1.0, 0.13, 0.40, 0.85), (0.0, 0.0, 0.0, 0.0), (1.0, 0.95, 0.55, 0.10))
SEEN = "XRayTo3D.Seen"
"""Attribute of the reconstruction that was shown last: whoever hid its bones since, hid them on purpose."""
LEGEND_SIZE = (0.03, 0.4)


def showResult(parameters: Any, again: bool = True) -> None:
    """Show the chosen reconstruction as the parameters say, and hide the others.

    Args:
        parameters: The parameter node.
        again: Show bones too that somebody has hidden since this reconstruction was chosen; not where a scene was only
            opened, or the module entered: section 6 hides a bone under its color map.
    """
    chosen = parameters.reconstructResult
    with slicer.util.RenderBlocker():
        for result in nodes.resultNodes():
            if result is not chosen:
                _hide(result)
        _hidePictures(chosen, parameters)
        if chosen is not None:
            _showBones(chosen, parameters.reconstructColour, again or not chosen.GetAttribute(SEEN))
            chosen.SetAttribute(SEEN, "1")
            _showPictures(chosen, parameters)


def _hide(result: Any) -> None:
    result.SetAttribute(SEEN, None)
    for node in nodes.parts(result, nodes.BONE):
        node.GetDisplayNode().SetVisibility(False)
        _legendVisible(node, False)


# ---- bones -----------------------------------------------------------------------------------------------------------


def _showBones(result: Any, coloured: bool, visible: bool) -> None:
    """Every bone, one legend for all of them."""
    legend = True
    for bone in nodes.parts(result, nodes.BONE):
        known = bone.GetPolyData().GetPointData().HasArray(nodes.SD_ARRAY)
        display = bone.GetDisplayNode()
        with slicer.util.NodeModify(display):
            display.SetVisibility(visible or display.GetVisibility())
            display.SetScalarVisibility(bool(coloured and known))
            if coloured and known:
                display.SetAndObserveColorNodeID(_colours("sd", _("Standard deviation (mm)"), SD_COLOURS).GetID())
                display.SetActiveScalar(nodes.SD_ARRAY, vtk.vtkAssignAttribute.POINT_DATA)
                display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseManualScalarRange)
                display.SetScalarRange(0.0, RANGE_MM)
        if coloured and known and legend:
            _addLegend(bone)
            legend = False
        else:
            _legendVisible(bone, False)


def _addLegend(bone: Any) -> None:
    legend = slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(bone)
    legend.SetTitleText(_("SD (mm)"))
    legend.SetNumberOfLabels(5)
    legend.SetLabelFormat("%.0f")
    legend.SetMaxNumberOfColors(256)
    legend.SetSize(*LEGEND_SIZE)
    legend.SetVisibility(True)
    legend.SetVisibility2D(False)
    legend.GetLabelTextProperty().SetFontFamilyAsString("Arial")


def _legendVisible(node: Any, visible: bool) -> None:
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(node)
    if legend is not None:
        legend.SetVisibility(visible)


def _colours(role: str, name: str, points: tuple[tuple[float, ...], ...]) -> Any:
    """The module's color map of that role, made where missing; saved with the scene."""
    found = slicer.util.getNodesByClass("vtkMRMLProceduralColorNode")
    node = next((each for each in found if each.GetAttribute(COLOUR_ROLE) == role), None)
    if node is not None:
        return node
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLProceduralColorNode", name)
    node.SetAttribute(COLOUR_ROLE, role)
    node.SetAttribute("Category", "XRayTo3D")
    node.SetHideFromEditors(False)  # else it is not saved
    function = vtk.vtkColorTransferFunction()
    for point in points:
        function.AddRGBPoint(*point)
    node.SetAndObserveColorTransferFunction(function)
    return node


# ---- over the radiographs --------------------------------------------------------------------------------------------


def _showPictures(result: Any, parameters: Any) -> None:
    kind = {SHOWN_DRR: nodes.DRR, SHOWN_RESIDUAL: nodes.RESIDUAL}.get(parameters.reconstructOverlay)
    for picture in nodes.parts(result, nodes.PICTURE):
        if picture.GetAttribute(nodes.KIND) != kind:
            continue
        node = _radiographOf(picture)
        composite = compositeOf(node) if node is not None else None
        if composite is None:
            continue
        _stylePicture(picture, node)
        composite.SetForegroundVolumeID(picture.GetID())
        composite.SetForegroundOpacity(parameters.reconstructBlend)


def _stylePicture(picture: Any, node: Any) -> None:
    """A computed radiograph in the radiograph's own grey range; a difference in two hues about black."""
    display = picture.GetDisplayNode()
    values = slicer.util.arrayFromVolume(picture)
    display.SetAutoWindowLevel(False)
    if picture.GetAttribute(nodes.KIND) == nodes.DRR:
        display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
        low, high = float(values.min()), float(values.max())
    else:
        display.SetAndObserveColorNodeID(_colours("residual", _("Difference"), RESIDUAL_COLOURS).GetID())
        high = float(abs(values).max())
        low = -high
    display.SetWindowLevelMinMax(low, max(high, low + 1e-3))


def _hidePictures(chosen: Any, parameters: Any) -> None:
    """Take every reconstruction's picture out of the views; a person's own foreground stays."""
    kept = {SHOWN_DRR: nodes.DRR, SHOWN_RESIDUAL: nodes.RESIDUAL}.get(parameters.reconstructOverlay)
    for node in radiographs.radiographNodes():
        composite = compositeOf(node)
        identifier = composite.GetForegroundVolumeID() if composite is not None else None
        shown = slicer.mrmlScene.GetNodeByID(identifier) if identifier else None
        if shown is None or shown.GetAttribute(nodes.KIND) is None:
            continue
        if shown not in nodes.parts(chosen, nodes.PICTURE) or shown.GetAttribute(nodes.KIND) != kept:
            composite.SetForegroundVolumeID(None)


def _radiographOf(picture: Any) -> Any:
    letter = picture.GetAttribute(nodes.OF_VIEW)
    return next((each for each in radiographs.radiographNodes() if radiographs.viewLetter(each) == letter), None)
