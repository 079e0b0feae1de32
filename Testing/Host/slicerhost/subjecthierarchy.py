"""Keeps a subject hierarchy item for each data node: Slicer's Qt plugin logic does it, slicer-core has none."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

SHOWN_CLASSES = ("vtkMRMLDisplayableNode", "vtkMRMLTableNode", "vtkMRMLPlotChartNode", "vtkMRMLTextNode")


class SubjectHierarchyObserver:
    """Adds and removes items as nodes come and go."""

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._on_added)
        scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._on_removed)
        scene.AddObserver(slicer.vtkMRMLScene.EndImportEvent, self._on_imported)

    def _on_added(self, _caller: Any, _event: str, node: Any) -> None:
        if not self._scene.IsImporting():
            self._add(node)

    def _on_removed(self, _caller: Any, _event: str, node: Any) -> None:
        if self._scene.IsClosing() or not _is_shown(node):
            return
        hierarchy = self._hierarchy()
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.RemoveItem(item, False, False)

    def _on_imported(self, _caller: Any, _event: str) -> None:
        for index in range(self._scene.GetNumberOfNodes()):
            self._add(self._scene.GetNthNode(index))

    _on_added.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]
    _on_removed.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]

    def _add(self, node: Any) -> None:
        if _is_shown(node):
            hierarchy = self._hierarchy()
            if not hierarchy.GetItemByDataNode(node):
                hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    def _hierarchy(self) -> Any:
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)


def _is_shown(node: Any) -> bool:
    return not node.GetHideFromEditors() and any(node.IsA(name) for name in SHOWN_CLASSES)
