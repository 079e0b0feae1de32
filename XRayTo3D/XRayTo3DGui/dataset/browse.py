"""Open a case of a data set in the scene, in steps: files are read in a thread, nodes are made one by one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from XRayTo3DGui.dataset import listing
from XRayTo3DGui.dataset.open_case import CASE, LANDMARKS, VIEW, caseOf, chooseGroup, closeSteps, removeSteps
from XRayTo3DGui.jobs import inThread
from XRayTo3DGui.registration import further, pose
from XRayTo3DGui.registration.review import RECORD, REVIEW, VERDICT
from XRayTo3DGui.scene import folders, mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.dataset.case_views import FURTHER, CaseView
from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import LPS_TO_RAS
from XRayTo3DLib.imaging.ct_writer import segment_colour
from XRayTo3DLib.imaging.types import CtVolume, Radiograph

FOLLOWED_S = 0.15
"""Section 2 follows another CT a moment later, and forgets the pose of the one before: only then is ours set."""


def openCase(folder: Path | str, caseId: str, parameters: Any, view: str = "") -> None:
    """Open a case in the scene and wait for it; what is done of it, see :func:`openSteps`."""
    for _doing in openSteps(folder, caseId, parameters, view):
        slicer.app.processEvents()


def nextCase(folder: Path | str, parameters: Any) -> str:
    """Open the next case with a view to review and wait for it; returns its id, "" where nothing is to review."""
    said = ""
    for doing in nextSteps(folder, parameters):
        said = doing
        slicer.app.processEvents()
    return Path(parameters.caseFolder).name if said else ""


def nextSteps(folder: Path | str, parameters: Any, reader: listing.Listing | None = None) -> Iterator[str]:
    """Steps of :func:`nextCase`: looking for the case, then those of :func:`openSteps`; last "" where there is none."""
    yield from _neighbourSteps(folder, parameters, reader, listing.nextToReview)


def previousSteps(folder: Path | str, parameters: Any, reader: listing.Listing | None = None) -> Iterator[str]:
    """As :func:`nextSteps`, back to the registered case before the open one: to look again at what was judged."""
    yield from _neighbourSteps(folder, parameters, reader, listing.registeredBefore)


def _neighbourSteps(
    folder: Path | str,
    parameters: Any,
    reader: listing.Listing | None,
    choose: Callable[[list[listing.CaseRow], str], listing.CaseRow | None],
) -> Iterator[str]:
    about, reader, rows = listing.readAbout(folder), reader or listing.Listing(), []
    for row in reader.rowSteps(about):
        rows.append(row)
        yield _("Looking for the case…")
    opened = parameters.caseFolder
    here = Path(opened).name if opened and Path(opened).parent.parent == Path(folder) else ""
    found = choose(rows, here)
    if found is None:
        yield ""
        return
    yield from openSteps(folder, found.id, parameters)


def openSteps(folder: Path | str, caseId: str, parameters: Any, view: str = "") -> Iterator[str]:
    """Steps that put a case in the place of the one that is open: CT, bones, landmarks, radiographs, pose, record.

    All is read before anything of the scene is touched. Stopped later, what was added is taken away again.

    Args:
        folder: The data set.
        caseId: Of the case.
        parameters: The module's parameter node.
        view: Open the views that belong to this one; "" chooses those to review, else not registered, else the first.

    Yields:
        What is being done, in words.

    Raises:
        InputError: A file is missing or cannot be used.
    """
    case = caseOf(Path(folder).absolute() / "cases" / caseId)
    reading = _("Reading {id}…").format(id=caseId)
    content = yield from waiting(lambda: _read(case, view), reading)
    for _removed in closeSteps(parameters):
        yield reading
    added: list[Any] = []
    whole = False
    try:
        yield from _addNodes(content, added)
        parameters.ctVolume, parameters.segmentation = added[0], added[1]
        yield from _moment(FOLLOWED_S, reading)
        _setPose(content, parameters, added)
        parameters.caseFolder, parameters.caseName = str(case.folder), case.id
        _fileNodes(added, case.id)
        whole = True
        yield _("{id} is open.").format(id=caseId)
    finally:
        if not whole:
            list(removeSteps(added))


# ---- reading, in a thread --------------------------------------------------------------------------------------------


class CaseContent:
    """What is read of a case before the scene is touched."""

    def __init__(self, case: DatasetCase, ct: CtVolume, views: tuple[CaseView, ...], group: list[Radiograph]) -> None:
        self.case, self.ct, self.views, self.radiographs = case, ct, views, group
        self.record = views[0].registration() if views else None
        start = views[0].initial() if views and self.record is None else None
        own = case.folder / "initial.tfm"
        if start is None and self.record is None and own.exists():
            start = RigidPose.load(own)
        self.pose = RigidPose(np.array(self.record["pose_ct_to_world"])) if self.record is not None else start


def _read(case: DatasetCase, view: str) -> CaseContent:
    views = chooseGroup(case, view)
    return CaseContent(case, case.ct(), views, [each.radiograph() for each in views])


def waiting(work: Callable[[], Any], doing: str) -> Generator[str, None, Any]:
    """Steps of work in a thread, each telling ``doing``; what the work returned is returned."""
    told: Any = None
    for outcome in inThread(work):
        told = outcome
        yield doing
    return told


def _moment(seconds: float, doing: str) -> Iterator[str]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.005)
        yield doing


# ---- nodes -----------------------------------------------------------------------------------------------------------


def _addNodes(content: CaseContent, added: list[Any]) -> Iterator[str]:
    """CT, segmentation, landmarks, radiographs; ``added`` holds them in this order, the first two always."""
    case, ct, doing = content.case, content.ct, _("Showing {id}…").format(id=content.case.id)
    mark = mrml.SYNTHETIC_MARK if ct.synthetic or case.synthetic else ""
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"{case.id} CT{mark}")
    added.append(_of(volume, content))
    mrml.setIjkToLps(volume, ct.voxel_to_lps)
    slicer.util.updateVolumeFromArray(volume, (yield from waiting(lambda: ct.hu.astype(np.int16), doing)))
    volume.SetAttribute(mrml.SYNTHETIC, str(int(bool(mark))))
    volume.SetDescription(" ".join(ct.notes))
    yield doing
    volume.CreateDefaultDisplayNodes()
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{case.id} bones{mark}")
    added.append(_of(segmentation, content))
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    labels = yield from waiting(lambda: np.ascontiguousarray(ct.labels, np.int16), doing)
    _addSegments(segmentation, ct, labels, case.labels)
    yield doing
    if case.landmarks_path.exists():
        added.append(_of(slicer.util.loadMarkups(str(case.landmarks_path)), content))
        added[-1].SetName(_("{id} landmarks").format(id=case.id))
        added[-1].SetAttribute(LANDMARKS, "1")
    for view, radiograph in zip(content.views, content.radiographs, strict=True):
        yield doing
        node = radiographs.radiographToScene(replace(radiograph, name=f"{case.id} {view.name}"))
        node.SetAttribute(VIEW, view.name)
        added.append(_of(node, content))
    ours = [node for node in added if node.GetAttribute(VIEW)]
    for node in radiographs.radiographNodes():  # others of the scene are not this person's: they do not join in
        if ours and node not in ours:
            node.SetAttribute(radiographs.USED, "0")


def _addSegments(segmentation: Any, ct: CtVolume, labels: np.ndarray, bones: tuple[str, ...]) -> None:
    """All segments in one label map, as Slicer reads them from a file: masks of their own take as much memory each."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*labels.shape[::-1])
    image.SetImageToWorldMatrix(mrml.toVtk(LPS_TO_RAS @ ct.voxel_to_lps))
    image.GetPointData().SetScalars(numpy_to_vtk(labels.ravel(), deep=True, array_type=vtk.VTK_SHORT))
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    inside = segmentation.GetSegmentation()
    inside.SetSourceRepresentationName(name)
    for number, (bone, value) in enumerate(_bonesFirst(ct, bones)):
        segment = slicer.vtkSegment()
        segment.SetName(bone)
        segment.SetColor(*segment_colour(number))
        segment.SetLabelValue(value)
        segment.AddRepresentation(name, image)
        inside.AddSegment(segment, bone)


