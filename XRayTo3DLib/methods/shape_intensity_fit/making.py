"""Shape and intensity models of a data set's people, in the frame of reconstruction; what a bundle keeps of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.prepared import PreparedCase, truth_meshes
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.measurements import CarriedLandmarks
from XRayTo3DLib.methods.data import Part
from XRayTo3DLib.methods.shape_intensity_fit.configuration import ModelConfiguration
from XRayTo3DLib.methods.shape_intensity_fit.landmarks import landmark_arrays, learnt_landmarks
from XRayTo3DLib.refinement.posterior import Trust, Trusts
from XRayTo3DLib.refinement.prior import JointPrior, learnt
from XRayTo3DLib.shape.field_surface import clipped_to_box
from XRayTo3DLib.shape.shape_intensity_building import BuiltModel, build_shape_intensity_model
from XRayTo3DLib.shape.shape_intensity_model import INTENSITY_NAMES, intensity_arrays, intensity_model_from

WORKERS = 2
SOURCE_POINTS, TARGET_POINTS = 500, 1200
"""Of the template that are matched, and of a surface that it is drawn to: a third of the usual ones take a third of the
time, and points come out within a few tenths of a millimetre of where they did."""
PRIOR_MEAN, PRIOR_COVARIANCE, TRUST = "prior-mean", "prior-covariance", "trust"
INSIDE_VOXELS = 1.0
"""Surfaces are cut this far inside the prepared volume: there its bones end."""


@dataclass(frozen=True, eq=False)
class Built:
    """What was made of people.

    Attributes:
        models: By bone.
        landmarks: That the models carry, by bone; of some bones, or of none.
        no_landmarks: Why there are none; empty where there are.
    """

    models: dict[str, BuiltModel]
    landmarks: dict[str, CarriedLandmarks] = field(default_factory=dict)
    no_landmarks: str = ""


def built_models(
    people: Part,
    labels: Sequence[str],
    settings: ModelConfiguration,
    anatomy: str = "",
    report: Callable[[str, float], None] | None = None,
) -> Built:
    """A model of every bone, from evenly chosen people, and the landmarks it carries.

    Args:
        people: Some of them are taken.
        labels: The bones.
        settings: How.
        anatomy: Says which landmarks; see ``measurements.MEASURERS``.
        report: Told how far it is.

    Raises:
        InputError: Fewer than three people, or a bone that lies outside a person's prepared volume.
    """
    from XRayTo3DLib.shape.correspondence import CorrespondenceOptions, correspond_population

    chosen = np.unique(np.linspace(0, len(people) - 1, settings.people).astype(int))
    if len(chosen) < 3:
        raise InputError("shape and intensity models need three people or more: raise model.people or take more data.")
    prepared = [people.prepared[number] for number in chosen]
    surfaces = [in_volume(people.cases[number], each) for number, each in zip(chosen, prepared, strict=True)]
    options = CorrespondenceOptions(
        bend="drift",
        align=False,  # all people stand in one frame
        vertices=settings.vertices,
        source_points=SOURCE_POINTS,
        target_points=TARGET_POINTS,
        passes=settings.passes,
        check_sides=False,
    )
    models, shapes = {}, {}
    for label in labels:
        shapes[label], triangles = correspond_population(
            [each[label] for each in surfaces], options=options, workers=WORKERS, report=report
        )
        models[label] = build_shape_intensity_model(
            shapes[label],
            triangles,
            lambda person, points, label=label: attenuation_of(prepared[person], label, points),
            spacing_mm=settings.spacing_mm,
            shape_modes=settings.shape_modes,
            density_modes=settings.density_modes,
            label=label,
            synthetic=any(each.synthetic for each in prepared),
        )
    taken = [(people.cases[number], each) for number, each in zip(chosen, prepared, strict=True)]
    return Built(models, *learnt_landmarks(taken, shapes, models, anatomy))


def in_volume(case: DatasetCase, prepared: PreparedCase) -> dict[str, vtkPolyData]:
    """A person's bones, cut open where the prepared volume ends, in its frame, mm.

    Raises:
        InputError: A bone lies outside.
    """
    margin = INSIDE_VOXELS * prepared.spacing_mm
    low = prepared.origin + margin
    high = prepared.origin + prepared.spacing_mm * (np.array(prepared.mu.shape[::-1]) - 1) - margin
    cut = {label: clipped_to_box(mesh, low, high) for label, mesh in truth_meshes(case).items()}
    for label, mesh in cut.items():
        if mesh.GetNumberOfPolys() == 0:
            raise InputError(f"case {case.id}: {label} lies outside the field of view; leave the case out.")
    return cut


def attenuation_of(case: PreparedCase, label: str, points: FloatArray) -> NDArray[np.floating]:
    """Attenuation of one bone at ``points`` (m, 3) mm, trilinear, 1/mm; 0 where another bone is nearer.

    Past the volume's end its outermost slices go on: a shaft that the field of view cut does not end there.
    """
    where = ((points - case.origin) / case.spacing_mm).T[::-1]

    def read(volume: NDArray[np.floating]) -> NDArray[np.floating]:
        return map_coordinates(volume.astype(np.float32), where, order=1, mode="nearest")

    own = read(case.distances[case.labels.index(label)])
    others = [read(case.distances[number]) for number, name in enumerate(case.labels) if name != label]
    nearest = np.ones(len(points), dtype=bool) if not others else own <= np.min(others, axis=0)
    return read(case.mu) * (nearest & (own < case.clip_mm))


def bundle_arrays(built_of_people: Built) -> dict[str, NDArray[Any]]:
    """What a bundle keeps, by name; inverse of :func:`models_from`, :func:`prior_from` and ``landmarks_of``."""
    arrays, models = landmark_arrays(built_of_people.landmarks), built_of_people.models
    for label, built in models.items():
        kept = {
            **intensity_arrays(built.model),
            "spread": np.array([built.rotation_sd_deg, built.translation_sd_mm]),
        }
        arrays.update({_key(label, name): array for name, array in kept.items()})
    prior = prior_of(models)
    return {
        **arrays,
        PRIOR_MEAN: prior.mean,
        PRIOR_COVARIANCE: prior.covariance,
        TRUST: trust_array(Trusts(), list(models)),
    }


def trust_array(trusts: Trusts, labels: Sequence[str]) -> NDArray[np.float64]:
    """(views, 3 + bones), a row for one view, two, ...: temperature, usual misfit, mm per misfit, each bone's floor."""
    return np.array(
        [
            [each.temperature, each.usual_misfit, each.misfit_mm, *(each.floor_mm.get(name, 0.0) for name in labels)]
            for each in trusts.by_views
        ]
    )


