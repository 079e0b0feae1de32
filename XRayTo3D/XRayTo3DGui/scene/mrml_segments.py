"""A CT with its whole segmentation: which voxels belong to the bones that move, and which to others."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
import slicer
import vtk

from XRayTo3DGui.scene import mrml
from XRayTo3DLib.imaging.types import CtVolume

TAKEN = "surroundings"
"""What the library calls the rest of the CT among the bodies it registers."""


def ctWithSegments(volumeNode: Any, labelNode: Any, segmentIds: list[str], values: str = "auto") -> CtVolume:
    """The CT of a volume node in its own coordinates, with everything that is segmented in it.

    Args:
        volumeNode: Scalar volume.
        labelNode: Segmentation or label map node.
        segmentIds: Segments that become labels 1, 2 ... with their names; where they overlap, the first one counts.
        values: ``auto``, ``hu`` or ``offset1024``: what the voxels hold.

    Raises:
        InputError: Nothing in the volume, a radiograph in place of a CT, or no such segment.
    """
    mrml.requireCt(volumeNode)
    everything = _allLabels(labelNode, volumeNode).astype(np.int32)
    labels = np.where(everything > 0, everything + len(segmentIds), 0)
    for number, segmentId in reversed(list(enumerate(segmentIds, start=1))):
        labels[mrml.filledMask(labelNode, segmentId, volumeNode)] = number
    numbers = {name: number for number, name in enumerate(segmentNames(labelNode, segmentIds), start=1)}
    return mrml.makeCt(volumeNode, values, labels, numbers)


def segmentNames(labelNode: Any, segmentIds: list[str]) -> list[str]:
    """Their names, with a number after those that came before (whatever their case, as the library reads them)."""
    unique: list[str] = []
    for segmentId in segmentIds:
        name = mrml.segmentName(labelNode, segmentId).strip() or segmentId
        taken = {TAKEN, *(each.lower() for each in unique)}
        numbered = (name if number == 1 else f"{name} {number}" for number in count(1))
        unique.append(next(each for each in numbered if each.lower() not in taken))
    return unique


def _allLabels(labelNode: Any, volumeNode: Any) -> np.ndarray:
    """(slices, rows, columns) on the volume's grid: every segment or label with a number of its own, 0 elsewhere."""
    if not labelNode.IsA("vtkMRMLSegmentationNode"):
        return slicer.util.arrayFromVolume(labelNode)
    segmentIds = vtk.vtkStringArray()
    labelNode.GetSegmentation().GetSegmentIDs(segmentIds)
    made = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "__temp__")
    try:  # all at once: one segment after another takes minutes where there are a hundred
        slicer.modules.segmentations.logic().ExportSegmentsToLabelmapNode(labelNode, segmentIds, made, volumeNode)
        return slicer.util.arrayFromVolume(made).copy()
    finally:
        if made.GetDisplayNode():
            slicer.mrmlScene.RemoveNode(made.GetDisplayNode().GetColorNode())
        slicer.mrmlScene.RemoveNode(made)
