"""What an experiment asks: people it was not trained on, as canonical images, with their true bones."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.prepared import truth_meshes
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.evaluation.reconstruction_trials import DEFAULT_SAMPLES, Field, ReconstructionOutcome, outcomes_of
from XRayTo3DLib.evaluation.volume_measures import background_dice, filled_voxels, with_dice
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.types import ShapePredictor, Shapes
from XRayTo3DLib.methods.validation import TESTED_AT_ONCE, grid_box, reaches
from XRayTo3DLib.shape.meshes import transformed

INSIDE_MM = 2.5
"""Errors are measured this far inside the grid: where it cuts a shaft there is nothing to measure."""


@dataclass(frozen=True, eq=False)
class Trials:
    """Exposures of people to reconstruct.

    Attributes:
        cases: Who; one exposure each.
        images: (N, views, rows, columns) canonical images.
        poses: (N, 4, 4) anatomical to reconstruction frame, mm.
        cameras: Of each exposure, in the reconstruction frame, mm; ``None``: the canonical ones.
    """

    cases: Sequence[DatasetCase]
    images: NDArray[np.float32]
    poses: FloatArray
    cameras: Sequence[Sequence[XRayCamera]] | None = None

    def truth(self, number: int) -> dict[str, vtkPolyData]:
        """True bones of one exposure in the reconstruction frame, mm."""
        pose = np.asarray(self.poses[number])
        return {name: transformed(mesh, pose) for name, mesh in truth_meshes(self.cases[number]).items()}


@dataclass(frozen=True, eq=False)
class Judged:
    """What a method made of the trials.

    Attributes:
        outcomes: One per person and bone that was held in the grid.
        meshes: By person's case, bones by name; the mean shape where the method lost one.
        missing: By person's case, the bones that the method lost.
        seconds: A case.
        background: By person's case, Dice of the voxels that no bone fills.
    """

    outcomes: list[ReconstructionOutcome]
    meshes: dict[str, Mapping[str, vtkPolyData]]
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    seconds: float = math.nan
    background: dict[str, float] = field(default_factory=dict)


def judge(
    name: str,
    predictor: ShapePredictor,
    reconstructor: GridReconstructor,
    trials: Trials,
    images: NDArray[np.float32] | None = None,
    samples: int = DEFAULT_SAMPLES,
) -> Judged:
    """Reconstruct every trial and measure it.

    Args:
        name: Of the method, for the tables.
        predictor: The method.
        reconstructor: Whose grid, bones and mean shape are used; lost bones are the mean's and counted as failures.
        trials: Who.
        images: What the method is shown instead of the trials' own images (translated ones).
        samples: Points measured from on each surface.
    """
    judged = Judged([], {})
    took: list[float] = []
    found = _shapes(predictor, trials.images if images is None else images, trials.cameras, took)
    grid, labels = reconstructor.data.voxels, reconstructor.data.labels
    box = measured_in(grid)
    for number, (case, shapes) in enumerate(zip(trials.cases, found, strict=True)):
        meshes, missing = reconstructor.meshes(shapes)
        judged.meshes[case.id], judged.missing[case.id] = meshes, missing
        truth = {bone: mesh for bone, mesh in trials.truth(number).items() if reaches(mesh, *box)}
        if not truth:
            continue
        measured = outcomes_of(
            truth,
            {bone: meshes[bone] for bone in truth if bone in meshes},
            case=case.id,
            method=name,
            patient=case.patient,
            empty=[bone for bone in missing if bone in truth],
            field=box,
            samples=samples,
        )
        filled = filled_voxels(shapes, meshes, labels, grid)
        judged.outcomes.extend(with_dice(measured, truth, filled, grid, INSIDE_MM))
        judged.background[case.id] = background_dice(truth, filled, grid, INSIDE_MM)
    seconds = sum(took) / len(trials.cases)
    return replace(judged, seconds=seconds, outcomes=[replace(each, seconds=seconds) for each in judged.outcomes])


def _shapes(
    predictor: ShapePredictor,
    images: NDArray[np.float32],
    cameras: Sequence[Sequence[XRayCamera]] | None,
    took: list[float],
) -> Iterator[Shapes]:
    """What a method makes of each exposure, a few at a time; how long it took is added to ``took``, s."""
    for begin in range(0, len(images), TESTED_AT_ONCE):
        part = slice(begin, begin + TESTED_AT_ONCE)
        began = time.perf_counter()
        found = predictor.predict(images[part], None if cameras is None else cameras[part])
        took.append(time.perf_counter() - began)
        yield from found


def measured_in(grid: VoxelGrid) -> Field:
    """The box in which errors are measured, in the reconstruction frame, mm."""
    low, high = grid_box(grid)
    return list(low + INSIDE_MM), list(high - INSIDE_MM)