def trust_from(arrays: Callable[[str], NDArray[Any]], labels: Sequence[str]) -> Trusts:
    """What makes a refinement's uncertainty honest, from a bundle's arrays.

    Raises:
        InputError: Numbers that cannot be, or a bundle that was made before they were kept.
    """
    rows = np.asarray(arrays(TRUST), dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3 + len(labels):
        raise InputError(f"model bundle: trust has shape {rows.shape}, not (views, {3 + len(labels)}); make it again.")
    return Trusts(
        tuple(Trust(row[0], dict(zip(labels, row[3:], strict=True)), row[1], row[2]) for row in rows.tolist())
    )


def prior_of(models: Mapping[str, BuiltModel]) -> JointPrior:
    """How the people that models were made of differ in poses, shapes and densities of all bones."""
    people = [built.people for built in models.values() if built.people is not None]
    return learnt(sizes_of(models), np.concatenate(people, axis=1))


def sizes_of(models: Mapping[str, BuiltModel]) -> dict[str, tuple[int, int]]:
    """By bone, the numbers of shape and density coefficients."""
    return {label: (built.model.size, built.model.density_size) for label, built in models.items()}


def prior_from(arrays: Callable[[str], NDArray[Any]], models: Mapping[str, BuiltModel]) -> JointPrior:
    """How people differ in poses, shapes and densities of all bones, from a bundle's arrays.

    Raises:
        InputError: The bundle was made before such priors were.
    """
    mean, covariance = (np.asarray(arrays(name), dtype=np.float64) for name in (PRIOR_MEAN, PRIOR_COVARIANCE))
    return JointPrior(sizes_of(models), mean, covariance)


def models_from(arrays: Callable[[str], NDArray[Any]], labels: Sequence[str]) -> dict[str, BuiltModel]:
    """Models by label from a bundle's arrays."""
    models = {}
    for label in labels:
        kept = {name: arrays(_key(label, name)) for name in INTENSITY_NAMES}
        turn, shift = np.ravel(arrays(_key(label, "spread"))).tolist()
        model = intensity_model_from(kept, f"shape and intensity model of {label}")
        models[label] = BuiltModel(model, turn, shift)
    return models


def _key(label: str, name: str) -> str:
    return f"model-{label}-{name}".lower().replace("_", "-")
