"""What experiments with dual-face depth ask: radiographs of people who taught no model, with their true bones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.depth_view_files import depth_views
from XRayTo3DLib.dataset.depth_views import DepthView, case_surfaces, trusted_views
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.depth_figures import DepthPicture
from XRayTo3DLib.evaluation.depth_measures import (
    ABSOLUTE,
    ALIGNED,
    POINTS,
    DepthOutcome,
    Faces,
    bone_numbers,
    z_centre_shift,
)
from XRayTo3DLib.evaluation.experiment_case_figure import pick_cases
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.methods.data import in_folder, split_cases
from XRayTo3DLib.methods.dual_face_depth.completion import Direction
from XRayTo3DLib.methods.dual_face_depth.configuration import DepthDataConfiguration, DualFaceConfiguration
from XRayTo3DLib.methods.types import DepthPrediction
from XRayTo3DLib.shape.meshes import transformed

Report = Callable[[str], None]


class DepthReconstructor(Protocol):
    """A model of dual-face depth, as experiments need it."""

    synthetic: bool

    @property
    def configuration(self) -> DualFaceConfiguration:
        """What it was trained with."""
        ...

    def predict_depth(self, image: NDArray[np.float32], camera: XRayCamera) -> DepthPrediction:
        """Depth of every bone in a picture (N, N) of line integrals in the standard geometry."""
        ...

    def seen(self, prediction: DepthPrediction) -> dict[str, vtkPolyData]:
        """Surfaces straight from the depth maps, LPS mm, without bones that were lost."""
        ...

    def complete(self, prediction: DepthPrediction, direction: Direction) -> dict[str, vtkPolyData]:
        """Whole bones, LPS mm, by shape models fitted to the prediction ("to_model" or "both")."""
        ...


class Bone(NamedTuple):
    """One reconstructed bone: its surface, LPS mm, and the depth it comes from where that is known."""

    surface: vtkPolyData
    faces: Faces | None = None


Way = Callable[[DepthPrediction], Mapping[str, Bone]]
"""How a prediction becomes bones by label; a lost bone is missing."""


@dataclass(frozen=True, eq=False)
class DepthTrials:
    """Radiographs to reconstruct.

    Attributes:
        views: In a model's geometry, with the true depth.
        cases: The people's cases by their name.
        synthetic: Whether any of them is made up.
    """

    views: Sequence[DepthView]
    cases: Mapping[str, DatasetCase]
    synthetic: bool

    def truth(self, view: DepthView) -> dict[str, vtkPolyData]:
        """True surfaces as they lay in that radiograph, LPS mm; of the bones that it shows."""
        case = self.cases[view.case]
        pose = RigidPose.load(case.folder / "views" / view.view / "pose.tfm").matrix
        shown = [name for name, front in zip(view.labels, view.front_mm, strict=True) if np.isfinite(front).any()]
        return {name: transformed(mesh, pose) for name, mesh in case_surfaces(case).items() if name in shown}


def depth_trials(data: DepthDataConfiguration, folder: Path, most: int | None = None) -> DepthTrials:
    """The test people's radiographs.

    Args:
        data: A model's: its bones, geometry and split.
        folder: The data set.
        most: Radiographs of one case, the first so many; all if ``None``.

    Raises:
        InputError: A data set that cannot be used, or nobody to test.
    """
    dataset, (_, _, test) = split_cases(in_folder(data, folder).folder, Path(), data)
    test = tuple(case for case in test if trusted_views(case, data.geometry.view))
    views = depth_views(test, data.geometry)
    taken: dict[str, int] = {}
    chosen = []
    for view in views:
        taken[view.case] = taken.get(view.case, 0) + 1
        if most is None or taken[view.case] <= most:
            chosen.append(view)
    if not chosen:
        raise InputError(f"data set {dataset.folder.name}: its test people have no view with an accepted registration.")
    synthetic = dataset.synthetic or any(view.synthetic for view in chosen)
    return DepthTrials(chosen, {case.id: case for case in test}, synthetic)


def as_seen(reconstructor: DepthReconstructor, prediction: DepthPrediction) -> dict[str, Bone]:
    """The surfaces straight from the depth maps."""
    bones = {}
    for label, surface in reconstructor.seen(prediction).items():
        number = prediction.labels.index(label)
        back = None if prediction.back_mm is None else prediction.back_mm[number]
        bones[label] = Bone(surface, Faces(prediction.front_mm[number], back))
    return bones


def completed(reconstructor: DepthReconstructor, direction: Direction, prediction: DepthPrediction) -> dict[str, Bone]:
    """Whole bones, completed by shape models; their depth is that of the fitted surface."""
    return {label: Bone(surface) for label, surface in reconstructor.complete(prediction, direction).items()}


def placed(prediction: DepthPrediction, view: DepthView) -> dict[str, tuple[float, DepthPrediction]]:
    """By alignment, what is added to all depth, mm, and the prediction with it: aligned to the truth, and as it is."""
    order = [view.labels.index(label) for label in prediction.labels]
    faces = [(prediction.front_mm, view.front_mm[order])]
    if prediction.back_mm is not None:
        faces.append((prediction.back_mm, view.back_mm[order]))
    found, wanted = (np.stack(each) for each in zip(*faces, strict=True))
    shift = float(np.nan_to_num(z_centre_shift(found, wanted)))
    return {ALIGNED: (shift, shifted(prediction, shift)), ABSOLUTE: (0.0, prediction)}


def shifted(prediction: DepthPrediction, shift_mm: float) -> DepthPrediction:
    """The prediction with all depth moved along the detector's normal; away from the source is positive."""
    back = None if prediction.back_mm is None else prediction.back_mm + np.float32(shift_mm)
    return replace(prediction, front_mm=prediction.front_mm + np.float32(shift_mm), back_mm=back)


