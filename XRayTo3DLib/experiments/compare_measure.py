"""One method of a comparison, measured: accuracy under every condition, time and memory. For a process of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.dataset_folder import DatasetCase, DatasetFolder
from XRayTo3DLib.dataset.prepared import truth_meshes
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import Cancelled
from XRayTo3DLib.evaluation.compare_results import Measured
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome, outcomes_of
from XRayTo3DLib.evaluation.volume_measures import filled_voxels, with_dice
from XRayTo3DLib.experiments.compare_conditions import AS_TRAINED
from XRayTo3DLib.experiments.compare_files import SHOWN, Task
from XRayTo3DLib.experiments.compare_refine import RefinedMethod
from XRayTo3DLib.experiments.compare_trials import Asked, TrialSet
from XRayTo3DLib.experiments.peak_memory import peak_memory_mb
from XRayTo3DLib.experiments.trials import INSIDE_MM
from XRayTo3DLib.files import safe_file_name
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.types import ShapeFields, Shapes
from XRayTo3DLib.methods.validation import grid_box, reaches
from XRayTo3DLib.models.bundle import load_bundle
from XRayTo3DLib.models.ready import ready_model
from XRayTo3DLib.shape.meshes import transformed
from XRayTo3DLib.shape.surfaces import write_surface

WARM_UP = 2
"""People reconstructed before anything is timed."""


class Watcher(Protocol):
    """Who is told how far it is, may stop it, and keeps what is done."""

    def told(self, text: str, share: float) -> None:
        """What is done now, and the share done."""

    def stopped(self) -> bool:
        """Whether to stop; asked between two people."""

    def keep(self, found: Measured) -> None:
        """Everything so far, after every condition."""


def measured(task: Task, folder: Path, watcher: Watcher, known: Measured | None = None) -> Measured:
    """Measure a method that reconstructs on a grid.

    Args:
        task: What to do.
        folder: Where meshes are kept that the report shows.
        watcher: Told how far it is.
        known: What an earlier run, which was stopped, has kept: its conditions are not asked again.

    Raises:
        InputError: A bundle or a data set that cannot be used.
        Cancelled: The watcher wanted it to stop.
    """
    trials = TrialSet.load(task.pictures)
    before = peak_memory_mb()
    began = time.perf_counter()
    loaded = load_bundle(task.bundle)
    model = ready_model(loaded)
    shapes = None if task.refine is None else load_bundle(task.refine)
    refined = None if shapes is None else RefinedMethod(ready_model(shapes), trials)
    found = Measured(
        views=model.data.views,
        calibrated=bool(model.predictor.calibrated),
        outcomes={},
        refused=dict(trials.refused),
        loading_s=time.perf_counter() - began,
        memory_mb=_warmed_up(model, trials, refined),
        before_mb=math.nan if before is None else before,
        bundle_mb=(loaded.size + (shapes.size if shapes is not None else 0)) / 1e6,
        synthetic=loaded.bundle.synthetic or (shapes is not None and shapes.bundle.synthetic),
    )
    if known is not None:
        found = replace(found, outcomes=dict(known.outcomes), seconds=known.seconds)
    judge = _Judge(task, folder, model, DatasetFolder.open(task.dataset), trials.cases, refined)
    total, done = sum(len(each.images) for each in trials.asked.values()), 0
    for key, asked in trials.asked.items():
        if key in found.outcomes:
            done += len(asked.images)
            continue
        outcomes: list[ReconstructionOutcome] = []
        for number in range(len(asked.images)):
            if watcher.stopped():
                raise Cancelled(f"{task.name}: stopped; compare again to go on.")
            watcher.told(f"{task.name}: {asked.condition.text}", done / total)
            outcomes += judge.judged(asked, number)
            done += 1
        found = replace(found, outcomes={**found.outcomes, key: tuple(outcomes)})
        if asked.condition == AS_TRAINED:
            found = replace(found, seconds=tuple(judge.seconds))
        watcher.keep(found)
    return found if refined is None else replace(found, notes=refined.notes)


def _warmed_up(model: GridReconstructor, trials: TrialSet, refined: RefinedMethod | None) -> float:
    """Most memory held after a few people were reconstructed, MB; before anything is judged, which takes some, too."""
    asked = trials.asked[AS_TRAINED.key]
    for number in range(min(WARM_UP, len(asked.images))):
        found = model.meshes(predicted(model, asked, number))
        if refined is not None:
            refined.bones(*found, asked, number)
    memory = peak_memory_mb()
    return math.nan if memory is None else memory


def predicted(model: GridReconstructor, asked: Asked, number: int) -> Shapes:
    """What a model makes of one person; one that cannot be told the cameras takes them for the canonical ones."""
    cameras = [asked.cameras] if model.predictor.calibrated else None
    return model.predictor.predict(asked.images[number : number + 1], cameras)[0]


class BoneJudge:
    """Measures reconstructed bones where every method is measured.

    Args:
        task: Its grid, its points, the name of the row.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        low, high = grid_box(task.grid)
        self.box: tuple[list[float], list[float]] = (low + INSIDE_MM).tolist(), (high - INSIDE_MM).tolist()

    def outcomes(
        self,
        case: DatasetCase,
        truth: Mapping[str, vtkPolyData],
        meshes: Mapping[str, vtkPolyData],
        *,
        seconds: float,
        missing: Sequence[str] = (),
        shapes: Shapes | None = None,
        labels: Sequence[str] = (),
        overlap: bool = True,
    ) -> list[ReconstructionOutcome]:
        """One outcome per bone of ``truth``.

        Args:
            case: Who.
            truth: True bones in the grid, in its frame, mm.
            meshes: Reconstructed ones of these.
            seconds: Of the reconstruction.
            missing: Bones that a stand-in is there for.
            shapes: What a method on a grid predicted.
            labels: Bones in the order of its values.
            overlap: Whether Dice is wanted, which takes as long as everything else.
        """
        if not truth:
            return []
        found = outcomes_of(
            truth,
            meshes,
            case=case.id,
            method=self._task.name,
            patient=case.patient,
            empty=[bone for bone in missing if bone in truth],
            seconds=seconds,
            field=self.box,
            samples=self._task.samples,
        )
        if not overlap:
            return found
        own = on_grid(shapes, self._task.grid) if isinstance(shapes, ShapeFields) else meshes
        filled = filled_voxels(own, meshes, labels, self._task.grid)
        return with_dice(found, truth, filled, self._task.grid, INSIDE_MM)


