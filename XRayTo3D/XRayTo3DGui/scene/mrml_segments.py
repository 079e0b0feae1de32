"""A CT with its whole segmentation: which voxels belong to the bones that move, and which to others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from XRayTo3DGui.scene import mrml
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.types import CtVolume

SAME_GRID = 1e-4
"""Two grids are one where their matrices differ by no more, mm."""
TAKEN = "surroundings"
"""What the library calls the rest of the CT among the bodies it registers."""


@dataclass(frozen=True)
class _Layer:
    """Segments that share one label map on the volume's grid."""

    voxels: np.ndarray
    corner: tuple[int, int, int]
    """Of its first voxel in the volume: (slice, row, column)."""
    values: dict[str, int]
    """Label of each segment."""

    def spread(self, numbers: dict[str, int], everything: np.ndarray) -> None:
        """Write the segments' numbers where they are, over what is there."""
        here, there = [], []
        for corner, size, whole in zip(self.corner, self.voxels.shape, everything.shape, strict=True):
            here.append(slice(max(0, corner), max(0, min(whole, corner + size))))
            there.append(slice(max(0, -corner), max(0, min(size, whole - corner))))
        table = np.zeros(int(self.voxels.max(initial=0)) + 1, everything.dtype)
        for segmentId, number in numbers.items():
            if 0 < self.values[segmentId] < len(table):
                table[self.values[segmentId]] = number
        found = table[self.voxels[tuple(there)]]
        part = everything[tuple(here)]
        np.copyto(part, found, where=found > 0)


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
    return ctWithSegmentsReader(volumeNode, labelNode, segmentIds, values)()


def ctWithSegmentsReader(
    volumeNode: Any, labelNode: Any, segmentIds: list[str], values: str = "auto", others: bool = True
) -> Callable[[], CtVolume]:
    """:func:`ctWithSegments` in two parts: the nodes are read now, the rest is done where it is called, in any thread.

    Args:
        volumeNode: As there, and so are the next three.
        labelNode: Segmentation or label map node.
        segmentIds: Segments that become labels 1, 2 ...
        values: What the voxels hold.
        others: Whether what else is segmented becomes a label too.
    """
    mrml.requireCt(volumeNode)
    names = segmentNames(labelNode, segmentIds)
    numbers = {name: number for number, name in enumerate(names, start=1)}
    return mrml.ctReader(volumeNode, values, _reader(labelNode, segmentIds, volumeNode, others), numbers)


def _reader(labelNode: Any, segmentIds: list[str], volumeNode: Any, others: bool) -> Callable[[], np.ndarray]:
    """Gives (slices, rows, columns) int32: 1, 2 ... for those segments (the first counts), higher ones for others."""
    shape = slicer.util.arrayFromVolume(volumeNode).shape
    text = f"{{name}} has no voxel inside {volumeNode.GetName()}; choose another segment."
    empty = [text.format(name=mrml.segmentName(labelNode, each)) for each in segmentIds]
    if not labelNode.IsA("vtkMRMLSegmentationNode"):
        mrml.requireSameSize(labelNode, volumeNode)
        values = slicer.util.arrayFromVolume(labelNode)
        rest = values if others else np.zeros(shape, np.uint8)
        return lambda: _stacked(rest, [partial(_equal, values, int(each)) for each in segmentIds], empty)
    for each in segmentIds:
        mrml.requireSegment(labelNode, each)
    layers = _layersOn(labelNode, volumeNode)
    if layers is None:
        rest = _allLabels(labelNode, volumeNode) if others else np.zeros(shape, np.uint8)
        masks = [mrml.labelMask(labelNode, each, volumeNode) for each in segmentIds]
        return lambda: _stacked(rest, [partial(np.copy, mask) for mask in masks], empty)
    return partial(_fromLayers, layers, segmentIds, others, shape, empty)


def _equal(values: np.ndarray, number: int) -> np.ndarray:
    return values == number


def _stacked(rest: np.ndarray, masks: list[Callable[[], np.ndarray]], empty: list[str]) -> np.ndarray:
    """The masks numbered, over what else there is."""
    labels = np.where(rest > 0, rest.astype(np.int32) + len(masks), 0)
    for number, mask in reversed(list(enumerate(masks, start=1))):
        labels[mask()] = number
        _requireAny(labels, number, empty)
    return labels


def _fromLayers(
    layers: list[_Layer], segmentIds: list[str], others: bool, shape: tuple[int, ...], empty: list[str]
) -> np.ndarray:
    """The same from the segmentation's own label maps."""
    labels = np.zeros(shape, np.int32)
    rest = [each for layer in layers for each in layer.values if each not in segmentIds] if others else []
    numbers = {each: len(segmentIds) + number for number, each in enumerate(rest, start=1)}
    for layer in layers:
        layer.spread({each: numbers[each] for each in layer.values if each in numbers}, labels)
    for number, each in reversed(list(enumerate(segmentIds, start=1))):
        for layer in layers:
            if each in layer.values:
                layer.spread({each: number}, labels)
        _requireAny(labels, number, empty)
    return labels


def _requireAny(labels: np.ndarray, number: int, empty: list[str]) -> None:
    if not (labels == number).any():
        raise InputError(empty[number - 1])


def _layersOn(labelNode: Any, volumeNode: Any) -> list[_Layer] | None:
    """The segmentation's own label maps where they lie on the volume's grid, else None: it has to be resampled then.

    Slicer's export of one segment takes a third of a second on a large CT.
    """
    segmentation = labelNode.GetSegmentation()
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    moved = labelNode.GetParentTransformNode() is not volumeNode.GetParentTransformNode()
    if moved or segmentation.GetSourceRepresentationName() != name:
        return None
    toRas, own = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(toRas)
    layers: dict[int, _Layer] = {}
    for segmentId, _name in mrml.segmentChoices(labelNode):
        segment = segmentation.GetSegment(segmentId)
        image = segment.GetRepresentation(name)
        if image is None or image.GetPointData().GetScalars() is None:
            continue  # nothing drawn in it
        image.GetImageToWorldMatrix(own)
        if not np.allclose(mrml.toNumpy(own), mrml.toNumpy(toRas), atol=SAME_GRID):
            return None
        low = image.GetExtent()[::2]
        columns, rows, slices = image.GetDimensions()
        voxels = vtk_to_numpy(image.GetPointData().GetScalars())
        if not np.issubdtype(voxels.dtype, np.integer):
            return None
        key = voxels.__array_interface__["data"][0]
        if key not in layers:  # a copy: somebody may go on drawing
            layers[key] = _Layer(voxels.reshape(slices, rows, columns).copy(), (low[2], low[1], low[0]), {})
        layers[key].values[segmentId] = segment.GetLabelValue()
    return list(layers.values())


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
