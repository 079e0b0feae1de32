"""Any method's bones refined against radiographs that no projector of ours made: errors, time, uncertainty."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.clinical_exposures import ClinicalExposure, ClinicalOptions, clinical_exposure
from XRayTo3DLib.dataset.dataset_folder import DatasetCase, DatasetFolder
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.refinement_measures import RefinedOutcome, aligned, assd_mm, normal_errors
from XRayTo3DLib.evaluation.refinement_tables import BONES_ALONE, MEAN_SHAPE
from XRayTo3DLib.experiments.trials import measured_in
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.refiner import Refiner
from XRayTo3DLib.methods.translation import ImageTranslator, ViewTranslators, translators_for
from XRayTo3DLib.refinement.calibration import KnownRefinement
from XRayTo3DLib.refinement.reliability import depth_sd_mm, open_places
from XRayTo3DLib.refinement.result import Refinement
from XRayTo3DLib.shape.meshes import make_surface, transformed

TRANSLATED = "translated"
STILL = RigidPose.identity()
Report = Callable[[str], None]
Meshes = dict[str, vtkPolyData]
Box = tuple[FloatArray, FloatArray]


@dataclass(frozen=True, eq=False)
class RefinementExperiment:
    """What became of everybody.

    Attributes:
        by_views: Outcomes by "PA", "PA,LAT", ...; of all starts and bones.
        synthetic: Whether people or models are made up.
        skipped: Sentences: what was not asked, and why.
    """

    by_views: dict[str, list[RefinedOutcome]]
    synthetic: bool
    skipped: tuple[str, ...] = ()


def run_refinement(
    refiner: Refiner,
    folder: Path,
    *,
    views: Sequence[Sequence[str]] = (("PA", "LAT"),),
    people: int = 0,
    starts: Mapping[str, GridReconstructor] | None = None,
    translator: ImageTranslator | None = None,
    options: ClinicalOptions | None = None,
    seed: int = 0,
    report: Report = lambda text: None,
) -> RefinementExperiment:
    """Refine the test people's bones from the mean shape and from every method's result.

    Every method is given the segmented bones' DRRs before the same cameras (what a perfect translation of the
    radiographs would show it), and the translated radiographs where there is a translation for its views. The
    refinement always sees the radiographs as they are.

    Args:
        refiner: Of a bundle of shape and intensity models.
        folder: The data set; its people should have soft tissue.
        views: Sets of views, each refined by itself.
        people: The first so many test people; 0 for all.
        starts: Methods by name; each starts the sets of views that it was made for.
        translator: Takes soft tissue out of radiographs.
        options: Of the exposures.
        seed: Of everything drawn.
        report: Told what is being done.

    Raises:
        InputError: No view, a method that fits no set of views, or a data set that cannot be used.
    """
    starts, options = dict(starts or {}), options or ClinicalOptions()
    fitting = {tuple(each): _fitting(starts, tuple(each)) for each in views}
    left = [name for name in starts if not any(name in each for each in fitting.values())]
    if not fitting or left:
        wanted = " + ".join(starts[left[0]].data.views) if left else "one set"
        raise InputError(f"start {left[0] if left else '(none)'}: no set of views fits it; ask for {wanted} as well.")
    cases = DatasetFolder.open(folder).cases("test")[: people or None]
    found: dict[str, list[RefinedOutcome]] = {",".join(each): [] for each in fitting}
    skipped: dict[str, None] = {}
    for number, case in enumerate(cases):
        report(f"{case.id}, {number + 1} of {len(cases)}")
        exposure = exposed(refiner, case, tuple(fitting), options, seed, number)
        for shown, methods in fitting.items():
            found[",".join(shown)] += refined(refiner, exposure.only(shown), methods, translator, skipped)
    synthetic = refiner.model.synthetic or any(each.synthetic for each in (*cases, *starts.values()))
    return RefinementExperiment(found, synthetic, tuple(skipped))


def exposed(
    refiner: Refiner,
    case: DatasetCase,
    views: Sequence[Sequence[str]],
    options: ClinicalOptions,
    seed: int,
    number: int,
) -> ClinicalExposure:
    """A person in all views of some sets."""
    every = tuple(dict.fromkeys(view for each in views for view in each))
    return clinical_exposure(case, every, refiner.model.data.voxels.centre_mm, options, seed, number)


def known_refinement(refiner: Refiner, exposure: ClinicalExposure) -> KnownRefinement:
    """A person refined from the mean shape, and where the true bones lie."""
    found = refiner.refine(refiner.views(exposure.radiographs, STILL))
    return KnownRefinement(found.posterior, errors_of(found, exposure.bones, box_of(refiner)))


def box_of(refiner: Refiner) -> Box:
    """Where errors are measured: (3,) lowest and (3,) highest corner, mm in the reconstruction frame."""
    low, high = measured_in(refiner.model.data.voxels)  # type: ignore[misc]
    return np.asarray(low), np.asarray(high)


def errors_of(refinement: Refinement, truth: Mapping[str, vtkPolyData], box: Box) -> dict[str, FloatArray]:
    """By bone (n,) where the true surface lies along each vertex's normal, mm; NaN outside the box."""
    normals = {bone: refinement.posterior.normals(bone) for bone in refinement.bones}
    return {
        bone: normal_errors(each.points, normals[bone], truth[bone], box) for bone, each in refinement.bones.items()
    }


