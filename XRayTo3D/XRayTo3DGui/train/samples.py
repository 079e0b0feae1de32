"""What the method makes of validation people now: bones beside their truth in the scene, or a picture in the panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.scene import mrml
from XRayTo3DLib.files import safe_file_name
from XRayTo3DLib.training.samples import PICTURES, SampleFolder, samples_in

ROLE_SAMPLE = "TrainingSample"
OF_SAMPLE = "XRayTo3D.TrainingSampleOf"
"""Attribute of a model: person, bone, and whether it is the truth."""
TRUTH_COLOUR, FOUND_COLOURS = (0.95, 0.87, 0.72), ((0.10, 0.45, 0.75), (0.85, 0.40, 0.10), (0.20, 0.60, 0.35))
TRUTH_OPACITY = 0.45
GAP_MM = 20.0
"""Between two people, who stand beside each other."""


def sampleTitle(sample: SampleFolder) -> str:
    """How it is listed."""
    return _("Step {step}: {stage}").format(step=sample.step, stage=sample.stage)


def sampleOf(job: Path, step: int = 0) -> SampleFolder | None:
    """The sample of that step, the newest for 0; None where there is none."""
    found = samples_in(job)
    return next((each for each in found if each.step == step), None) if step else (found[-1] if found else None)


def noteOf(sample: SampleFolder) -> str:
    """What a person must know to judge it: lost bones, what it is made from, and where to look."""
    lines = []
    for person in sample.people:
        lost = [bone for bone in person["truth"] if bone not in person["found"]]
        if lost:
            text = _("{person}: nothing left of {bones}.")
            lines.append(text.format(person=person["person"], bones=", ".join(lost)))
    notes = {person["note"] for person in sample.people if person["note"]}
    titles = next((person["pictures"] for person in sample.people if person["pictures"]), [])
    if titles:
        lines.append(_("From left to right: {titles}.").format(titles=", ".join(titles)))
    if any(person["truth"] for person in sample.people):
        lines.append(_("Coloured: the model's bones; ivory: the truth. Validation people, one beside the other."))
    return " ".join([*lines, *sorted(notes)])


def picturesOf(sample: SampleFolder) -> list[Path]:
    """Picture files, one per person."""
    paths = [sample.path / person["folder"] / PICTURES for person in sample.people if person["pictures"]]
    return [path for path in paths if path.is_file()]


def show(sample: SampleFolder, synthetic: bool = False) -> list[Any]:
    """Bones of a sample as models, in place of those of the sample before; returns them."""
    from XRayTo3DLib.shape.meshes import transformed
    from XRayTo3DLib.shape.surfaces import read_surface

    kept, shown, aside = {node.GetAttribute(OF_SAMPLE): node for node in nodes()}, [], np.eye(4)
    with slicer.util.RenderBlocker():
        for person in sample.people:
            width = GAP_MM
            for bone, truth in [(each, True) for each in person["truth"]] + [(each, False) for each in person["found"]]:
                path = sample.path / person["folder"] / f"{safe_file_name(bone)}{'_truth' if truth else ''}.vtp"
                # Early in a training a bone may be a scrap: its size says nothing of units.
                surface = read_surface(path, what=bone, check_size=False)
                if truth:
                    width = max(width, float(np.ptp(surface.GetBounds()[:2])) + GAP_MM)
                node = kept.pop(_key(person, bone, truth), None)
                shown.append(_model(transformed(surface, aside), node, person, bone, truth, synthetic))
            aside[0, 3] -= width
        for node in kept.values():
            slicer.mrmlScene.RemoveNode(node)
    return shown


def nodes() -> list[Any]:
    """The models of the shown sample."""
    models = slicer.util.getNodesByClass("vtkMRMLModelNode")
    return [node for node in models if node.GetAttribute(mrml.ROLE) == ROLE_SAMPLE]


def remove() -> None:
    """Take the shown sample out of the scene."""
    for node in nodes():
        slicer.mrmlScene.RemoveNode(node)


def lookAt() -> None:
    """Turn to the bones once."""
    manager = slicer.app.layoutManager()
    widget = manager.threeDWidget(0) if manager is not None and manager.threeDViewCount else None
    if widget is not None:
        widget.threeDView().resetFocalPoint()
        widget.threeDView().resetCamera()


def _key(person: dict[str, Any], bone: str, truth: bool) -> str:
    return f"{person['folder']} {bone}{' truth' if truth else ''}"


def _model(surface: Any, node: Any, person: dict[str, Any], bone: str, truth: bool, synthetic: bool) -> Any:
    mark = mrml.SYNTHETIC_MARK if synthetic else ""
    name = _("{bone}, truth, {person}") if truth else _("{bone}, in training, {person}")
    model = mrml.surfaceToScene(surface, name.format(bone=bone, person=person["person"]) + mark, node)
    model.SetAttribute(mrml.ROLE, ROLE_SAMPLE)
    model.SetAttribute(mrml.SYNTHETIC, "1" if synthetic else "0")
    model.SetAttribute(OF_SAMPLE, _key(person, bone, truth))
    display = model.GetDisplayNode()
    index = person["truth"].index(bone) if bone in person["truth"] else 0
    display.SetColor(*(TRUTH_COLOUR if truth else FOUND_COLOURS[index % len(FOUND_COLOURS)]))
    display.SetOpacity(TRUTH_OPACITY if truth else 1.0)
    return model
