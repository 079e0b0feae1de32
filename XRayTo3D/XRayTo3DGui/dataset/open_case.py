"""A case of a data set in the scene: what belongs to it, whether all of it is in the folder, how it leaves again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.registration import further
from XRayTo3DGui.registration.review import soundRecordOf
from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.dataset.case_views import SAME_POSE, TRUSTED, UNREGISTERED, CaseView, view_of, views_of
from XRayTo3DLib.dataset.dataset_folder import DatasetCase, DatasetFolder
from XRayTo3DLib.dataset.landmarks_file import write_landmarks
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.registration.result import Review

CASE, VIEW, LANDMARKS = "XRayTo3D.Case", "XRayTo3D.CaseView", "XRayTo3D.CaseLandmarks"
"""Attributes of nodes: the folder of the case they were read from; the view's name of radiographs; of landmarks."""
APART_DEG = 10.0
"""Beams closer than this are two exposures of one direction, as ``dataset register`` has it."""


def caseOf(folder: Path | str) -> DatasetCase:
    """The case in ``<data set>/cases/<id>``.

    Raises:
        InputError: No case of a data set.
    """
    folder = Path(folder)
    return DatasetFolder.open(folder.parent.parent).case(folder.name)


def shownViews(parameters: Any) -> dict[str, CaseView]:
    """The views of the open case that the scene shows, by the IDs of their radiographs; empty where none is open."""
    if not parameters.caseFolder or not Path(parameters.caseFolder).is_dir():
        return {}
    case, found = caseOf(parameters.caseFolder), {}
    for node in radiographs.radiographNodes():
        if node.GetAttribute(CASE) == parameters.caseFolder:
            found[node.GetID()] = view_of(case, node.GetAttribute(VIEW))
    return found


def viewGroups(case: DatasetCase) -> list[tuple[CaseView, ...]]:
    """Views of a case that belong into one scene: found in the same pose, or not registered and of other directions.

    Exposures of one direction show the person held differently each time: one pose is not theirs all.

    Raises:
        InputError: Files of a view that cannot be read.
    """
    groups: list[list[tuple[CaseView, Any, Any]]] = []
    for view in views_of(case):
        pose = view.pose()
        beam = None if pose is not None else XRayCamera.load(view.camera_path).view_direction
        fitting = [group for group in groups if all(_together(pose, beam, *other[1:]) for other in group)]
        free = [group for group in fitting if len(group) < radiographs.MOST_VIEWS]
        if not free:
            groups.append([])
            free = groups[-1:]
        free[0].append((view, pose, beam))
    return [tuple(view for view, _pose, _beam in group) for group in groups]


def _together(pose: Any, beam: Any, otherPose: Any, otherBeam: Any) -> bool:
    if pose is None or otherPose is None:
        return pose is otherPose and abs(float(beam @ otherBeam)) < np.cos(np.deg2rad(APART_DEG))
    return bool(np.allclose(pose.matrix, otherPose.matrix, atol=SAME_POSE))


def chooseGroup(case: DatasetCase, name: str = "") -> tuple[CaseView, ...]:
    """The views to open: with that one, else those to review, else not registered, else the first.

    Raises:
        InputError: No such view.
    """
    groups = viewGroups(case)
    if name:
        view_of(case, name)
        return next(group for group in groups if name.lower() in [view.name for view in group])
    for state in (Review.UNREVIEWED.value, UNREGISTERED):
        waiting = [group for group in groups if any(view.status == state for view in group)]
        if waiting:
            return waiting[0]
    return groups[0] if groups else ()


def groupText(group: tuple[CaseView, ...]) -> str:
    """Names and state of views that are opened together."""
    state = group[0].status
    words = {
        UNREGISTERED: _("not registered"),
        Review.UNREVIEWED.value: _("to review"),
        Review.REJECTED.value: _("rejected"),
    }
    text = _("accepted") if state in TRUSTED else words[state]
    return f"{', '.join(view.name for view in group)}: {text}"


def landmarksNode(parameters: Any) -> Any:
    """The landmarks of the open case in the scene, or None."""
    nodes = slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode") if parameters.caseFolder else []
    own = (node for node in nodes if node.GetAttribute(LANDMARKS))
    return next((node for node in own if node.GetAttribute(CASE) == parameters.caseFolder), None)


def saveLandmarks(parameters: Any) -> Path:
    """Write the open case's landmarks, as a person has moved them, into its folder; returns the file.

    Raises:
        InputError: No case with landmarks is open, or a point was taken away.
    """
    node = landmarksNode(parameters)
    if node is None:
        raise InputError(_("No case with landmarks is open: open one first."))
    case = caseOf(parameters.caseFolder)
    points, wanted = mrml.landmarks(node), list(case.landmarks()) if case.landmarks_path.exists() else []
    missing = [name for name in wanted if name not in points]
    if missing:
        raise InputError(_("The landmark {name} is not placed: place it anew.").format(name=missing[0]))
    return write_landmarks(points, case.landmarks_path, _("looked at in Slicer"), locked=False)


# ---- leaving ---------------------------------------------------------------------------------------------------------


def unsaved(parameters: Any) -> str:
    """What of the open case is in the scene only, in words; empty when the folder has it all."""
    node = parameters.poseTransform
    record = soundRecordOf(node) if node is not None and node.GetAttribute(CASE) == parameters.caseFolder else None
    if record is None:
        return ""
    for view in shownViews(parameters).values():
        try:
            kept = view.registration()
        except InputError:
            kept = None
        if kept is None or not np.allclose(kept["pose_ct_to_world"], record["pose_ct_to_world"], atol=SAME_POSE):
            return _("a registration")
        if kept["review"]["status"] != record["review"]["status"]:
            return _("a review")
    return ""


def closeCase(parameters: Any) -> None:
    """Take the open case out of the scene, with all that was made for it there; the folder keeps its own."""
    for _removed in closeSteps(parameters):
        pass


def closeSteps(parameters: Any) -> Iterator[None]:
    """:func:`closeCase`, node by node: to take one out can cost as much as to put it in."""
    pose, made = parameters.poseTransform, []
    if pose is not None and pose.GetAttribute(CASE):
        moved = further.transforms(parameters)
        made = [*moved, *(node.GetNodeReference(further.MODEL) for node in moved)]
        made += [parameters.boneModel, parameters.ctLandmarks]
        parameters.furtherSegments = ""
    parameters.caseFolder = ""
    own = [node for node in slicer.util.getNodesByClass("vtkMRMLStorableNode") if node.GetAttribute(CASE)]
    yield from removeSteps([*(node for node in made if node is not None), *own])


def removeSteps(nodes: list[Any]) -> Iterator[None]:
    """Radiographs with source and beam; transforms last, when nothing hangs under them any more."""
    for node in sorted(nodes, key=lambda node: node.IsA("vtkMRMLTransformNode")):
        if node.GetScene() is None:
            continue
        if node in radiographs.radiographNodes():
            radiographs.removeRadiograph(node)
        else:
            slicer.mrmlScene.RemoveNode(node)
        yield
