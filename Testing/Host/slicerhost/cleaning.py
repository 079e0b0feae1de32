"""Between tests: an empty scene, the default layout, no messages; and what a test must not leave behind."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtCore
from shiboken6 import Shiboken

# Slicer's own nodes that Clear() leaves or makes anew.
KEPT_CLASSES = {
    "vtkMRMLSubjectHierarchyNode",
    "vtkMRMLSliceDisplayNode",
}
ORIENTATIONS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}


def reset(app: Any) -> None:
    """Close the scene and restore the start state."""
    if _own_nodes(app):
        app.mrmlScene().Clear(False)
    layout = app.layoutManager().layoutLogic().GetLayoutNode()
    app.layoutManager().setLayout(layout.SlicerLayoutFourUpView)
    interaction = app.applicationLogic().GetInteractionNode()
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)
    _reset_views(app.layoutManager())
    slicer.util._messageDisplay.clear()
    slicer.dicomDatabase.initializeDatabase()
    app.settings().clear()
    app.processEvents()
    app.vtk_errors.take()


def _reset_views(manager: Any) -> None:
    for name in manager.sliceViewNames():
        node = manager.sliceWidget(name).mrmlSliceNode()
        node.SetSliceVisible(False)
        # An oblique view left by one test would be saved as "Reformat", which MRML then refuses to read, by another.
        if name in ORIENTATIONS:
            node.SetOrientation(ORIENTATIONS[name])


def leftovers(app: Any) -> list[str]:
    """Sentences about what remains after the scene was cleared."""
    problems = []
    if not app.is_clean():
        problems.append("rendering is still paused or slicer.mrmlScene was replaced")
        while not app.is_clean():
            app.resumeRender()
    delete_widgets(app)
    app.mrmlScene().Clear(False)
    app.processEvents()
    leaked = _own_nodes(app)
    if leaked:
        problems.append(f"nodes left after the scene was cleared: {', '.join(leaked)}")
    return problems


def delete_widgets(app: Any) -> None:
    """Delete all windows and parentless widgets: their connections would keep them, observing the scene, for ever."""
    for widget in app.topLevelWidgets():
        if Shiboken.isValid(widget):
            Shiboken.delete(widget)
    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.DeferredDelete)


def _own_nodes(app: Any) -> list[str]:
    """IDs of the nodes that are not Slicer's own."""
    scene = app.mrmlScene()
    nodes = (scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes()))
    return [node.GetID() for node in nodes if not node.GetSingletonTag() and not _is_slicers(node)]


def _is_slicers(node: Any) -> bool:
    if node.GetClassName() in KEPT_CLASSES:
        return True
    return slicer.vtkMRMLSliceLogic.IsSliceModelNode(node) or _is_slice_transform(node)


def _is_slice_transform(node: Any) -> bool:
    logics = slicer.app.applicationLogic().GetSliceLogics()
    every = (logics.GetItemAsObject(index) for index in range(logics.GetNumberOfItems()))
    return any(logic.GetSliceModelTransformNode() is node for logic in every)
