"""The tables of Kasten et al. 2020 on any data set, and what a truly turned lateral camera costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.canonical_view import turned_camera
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.segmented_views import has_ct
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.biplanar_figures import OutlinePicture, ViewPicture
from XRayTo3DLib.evaluation.experiment_case_figure import CasePicture
from XRayTo3DLib.evaluation.outline_measures import Mask, OutlineOutcome, fine_camera, outline_outcomes, shadow
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome
from XRayTo3DLib.experiments.reconstruction import MEAN, case_pictures, test_trials
from XRayTo3DLib.experiments.segmented_radiographs import best_to_worst, judge_radiographs, segmented_cases
from XRayTo3DLib.experiments.trials import INSIDE_MM, Judged, Trials, judge
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.methods.biplanar.adaptation import Adaptation
from XRayTo3DLib.methods.biplanar.predictor import BiplanarPredictor
from XRayTo3DLib.methods.data import DataConfiguration, Part, exposures_of, in_folder, people_of
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.translation import ImageTranslator
from XRayTo3DLib.methods.types import ShapeFields, ShapePredictor
from XRayTo3DLib.methods.validation import grid_box, reaches
from XRayTo3DLib.shape.field_surface import clipped_to_box

OBLIQUE_DEG = 45.0
"""The view that no method is shown: the first one, swung about z."""
SAMPLES = 4000
"""Points measured from on each surface where many views are tried: means within 0.01 mm of those of more."""
LATERAL = ("LAT", "LL", "RL")
BEYOND_MM = 8.0
"""So much of a true bone is drawn beyond the grid."""
Report = Callable[[str], None]


@dataclass(eq=False)
class BiplanarExperiment:
    """Outcomes of all methods.

    Attributes:
        volumes: Per person, method and bone, in space.
        background: By method, Dice of what is no bone, one per person.
        outlines: Per person, method, bone and view, in DRRs.
        turned: By how far the lateral camera was turned (degrees), as ``volumes``; empty if not asked for.
        radiographs: As ``outlines``, in radiographs in which bones were outlined.
        cases: Best, median and worst person of ``shown``, in space.
        pictures: The same people in DRRs.
        radiograph_pictures: Best, median and worst person in radiographs.
        calibrated: Methods that are told where cameras are.
        shown: The last method.
        baseline: Name of the mean shape.
        synthetic: Whether the people, or those that a model learnt from, are made up.
    """

    volumes: list[ReconstructionOutcome] = field(default_factory=list)
    background: dict[str, list[float]] = field(default_factory=dict)
    outlines: list[OutlineOutcome] = field(default_factory=list)
    turned: dict[float, list[ReconstructionOutcome]] = field(default_factory=dict)
    radiographs: list[OutlineOutcome] = field(default_factory=list)
    cases: list[CasePicture] = field(default_factory=list)
    pictures: list[OutlinePicture] = field(default_factory=list)
    radiograph_pictures: list[OutlinePicture] = field(default_factory=list)
    calibrated: tuple[str, ...] = ()
    shown: str = ""
    baseline: str = MEAN
    synthetic: bool = False


@dataclass(frozen=True, eq=False)
class _Method:
    """A row of the tables.

    Attributes:
        name: In the tables.
        model: Whose geometry and bones are used.
        predictor: What answers.
        fitted: Whether it is fitted to every person first; it is then not asked with turned cameras.
    """

    name: str
    model: GridReconstructor
    predictor: ShapePredictor
    fitted: bool = False


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
    adapt: int = 0,
    view_errors: Sequence[float] = (),
    translators: Sequence[ImageTranslator] = (),
    seed: int = 0,
    report: Report = lambda text: None,
) -> BiplanarExperiment:
    """Mean shape and models on the test people, in space and in pictures.

    People with a CT are exposed, and judged in space and by their outlines in DRRs; people with radiographs in which
    bones are outlined are reconstructed from these, and judged by the outlines.

    Args:
        models: By name, in the order of the tables; the mean shape is that of the first.
        folder: The data set.
        adapt: Also ask biplanar networks after so many steps of fitting to each person's pictures; 0 does not.
        view_errors: How far the lateral camera is turned about z, degrees; 0 is added.
        translators: Take soft tissue out of radiographs, one for all views or one for each; none if empty.
        seed: Of the exposures.
        report: Told what is being done.

    Raises:
        InputError: No model, models of other bones or other test people, or a data set that cannot be used.
    """
    _require_alike(models)
    methods = _methods(models, adapt)
    people = segmented_cases(folder)
    with_ct = any(has_ct(case) for case in DatasetFolder.open(folder).cases("test"))
    if not with_ct and not people:
        raise InputError(f"data set {folder.name}: its test people have neither CTs nor radiographs with masks.")
    found = BiplanarExperiment(calibrated=tuple(m.name for m in methods if m.predictor.calibrated))
    found.shown = methods[-1].name
    found.synthetic = any(each.synthetic for each in (*models.values(), *translators, *people))
    if with_ct:
        _exposed(found, methods, folder, view_errors, seed, report)
    for method in methods if people else ():
        report(f"{method.name}, radiographs")
        own, pictures = judge_radiographs(method.name, method.predictor, method.model, people, translators)
        found.radiographs += own
        found.radiograph_pictures = best_to_worst(pictures)
    return found


def _methods(models: Mapping[str, GridReconstructor], adapt: int) -> list[_Method]:
    """The mean shape, then the models, each that can be fitted to a person's pictures twice."""
    first = next(iter(models.values()))
    methods = [_Method(MEAN, first, StandingShape(first.mean))]
    for name, model in models.items():
        predictor = model.predictor
        methods.append(_Method(name, model, predictor))
        if adapt and isinstance(predictor, BiplanarPredictor):
            fitted = predictor.adapting(Adaptation(steps=adapt))
            methods.append(_Method(f"{name}, fitted ({adapt} steps)", model, fitted, True))
    if adapt and not any(method.fitted for method in methods):
        raise InputError("none of the models can be fitted to a person's pictures; only biplanar networks can.")
    return methods