def _bonesFirst(ct: CtVolume, labels: tuple[str, ...]) -> list[tuple[str, int]]:
    """Labels of the CT, those that the data set is about first and in its order."""
    order = [label.lower() for label in labels]
    named = [(name, value) for name, value in ct.label_names.items() if value]
    return sorted(named, key=lambda item: order.index(item[0].lower()) if item[0].lower() in order else len(order))


def _of(node: Any, content: CaseContent) -> Any:
    node.SetAttribute(CASE, str(content.case.folder))
    return node


def _setPose(content: CaseContent, parameters: Any, added: list[Any]) -> None:
    """Bone, pose and, where it is registered, the record that section 2 shows."""
    segmentation = added[1].GetSegmentation()
    parameters.segmentation = added[1]
    if segmentation.GetNumberOfSegments():
        parameters.segmentId = segmentation.GetNthSegmentID(0)
    parameters.furtherSegments, parameters.poseTransform = "", None
    found = {each["bone"]: each for each in (content.record or {}).get(FURTHER, []) if each.get("bone")}
    known = {name: identifier for identifier, name in mrml.segmentChoices(added[1])}
    parameters.furtherSegments = json.dumps([known[bone] for bone in found if bone in known])
    node = _of(pose.ensurePose(parameters), content)
    added.append(node)
    for landmarks in (each for each in added if each.IsA("vtkMRMLMarkupsFiducialNode")):
        landmarks.SetAndObserveTransformNodeID(node.GetID())
    if content.pose is not None:
        mrml.setPose(node, content.pose)
    if content.record is None:
        return
    for name, transform in further.ensureTransforms(parameters).items():
        mrml.setPose(transform, RigidPose(np.array(found[name]["pose_ct_to_world"])))
    node.SetAttribute(RECORD, json.dumps(content.record))
    node.SetAttribute(VERDICT, content.record["verdict"])
    node.SetAttribute(REVIEW, content.record["review"]["status"])


def _fileNodes(added: list[Any], caseName: str) -> None:
    """Into the case's folder of the subject hierarchy."""
    for node in added:
        if node.GetAttribute(VIEW):
            folders.fileRadiograph(node, caseName)
        else:
            folders.fileNode(node, caseName)
