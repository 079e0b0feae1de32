"""The tables of Kasten et al. 2020 on any data set, and what a truly turned lateral camera costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.canonical_view import turned_camera
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.biplanar_figures import OutlinePicture, ViewPicture
from XRayTo3DLib.evaluation.experiment_case_figure import CasePicture
from XRayTo3DLib.evaluation.outline_measures import Mask, OutlineOutcome, fine_camera, outline_outcomes, shadow
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome
from XRayTo3DLib.experiments.reconstruction import MEAN, case_pictures, test_trials
from XRayTo3DLib.experiments.trials import INSIDE_MM, Judged, Trials, judge
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.methods.data import DataConfiguration, Part, exposures_of, in_folder, people_of
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.types import ShapeFields
from XRayTo3DLib.methods.validation import grid_box

OBLIQUE_DEG = 45.0
"""The view that no method is shown: the first one, swung about z."""
SAMPLES = 4000
"""Points measured from on each surface where many views are tried: means within 0.01 mm of those of more."""
LATERAL = ("LAT", "LL", "RL")
Report = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class BiplanarExperiment:
    """Outcomes of all methods.

    Attributes:
        volumes: Per person, method and bone, in space.
        outlines: Per person, method, bone and view, in pictures.
        turned: By how far the lateral camera was turned (degrees), as ``volumes``; empty if not asked for.
        calibrated: Methods that are told where cameras are.
        cases: Best, median and worst person of ``shown``, in space.
        pictures: The same people in pictures.
        shown: The last model.
        baseline: Name of the mean shape.
        synthetic: Whether the people, or those that a model learnt from, are made up.
    """

    volumes: list[ReconstructionOutcome]
    outlines: list[OutlineOutcome]
    turned: dict[float, list[ReconstructionOutcome]]
    calibrated: tuple[str, ...]
    cases: list[CasePicture]
    pictures: list[OutlinePicture]
    shown: str
    baseline: str
    synthetic: bool


class StandingShape:
    """Predicts one and the same shape for everybody."""

    calibrated = False

    def __init__(self, fields: ShapeFields) -> None:
        self.fields = fields

    def predict(
        self, images: NDArray[np.float32], cameras: Sequence[Sequence[XRayCamera]] | None = None
    ) -> list[ShapeFields]:
        """The shape, as often as there are images."""
        return [self.fields] * len(images)


@dataclass(frozen=True, eq=False)
class _Asked:
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


def run_biplanar(
    models: Mapping[str, GridReconstructor],
    folder: Path,
    *,
    view_errors: Sequence[float] = (),
    seed: int = 0,
    report: Report = lambda text: None,
) -> BiplanarExperiment:
    """Mean shape and models on the test people, in space and in pictures.

    Args:
        models: By name, in the order of the tables; the mean shape is that of the first.
        folder: The data set.
        view_errors: How far the lateral camera is turned about z, degrees; 0 is added.
        seed: Of the exposures.
        report: Told what is being done.

    Raises:
        InputError: No model, models of other bones or other test people, or a data set that cannot be used.
    """
    _require_alike(models)
    asked: dict[DataConfiguration, _Asked] = {}
    volumes: list[ReconstructionOutcome] = []
    outlines: list[OutlineOutcome] = []
    turned: dict[float, list[ReconstructionOutcome]] = {}
    first = next(iter(models.values()))
    methods = [
        (MEAN, first, StandingShape(first.mean)),
        *((name, each, each.predictor) for name, each in models.items()),
    ]
    for name, model, predictor in methods:
        report(name)
        data = in_folder(model.data, folder)
        people = asked[data] = asked.get(data) or _asked(data, seed)
        judged = judge(name, predictor, model, people.trials)
        volumes += judged.outcomes
        own = _outlines(name, judged, people)
        outlines += own
        for angle, trials in _turned(people, view_errors, seed):
            report(f"{name}, lateral view turned by {angle:g} degrees")
            turned.setdefault(angle, []).extend(judge(name, predictor, model, trials, samples=SAMPLES).outcomes)
    cases = case_pictures(judged, people.trials, name)
    return BiplanarExperiment(
        volumes, outlines, turned, tuple(each for each, _, predictor in methods if predictor.calibrated), cases,
        [_picture(case, people, judged, own, seed) for case in cases], name, MEAN,
        any(each.synthetic for each in (*asked.values(), *models.values())),
    )  # fmt: skip


def _require_alike(models: Mapping[str, GridReconstructor]) -> None:
    """Refuse models that cannot stand in one table."""
    if not models:
        raise InputError("there is no model to ask; give at least one.")
    if MEAN in models:
        raise InputError(f'a model may not be called "{MEAN}"; that is the name of the baseline.')
    known: dict[str, tuple[object, str]] = {}
    for name, model in models.items():
        data = model.data
        for what, value in (
            ("bones", ", ".join(data.labels)),
            ("test people (fold)", f"{data.fold if data.folds else 0} of {data.folds}"),
            ("people's pose", str(data.pose)),
        ):
            other, whose = known.setdefault(what, (value, name))
            if other != value:
                raise InputError(
                    f"models {whose} and {name} differ in their {what} ({other}; {value}): their numbers cannot be "
                    f"compared; ask them one by one."
                )


def _asked(data: DataConfiguration, seed: int) -> _Asked:
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
    return _Asked(data, people.test, trials, cameras, shadows, data.views, people.synthetic)


def _outlines(name: str, judged: Judged, asked: _Asked) -> list[OutlineOutcome]:
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


def _turned(asked: _Asked, angles: Sequence[float], seed: int) -> list[tuple[float, Trials]]:
    """The same people, held the same, before a lateral camera that really is turned: every other one the other way."""
    lateral = [number for number, view in enumerate(asked.data.views) if view in LATERAL]
    if not angles or not lateral:
        return []
    exposures = exposures_of(asked.data, asked.part, seed)
    where = {case.id: number for number, case in enumerate(asked.part.cases)}
    found = []
    for angle in sorted({0.0, *map(float, angles)}):
        samples = []
        for number, (case, pose) in enumerate(zip(asked.trials.cases, asked.trials.poses, strict=True)):
            turns = np.zeros(len(asked.data.views))
            turns[lateral[0]] = angle if number % 2 == 0 else -angle
            samples.append(exposures.exposed(where[case.id], [RigidPose(np.asarray(pose))], turns_deg=turns.tolist()))
        images = np.concatenate([sample.images.cpu().numpy() for sample in samples])
        cameras = [sample.cameras[0] for sample in samples]
        found.append((angle, replace(asked.trials, images=images, cameras=cameras)))
    return found


def _picture(
    case: CasePicture, asked: _Asked, judged: Judged, outlines: Sequence[OutlineOutcome], seed: int
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
