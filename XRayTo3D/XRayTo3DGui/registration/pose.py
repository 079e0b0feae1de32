"""The pose in the scene: the transform that CT, segmentation and bone model hang under, and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.jobs import Throttle
from XRayTo3DGui.scene import mrml
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray

QUIET_MILLISECONDS = 600
MOST_REMEMBERED = 100


def ensurePose(parameters: Any) -> Any:
    """The pose transform, made where missing; CT, segmentation, model and CT landmarks are put under it.

    A transform that the CT hangs under already is taken over, so that a registration opened again keeps its pose.
    """
    if parameters.ctVolume is None:
        return None
    if parameters.poseTransform is None:
        parameters.poseTransform = parameters.ctVolume.GetParentTransformNode() or _newPose(parameters.ctVolume)
    for node in (parameters.ctVolume, parameters.segmentation, parameters.boneModel, parameters.ctLandmarks):
        if node is not None and node.GetParentTransformNode() is not parameters.poseTransform:
            node.SetAndObserveTransformNodeID(parameters.poseTransform.GetID())
    return parameters.poseTransform


def _newPose(volume: Any) -> Any:
    name = slicer.mrmlScene.GenerateUniqueName(_("{ct} pose").format(ct=volume.GetName()))
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)


def turnedAndMoved(base: RigidPose, centre: Any, rotationRas: Any, translationRas: Any) -> RigidPose:
    """``base``, then turned by a rotation vector (degrees) about the bone's centre and moved (mm), world RAS axes."""
    motion = RigidPose.from_rotation(
        mrml.lpsFromRas(rotationRas), mrml.lpsFromRas(translationRas), centre=base.apply(centre)
    )
    return motion @ base


def nudged(
    base: RigidPose, centre: Any, camera: XRayCamera, *, right=0.0, down=0.0, away=0.0, turn=(0.0, 0.0, 0.0)
) -> RigidPose:
    """``base`` moved in the terms of one radiograph, about the bone's centre.

    Args:
        right: Towards increasing column, mm at the bone.
        down: Towards increasing row, mm at the bone.
        away: Along the ray through the bone's centre, away from the source, mm.
        turn: Rotation (degrees) about the column direction, the row direction and that ray.
    """
    where = base.apply(centre)
    ray = (where - camera.source) / np.linalg.norm(where - camera.source)
    shift = right * camera.column_direction + down * camera.row_direction + away * ray
    rotation = turn[0] * camera.column_direction + turn[1] * camera.row_direction + turn[2] * ray
    return RigidPose.from_rotation(rotation, shift, centre=where) @ base


def centredInBeams(base: RigidPose, centre: Any, cameras: list[XRayCamera]) -> RigidPose:
    """``base`` moved so that the bone's centre lies where the central rays meet (nearest point to all of them).

    With one view the place along the ray is not known; the point nearest to the world's origin is taken.
    """
    square, side = np.eye(3) * 1e-6, np.zeros(3)
    for camera in cameras:
        across = np.eye(3) - np.outer(camera.view_direction, camera.view_direction)
        square, side = square + across, side + across @ camera.source
    return RigidPose.from_rotation([0, 0, 0], np.linalg.solve(square, side) - base.apply(centre)) @ base


class PoseHistory:
    """Remembers poses a person may want back. A drag or a run of nudges counts as one change.

    Slicer's own undo is off by default; this one knows only the pose.
    """

    def __init__(self, onChange: Any = None) -> None:
        self._node: Any = None
        self._tag = 0
        self._settled: RigidPose | None = None
        self._past: list[RigidPose] = []
        self._quiet = Throttle(self._settle, QUIET_MILLISECONDS)
        self._onChange = onChange or (lambda: None)
        self.paused = False

    def follow(self, node: Any) -> None:
        """Follow another transform node (or none); the history of the last one is forgotten."""
        if node is self._node:
            return
        if self._node is not None:
            self._node.RemoveObserver(self._tag)
        self._quiet.stop()
        self._node, self._past = node, []
        self._settled = _poseOrNone(node)
        if node is not None:
            self._tag = node.AddObserver(slicer.vtkMRMLTransformNode.TransformModifiedEvent, self._onModified)
        self._onChange()

    @property
    def canUndo(self) -> bool:
        return bool(self._past) or self._quiet_wanted()

    def _quiet_wanted(self) -> bool:
        now = _poseOrNone(self._node)
        return now is not None and self._settled is not None and not _same(now, self._settled)

    def _onModified(self, _caller: Any, _event: str) -> None:
        if not self.paused:
            self._quiet.request()
            self._onChange()

    def _settle(self) -> None:
        """What is there now becomes the settled pose; the one before can be had back."""
        now = _poseOrNone(self._node)
        if now is None:
            return
        if self._settled is not None and not _same(now, self._settled):
            self._past = [*self._past, self._settled][-MOST_REMEMBERED:]
        self._settled = now
        self._onChange()

    def remember(self) -> None:
        """Make the present pose one that can be had back."""
        self._quiet.stop()
        self._settle()

    def undo(self) -> None:
        """Back to the pose before the last change."""
        self.remember()
        if self._past:
            pose = self._past.pop()
            self._settled = pose
            mrml.setPose(self._node, pose)
            self._quiet.stop()
            self._onChange()


def _poseOrNone(node: Any) -> RigidPose | None:
    """None where there is no node, or one that is not rigid (a person scaled it): such poses are not remembered."""
    try:
        return mrml.poseFromNode(node) if node is not None else None
    except ValueError:
        return None


def _same(first: RigidPose, second: RigidPose) -> bool:
    return bool(np.allclose(first.matrix, second.matrix, atol=1e-9))


def showHandles(parameters: Any, centre: FloatArray | None, visible: bool) -> None:
    """Slicer's interactive handles on the pose, about the bone's centre, without scaling."""
    node = parameters.poseTransform
    if node is None:
        return
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    if centre is not None:
        node.SetCenterOfTransformation(*mrml.rasFromLps(centre))
    display.SetEditorScalingEnabled(False)
    display.SetEditorSliceIntersectionVisibility(visible)
    display.SetEditorVisibility(visible)