def judge_depth(
    reconstructor: DepthReconstructor,
    ways: Mapping[str, Way],
    trials: DepthTrials,
    *,
    points: int = POINTS,
    seed: int = 0,
    whole: bool = False,
    report: Report = lambda text: None,
) -> list[DepthOutcome]:
    """Reconstruct every radiograph in every way, aligned and not, and measure it.

    Args:
        reconstructor: The model; it looks at a radiograph once.
        ways: From its depth to bones, by the method's name in the outcomes.
        trials: Who.
        points: For EMD and CD-l2.
        seed: Of all points.
        whole: Also measure beyond the picture.
        report: Told how far it is.
    """
    outcomes: list[DepthOutcome] = []
    for number, view in enumerate(trials.views):
        report(f"{', '.join(ways)}: radiograph {number + 1} of {len(trials.views)}")
        prediction, truth = reconstructor.predict_depth(view.image, view.camera), trials.truth(view)
        for alignment, (shift, moved) in placed(prediction, view).items():
            for method, way in ways.items():
                bones = way(moved)
                known = DepthOutcome(name_of(view), view.patient, view.group, method, "", alignment, shift)
                known = replace(known, seed=seed)
                outcomes += _outcomes(known, view, prediction.labels, truth, bones, points=points, whole=whole)
    return outcomes


def _outcomes(
    known: DepthOutcome,
    view: DepthView,
    labels: Iterable[str],
    truth: Mapping[str, vtkPolyData],
    bones: Mapping[str, Bone],
    **options: int,
) -> list[DepthOutcome]:
    found = []
    for label in labels:
        if label not in truth:
            continue
        number, bone = view.labels.index(label), bones.get(label)
        true_faces = Faces(view.front_mm[number], view.back_mm[number])
        surface, faces = bone if bone is not None else (None, None)
        numbers = bone_numbers(view.camera, truth[label], true_faces, surface, faces, seed=known.seed, **options)
        found.append(replace(known, bone=label, **numbers))
    return found


def name_of(view: DepthView) -> str:
    """A radiograph's name in outcomes."""
    return f"{view.case} {view.view}"


def pictures_of(
    reconstructor: DepthReconstructor, way: Way, method: str, trials: DepthTrials, outcomes: Sequence[DepthOutcome]
) -> list[DepthPicture]:
    """Best, median and worst radiograph of a method after alignment, reconstructed once more for the figures."""
    aligned = [o for o in outcomes if o.alignment == ALIGNED and o.method == method]
    named = {name_of(view): view for view in trials.views}
    pictures = []
    for title, case in pick_cases(aligned, method).items():
        view = named[case]
        moved = placed(reconstructor.predict_depth(view.image, view.camera), view)[ALIGNED][1]
        surfaces = {label: bone.surface for label, bone in way(moved).items()}
        own = [o for o in aligned if o.case == case]
        pictures.append(DepthPicture(title, case, view, moved, trials.truth(view), surfaces, own))
    return pictures
