"""Everything of a case in one subject hierarchy folder."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.mrml_radiographs import BEAM, LANDMARKS
from XRayTo3DLib.imaging.scene_attributes import SOURCE


def caseFolder(caseName: str) -> int:
    """Item ID of the case's folder, made where missing."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    name = f"XRayTo3D – {caseName or _('case')}"
    return _child(hierarchy, hierarchy.GetSceneItemID(), name)


def fileNode(node: Any, caseName: str, geometry: bool = False) -> None:
    """Put a node into the case's folder, sources and beams into its subfolder."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder = caseFolder(caseName)
    if geometry:
        folder = _child(hierarchy, folder, _("X-ray geometry"))
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, folder)


def fileRadiograph(node: Any, caseName: str) -> None:
    """A radiograph with its source and beam."""
    fileNode(node, caseName)
    for role in (SOURCE, BEAM, LANDMARKS):
        each = node.GetNodeReference(role)
        if each is not None:
            fileNode(each, caseName, geometry=role != LANDMARKS)


def _child(hierarchy: Any, parent: int, name: str) -> int:
    item = hierarchy.GetItemChildWithName(parent, name)
    if item:
        return item
    made = hierarchy.CreateFolderItem(parent, name)
    hierarchy.SetItemExpanded(made, True)
    return made