class _Judge:
    """Reconstructs test people and measures them; keeps the meshes that are shown."""

    def __init__(
        self,
        task: Task,
        folder: Path,
        model: GridReconstructor,
        dataset: DatasetFolder,
        cases: Sequence[str],
        refined: RefinedMethod | None = None,
    ) -> None:
        self._task, self._folder, self._model, self._refined = task, folder, model, refined
        self._cases, self._judge = [dataset.case(name) for name in cases], BoneJudge(task)
        self._truths: dict[str, dict[str, vtkPolyData]] = {}
        self.seconds: list[float] = []
        """From the pictures to meshes, of every person so far."""

    def judged(self, asked: Asked, number: int) -> list[ReconstructionOutcome]:
        """Reconstruct one person; one outcome per bone that was held in the grid."""
        began = time.perf_counter()
        shapes: Shapes | None = predicted(self._model, asked, number)
        assert shapes is not None
        meshes, missing = self._model.meshes(shapes)
        if self._refined is not None:
            (meshes, missing), shapes = self._refined.bones(meshes, missing, asked, number), None
        seconds = time.perf_counter() - began
        self.seconds.append(seconds)
        case, pose = self._cases[number], asked.poses[number]
        plain = asked.condition == AS_TRAINED
        if plain:
            back = np.linalg.inv(pose)
            keep_shown(self._task, self._folder, case.id, {b: transformed(mesh, back) for b, mesh in meshes.items()})
        posed = {bone: transformed(mesh, pose) for bone, mesh in self._truth(case).items()}
        truth = {bone: mesh for bone, mesh in posed.items() if reaches(mesh, *self._judge.box)}
        own = {bone: meshes[bone] for bone in truth if bone in meshes}
        labels = self._model.data.labels
        return self._judge.outcomes(
            case, truth, own, seconds=seconds, missing=missing, shapes=shapes, labels=labels, overlap=plain
        )  # fmt: skip

    def _truth(self, case: DatasetCase) -> dict[str, vtkPolyData]:
        if case.id not in self._truths:
            self._truths[case.id] = truth_meshes(case)
        return self._truths[case.id]


def keep_shown(task: Task, folder: Path, case: str, meshes: Mapping[str, vtkPolyData]) -> None:
    """Write the bones of a person whom the report shows, as they lie in the anatomical frame, mm."""
    if case in task.shown:
        for bone, mesh in meshes.items():
            write_surface(mesh, folder / SHOWN / case / f"{safe_file_name(bone)}.vtp")


def on_grid(fields: ShapeFields, grid: VoxelGrid) -> ShapeFields:
    """The same values at the voxels of another grid inside theirs, trilinear."""
    if fields.grid == grid:
        return fields
    from scipy.ndimage import map_coordinates

    steps = [(new - old[0]) / fields.grid.spacing_mm for new, old in zip(grid.axes(), fields.grid.axes(), strict=True)]
    where = np.stack(np.meshgrid(*reversed(steps), indexing="ij"))
    values = [map_coordinates(each, where, order=1, mode="nearest") for each in fields.values]
    return ShapeFields(np.stack(values).astype(np.float32), fields.level, grid)


def common_grid(grids: Sequence[VoxelGrid]) -> VoxelGrid:
    """The largest cube that lies in all of them, with the smallest of their voxels: where methods can be compared."""
    if all(grid == grids[0] for grid in grids):
        return grids[0]
    boxes = [grid_box(grid) for grid in grids]
    low, high = np.max([box[0] for box in boxes], axis=0), np.min([box[1] for box in boxes], axis=0)
    spacing = min(grid.spacing_mm for grid in grids)
    size = int(np.floor(float((high - low).min()) / spacing + 1e-6)) + 1
    centre = (low + high) / 2
    return replace(grids[0], size=size, spacing_mm=spacing, centre_mm=tuple(np.round(centre, 6).tolist()))
