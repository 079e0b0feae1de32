"""Registering from a script: the same parameters, nodes and steps as the panel's, waited for while Slicer goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.jobs import inThread, stepsInThread
from XRayTo3DGui.parameters import START_BY_LANDMARKS, START_BY_VIEW, START_EVERYWHERE, START_HERE
from XRayTo3DGui.registration import bone as bones
from XRayTo3DGui.registration import further, pose
from XRayTo3DGui.registration.landmarks import fitLandmarks
from XRayTo3DGui.registration.parts import partsReader
from XRayTo3DGui.registration.record import followedBy, newRecord
from XRayTo3DGui.registration.review import soundRecordOf, writeRecord
from XRayTo3DGui.registration.run import optionsOf
from XRayTo3DGui.registration.search import Search
from XRayTo3DGui.registration.start import poseByViews, setMark
from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose

STARTS = {"here": START_HERE, "views": START_BY_VIEW, "landmarks": START_BY_LANDMARKS, "everywhere": START_EVERYWHERE}


def choose(
    parameters: Any,
    ctVolume: Any,
    segmentation: Any = None,
    segments: Sequence[str] = (),
    used: Iterable[Any] | None = None,
    surroundings: bool = False,
) -> None:
    """Put what is to be registered into the parameter node, as a person would with the panel.

    Raises:
        InputError: No CT, or a segment that is not there.
    """
    mrml.requireCt(ctVolume)
    ids = segmentIds(segmentation, segments)
    given = None if used is None else list(used)
    if parameters.ctVolume is not ctVolume:
        parameters.ctVolume, parameters.poseTransform = ctVolume, ctVolume.GetParentTransformNode()
    parameters.segmentation = segmentation
    parameters.segmentId = ids[0] if ids else ""
    parameters.furtherSegments = json.dumps(ids[1:])
    parameters.drawRest = surroundings
    for node in radiographs.radiographNodes() if given is not None else []:
        node.SetAttribute(radiographs.USED, "1" if node in given else "0")


def segmentIds(segmentation: Any, segments: Sequence[str]) -> list[str]:
    """IDs of segments given by name or ID; raises an InputError where there is no such segment."""
    choices = mrml.segmentChoices(segmentation)
    ids = {
        **{name: identifier for identifier, name in choices},
        **{identifier: identifier for identifier, _n in choices},
    }
    wrong = [each for each in segments if each not in ids]
    if wrong:
        known = ", ".join(name for _identifier, name in choices) or _("none")
        raise InputError(_("There is no segment {name}; choose from: {known}.").format(name=wrong[0], known=known))
    return [ids[each] for each in segments]


def computed(work: Callable[[], Any]) -> Any:
    """What ``work`` returns, computed in a thread while Slicer goes on drawing."""
    return _waited(inThread(work))


def _waited(steps: Iterator[Any], onStep: Callable[[Any], None] = lambda _step: None) -> Any:
    newest = None
    for newest in steps:
        if newest is not None:
            onStep(newest)
        slicer.app.processEvents()
    return newest


def centre(parameters: Any) -> Any:
    """(3,) the chosen bone's centre in CT coordinates, LPS mm."""
    return computed(bones.BoneCache().work(bones.boneOf(parameters))).attenuation.centre_lps


def boneModels(parameters: Any) -> list[Any]:
    """Surfaces of all chosen bones as models under their poses; those made before are filled anew.

    Raises:
        InputError: No CT or an unusable segment, or the scene was closed meanwhile.
    """
    volume, chosen = parameters.ctVolume, further.bonesOf(parameters)
    surfaces = {name: computed(bones.surfaceWork(bone)) for name, bone in chosen.items()}
    if volume is None or not slicer.mrmlScene.IsNodePresent(volume):
        raise InputError(_("The CT was closed meanwhile."))
    node = pose.ensurePose(parameters)
    nodes = further.ensureTransforms(parameters)
    models = []
    for name, bone in chosen.items():
        under = nodes.get(name)
        before = parameters.boneModel if under is None else under.GetNodeReference(further.MODEL)
        model = bones.modelOf(bone, surfaces[name], before)
        model.SetAndObserveTransformNodeID((under or node).GetID())
        if under is None:
            parameters.boneModel = model
        else:
            under.SetNodeReferenceID(further.MODEL, model.GetID())
        models.append(model)
    return models


def placeByViews(parameters: Any, marks: dict[Any, Any] | None, bodyPart: str) -> Any:
    """The pose node, moved to where the views say; see ``XRayTo3DLogic.placeByView``."""
    for node, pixel in (marks or {}).items():
        setMark(node, pixel, parameters.caseName)
    return moveTo(parameters, poseByViews(centre(parameters), bodyPart))


def placeByLandmarks(parameters: Any) -> Any:
    """The pose node, moved to where the landmarks fit, and how far they miss on average, mm."""
    node = pose.ensurePose(parameters)
    fit = fitLandmarks(parameters.ctLandmarks, mrml.poseFromNode(node))
    return moveTo(parameters, fit.pose), float(np.nanmean(fit.residual_mm))


def moveTo(parameters: Any, newPose: RigidPose) -> Any:
    """Put the bone there; returns the pose node."""
    node = pose.ensurePose(parameters)
    mrml.setPose(node, newPose)
    return node


def register(parameters: Any, start: str, refine: bool, options: dict[str, Any], onStep: Callable[[Any], None]) -> Any:
    """Register what the parameter node has; returns the pose node. See ``XRayTo3DLogic.register``.

    Raises:
        InputError: Something cannot be used; the bone is back where it was.
    """
    if start not in STARTS:
        raise InputError(_("start is one of {starts}, not {start}.").format(starts=", ".join(STARTS), start=start))
    parts, settings = partsReader(parameters), replace(optionsOf(parameters), **options)
    pictures = [radiographs.radiographFromNode(node) for node in radiographs.usedRadiographNodes()]
    node = pose.ensurePose(parameters)
    before = mrml.poseFromNode(node)
    try:
        if start == "views":
            placeByViews(parameters, None, "")
        elif start == "landmarks":
            placeByLandmarks(parameters)
        found = _search(parameters, node, Search(parts, pictures, [], settings, refine), start, onStep)
    except BaseException:
        mrml.setPose(node, before)
        raise
    role, record = parameters.reviewerRole.strip(), soundRecordOf(node)
    known = [record[key] for key in ("pose_ct_to_world", "initial_ct_to_world")] if record is not None else []
    moved = record is not None and not any(np.allclose(before.matrix, each, atol=1e-4) for each in known)
    writeRecord(node, newRecord(found, followedBy(record, moved, role)))
    return node


def _search(parameters: Any, node: Any, search: Search, start: str, onStep: Callable[[Any], None]) -> dict[str, Any]:
    others = further.ensureTransforms(parameters)
    search.starts = [mrml.poseFromNode(each) for each in (node, *others.values())]
    search.everywhere = start == "everywhere"
    _waited(stepsInThread(search.steps), onStep)
    first, *rest = search.found.values()
    mrml.setPose(node, first.pose)
    for each, result in zip(others.values(), rest, strict=True):
        mrml.setPose(each, result.pose)  # after the first: they lie under its transform
    return search.found
