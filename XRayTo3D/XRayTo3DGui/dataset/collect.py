"""The scene's CT, bones and radiographs as a new case of a data set, with pose and review where they are registered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.dataset.browse import waiting
from XRayTo3DGui.parameters import CT_VALUES
from XRayTo3DGui.registration.review import soundRecordOf
from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DGui.scene.mrml_segments import ctWithSegmentsReader
from XRayTo3DLib.dataset.case_views import add_view, write_registration
from XRayTo3DLib.dataset.dataset_builder import add_case
from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetFolder, read_dataset_json
from XRayTo3DLib.dataset.turns import changing_list
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import safe_file_name, write_json
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.types import CtVolume, Radiograph

SAME_POSE = 1e-4


@dataclass
class SceneCase:
    """What is taken from the scene, before anything is written."""

    ct: CtVolume
    views: dict[str, Radiograph]
    pose: RigidPose | None = None
    record: dict[str, Any] | None = None
    registered: set[str] = field(default_factory=set)
    """Names of the views that the record is about."""


def sceneProblem(parameters: Any, bones: tuple[str, ...]) -> str:
    """What is missing to add the scene's case, empty when nothing is."""
    if parameters.ctVolume is None:
        return _("Choose the CT first")
    if parameters.segmentation is None:
        return _("Choose the CT's segmentation first")
    if not parameters.segmentation.IsA("vtkMRMLSegmentationNode"):
        return _("Choose a segmentation: a label map does not name its bones")
    names = {name.lower() for _identifier, name in mrml.segmentChoices(parameters.segmentation)}
    missing = [bone for bone in bones if bone.lower() not in names]
    text = _("No segment is called {bones}, as the data set's bones are: rename the segments")
    return text.format(bones=", ".join(missing)) if missing else ""


def sceneText(parameters: Any) -> str:
    """What would be added, in a sentence."""
    if parameters.ctVolume is None or parameters.segmentation is None:
        return ""
    nodes = radiographs.usedRadiographNodes()
    if not nodes:
        return _("Without radiographs: none is ticked in section 2.")
    names = ", ".join(viewNames(nodes))
    record, stale = _record(parameters)
    if record is None or stale:
        return _("With the radiographs {names}, not registered.").format(names=names)
    state = {"unreviewed": _("not reviewed yet")}.get(record["review"]["status"], record["review"]["status"])
    return _("With the radiographs {names}, registered, {state}.").format(names=names, state=state)


def viewNames(nodes: list[Any]) -> list[str]:
    """Folder names of views: their direction ("pa"), numbered where it comes again, else the view's letter."""
    wanted = [safe_file_name(node.GetAttribute("XRayTo3D.View") or radiographs.viewLetter(node)) for node in nodes]
    seen: Counter[str] = Counter()
    names = []
    for name in (each.lower() for each in wanted):
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


# ---- steps -----------------------------------------------------------------------------------------------------------


def addSteps(folder: Path | str, entry: CaseEntry, parameters: Any) -> Iterator[str]:
    """Steps that add the scene's case to a data set; nothing of the scene is changed.

    Args:
        folder: The data set.
        entry: Id (no patient data), person, split and side.
        parameters: The module's parameter node: CT, segmentation and pose are its.

    Yields:
        What is being done; last what was added.

    Raises:
        InputError: Something is missing, the id is taken, or a file cannot be written.
    """
    content = read_dataset_json(folder)
    problem = sceneProblem(parameters, tuple(content.get("labels", ())))
    if problem:
        raise InputError(problem + ".")
    case = yield from _taken(entry.id, parameters)
    refused = yield from waiting(lambda: _write(Path(folder), entry, case), writingText(entry.id))
    count = len(case.views) - len(refused)
    text = _("{id} added, with 1 radiograph.") if count == 1 else _("{id} added, with {count} radiographs.")
    text = text.format(id=entry.id, count=count)
    yield " ".join([text, *refused])


def writingText(caseId: str) -> str:
    """Said while files are written, which is not stopped half way."""
    return _("Writing {id}").format(id=caseId)


def _taken(caseId: str, parameters: Any) -> Generator[str, None, SceneCase]:
    """Everything from the scene, bone by bone and picture by picture."""
    doing = _("Reading the scene…")
    volume, segmentation = parameters.ctVolume, parameters.segmentation
    ids = [each for each, _name in mrml.segmentChoices(segmentation) if _drawn(segmentation, each)]
    read = ctWithSegmentsReader(volume, segmentation, ids, CT_VALUES[parameters.ctValues])
    yield doing
    ct = replace((yield from waiting(read, doing)), name=caseId)
    case, nodes = SceneCase(ct, {}), radiographs.usedRadiographNodes()
    for name, node in zip(viewNames(nodes), nodes, strict=True):
        case.views[name] = radiographs.radiographFromNode(node)
        yield doing
    poseNode = _poseNode(parameters)
    case.pose = mrml.poseFromNode(poseNode) if poseNode is not None else None
    record, stale = _record(parameters)
    if record is not None and not stale:
        case.record = record
        told = {view["name"] for view in record["views"]}
        own = {name for name, radiograph in case.views.items() if {radiograph.name, name} & told}
        case.registered = own or set(case.views)
    return case


def _drawn(segmentation: Any, identifier: str) -> bool:
    """Whether anything is in a segment; one without voxels is no bone."""
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    image = segmentation.GetSegmentation().GetSegment(identifier).GetRepresentation(name)
    return image is None or all(size > 0 for size in image.GetDimensions())


def _poseNode(parameters: Any) -> Any:
    return parameters.poseTransform or parameters.ctVolume.GetParentTransformNode()


def _record(parameters: Any) -> tuple[dict[str, Any] | None, bool]:
    """The registration on the pose, and whether the bone was moved since."""
    node = _poseNode(parameters)
    record = soundRecordOf(node)
    if record is None:
        return None, False
    return record, not np.allclose(mrml.poseFromNode(node).matrix, record["pose_ct_to_world"], atol=SAME_POSE)


# ---- writing, in a thread --------------------------------------------------------------------------------------------


def _write(folder: Path, entry: CaseEntry, case: SceneCase) -> list[str]:
    """The case's files; returns why views were refused, in sentences."""
    place = add_case(folder, entry, case.ct)
    if case.ct.synthetic or any(radiograph.synthetic for radiograph in case.views.values()):
        markSynthetic(folder)
    if case.pose is not None and case.record is None:
        case.pose.save(place / "initial.tfm")  # where a person put the bone is where a registration starts
    known, refused = DatasetFolder.open(folder).case(entry.id), []
    for name, radiograph in case.views.items():
        try:
            view = add_view(known, name, radiograph)
            if case.record is not None and name in case.registered:
                write_registration(view, case.record, RigidPose(np.array(case.record["pose_ct_to_world"])))
        except InputError as error:
            refused.append(str(error))
    return refused


def markSynthetic(folder: Path) -> None:
    """A data set with anything made up in it says so."""
    with changing_list(folder):
        content = read_dataset_json(folder)
        if not content.get("synthetic"):
            write_json(folder / "dataset.json", {**content, "synthetic": True})
