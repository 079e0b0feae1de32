"""Scene <-> library. The only place of the project that converts between LPS (library) and RAS (Slicer)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from XRayTo3DLib.errors import InputError, MissingInformationError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import LPS_TO_RAS, FloatArray, apply_matrix
from XRayTo3DLib.imaging.hounsfield import to_hounsfield
from XRayTo3DLib.imaging.scene_attributes import ROLE as ROLE
from XRayTo3DLib.imaging.scene_attributes import ROLE_RADIOGRAPH as ROLE_RADIOGRAPH
from XRayTo3DLib.imaging.scene_attributes import SYNTHETIC as SYNTHETIC
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.plain_words import impersonal

SYNTHETIC_MARK = " (synthetic)"


# ---- matrices and points ---------------------------------------------------------------------------------------------


def toNumpy(matrix: vtk.vtkMatrix4x4) -> FloatArray:
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def toVtk(matrix: Any) -> vtk.vtkMatrix4x4:
    result = vtk.vtkMatrix4x4()
    result.DeepCopy(np.asarray(matrix, dtype=np.float64).ravel().tolist())
    return result


def lpsFromRas(points: Any) -> FloatArray:
    """Points or vectors (..., 3); the same function takes LPS to RAS."""
    return np.asarray(points, dtype=np.float64) * np.diag(LPS_TO_RAS)[:3]


rasFromLps = lpsFromRas


def parentToWorld(node: Any) -> FloatArray:
    """(4, 4), RAS: the transforms above a node.

    Raises:
        InputError: One of them is not linear.
    """
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    matrix = vtk.vtkMatrix4x4()
    if not parent.GetMatrixTransformToWorld(matrix):
        raise InputError(
            _("{name} hangs under a transform that is not linear; use a linear one.").format(name=node.GetName())
        )
    return toNumpy(matrix)


def ijkToLps(volumeNode: Any, world: bool = False) -> FloatArray:
    """(4, 4) from (column, row, slice, 1) to LPS mm, in the volume's own coordinates or in the world's."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    ras = toNumpy(matrix)
    return LPS_TO_RAS @ (parentToWorld(volumeNode) @ ras if world else ras)


def setIjkToLps(volumeNode: Any, matrix: FloatArray) -> None:
    volumeNode.SetIJKToRASMatrix(toVtk(LPS_TO_RAS @ matrix))


def voxels(volumeNode: Any) -> np.ndarray:
    """(slices, rows, columns): a view of the node's voxels.

    Raises:
        InputError: It has none.
    """
    if volumeNode.GetImageData() is None:
        raise InputError(_("volume {volume} is empty; load it again.").format(volume=volumeNode.GetName()))
    return slicer.util.arrayFromVolume(volumeNode)


# ---- poses -----------------------------------------------------------------------------------------------------------


def poseFromNode(transformNode: Any) -> RigidPose:
    """The transform to world as CT-to-world, LPS.

    Raises:
        InputError: Not linear, or not rigid (scaled or mirrored).
    """
    matrix = vtk.vtkMatrix4x4()
    if not transformNode.GetMatrixTransformToWorld(matrix):
        raise InputError(
            _("{name} is not a linear transform; choose or create a linear one.").format(name=transformNode.GetName())
        )
    return RigidPose(LPS_TO_RAS @ toNumpy(matrix) @ LPS_TO_RAS)


def setPose(transformNode: Any, pose: RigidPose) -> None:
    """Make the node's transform to world the pose; transforms above it stay as they are."""
    world = LPS_TO_RAS @ pose.matrix @ LPS_TO_RAS
    transformNode.SetMatrixTransformToParent(toVtk(np.linalg.inv(parentToWorld(transformNode)) @ world))


def poseMatrixText(pose: RigidPose) -> str:
    """CT-to-world in RAS as one line, kept as a node attribute."""
    return " ".join(repr(float(value)) for value in (LPS_TO_RAS @ pose.matrix @ LPS_TO_RAS).ravel())


def poseFromText(text: str | None) -> RigidPose | None:
    if not text:
        return None
    return RigidPose(LPS_TO_RAS @ np.array([float(value) for value in text.split()]).reshape(4, 4) @ LPS_TO_RAS)


# ---- CT --------------------------------------------------------------------------------------------------------------


