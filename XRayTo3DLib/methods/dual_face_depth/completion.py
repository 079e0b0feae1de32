"""Whole bones from what one radiograph shows of them: shape models of training people, fitted to the depth maps.

The models live in the frame of the camera: x along columns, y along rows, z along the detector's normal, origin in the
source. A new camera's frame is where a fit starts, whatever world it stands in. Models are made of right bones; left
ones are their mirror images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.depth_views import case_surfaces, views_of
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.methods.dual_face_depth.augmentation import twin_of
from XRayTo3DLib.methods.dual_face_depth.configuration import CompletionConfiguration
from XRayTo3DLib.shape.meshes import points_of, transformed, triangles_of, vertex_normals
from XRayTo3DLib.shape.model_fitting import FitOptions, fit_shape_model
from XRayTo3DLib.shape.model_fitting_clip import frustum_clip
from XRayTo3DLib.shape.shape_model_file import NAMES, arrays_of, model_from_arrays
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel, build_shape_model

Direction = Literal["both", "to_model"]
PRIOR = 0.01
"""lambda of equation (5) of 3DDX."""
WORKERS = 2
POINTS, ROUNDS, STEPS = 500, 16, 10
"""Of a fit. Its start is good: 700 points and 30 rounds of 15 steps take twice as long and end 0.01 mm nearer."""
CENTRED = 3
"""Rounds in which the mean shape is moved onto what was seen before the fit."""


def camera_frame(camera: XRayCamera) -> RigidPose:
    """From the camera's frame to the world, mm: x along columns, y along rows, z along the normal, 0 in the source."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([camera.column_direction, camera.row_direction, camera.normal], axis=1)
    matrix[:3, 3] = camera.source
    return RigidPose(matrix)


# ---- fitting ------------------------------------------------------------------------------------------------------


def completed(
    model: ShapeModel, seen: vtkPolyData, camera: XRayCamera, direction: Direction, *, front_only: bool
) -> vtkPolyData:
    """The whole bone, LPS mm: ``model`` fitted to the surface that was ``seen`` by ``camera``.

    Vertices carry ``uncertainty_mm``, how far each may be off (1 SD).

    Args:
        model: In the camera's frame.
        seen: LPS mm; closed, or the front alone.
        camera: Whose field of view ends what could be seen.
        direction: "both", or "to_model" for what was seen to the model only.
        front_only: Whether ``seen`` is the face towards the source alone; "to_model" is meant for that.
    """
    points, clip = points_of(seen), frustum_clip(camera)
    options = FitOptions(PRIOR, direction, clip=clip, iterations=ROUNDS, steps=STEPS, points=POINTS)
    start = _start(model, points, camera, clip, front_only)
    return fit_shape_model(model, points, options, start, normals=vertex_normals(points, triangles_of(seen))).surface()


def _start(
    model: ShapeModel, seen: FloatArray, camera: XRayCamera, clip: Callable[[Any], NDArray[np.bool_]], front_only: bool
) -> RigidPose:
    """The mean shape as the camera saw training people, moved so that what it would see of it is where it saw it."""
    frame = camera_frame(camera).matrix.copy()
    rays = camera.centre - camera.source
    facing = vertex_normals(model.mean, model.triangles) @ frame[:3, :3].T @ rays < 0
    for _ in range(CENTRED):
        world = model.mean @ frame[:3, :3].T + frame[:3, 3]
        shown = clip(world) & (facing | (not front_only))
        if not shown.any():
            shown = np.ones(len(world), dtype=bool)
        frame[:3, 3] += seen.mean(axis=0) - world[shown].mean(axis=0)
    return RigidPose(frame)


# ---- making, keeping ----------------------------------------------------------------------------------------------


def modelled(labels: Sequence[str]) -> list[str]:
    """The labels that get a model of their own: all but left bones whose right twin is among them."""
    return [label for label in labels if not (label.endswith("_left") and twin_of(label) in labels)]


def shape_models(
    cases: Sequence[DatasetCase],
    labels: Sequence[str],
    settings: CompletionConfiguration,
    view: str = "",
    report: Callable[[str, float], None] | None = None,
) -> dict[str, ShapeModel]:
    """Models of :func:`modelled` labels, from evenly chosen people, in the frame of the camera that saw them first.

    ``view`` is the standard geometry's; "" takes any.

    Raises:
        InputError: A case without surfaces or accepted views, or fewer than two people.
    """
    from XRayTo3DLib.shape.correspondence import CorrespondenceOptions, correspond_population
    from XRayTo3DLib.shape.procrustes import aligned_shapes, similarity_between

    chosen = [cases[number] for number in np.unique(np.linspace(0, len(cases) - 1, settings.people).astype(int))]
    surfaces = [_seen_by_camera(case, view) for case in chosen]
    # Labels say the side. Cut femora of different lengths came out 0.3 mm nearer with models by drift than by passes.
    options, models = CorrespondenceOptions(bend="drift", vertices=settings.points, check_sides=False), {}
    for label in modelled(labels):
        shapes, triangles = correspond_population(
            [each[label] for each in surfaces], options=options, workers=WORKERS, report=report
        )
        aligned = aligned_shapes(shapes)
        place = similarity_between(aligned.mean, shapes.mean(axis=0))
        placed = np.stack([place.apply(shape) for shape in aligned.shapes])
        synthetic = any(case.synthetic for case in chosen)
        models[label] = build_shape_model(placed, triangles, label=label, synthetic=synthetic, modes=settings.modes)
    return models


def _seen_by_camera(case: DatasetCase, view: str) -> dict[str, vtkPolyData]:
    """A case's bones as its first accepted view's camera saw them, in that camera's frame, mm."""
    place = case.folder / "views" / views_of(case, view)[0]
    camera, pose = XRayCamera.load(place / "camera.json"), RigidPose.load(place / "pose.tfm")
    matrix = np.linalg.inv(camera_frame(camera).matrix) @ pose.matrix
    return {label: transformed(surface, matrix) for label, surface in case_surfaces(case).items()}


def model_arrays(models: Mapping[str, ShapeModel]) -> dict[str, NDArray[Any]]:
    """What a bundle keeps of them, by name; inverse of :func:`models_from`."""
    kept = {label: arrays_of(model, np.float16) for label, model in models.items()}
    return {f"model-{label}-{name}".lower(): array for label, arrays in kept.items() for name, array in arrays.items()}


def models_from(arrays: Callable[[str], NDArray[Any]], labels: Sequence[str]) -> dict[str, ShapeModel]:
    """Models by label, of every label, from a bundle's arrays."""
    models = {}
    for label in modelled(labels):
        kept = {name: arrays(f"model-{label}-{name}".lower()) for name in NAMES}
        models[label] = model_from_arrays(kept, f"shape model of {label}")
    return {label: models[label] if label in models else models[twin_of(label)].mirrored() for label in labels}
