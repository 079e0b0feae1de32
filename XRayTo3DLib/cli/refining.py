"""A refinement as the command line runs it: step by step, told as it goes, with what its files need."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from XRayTo3DLib.dataset.canonical_view import frame_matrix
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import apply_matrix
from XRayTo3DLib.methods.refiner import Refiner
from XRayTo3DLib.methods.shape_intensity_fit.predictor import held_as
from XRayTo3DLib.refinement.options import POSITIONED, RefineOptions
from XRayTo3DLib.refinement.prior import PosePrior
from XRayTo3DLib.shape.meshes import make_surface, transformed

if TYPE_CHECKING:
    from vtkmodules.vtkCommonDataModel import vtkPolyData

    from XRayTo3DLib.geometry import RigidPose
    from XRayTo3DLib.geometry.frames import FloatArray
    from XRayTo3DLib.imaging.types import Radiograph
    from XRayTo3DLib.methods.types import Reconstruction
    from XRayTo3DLib.refinement.result import Refinement

METHOD = "shape-intensity-fit"
CLICK_MM, BEAM_MM = 3.0, 20.0
"""How far a marked joint may be off, and an assumed distance from the detector: standard deviations."""
QUICK_ITERATIONS = 8
STAGES = ("all bones together", "searching", "refining")


@dataclass(frozen=True, eq=False)
class Refined:
    """What a refinement leaves to be written.

    Attributes:
        reconstruction: The bones, LPS mm in the radiographs' world, with uncertainty and quality.
        found: The refinement itself, in the frame.
        begun: By bone, the surfaces it started from, in the world.
        radiographs: What it was refined against.
        bundle: Name of the bundle of models.
        start: In words, what it started from.
        positioned: Whether the cameras were not calibrated against each other.
        landmarks: That the bones carry, (3,) LPS mm by name.
    """

    reconstruction: Reconstruction
    found: Refinement
    begun: dict[str, vtkPolyData]
    radiographs: tuple[Radiograph, ...]
    bundle: str
    start: str
    positioned: bool = False
    landmarks: dict[str, FloatArray] = field(default_factory=dict)


def options_of(quick: bool = False, steps: int | None = None) -> RefineOptions:
    """How to refine.

    Args:
        quick: No search for other starts, and few steps: a look, not a result.
        steps: At most so many in the last stage.

    Raises:
        InputError: Fewer than one step.
    """
    if steps is not None and steps < 1:
        raise InputError(f"--steps must be 1 or more, not {steps}.")
    options = RefineOptions()
    last = steps or (QUICK_ITERATIONS if quick else options.levels[-1].iterations)
    levels = (*options.levels[:-1], replace(options.levels[-1], iterations=last))
    return replace(options, levels=levels, draws=0 if quick else options.draws)


def shapes_bundle(labels: Sequence[str]) -> Path | None:
    """An installed bundle of shape models of these bones, a person's own before those that come with XRayTo3D."""
    from XRayTo3DLib.models.bundle import load_bundle
    from XRayTo3DLib.models.find import find_bundles, shipped_models_folder, user_models_folder

    for path in find_bundles([user_models_folder(), shipped_models_folder()]):
        with contextlib.suppress(InputError):  # one that is damaged: `models list` says so
            bundle = load_bundle(path).bundle
            if bundle.method == METHOD and set(labels) <= set(bundle.labels):
                return path
    return None


def held_where_marked(refiner: Refiner, camera_beam: FloatArray | None, frame_to_world: RigidPose) -> PosePrior:
    """How a limb may lie otherwise than a marked joint says.

    Args:
        refiner: Its bundle says how people are turned.
        camera_beam: (3,) of the only view, along which the joint's distance was assumed; None for several in one world.
        frame_to_world: Where the frame is.
    """
    usual = held_as(refiner.predictor.configuration.data.pose)
    square = np.maximum(np.array(usual.translation_mm), CLICK_MM) ** 2
    if camera_beam is not None:
        square = square + (BEAM_MM * (frame_to_world.rotation.T @ camera_beam)) ** 2
    return PosePrior(usual.rotation_deg, tuple(np.sqrt(square).tolist()))