def ctFromNodes(volumeNode: Any, labelNode: Any = None, segmentId: str | None = None, values: str = "auto") -> CtVolume:
    """The CT of a volume node in its OWN coordinates (not through its parent transform).

    Args:
        volumeNode: Scalar volume.
        labelNode: Segmentation or label map node, or None.
        segmentId: The segment's ID, or the label's number as text; becomes label "bone", value 1. None or "": no label.
        values: ``auto``, ``hu`` or ``offset1024``: what the voxels hold.

    Raises:
        InputError: Nothing in the volume, a radiograph in place of a CT, or no such segment.
    """
    requireCt(volumeNode)
    if labelNode is None or not segmentId:
        return makeCt(volumeNode, values)
    return makeCt(volumeNode, values, filledMask(labelNode, segmentId, volumeNode).astype(np.uint8), {"bone": 1})


def requireCt(volumeNode: Any) -> None:
    """Raises an InputError where the node cannot be a CT."""
    name = volumeNode.GetName()
    if volumeNode.GetAttribute(ROLE) == ROLE_RADIOGRAPH:
        raise InputError(_("{name} is a radiograph; choose the CT volume.").format(name=name))
    if volumeNode.GetImageData() is None:
        raise InputError(_("volume {name} is empty; load the CT again.").format(name=name))


def makeCt(volumeNode: Any, values: str, labels: Any = None, names: dict[str, int] | None = None) -> CtVolume:
    """A volume node's voxels in Hounsfield units, with labels on its grid and their numbers by name."""
    return ctReader(volumeNode, values, lambda: labels, names)()


def ctReader(
    volumeNode: Any, values: str, labels: Callable[[], Any] = lambda: None, names: dict[str, int] | None = None
) -> Callable[[], CtVolume]:
    """:func:`makeCt` in two parts: the nodes are read now, the rest is done where it is called, in any thread.

    Args:
        volumeNode: Scalar volume.
        values: ``auto``, ``hu`` or ``offset1024``: what the voxels hold.
        labels: Gives the labels on its grid, without nodes.
        names: Their numbers by name.
    """
    requireCt(volumeNode)
    name, voxels, toLps = volumeNode.GetName(), slicer.util.arrayFromVolume(volumeNode), ijkToLps(volumeNode)
    synthetic = volumeNode.GetAttribute(SYNTHETIC) == "1"

    def make() -> CtVolume:
        found = labels()
        try:
            hu, notes = to_hounsfield(voxels, values, name)
        except MissingInformationError as error:
            raise InputError(
                _(
                    "{name} holds no air, so its values may be Hounsfield units or Hounsfield units + 1024; "
                    "say which under Advanced."
                ).format(name=name)
            ) from error
        return CtVolume(hu, toLps, found, names or {}, impersonal(name, "scan"), notes, synthetic)

    return make


def filledMask(labelNode: Any, segmentId: str, volumeNode: Any) -> np.ndarray:
    """:func:`labelMask`, which must not be empty."""
    mask = labelMask(labelNode, segmentId, volumeNode)
    if not mask.any():
        name = segmentName(labelNode, segmentId)
        raise InputError(
            _("{name} has no voxel inside {volume}; choose another segment.").format(
                name=name, volume=volumeNode.GetName()
            )
        )
    return mask


def labelMask(labelNode: Any, segmentId: str, volumeNode: Any) -> np.ndarray:
    """(slices, rows, columns) bool on the volume's grid."""
    if labelNode.IsA("vtkMRMLSegmentationNode"):
        requireSegment(labelNode, segmentId)
        return slicer.util.arrayFromSegmentBinaryLabelmap(labelNode, segmentId, volumeNode) != 0
    requireSameSize(labelNode, volumeNode)
    return slicer.util.arrayFromVolume(labelNode) == int(segmentId)


def requireSegment(labelNode: Any, segmentId: str) -> None:
    """Raises an InputError where the segmentation has no such segment."""
    if labelNode.GetSegmentation().GetSegment(segmentId) is None:
        raise InputError(
            _("segmentation {name} has no segment {segment}; choose one of its own.").format(
                name=labelNode.GetName(), segment=segmentId
            )
        )


def requireSameSize(labelNode: Any, volumeNode: Any) -> None:
    """Raises an InputError where a label map has not the volume's voxels."""
    if slicer.util.arrayFromVolume(labelNode).shape != slicer.util.arrayFromVolume(volumeNode).shape:
        raise InputError(
            _("label map {name} has another size than {volume}; resample it.").format(
                name=labelNode.GetName(), volume=volumeNode.GetName()
            )
        )


