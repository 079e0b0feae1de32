"""Surface errors of predicted fields against the truth of prepared people, mm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.prepared import truth_meshes
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.methods.types import ShapeFields, Shapes
from XRayTo3DLib.shape.field_surface import clipped_to_box, surface_from_field
from XRayTo3DLib.shape.meshes import points_of, transformed
from XRayTo3DLib.shape.surface_distance import surface_distance
from XRayTo3DLib.training.samples import TrainingSample

QUICK_SAMPLES = 4000
TESTED_AT_ONCE = 8
"""Test people exposed and reconstructed at once: at the paper's size labels and shapes take 34 MB a person."""


def meshes_of(fields: ShapeFields, labels: Sequence[str]) -> dict[str, vtkPolyData]:
    """A mesh per bone in the reconstruction frame; bones of which nothing is left are not in it."""
    found = {}
    for label, values in zip(labels, fields.values, strict=True):
        surface = surface_from_field(values, fields.grid.voxel_to_frame, fields.level)
        if surface.GetNumberOfCells() > 0:
            found[label] = surface
    return found


def posed_truth(truth: Mapping[str, vtkPolyData], pose: FloatArray, grid: VoxelGrid) -> dict[str, vtkPolyData]:
    """True surfaces under ``pose`` (4, 4), cut open where the grid ends; without bones that lie outside it."""
    low, high = grid_box(grid)
    posed = {label: transformed(mesh, pose) for label, mesh in truth.items()}
    return {label: clipped_to_box(mesh, low, high) for label, mesh in posed.items() if reaches(mesh, low, high)}


def reaches(mesh: vtkPolyData, low: ArrayLike, high: ArrayLike) -> bool:
    """Whether a vertex lies in the box of these corners, mm: people held far aside leave the field of view."""
    points = points_of(mesh)
    return bool(((points > np.asarray(low)) & (points < np.asarray(high))).all(axis=1).any())


def grid_box(grid: VoxelGrid) -> tuple[FloatArray, FloatArray]:
    """Lower and upper corner through the outermost voxels' centres, mm: there surfaces of fields end."""
    axes = np.array([[axis[0], axis[-1]] for axis in grid.axes()])
    return axes[:, 0], axes[:, 1]


def _assd(truth: vtkPolyData, found: vtkPolyData) -> float:
    options = {"samples": QUICK_SAMPLES, "require_overlap": False}
    try:
        return surface_distance(truth, found, ignore_boundary=True, **options).assd
    except InputError:  # early in a training: a scrap at the grid's border, all of it nearest to an open edge
        return surface_distance(truth, found, **options).assd


def surface_errors(
    fields: Sequence[Shapes],
    cases: Sequence[DatasetCase],
    poses: Sequence[FloatArray],
    labels: Sequence[str],
    grid: VoxelGrid,
) -> dict[str, float]:
    """Mean ASSD per bone over people, mm ("radius_mm"), and how many bones were lost ("lost").

    Bones that were held outside the grid do not count.

    Args:
        fields: Predicted, one for each exposure.
        cases: Who was exposed.
        poses: (4, 4) each, from the anatomical to the reconstruction frame, mm.
        labels: Bones, in the order of the fields.
        grid: Outside which nothing is measured.
    """
    return errors_of(zip(fields, cases, poses, strict=True), labels, grid)


def errors_of(
    answers: Iterable[tuple[Shapes, DatasetCase, FloatArray]], labels: Sequence[str], grid: VoxelGrid
) -> dict[str, float]:
    """As :func:`surface_errors`, of (fields, case, pose) that are made one after the other: few fit in memory."""
    errors: dict[str, list[float]] = {label: [] for label in labels}
    lost = 0
    for field, case, pose in answers:
        found = meshes_of(field, labels) if isinstance(field, ShapeFields) else field
        truth = posed_truth(truth_meshes(case), pose, grid)
        for label in truth:
            if label not in found:
                lost += 1
                continue
            errors[label].append(_assd(truth[label], found[label]))
    means = {f"{label}_mm": float(np.mean(values)) if values else float("nan") for label, values in errors.items()}
    return {**means, "lost": float(lost)}


def shape_samples(
    fields: Sequence[Shapes],
    cases: Sequence[DatasetCase],
    poses: Sequence[FloatArray],
    labels: Sequence[str],
    grid: VoxelGrid,
    note: str = "",
) -> list[TrainingSample]:
    """What is measured by :func:`surface_errors`, to look at; arguments as there.

    Args:
        note: What a person must know to judge it.
    """
    found = [meshes_of(field, labels) if isinstance(field, ShapeFields) else field for field in fields]
    truth = [posed_truth(truth_meshes(case), pose, grid) for case, pose in zip(cases, poses, strict=True)]
    return [
        TrainingSample(case.id, bones, true, note=note) for case, bones, true in zip(cases, found, truth, strict=True)
    ]
