"""Radiographs in which bones are outlined, reconstructed and judged by the outlines alone: no CT is needed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from XRayTo3DLib.dataset.dataset_folder import DatasetCase, DatasetFolder
from XRayTo3DLib.dataset.segmented_views import SegmentedView, segmented_views, views_of
from XRayTo3DLib.evaluation.biplanar_figures import OutlinePicture, ViewPicture
from XRayTo3DLib.evaluation.outline_measures import OutlineOutcome, outline_outcomes, shadow
from XRayTo3DLib.experiments.trials import INSIDE_MM
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.translation import ImageTranslator, translators_for
from XRayTo3DLib.methods.types import ShapePredictor
from XRayTo3DLib.methods.validation import grid_box


@dataclass(frozen=True, eq=False)
class SegmentedCase:
    """A person of whom there are radiographs with outlined bones."""

    case: DatasetCase
    views: list[SegmentedView]

    @property
    def synthetic(self) -> bool:
        """Whether a picture is made up."""
        return self.case.synthetic or any(view.radiograph.synthetic for view in self.views)


def segmented_cases(folder: Path) -> list[SegmentedCase]:
    """Test people with outlined bones in a view or more.

    Raises:
        InputError: No such data set, or a file in it that cannot be used.
    """
    cases = [SegmentedCase(case, segmented_views(case)) for case in DatasetFolder.open(folder).cases("test")]
    return [each for each in cases if each.views]


def judge_radiographs(
    name: str,
    predictor: ShapePredictor,
    reconstructor: GridReconstructor,
    cases: Sequence[SegmentedCase],
    translators: Sequence[ImageTranslator] = (),
) -> tuple[list[OutlineOutcome], dict[str, OutlinePicture]]:
    """Reconstruct people from their radiographs and compare outlines, in the views shown and in all others.

    Args:
        name: Of the method, for the tables.
        predictor: The method.
        reconstructor: Whose geometry and bones are used; people without one of its views are left out.
        cases: Who.
        translators: Take soft tissue out of the radiographs, one for all views or one for each; none if empty.

    Returns:
        Outcomes, and the pictures of every person.

    Raises:
        InputError: Translators that do not fit, or radiographs that do not show the bones' place.
    """
    data = reconstructor.data
    plugged = translators_for(translators, data) if translators else None
    low, high = grid_box(data.voxels)
    outcomes: list[OutlineOutcome] = []
    pictures = {}
    for each in cases:
        shown = views_of(each.views, data.views)
        if shown is None:
            continue
        radiographs = [view.radiograph for view in shown]
        # Their cameras are in the reconstruction frame already.
        images, cameras = reconstructor.shown_images(radiographs, RigidPose.identity(), False)
        began = time.perf_counter()
        found = predictor.predict(images if plugged is None else plugged.translate(images), cameras)[0]
        seconds = time.perf_counter() - began
        meshes, missing = reconstructor.meshes(found)
        own = []
        for view in each.views:
            own += outline_outcomes(
                view.masks, meshes, view.radiograph.camera, (low + INSIDE_MM, high - INSIDE_MM), case=each.case.id,
                patient=each.case.patient, method=name, view=view.view, shown=view in shown, empty=missing,
                seconds=seconds,
            )  # fmt: skip
        outcomes += own
        views = [
            ViewPicture(
                view.view, view in shown, view.radiograph.pixels, view.masks,
                {bone: shadow(view.radiograph.camera, mesh) for bone, mesh in meshes.items() if bone in view.masks},
            )
            for view in each.views
        ]  # fmt: skip
        pictures[each.case.id] = OutlinePicture("", each.case.id, views, own)
    return outcomes, pictures


def best_to_worst(pictures: dict[str, OutlinePicture]) -> list[OutlinePicture]:
    """Best, median and worst person by the mean Chamfer distance of the views shown."""
    order = sorted(pictures.values(), key=lambda picture: (_chamfer(picture), picture.case))
    numbers = {"Best": 0, "Median": (len(order) - 1) // 2, "Worst": len(order) - 1}
    chosen = {number: title for title, number in reversed(numbers.items())}
    return [replace(order[number], title=chosen[number]) for number in sorted(chosen) if order]


def _chamfer(picture: OutlinePicture) -> float:
    values = [o.chamfer_mm for o in picture.outcomes if o.shown]
    return float(np.nan_to_num(np.mean(values), nan=np.inf)) if values else np.inf