def segmentChoices(labelNode: Any) -> list[tuple[str, str]]:
    """(ID, name) of the segments of a segmentation, or of the labels of a label map."""
    if labelNode is None:
        return []
    if labelNode.IsA("vtkMRMLSegmentationNode"):
        segmentation = labelNode.GetSegmentation()
        ids = [segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments())]
        return [(each, segmentation.GetSegment(each).GetName()) for each in ids]
    if not labelNode.IsA("vtkMRMLLabelMapVolumeNode") or labelNode.GetImageData() is None:
        return []
    values = [int(value) for value in np.unique(slicer.util.arrayFromVolume(labelNode)) if value != 0]
    return [(str(value), f"label {value}") for value in values]


def segmentName(labelNode: Any, segmentId: str) -> str:
    return dict(segmentChoices(labelNode)).get(segmentId, segmentId)


def ctToScene(ct: CtVolume, boneNames: str = "bones") -> tuple[Any, Any]:
    """Volume node and, where the CT has labels, segmentation node (else None)."""
    mark = SYNTHETIC_MARK if ct.synthetic else ""
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"{ct.name}{mark}")
    setIjkToLps(volume, ct.voxel_to_lps)
    slicer.util.updateVolumeFromArray(volume, ct.hu.astype(np.int16))
    volume.SetAttribute(SYNTHETIC, "1" if ct.synthetic else "0")
    volume.SetDescription(" ".join(ct.notes))
    volume.CreateDefaultDisplayNodes()
    if ct.labels is None:
        return volume, None
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{ct.name} {boneNames}{mark}")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for name, value in ct.label_names.items():
        identifier = segmentation.GetSegmentation().AddEmptySegment(name, name)
        mask = (ct.labels == value).astype(np.uint8)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, identifier, volume)
    return volume, segmentation


# ---- surfaces and landmarks ------------------------------------------------------------------------------------------


def surfaceToScene(surface: vtk.vtkPolyData, name: str, modelNode: Any = None) -> Any:
    """A model node of a surface in LPS mm; ``modelNode`` is filled anew if given."""
    model = modelNode or slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode")
    model.SetName(name)
    model.SetAndObservePolyData(_shaded(_transformed(surface, LPS_TO_RAS)))
    model.CreateDefaultDisplayNodes()
    return model


def surfaceFromNode(modelNode: Any, world: bool = False) -> vtk.vtkPolyData:
    """A model's surface in LPS mm, in its own coordinates or in the world's."""
    return _transformed(modelNode.GetPolyData(), LPS_TO_RAS @ (parentToWorld(modelNode) if world else np.eye(4)))


def _shaded(surface: vtk.vtkPolyData) -> vtk.vtkPolyData:
    """With point normals: the display is smooth then. Points and triangles stay as they are."""
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputData(surface)
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.Update()
    return normals.GetOutput()


def _transformed(surface: vtk.vtkPolyData, matrix: FloatArray) -> vtk.vtkPolyData:
    transform = vtk.vtkTransform()
    transform.SetMatrix(toVtk(matrix))
    move = vtk.vtkTransformPolyDataFilter()
    move.SetTransform(transform)
    move.SetInputData(surface)
    move.Update()
    return move.GetOutput()


def landmarks(markupsNode: Any, world: bool = False) -> dict[str, FloatArray]:
    """Placed points (3,) LPS mm by label, in the list's own coordinates or the world's; unset points left out."""
    found: dict[str, FloatArray] = {}
    for index in range(markupsNode.GetNumberOfControlPoints() if markupsNode is not None else 0):
        if markupsNode.GetNthControlPointPositionStatus(index) == markupsNode.PositionDefined:
            position = [0.0] * 3
            read = markupsNode.GetNthControlPointPositionWorld if world else markupsNode.GetNthControlPointPosition
            read(index, position)
            found[markupsNode.GetNthControlPointLabel(index)] = lpsFromRas(position)
    return found


def worldFromCt(pose: RigidPose, pointLps: Any) -> FloatArray:
    """A CT point (3,) LPS in the world, as RAS: where the scene shows it."""
    return rasFromLps(apply_matrix(pose.matrix, pointLps))