def _fitting(starts: Mapping[str, GridReconstructor], views: tuple[str, ...]) -> dict[str, GridReconstructor]:
    return {name: model for name, model in starts.items() if tuple(model.data.views) == views}


def refined(
    refiner: Refiner,
    exposure: ClinicalExposure,
    methods: Mapping[str, GridReconstructor],
    translator: ImageTranslator | None,
    skipped: dict[str, None],
) -> list[RefinedOutcome]:
    """One person, from all starts.

    Args:
        refiner: Of a bundle of shape and intensity models.
        exposure: The person.
        methods: By name, made for these views.
        translator: As of :func:`run_refinement`.
        skipped: Gets sentences: what was not asked, and why.
    """
    begun: dict[str, Meshes | None] = {MEAN_SHAPE: None}
    drrs = exposure.bone_drrs() if methods else ()
    for name, model in methods.items():
        begun[f"{name}, {BONES_ALONE}"] = model.reconstruct(drrs, STILL).meshes
        if translator is None:
            continue
        try:
            translators = translators_for([translator], model.data)
        except InputError as error:
            skipped[f"{name}, {TRANSLATED}: {error}"] = None
            continue
        begun[f"{name}, {TRANSLATED}"] = _translated(model, translators, exposure)
    views = refiner.views(exposure.radiographs, STILL)
    outcomes = []
    for name, meshes in begun.items():
        began = time.process_time()
        refinement = refiner.refine(views, meshes)
        seconds = time.process_time() - began
        outcomes += _judged(name, exposure, meshes or mean_bones(refiner), refinement, box_of(refiner), seconds)
    return outcomes


def _translated(model: GridReconstructor, translators: ViewTranslators, exposure: ClinicalExposure) -> Meshes:
    images, cameras = model.shown_images(exposure.radiographs, STILL, False)
    shown = translators.translate(images)
    return model.reconstruct_images(shown, exposure.radiographs, STILL, False, cameras).meshes


def mean_bones(refiner: Refiner) -> Meshes:
    """The mean shapes where bones usually lie, in the frame, mm."""
    anatomy = refiner.predictor.anatomy()
    bones = {}
    for name, model in anatomy.models.items():
        surface = make_surface(model.surface_points(np.zeros(model.size)), model.triangles)
        bones[name] = transformed(surface, anatomy.usual[name].matrix)
    return bones


def _judged(
    start: str, exposure: ClinicalExposure, meshes: Meshes, refinement: Refinement, box: Box, seconds: float
) -> list[RefinedOutcome]:
    errors = errors_of(refinement, exposure.bones, box) if start == MEAN_SHAPE else {}
    likeness = float(np.mean([view.likeness for view in refinement.views]))
    places = open_places(refinement.posterior)
    shown = ",".join(each.view for each in exposure.radiographs)
    outcomes = []
    for bone, refined in refinement.bones.items():
        truth, begun = exposure.bones[bone], meshes.get(bone)
        after = make_surface(refined.points, refined.triangles)
        moved = [None if mesh is None else aligned(truth, mesh, box) for mesh in (begun, after)]
        outcomes.append(
            RefinedOutcome(
                exposure.id,
                exposure.patient,
                shown,
                start,
                bone,
                assd_mm(truth, begun, box),
                assd_mm(truth, after, box),
                assd_mm(truth, moved[0], box),
                assd_mm(truth, moved[1], box),
                seconds,
                likeness,
                depth_sd_mm(refinement.posterior, bone, refinement.views[0].camera.source),
                places[bone].is_open,
                errors.get(bone, np.zeros(0)),
                refined.normal_sd_mm if bone in errors else np.zeros(0),
            )
        )
    return outcomes