def _exposed(
    found: BiplanarExperiment,
    methods: Sequence[_Method],
    folder: Path,
    view_errors: Sequence[float],
    seed: int,
    report: Report,
) -> None:
    """Ask all methods about exposures of the test people's CTs."""
    asked: dict[DataConfiguration, _Asked] = {}
    turned: dict[DataConfiguration, list[tuple[float, Trials]]] = {}
    for method in methods:
        report(method.name)
        data = in_folder(method.model.data, folder)
        people = asked[data] = asked.get(data) or _asked(data, seed)
        judged = judge(method.name, method.predictor, method.model, people.trials)
        outlines = _outlines(method.name, judged, people)
        found.volumes += judged.outcomes
        found.outlines += outlines
        found.background[method.name] = list(judged.background.values())
        if not method.fitted:
            turned[data] = turned.get(data) or _turned(people, view_errors, seed)
        for angle, trials in () if method.fitted else turned[data]:
            report(f"{method.name}, lateral view turned by {angle:g} degrees")
            again = judge(method.name, method.predictor, method.model, trials, samples=SAMPLES)
            found.turned.setdefault(angle, []).extend(again.outcomes)
    found.synthetic |= any(each.synthetic for each in asked.values())
    low, high = grid_box(data.voxels)
    for case in case_pictures(judged, people.trials, method.name):
        near = {bone: clipped_to_box(m, low - BEYOND_MM, high + BEYOND_MM) for bone, m in case.truth.items()
                if reaches(m, low, high)}  # fmt: skip
        known = {bone: mesh for bone, mesh in case.result.items() if bone in near}
        found.cases.append(replace(case, truth=near, result=known))
        found.pictures.append(_picture(case, people, judged, outlines, seed))


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