def refined(
    refiner: Refiner,
    radiographs: Sequence[Radiograph],
    frame_to_world: RigidPose,
    mirrored: bool = False,
    *,
    bundle: str,
    start: Reconstruction | None = None,
    held: PosePrior | None = None,
    positioned: bool = False,
    told: Callable[[str, float], None] | None = None,
) -> Refined:
    """Refine, telling every step.

    Args:
        refiner: With its bundle of models.
        radiographs: One or more, at any angle.
        frame_to_world: Where the reconstruction frame is, LPS mm.
        mirrored: Of a left limb.
        bundle: The bundle's name, for the record.
        start: Any method's bones in the same world; the mean shape by default.
        held: How the limb may lie otherwise than the frame says; as in the bundle's configuration by default.
        positioned: Whether only the first camera is to be believed, which makes the world; the others stood about where
            standard positioning has them.
        told: What is done now, and about the share done.

    Raises:
        InputError: Bones of which there is no model, or radiographs that do not show the bones' place.
    """
    matrix = frame_matrix(frame_to_world, mirrored)
    meshes = _in_frame(start, matrix)
    views = refiner.views(radiographs, frame_to_world, mirrored)
    if positioned:
        views[1:] = [replace(view, prior=POSITIONED) for view in views[1:]]
    found, counts = None, [0, 0, 0]
    for step, end in refiner.steps(views, meshes, held):
        found = end
        level = min(step.level, len(STAGES) - 1)
        counts[level] += 1
        if told is not None:
            told(f"{STAGES[level]}, step {counts[level]}", (level + counts[level] / (counts[level] + 10)) / len(STAGES))
    assert found is not None  # the last step has it
    return Refined(
        _nothing_lost(refiner.reconstruction(found, radiographs, matrix, start, views)),
        found,
        _begun(refiner, meshes, matrix),
        tuple(radiographs),
        bundle,
        "the mean shape" if start is None else start.method,
        positioned,
        _landmarks(refiner, found, matrix),
    )


def _landmarks(refiner: Refiner, found: Refinement, matrix: FloatArray) -> dict[str, FloatArray]:
    """Where the bundle's landmarks lie on the refined bones, in the world; of two femora by bone."""
    places = [
        (bone, name, apply_matrix(matrix, point))
        for bone, carried in refiner.predictor.landmarks.items()
        for name, point in carried.at(found.bones[bone].points).items()
    ]
    names = [name for _, name, _ in places]
    return {name if names.count(name) == 1 else f"{bone} {name}": point for bone, name, point in places}


def _nothing_lost(found: Reconstruction) -> Reconstruction:
    """Bones that a method had lost are there now; what was said of them is said anew."""
    told = tuple(note for note in found.notes if not note.startswith(tuple(f"{bone}:" for bone in found.missing)))
    notes = [f"{bone}: not found by the method; refined from where it usually lies." for bone in found.missing]
    return replace(found, missing=(), notes=(*told, *notes))


def _in_frame(start: Reconstruction | None, matrix: FloatArray) -> dict[str, vtkPolyData]:
    """A start's bones in the frame; lost ones and those without a surface are left to the models."""
    if start is None:
        return {}
    back = np.linalg.inv(matrix)
    given = {bone: mesh for bone, mesh in start.meshes.items() if bone not in start.missing}
    return {bone: transformed(mesh, back) for bone, mesh in given.items() if mesh.GetNumberOfPolys() > 0}


def _begun(refiner: Refiner, meshes: dict[str, vtkPolyData], matrix: FloatArray) -> dict[str, vtkPolyData]:
    """Where each bone stood at first, in the world: as given, or as it usually is."""
    anatomy, found = refiner.predictor.anatomy(), {}
    for bone, placed in anatomy.mean().items():
        model = anatomy.models[bone]
        surface = meshes.get(bone) or make_surface(
            placed.pose.apply(model.surface_points(placed.theta)), model.triangles
        )
        found[bone] = transformed(surface, matrix)
    return found
