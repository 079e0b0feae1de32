"""Test people before the cameras of one geometry: their pictures, true shadows, and a lateral camera that is turned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from XRayTo3DLib.dataset.canonical_view import turned_camera
from XRayTo3DLib.evaluation.biplanar_figures import OutlinePicture, ViewPicture
from XRayTo3DLib.evaluation.experiment_case_figure import CasePicture
from XRayTo3DLib.evaluation.outline_measures import Mask, OutlineOutcome, fine_camera, outline_outcomes, shadow
from XRayTo3DLib.experiments.reconstruction import test_trials
from XRayTo3DLib.experiments.trials import INSIDE_MM, Judged, Trials
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.methods.data import DataConfiguration, Part, exposures_of, people_of
from XRayTo3DLib.methods.validation import grid_box

OBLIQUE_DEG = 45.0
"""The view that no method is shown: the first one, swung about z."""
LATERAL = ("LAT", "LL", "RL")


@dataclass(frozen=True, eq=False)
class AskedPeople:
    """Test people before the cameras of one geometry, with their true shadows.

    Attributes:
        data: The geometry.
        part: The people.
        trials: One exposure each.
        cameras: By view's name, per trial: fine pixels, reconstruction frame, mm.
        shadows: By view's name, per trial, by bone.
        shown: Names of the views that the methods see.
        synthetic: Whether they are made up.
    """

    data: DataConfiguration
    part: Part
    trials: Trials
    cameras: dict[str, list[XRayCamera]]
    shadows: dict[str, list[dict[str, Mask]]]
    shown: tuple[str, ...]
    synthetic: bool


def asked_people(data: DataConfiguration, seed: int) -> AskedPeople:
    """The test people before the cameras of one geometry."""
    people = people_of(data, Path())
    trials = test_trials(data, people.test, seed)
    assert trials.cameras is not None  # test_trials tells them
    names = (*data.views, f"{data.views[0]} turned {OBLIQUE_DEG:g}°")
    middle = np.array(data.grid.centre_mm)
    cameras: dict[str, list[XRayCamera]] = {name: [] for name in names}
    shadows: dict[str, list[dict[str, Mask]]] = {name: [] for name in names}
    for number, own in enumerate(trials.cameras):
        truth = trials.truth(number)
        for name, camera in zip(names, (*own, turned_camera(own[0], middle, OBLIQUE_DEG)), strict=True):
            fine = fine_camera(camera, middle)
            cameras[name].append(fine)
            shadows[name].append({bone: shadow(fine, mesh) for bone, mesh in truth.items()})
    return AskedPeople(data, people.test, trials, cameras, shadows, data.views, people.synthetic)


def outlines_of(name: str, judged: Judged, asked: AskedPeople) -> list[OutlineOutcome]:
    """Outlines of everybody in every view."""
    low, high = grid_box(asked.data.voxels)
    found = []
    for view, cameras in asked.cameras.items():
        for case, camera, truth in zip(asked.trials.cases, cameras, asked.shadows[view], strict=True):
            found += outline_outcomes(
                truth, judged.meshes[case.id], camera, (low + INSIDE_MM, high - INSIDE_MM), case=case.id,
                patient=case.patient, method=name, view=view, shown=view in asked.shown,
                empty=judged.missing[case.id], seconds=judged.seconds,
            )  # fmt: skip
    return found


def turned_trials(asked: AskedPeople, angles: Sequence[float], seed: int) -> list[tuple[float, Trials]]:
    """The same people, held the same, before a lateral camera that really is turned: every other one the other way."""
    if not angles:
        return []
    lateral = next(number for number, view in enumerate(asked.data.views) if view in LATERAL)
    exposures = exposures_of(asked.data, asked.part, seed)
    where = {case.id: number for number, case in enumerate(asked.part.cases)}
    found = []
    for angle in sorted({0.0, *map(float, angles)}):
        samples = []
        for number, (case, pose) in enumerate(zip(asked.trials.cases, asked.trials.poses, strict=True)):
            turns = np.zeros(len(asked.data.views))
            turns[lateral] = angle if number % 2 == 0 else -angle
            samples.append(exposures.exposed(where[case.id], [RigidPose(np.asarray(pose))], turns_deg=turns.tolist()))
        images = np.concatenate([sample.images.cpu().numpy() for sample in samples])
        cameras = [sample.cameras[0] for sample in samples]
        found.append((angle, replace(asked.trials, images=images, cameras=cameras)))
    return found


def picture_of(
    case: CasePicture, asked: AskedPeople, judged: Judged, outlines: Sequence[OutlineOutcome], seed: int
) -> OutlinePicture:
    """A person's pictures with the true and the reconstructed outlines."""
    number = [each.id for each in asked.trials.cases].index(case.case)
    where = [each.id for each in asked.part.cases].index(case.case)
    pose = RigidPose(np.asarray(asked.trials.poses[number]))
    swung = np.zeros(len(asked.data.views))
    swung[0] = OBLIQUE_DEG
    oblique = exposures_of(asked.data, asked.part, seed).exposed(where, [pose], turns_deg=swung.tolist())
    images = [*asked.trials.images[number], oblique.images[0, 0].cpu().numpy()]
    views = []
    for image, (name, cameras) in zip(images, asked.cameras.items(), strict=True):
        found = {bone: shadow(cameras[number], mesh) for bone, mesh in judged.meshes[case.case].items()}
        truth = asked.shadows[name][number]
        views.append(ViewPicture(name, name in asked.shown, image, truth, found))
    return OutlinePicture(case.title, case.case, views, [o for o in outlines if o.case == case.case])
