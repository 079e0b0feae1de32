"""Everything of a case in one subject hierarchy folder."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.scene.mrml_radiographs import BEAM, LANDMARKS, ORIGIN
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
    for role in (SOURCE, BEAM, LANDMARKS, ORIGIN):
        each = node.GetNodeReference(role)
        if each is not None:
            fileNode(each, caseName, geometry=role in (SOURCE, BEAM))


def fileIn(node: Any, caseName: str, folderName: str) -> None:
    """Put a node into a folder of its own inside the case's."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, _child(hierarchy, caseFolder(caseName), folderName))


def fileBeside(node: Any, other: Any, folderName: str = "") -> None:
    """Put a node into the folder that another one is in, or into a folder inside that."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item, beside = hierarchy.GetItemByDataNode(node), hierarchy.GetItemByDataNode(other)
    if item and beside:
        parent = hierarchy.GetItemParent(beside)
        hierarchy.SetItemParent(item, _child(hierarchy, parent, folderName) if folderName else parent)


def _child(hierarchy: Any, parent: int, name: str) -> int:
    item = hierarchy.GetItemChildWithName(parent, name)
    if item:
        return item
    made = hierarchy.CreateFolderItem(parent, name)
    hierarchy.SetItemExpanded(made, True)
    return made
