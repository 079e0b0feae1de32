"""Radiographs in which bones are outlined, reconstructed and judged by the outlines alone: no CT is needed."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.segmented_views import SegmentedView, masked_views, segmented_views, views_of
from XRayTo3DLib.evaluation.biplanar_figures import OutlinePicture, ViewPicture
from XRayTo3DLib.evaluation.outline_measures import Mask, OutlineOutcome, outline_outcomes, shadow
from XRayTo3DLib.experiments.trials import INSIDE_MM
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.methods.data import DataConfiguration, tested_cases
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.translation import ImageTranslator, translators_for
from XRayTo3DLib.methods.types import ShapePredictor
from XRayTo3DLib.methods.validation import grid_box

FINEST_MM = 0.25
"""Outlines are compared in pixels of at most this size, where the picture has finer ones: a few times as fast."""


@dataclass(frozen=True, eq=False)
class RadiographsJudged:
    """What a method made of people's radiographs.

    Attributes:
        outcomes: Per person, bone and view.
        pictures: Of every person.
        synthetic: Whether a picture is made up.
    """

    outcomes: list[OutlineOutcome] = field(default_factory=list)
    pictures: list[OutlinePicture] = field(default_factory=list)
    synthetic: bool = False

    def best_to_worst(self) -> list[OutlinePicture]:
        """Best, median and worst person by the mean Chamfer distance of the views shown; fewer if there are."""
        order = sorted(self.pictures, key=lambda picture: (_chamfer(picture), picture.case))
        places = {len(order) - 1: "Worst", (len(order) - 1) // 2: "Median", 0: "Best"} if order else {}
        return [replace(order[place], title=places[place]) for place in sorted(places)]


def segmented_cases(folder: Path, data: DataConfiguration, views: Collection[str] = ()) -> list[DatasetCase]:
    """Test people in whose radiographs bones are outlined.

    Args:
        folder: The data set.
        data: Of a model: whom its training kept out.
        views: In which bones must be outlined; in any if empty.

    Raises:
        InputError: No such data set, or nobody to test.
    """
    known = {case: masked_views(case) for case in tested_cases(folder, data)}
    return [case for case, masked in known.items() if masked and masked.issuperset(views)]


def judge_radiographs(
    name: str,
    predictor: ShapePredictor,
    reconstructor: GridReconstructor,
    cases: Sequence[DatasetCase],
    translators: Sequence[ImageTranslator] = (),
) -> RadiographsJudged:
    """Reconstruct people from their radiographs and compare outlines, in the views shown and in all others.

    Args:
        name: Of the method, for the tables.
        predictor: The method.
        reconstructor: Whose geometry and bones are used; people without one of its views are left out.
        cases: Who.
        translators: Take soft tissue out of the radiographs, one for all views or one for each; none if empty.

    Raises:
        InputError: A file that cannot be used, translators that do not fit, or radiographs that do not show the bones.
    """
    data = reconstructor.data
    plugged = translators_for(translators, data) if translators else None
    low, high = grid_box(data.voxels)
    judged, made_up = RadiographsJudged(), False
    for case in cases:
        views = segmented_views(case)
        shown = views_of(views, data.views)
        if shown is None:
            continue
        made_up |= case.synthetic or any(view.radiograph.synthetic for view in views)
        # Their cameras are in the reconstruction frame already.
        images, cameras = reconstructor.shown_images([v.radiograph for v in shown], RigidPose.identity(), False)
        began = time.perf_counter()
        shapes = predictor.predict(images if plugged is None else plugged.translate(images), cameras)[0]
        seconds = time.perf_counter() - began
        meshes, missing = reconstructor.meshes(shapes)
        pictures: list[ViewPicture] = []
        own: list[OutlineOutcome] = []
        for view in views:
            radiograph, masks = _compared(view, np.array(data.grid.centre_mm))
            camera, seen = radiograph.camera, view.view in data.views
            own.extend(
                outline_outcomes(
                    masks, meshes, camera, (low + INSIDE_MM, high - INSIDE_MM), case=case.id, patient=case.patient,
                    method=name, view=view.view, shown=seen, empty=missing, seconds=seconds,
                )
            )  # fmt: skip
            found = {bone: shadow(camera, mesh) for bone, mesh in meshes.items() if bone in masks}
            pictures.append(ViewPicture(view.view, seen, radiograph.pixels, masks, found))
        judged.outcomes.extend(own)
        judged.pictures.append(OutlinePicture("", case.id, pictures, own))
    return replace(judged, synthetic=made_up)


def _compared(view: SegmentedView, middle: FloatArray) -> tuple[Radiograph, dict[str, Mask]]:
    """The radiograph and its masks in pixels of up to :data:`FINEST_MM` in the plane through ``middle``."""
    camera = view.radiograph.camera
    factor = max(1, int(FINEST_MM / min(camera.pixel_size_at(middle))))
    coarse = camera.binned(factor)

    def means(values: NDArray[Any]) -> NDArray[Any]:
        columns, rows = coarse.size
        return values[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor).mean(axis=(1, 3))

    pixels = means(view.radiograph.pixels).astype(np.float32)
    masks = {bone: means(mask) >= 0.5 for bone, mask in view.masks.items()}
    return replace(view.radiograph, pixels=pixels, camera=coarse), masks


def _chamfer(picture: OutlinePicture) -> float:
    values = [o.chamfer_mm for o in picture.outcomes if o.shown]
    return float(np.nan_to_num(np.mean(values), nan=np.inf)) if values else np.inf
