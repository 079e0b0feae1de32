"""Further bones that move by themselves: which ones, and a transform for each under the pose of the first."""

from __future__ import annotations

import json
from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.registration.bone import Bone, boneOf
from XRayTo3DGui.scene import folders, mrml
from XRayTo3DGui.scene.mrml_segments import segmentNames
from XRayTo3DLib.files.json_values import check_fields, parse_json
from XRayTo3DLib.geometry import RigidPose

SEGMENT, SEGMENTATION, MODEL = "XRayTo3D.Segment", "XRayTo3D.Segmentation", "XRayTo3D.Model"
BONE = "XRayTo3D.Bone"
"""Attribute and references of a further bone's transform."""


def chosen(parameters: Any) -> list[str]:
    """IDs of the ticked segments; without the first bone, and nothing where the whole CT moves."""
    labels = parameters.segmentation
    if labels is None or not parameters.segmentId:
        return []
    return [each for each in _ticked(parameters) if each != parameters.segmentId and _has(labels, each)]


def _has(labels: Any, segmentId: str) -> bool:
    """Without reading the voxels of a label map: this is asked at every move."""
    if labels.IsA("vtkMRMLSegmentationNode"):
        return labels.GetSegmentation().GetSegment(segmentId) is not None
    return segmentId.isdecimal()


def tick(parameters: Any, segmentId: str, wanted: bool) -> None:
    """Add a segment to those that are found too, or take it away."""
    others = [each for each in _ticked(parameters) if each != segmentId]
    parameters.furtherSegments = json.dumps([*others, segmentId] if wanted else others)


def _ticked(parameters: Any) -> list[str]:
    text = parameters.furtherSegments
    found = parse_json(text, _("segments that are found too")) if text else []
    check_fields(found, [str], _("segments that are found too"))
    return found


def bonesOf(parameters: Any) -> dict[str, Bone]:
    """All bones to find, by name, the first one first; names are unique."""
    ids = [parameters.segmentId, *chosen(parameters)]
    if not parameters.segmentId or parameters.segmentation is None:
        return {boneOf(parameters).name: boneOf(parameters)}
    names = segmentNames(parameters.segmentation, ids)
    return {name: boneOf(parameters, each) for name, each in zip(names, ids, strict=True)}


# ---- transforms ------------------------------------------------------------------------------------------------------


def transforms(parameters: Any) -> list[Any]:
    """The transforms of all further bones that have one, ticked or not."""
    labels, first = parameters.segmentation, parameters.poseTransform
    nodes = slicer.util.getNodesByClass("vtkMRMLLinearTransformNode") if labels is not None else []
    return [node for node in nodes if node.GetNodeReference(SEGMENTATION) is labels and node is not first]


def transformOf(parameters: Any, segmentId: str) -> Any:
    """The transform of a further bone, or None."""
    own = (node for node in transforms(parameters) if node.GetAttribute(SEGMENT) == segmentId)
    return next(own, None)


def ensureTransforms(parameters: Any) -> dict[str, Any]:
    """One for each ticked bone, by name. They lie under the pose: all bones follow where a person takes the first."""
    _first, *others = bonesOf(parameters).items()
    return {name: _ensureTransform(parameters, name, bone.segmentId) for name, bone in others}


def _ensureTransform(parameters: Any, bone: str, segmentId: str) -> Any:
    node = transformOf(parameters, segmentId)
    if node is None:
        name = slicer.mrmlScene.GenerateUniqueName(_("{bone} pose").format(bone=bone))
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
        node.SetAttribute(SEGMENT, segmentId)
        node.SetNodeReferenceID(SEGMENTATION, parameters.segmentation.GetID())
        folders.fileNode(node, parameters.caseName)
    node.SetAttribute(BONE, bone)
    node.SetAndObserveTransformNodeID(parameters.poseTransform.GetID())
    return node


def resetTransforms(parameters: Any) -> None:
    """Every further bone to its place in the CT, beside the first."""
    for node in transforms(parameters):
        mrml.setPose(node, mrml.poseFromNode(parameters.poseTransform))


def poses(parameters: Any, first: RigidPose) -> dict[str, RigidPose]:
    """CT-to-world of the ticked bones by segment ID: as their transforms have it, else that of the first bone."""
    nodes = {segmentId: transformOf(parameters, segmentId) for segmentId in chosen(parameters)}
    return {each: mrml.poseFromNode(node) if node is not None else first for each, node in nodes.items()}
