"""The tables of Kasten et al. 2020 on any data set, and what a truly turned lateral camera costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.segmented_views import has_ct
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.biplanar_figures import OutlinePicture
from XRayTo3DLib.evaluation.experiment_case_figure import CasePicture
from XRayTo3DLib.evaluation.outline_measures import OutlineOutcome
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome
from XRayTo3DLib.experiments.biplanar_trials import (
    LATERAL,
    AskedPeople,
    asked_people,
    outlines_of,
    picture_of,
    turned_trials,
)
from XRayTo3DLib.experiments.reconstruction import MEAN, case_pictures
from XRayTo3DLib.experiments.segmented_radiographs import judge_radiographs, segmented_cases
from XRayTo3DLib.experiments.trials import Trials, judge
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.methods.biplanar.adaptation import Adaptation
from XRayTo3DLib.methods.biplanar.predictor import BiplanarPredictor
from XRayTo3DLib.methods.data import DataConfiguration, in_folder, tested_cases
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.translation import ImageTranslator, require_same_fold
from XRayTo3DLib.methods.types import ShapeFields, ShapePredictor
from XRayTo3DLib.methods.validation import grid_box, reaches
from XRayTo3DLib.shape.field_surface import clipped_to_box

SAMPLES = 4000
"""Points measured from on each surface where many views are tried: means within 0.01 mm of those of more."""
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

    calibrated = True
    """It looks at no picture: from wherever one was taken, it need not be brought to a canonical view."""

    def __init__(self, fields: ShapeFields) -> None:
        self.fields = fields

    def predict(
        self, images: NDArray[np.float32], cameras: Sequence[Sequence[XRayCamera]] | None = None
    ) -> list[ShapeFields]:
        """The shape, as often as there are images."""
        return [self.fields] * len(images)


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
        InputError: No model, models of other bones, places or test people, translators that learnt from these people,
            a data set that cannot be used, or one in which something that was asked for cannot be done.
    """
    _require_alike(models)
    _require_taught_alike(models, translators)
    methods = _methods(models, adapt)
    people, with_ct = _tested_people(models, folder)
    _require_possible(models, with_ct, bool(people), view_errors, translators)
    told = tuple(m.name for m in methods if m.predictor.calibrated and not isinstance(m.predictor, StandingShape))
    found = BiplanarExperiment(calibrated=told)
    found.shown = methods[-1].name
    found.synthetic = any(each.synthetic for each in (*models.values(), *translators))
    if with_ct:
        _exposed(found, methods, folder, view_errors, seed, report)
    for method in methods if people else ():
        report(f"{method.name}, radiographs")
        judged = judge_radiographs(method.name, method.predictor, method.model, people, translators)
        found.radiographs += judged.outcomes
        found.radiograph_pictures = judged.best_to_worst()
        found.synthetic |= judged.synthetic
    return found


def _tested_people(models: Mapping[str, GridReconstructor], folder: Path) -> tuple[list[DatasetCase], bool]:
    """Test people with outlined bones in the views of all models, and whether any test people have CTs.

    Raises:
        InputError: Neither.
    """
    data = next(iter(models.values())).data
    people = segmented_cases(folder, data, {view for model in models.values() for view in model.data.views})
    with_ct = any(has_ct(case) for case in tested_cases(folder, data))
    if not with_ct and not people:
        masks = segmented_cases(folder, data)
        lacking = "no radiographs with masks of all views of all models" if masks else "no radiographs with masks"
        raise InputError(f"data set {folder.name}: its test people have no CTs and {lacking}.")
    return people, with_ct


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
    asked: dict[DataConfiguration, AskedPeople] = {}
    turned: dict[DataConfiguration, list[tuple[float, Trials]]] = {}
    for method in methods:
        report(method.name)
        # What only training knows must not make two models' people stand differently.
        data = replace(in_folder(method.model.data, folder), prerendered=0, view_turn_deg=0.0, noise=0.0)
        people = asked[data] = asked.get(data) or asked_people(data, seed)
        judged = judge(method.name, method.predictor, method.model, people.trials)
        outlines = outlines_of(method.name, judged, people)
        found.volumes += judged.outcomes
        found.outlines += outlines
        found.background[method.name] = list(judged.background.values())
        if not method.fitted:
            turned[data] = turned.get(data) or turned_trials(people, view_errors, seed)
        for angle, trials in () if method.fitted else turned[data]:
            outcomes = judged.outcomes
            if angle and not isinstance(method.predictor, StandingShape):
                report(f"{method.name}, lateral view turned by {angle:g} degrees")
                outcomes = judge(method.name, method.predictor, method.model, trials, samples=SAMPLES).outcomes
            found.turned.setdefault(angle, []).extend(outcomes)
    found.synthetic |= any(each.synthetic for each in asked.values())
    low, high = grid_box(data.voxels)
    for case in case_pictures(judged, people.trials, method.name):
        near = {bone: clipped_to_box(m, low - BEYOND_MM, high + BEYOND_MM) for bone, m in case.truth.items()
                if reaches(m, low, high)}  # fmt: skip
        known = {bone: mesh for bone, mesh in case.result.items() if bone in near}
        found.cases.append(replace(case, truth=near, result=known))
        found.pictures.append(picture_of(case, people, judged, outlines, seed))


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
            ("field", f"{data.voxels.extent_mm:g} mm about {data.voxels.centre_mm}"),
        ):
            other, whose = known.setdefault(what, (value, name))
            if other != value:
                raise InputError(
                    f"models {whose} and {name} differ in their {what} ({other}; {value}): their numbers cannot be "
                    f"compared; ask them one by one."
                )


def _require_taught_alike(models: Mapping[str, GridReconstructor], translators: Sequence[ImageTranslator]) -> None:
    """Refuse translators that learnt from people who are tested."""
    for translator in translators:
        for model in models.values() if translator.configuration is not None else ():
            require_same_fold(model.data, translator.configuration.data)


def _require_possible(
    models: Mapping[str, GridReconstructor],
    with_ct: bool,
    with_masks: bool,
    view_errors: Sequence[float],
    translators: Sequence[ImageTranslator],
) -> None:
    """Refuse to pass over in silence what was asked for."""
    if translators and not with_masks:
        raise InputError(
            "translations are for radiographs with masks, and no test person has some of all views of all models; "
            "leave the translations out."
        )
    if not view_errors:
        return
    if not with_ct:
        raise InputError("no test person has a CT to expose before a turned camera; leave the view errors out.")
    for name, model in models.items():
        if not set(LATERAL) & set(model.data.views):
            raise InputError(f"model {name} sees no lateral view that could be turned; leave the view errors out.")
