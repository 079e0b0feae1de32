"""What can be compared: models, segments, labels and reconstructions of the scene, as named bones with surfaces."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from XRayTo3DGui.reconstruct import nodes as reconstructions
from XRayTo3DGui.scene import mrml
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import LPS_TO_RAS
from XRayTo3DLib.shape.meshes import points_of, transformed, triangulated

BINARY_LABELMAP = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
CLOSED_SURFACE = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
SEGMENTATION, LABELS = "vtkMRMLSegmentationNode", "vtkMRMLLabelMapVolumeNode"


@dataclass(frozen=True, eq=False)
class Bone:
    """One bone of the scene.

    Attributes:
        name: What it is called, for pairing and for people.
        node: A model, or the segmentation or label map that holds it.
        segmentId: The segment's ID or the label's number; "" for a model.
    """

    name: str
    node: Any
    segmentId: str = ""

    @property
    def isModel(self) -> bool:
        return not self.segmentId


@dataclass(frozen=True, eq=False)
class BonePair:
    """A reference and the result that is compared with it; the result is always a model."""

    reference: Bone
    result: Bone

    @property
    def name(self) -> str:
        return self.result.name


def otherBones(bones: list[Bone]) -> list[Any]:
    """The models of the reconstructions that these are of, but for these: a patella hides the femur."""
    own = [bone.node for bone in bones]
    wholes = [reconstructions.parts(result, reconstructions.BONE) for result in reconstructions.resultNodes()]
    return [node for whole in wholes if any(each in own for each in whole) for node in whole if node not in own]


def hasSegments(node: Any) -> bool:
    return node is not None and (node.IsA(SEGMENTATION) or node.IsA(LABELS))


def bonesOf(node: Any) -> list[Bone]:
    """The bones that a node holds: one of a model, all of a reconstruction, segmentation or label map."""
    if node is None:
        return []
    if hasSegments(node):
        return [Bone(name, node, identifier) for identifier, name in mrml.segmentChoices(node)]
    if node.IsA("vtkMRMLTextNode"):
        models = reconstructions.parts(node, reconstructions.BONE)
        return [Bone(_boneName(model), model) for model in models]
    return [Bone(_boneName(node), node)]


def _boneName(model: Any) -> str:
    return model.GetAttribute(reconstructions.BONE_NAME) or model.GetName()


# ---- pairs -----------------------------------------------------------------------------------------------------------


def pairsOf(reference: Any, segmentId: str, result: Any) -> tuple[list[BonePair], list[str]]:
    """Which bone is compared with which: by name, or with the chosen segment.

    Args:
        reference: Node with the true bones.
        segmentId: The one of its segments that is meant; "" for by name.
        result: Node with the bones to judge.

    Returns:
        The pairs, in the result's order, and the names of the result's bones that have no reference.
    """
    truths, judged = bonesOf(reference), bonesOf(result)
    if segmentId:
        truths = [bone for bone in truths if bone.segmentId == segmentId]
    if len(truths) == 1 and len(judged) == 1:  # whatever they are called
        return [BonePair(truths[0], judged[0])], []
    pairs, lonely = [], []
    for bone in judged:
        truth = _namesake(bone, truths)
        if truth is None:
            lonely.append(bone.name)
        else:
            pairs.append(BonePair(truth, bone))
    return pairs, lonely


def _namesake(bone: Bone, among: list[Bone]) -> Bone | None:
    """The bone of the same name; else the one with the longest name that is part of the other's."""
    name = _plain(bone.name)
    same = [each for each in among if _plain(each.name) == name]
    parts = [each for each in among if _plain(each.name) and (_plain(each.name) in name or name in _plain(each.name))]
    return same[0] if same else max(parts, key=lambda each: len(_plain(each.name)), default=None)


def _plain(name: str) -> str:
    """Without case, spaces, marks and the words that the module adds."""
    return re.sub(r"synthetic|reconstructed|reference|[^a-z0-9]", "", name.lower())


