"""Points that a person places in a view: lists of named points still to be set, and Slicer's place mode."""

from __future__ import annotations

from typing import Any

import slicer
import vtk


def newList(name: str, colour: tuple[float, float, float]) -> Any:
    """An empty point list."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetSelectedColor(*colour)
    display.SetColor(*colour)
    display.SetGlyphScale(2.0)
    display.SetTextScale(3.0)
    return node


def addUnset(node: Any, names: list[str]) -> None:
    """Named points still to be placed, for those names that the list lacks."""
    for name in names:
        if node.GetControlPointIndexByLabel(name) < 0:
            index = node.AddControlPoint(vtk.vtkVector3d(0, 0, 0), name)
            node.UnsetNthControlPointPosition(index)


def placeNext(node: Any, name: str) -> bool:
    """The person's next click places that point, anew if it was; False where the list has no such point."""
    index = node.GetControlPointIndexByLabel(name)
    if index < 0:
        return False
    node.UnsetNthControlPointPosition(index)
    node.SetControlPointPlacementStartIndex(index)
    slicer.modules.markups.logic().SetActiveList(node)
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    interaction.SetPlaceModePersistence(0)
    interaction.SetCurrentInteractionMode(interaction.Place)
    return True