def missing(reference: Any, segmentId: str, result: Any) -> str:
    """What is still needed to measure, as one sentence; empty when it can start."""
    if reference is None:
        return _("Choose the reference: the true surface")
    if result is None:
        return _("Choose the result: the surface to judge")
    if reference is result:
        return _("Reference and result are the same: choose two")
    if not bonesOf(reference):
        return _("{name} has no segment: choose another reference").format(name=reference.GetName())
    if not bonesOf(result):
        return _("{name} has no bone any more: choose another result").format(name=result.GetName())
    if not pairsOf(reference, segmentId, result)[0]:
        return _("No bone of the reference is called like the result's: choose which one it is")
    return ""


# ---- surfaces --------------------------------------------------------------------------------------------------------


def surfaceOf(bone: Bone) -> Callable[[], vtk.vtkPolyData]:
    """Take a snapshot of a bone; the function that is returned makes the surface, and may be called in a thread.

    Returns:
        Triangles in the world, LPS mm, transforms applied. A segment's surface is closed where the CT ends.

    Raises:
        InputError: Nothing to measure in it.
    """
    if bone.isModel:
        return _meshSurface(bone.node.GetPolyData(), bone.node, bone.node.GetName())
    if bone.node.IsA(SEGMENTATION) and bone.node.GetSegmentation().GetSourceRepresentationName() == CLOSED_SURFACE:
        segment = bone.node.GetSegmentation().GetSegment(bone.segmentId)
        return _meshSurface(segment.GetRepresentation(CLOSED_SURFACE), bone.node, bone.name)
    return _segmentSurface(bone)


def _meshSurface(surface: Any, node: Any, name: str) -> Callable[[], vtk.vtkPolyData]:
    """Of triangles in RAS, in the coordinates of ``node``."""
    if surface is None or surface.GetNumberOfPolys() + surface.GetNumberOfStrips() == 0:
        raise InputError(_("{name} has no surface; choose a model with triangles.").format(name=name))
    copy, matrix = vtk.vtkPolyData(), LPS_TO_RAS @ mrml.parentToWorld(node)
    copy.DeepCopy(surface)

    def make() -> vtk.vtkPolyData:
        whole = transformed(triangulated(copy), matrix)
        if not np.isfinite(points_of(whole)).all():
            raise InputError(_("{name} has points that are not numbers; load it again.").format(name=name))
        return whole

    return make


def _segmentSurface(bone: Bone) -> Callable[[], vtk.vtkPolyData]:
    values, voxelToLps, label = _voxels(bone)
    name = bone.name

    def make() -> vtk.vtkPolyData:
        from XRayTo3DLib.shape.label_surface import surface_from_labels

        if not (values == label).any():
            raise InputError(_("Segment {name} is empty; choose another one.").format(name=name))
        return surface_from_labels(values, voxelToLps, label)

    return make


def _voxels(bone: Bone) -> tuple[np.ndarray, np.ndarray, int]:
    """Label values as the node stores them (a copy, cut to what it stores), where they lie, and the bone's value."""
    node = bone.node
    if node.IsA(LABELS):
        return slicer.util.arrayFromVolume(node).copy(), mrml.ijkToLps(node, world=True), int(bone.segmentId)
    segment = node.GetSegmentation().GetSegment(bone.segmentId)
    image = segment.GetRepresentation(BINARY_LABELMAP)
    if image is None:
        node.CreateBinaryLabelmapRepresentation()
        image = segment.GetRepresentation(BINARY_LABELMAP)
    if image is None or image.IsEmpty():
        raise InputError(_("Segment {name} is empty; choose another one.").format(name=bone.name))
    matrix, extent = vtk.vtkMatrix4x4(), image.GetExtent()
    image.GetImageToWorldMatrix(matrix)
    toRas = mrml.parentToWorld(node) @ mrml.toNumpy(matrix)
    start = np.eye(4)
    start[:3, 3] = extent[::2]
    values = slicer.util.arrayFromSegmentInternalBinaryLabelmap(node, bone.segmentId).copy()
    return values, LPS_TO_RAS @ toRas @ start, int(segment.GetLabelValue())


def isSynthetic(node: Any) -> bool:
    return node.GetAttribute(mrml.SYNTHETIC) == "1" or "synthetic" in node.GetName().lower()
